"""Every error of our own, in one tree.

    EchoWorkerError
    ├── ConfigurationError          settings, catalogue or installation: fix it and start again
    │   └── CatalogueError          a task catalogue, with every mistake that was found in it
    ├── SpoolError
    │   ├── UnreadableInstanceError the bytes are not a DICOM data set that can be registered   (C000)
    │   ├── InstanceMismatchError   the data set is not what the C-STORE command announced      (A900)
    │   ├── InstanceConflictError   other bytes are already kept under this SOP Instance UID    (B000)
    │   ├── ClassNotSupportedError  the presentation context is not for this SOP class         (0122)
    │   ├── NotAuthorizedError      the caller is none that may store                          (0124)
    │   ├── SpoolFullError          the disk has no room that may be used                       (A700)
    │   ├── SpoolAwayError          the spool's folders are not there, as of a share that is not mounted
    │   │   └── BucketAwayError         the bucket that hosts share cannot be reached, or refuses us
    │   ├── DamagedFileError        what was computed and kept is missing or damaged: it can be made again
    │   └── BackupUnderWayError     the spool is being copied: nothing of it is removed meanwhile
    ├── RegistryError
    │   ├── NotFoundError           nothing of this number
    │   │   └── StudyNotFoundError      no study under this UID
    │   ├── IdentitiesError         identities are kept otherwise than the settings say
    │   └── LeaseLostError          another worker, or a late instance, took the study over
    ├── TimeLimitError              a step took longer than its soft limit: it hangs
    ├── ClipError                   this instance gives no clip: the reason is for people to read
    ├── ModelPackError              the model pack is missing, incomplete or does not fit its manifest
    ├── DeviceError                 the GPU has no memory for a single picture, or none of them is fit to be used
    │   └── DeviceFaultError        it failed while it computed: it, or what it was given, is at fault
    ├── CalibrationError            labelled cases are wrong, or too few to choose a threshold or train on
    ├── ReportError                 the results cannot be put into a Structured Report
    ├── DeliveryError               the destination did not accept the object: it will be tried again
    │   ├── UnansweredError             it may have the object: it was sent, and nothing came back that says
    │   ├── AssociationRejectedError    it answers, but does not want to talk to us
    │   └── RefusedError                it answers, and does not take this object
    │       └── NoPresentationContextError  it takes none of the SOP classes and transfer syntaxes
    ├── CommitmentError             a request for storage commitment, or a report on one, is not understood (0115)
    ├── QueryError                  an archive was not asked, or did not answer, what studies it has
    ├── RetrieveError               an archive did not give a study, or not all of it
    ├── UnreadableReportError       what came as somebody's report is none: it is kept and listed
    ├── AccountError                an account of the dashboard is not there, or cannot be used so
    │   └── TooManySignInsError         too many sign in at this moment: nothing was looked at
    ├── SearchError                 there is nothing to search in, or nothing to compare
    └── BackupError                 a backup cannot be made, is not whole, or does not fit where it is to be restored

A message says what was wrong, with which object (by UID, AE title or path inside the spool, never by
patient), and what to do. It may be logged, stored in the registry and shown: it must never hold PHI.
Beside it stand what a check of the installation ends with (dicom_node.findings: FaultError, Doubt), and what is caught
in the room where it is raised, as dashboard.access.refusals. Anything else is a programming error; its text may quote a
data set, so only its type and place are ever logged.
"""

from collections.abc import Sequence
from pathlib import Path


class EchoWorkerError(Exception):
    """Base of all our errors; `str()` of it is one line, free of PHI, fit to be shown to an operator."""


class ConfigurationError(EchoWorkerError):
    """A setting, the task catalogue or the installation is wrong; nothing was started."""


class CatalogueError(ConfigurationError):
    """A task catalogue cannot be used; it holds every mistake that was found, its text the first of them."""

    def __init__(self, path: Path, mistakes: Sequence[str]) -> None:
        more = f" (and {len(mistakes) - 1} more: echoworker tasks check {path})" if len(mistakes) > 1 else ""
        super().__init__(f"task catalogue {path}: {mistakes[0]}{more}")
        self.mistakes = tuple(mistakes)


class SpoolError(EchoWorkerError):
    """An instance could not be kept in the spool."""


class UnreadableInstanceError(SpoolError):
    """The bytes cannot be understood as a DICOM instance with valid UIDs (PS3.4 B.2.3: Cxxx)."""


class InstanceMismatchError(SpoolError):
    """The data set does not match the SOP class or instance of the request (PS3.4 B.2.3: A9xx)."""


class InstanceConflictError(SpoolError):
    """Other bytes are already kept under the same SOP Instance UID; both are kept (PS3.4 B.2.3: B000)."""


class ClassNotSupportedError(SpoolError):
    """The SOP class of the request is not that of its presentation context, or none of storage (PS3.7 C.5.6)."""


class NotAuthorizedError(SpoolError):
    """The caller may associate, but not store (PS3.7 C.5.18)."""


class SpoolFullError(SpoolError):
    """The spool's file system is out of room (PS3.4 B.2.3: A7xx); free space, reception resumes by itself."""


class SpoolAwayError(SpoolError):
    """The spool's folders cannot be seen; mount the share, and what waits goes on by itself."""


class BucketAwayError(SpoolAwayError):
    """The bucket is out of reach or refuses us; what waits for it goes on by itself once it answers."""


class DamagedFileError(SpoolError):
    """A file of ours, of embeddings or heat maps, is missing or damaged; both can be made again from the pixels."""


class BackupUnderWayError(SpoolError):
    """A backup copies the spool; what was to be removed is removed afterwards."""


class RegistryError(EchoWorkerError):
    """The registry refused or could not carry out what was asked."""


class NotFoundError(RegistryError):
    """What was asked for, by its number, is not in the registry."""


class StudyNotFoundError(NotFoundError):
    """No study is registered under the Study Instance UID that was given."""


class IdentitiesError(RegistryError):
    """Identities are kept in the registry otherwise than the settings say: nothing was read, and nothing written."""


class LeaseLostError(RegistryError):
    """The step finished, but its lease had passed to somebody else: what it made was discarded."""


class TimeLimitError(EchoWorkerError):
    """A step was broken off at its soft time limit; it is tried again, as what it hung on may pass."""


class ClipError(EchoWorkerError):
    """An instance gives no clip to score; the message is the reason that report and dashboard show."""

    @property
    def reason(self) -> str:
        """The message as it was given: a `config.reasons.Reason` where it is one, which `str()` would make plain."""
        return self.args[0] if self.args and isinstance(self.args[0], str) else str(self)


class ModelPackError(EchoWorkerError):
    """A model pack cannot be loaded; the message names the file or field at fault."""


class DeviceError(EchoWorkerError):
    """What the model runs on cannot be used, or has no memory left; no study is to blame, and each waits."""


class DeviceFaultError(DeviceError):
    """A GPU failed while it computed; whether it or the study is at fault, the check of the device tells."""


class CalibrationError(EchoWorkerError):
    """Labelled cases cannot be used; the message names the file with the line, or what there is too little of."""


class ReportError(EchoWorkerError):
    """A run's results cannot be expressed as a Structured Report; the message names the task."""


class DeliveryError(EchoWorkerError):
    """A destination was out of reach or answered with a failure; the object stays due for it."""


class UnansweredError(DeliveryError):
    """A destination was sent something, and gave no answer that says whether it has it."""


class AssociationRejectedError(DeliveryError):
    """A peer answered, and rejected the association (PS3.8 section 9.3.4); its reason is in the message."""


class RefusedError(DeliveryError):
    """A destination answered, and does not take what it was sent; others may be taken."""


class NoPresentationContextError(RefusedError):
    """A peer answered, but takes no SOP class in any transfer syntax that we offered (PS3.8 section 9.3.3.2)."""


class CommitmentError(EchoWorkerError):
    """A peer's N-ACTION or N-EVENT-REPORT on storage commitment has no valid UIDs; it was answered so."""


class QueryError(EchoWorkerError):
    """An archive is out of reach, refused a query, or cannot be asked this; nothing was changed."""


class RetrieveError(EchoWorkerError):
    """An archive did not send a study, or not all of it; what came is kept, and fetching it again is harmless."""


class UnreadableReportError(EchoWorkerError):
    """What came as the report of a study is no Structured Report, document or HL7 message at all."""


class SearchError(EchoWorkerError):
    """A search or comparison has nothing to work on: no model, no kept embeddings, or too few of them."""


class AccountError(EchoWorkerError):
    """An account of the dashboard is not there, cannot be used, or would be the last that can change others."""


class TooManySignInsError(AccountError):
    """Too many sign in at this moment: the password was not looked at, and no failure was counted."""


class BackupError(EchoWorkerError):
    """A backup cannot be made, is not whole, or does not fit the place where it is to be restored."""
