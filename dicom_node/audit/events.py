"""What the audit trail says: the events of PS3.15 section A.5.3 that happen here, each as a message.

Those that somebody with an account does are in `dicom_node.audit.people`.

The audit trail is the one log that names patients, as the standard has it: by patient ID, never by name.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.dsutils import encode

from dicom_node.audit.message import Action, AuditMessage, Code, Outcome, Participant, ParticipantObject, Role
from dicom_node.header import InstanceHeader
from dicom_node.spool import Kept
from dicom_node.statuses import StorageStatus

APPLICATION_ACTIVITY = Code("110100", "Application Activity")
APPLICATION_START = Code("110120", "Application Start")
APPLICATION_STOP = Code("110121", "Application Stop")
INSTANCES_ACCESSED = Code("110103", "DICOM Instances Accessed")
INSTANCES_TRANSFERRED = Code("110104", "DICOM Instances Transferred")
QUERY = Code("110112", "Query")
SECURITY_ALERT = Code("110113", "Security Alert")
NODE_AUTHENTICATION = Code("110126", "Node Authentication")
STUDY_INSTANCE_UID = Code("110180", "Study Instance UID")
SOP_CLASS_UID = Code("110181", "SOP Class UID")
NODE_ID = Code("110182", "Node ID")
PATIENT_NUMBER = Code("2", "Patient Number", "RFC-3881")
"""PS3.16 CID 400 to 404; the last is PS3.15 section A.5.1.2.4."""

_QUERY_VALUES_TOLD = {
    "SpecificCharacterSet",
    "QueryRetrieveLevel",
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "SOPClassesInStudy",
    "StudyDate",
    "StudyTime",
    "SeriesDate",
    "SeriesTime",
    "Modality",
    "ModalitiesInStudy",
}
"""Of a query's other keys the trail says that they were there, not what was looked for: it may be a name."""


@dataclass(frozen=True, kw_only=True)
class RemoteAE:
    """The application entity at the other end."""

    ae_title: str
    """Empty where it gave none."""
    address: str
    """IP address or host name."""

    def taking_part(self, role: Role | None = None, *, is_requestor: bool = False) -> Participant:
        """It, in an event."""
        return Participant(ae_title=self.ae_title, address=self.address, role=role, is_requestor=is_requestor)


@dataclass(frozen=True, kw_only=True)
class StudyInstances:
    """Instances of one study that were transferred together."""

    study_instance_uid: str
    """Empty of instances that could not be read."""
    patient_id: str | None
    sop_classes: Mapping[str, int]
    """How many instances of each SOP Class UID."""


def application_started() -> AuditMessage:
    """Application Activity (A.5.3.1): this process serves from now on."""
    return _application_activity(APPLICATION_START)


def application_stopped() -> AuditMessage:
    """Application Activity (A.5.3.1): this process has ended its service."""
    return _application_activity(APPLICATION_STOP)


def instances_received(
    sender: RemoteAE, instances: StudyInstances, *, already_held: bool = False, failure: str = "", by_get: bool = False
) -> AuditMessage:
    """DICOM Instances Transferred (A.5.3.7) to us, in one association; `by_get`: in ours, by C-GET.

    `already_held`: they were here before, the same bytes. `failure`: why they were refused, without PHI.
    """
    return AuditMessage(
        event=INSTANCES_TRANSFERRED,
        action=Action.READ if already_held else Action.CREATE,
        outcome=outcome_of(failure),
        outcome_description=failure,
        own_role=Role.DESTINATION,
        we_requested=by_get,
        others=(sender.taking_part(Role.SOURCE, is_requestor=not by_get),),
        objects=study_and_patient(instances),
    )


def instances_sent(receiver: RemoteAE, instances: StudyInstances, *, failure: str = "") -> AuditMessage:
    """DICOM Instances Transferred (A.5.3.7) by us; `failure`: why they were not accepted, without PHI."""
    return AuditMessage(
        event=INSTANCES_TRANSFERRED,
        action=Action.READ,  # by the table, of a source that cannot know what the receiver held before
        outcome=outcome_of(failure),
        outcome_description=failure,
        own_role=Role.SOURCE,
        we_requested=True,
        others=(receiver.taking_part(Role.DESTINATION),),
        objects=study_and_patient(instances),
    )


def instances_removed(instances: StudyInstances) -> AuditMessage:
    """DICOM Instances Accessed (A.5.3.6): instances of a study deleted, since their time was over."""
    return AuditMessage(
        event=INSTANCES_ACCESSED,
        action=Action.DELETE,
        own_role=None,
        we_requested=True,
        objects=study_and_patient(instances),
    )


def query_made(archive: RemoteAE, identifier: Dataset, *, sop_class_uid: str, failure: str = "") -> AuditMessage:
    """Query (A.5.3.10) by us: C-FIND, and C-MOVE or C-GET, whose identifier is a query too.

    Values that may name a patient in another way than by patient ID are left empty.
    """
    asked = ParticipantObject(
        id=sop_class_uid,
        id_type=SOP_CLASS_UID,
        type_code=2,
        role=3,
        query=_told(identifier),
        details=(("TransferSyntax", ExplicitVRLittleEndian.encode()),),
    )
    return AuditMessage(
        event=QUERY,
        action=Action.EXECUTE,
        outcome=outcome_of(failure),
        outcome_description=failure,
        own_role=Role.SOURCE,
        we_requested=True,
        others=(archive.taking_part(Role.DESTINATION),),
        objects=(asked,),
    )


def association_refused(caller: RemoteAE, *, reason: str) -> AuditMessage:
    """Security Alert (A.5.3.11): a caller that is not who may talk to us, by AE title, address or certificate."""
    subject = ParticipantObject(
        id=caller.address,
        id_type=NODE_ID,
        type_code=2,
        role=13,
        details=(("Alert Description", reason.encode()),),
    )
    return AuditMessage(
        event=SECURITY_ALERT,
        event_type=NODE_AUTHENTICATION,
        action=Action.EXECUTE,
        outcome=Outcome.SERIOUS_FAILURE,
        outcome_description=reason,
        own_role=None,
        we_requested=True,  # the alert is ours; by the table, whoever caused it is no requestor
        others=(caller.taking_part(),),
        objects=(subject,),
    )


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """One instance that was offered by one application entity to another."""

    sop_class_uid: str
    study_instance_uid: str = ""
    """Empty where the data set was not read so far."""
    patient_id: str | None = None
    already_held: bool = False
    failure: str = ""
    """Why it was refused; one of a few texts, free of PHI. Empty: it was accepted."""


def received(sop_class_uid: str, header: InstanceHeader | None, outcome: Kept | StorageStatus) -> Transfer:
    """An instance was kept or refused; without `header`, what it says could not be read."""
    failure = "" if isinstance(outcome, Kept) else f"0x{outcome.value:04X} {outcome.name.lower().replace('_', ' ')}"
    return _transfer(sop_class_uid, header, already_held=outcome is Kept.REPEATED, failure=failure)


def broken_off(sop_class_uid: str, header: InstanceHeader | None) -> Transfer:
    """An instance did not come whole."""
    return _transfer(sop_class_uid, header, failure="broken off by its sender")


def _transfer(
    sop_class_uid: str, header: InstanceHeader | None, *, already_held: bool = False, failure: str
) -> Transfer:
    return Transfer(
        sop_class_uid=sop_class_uid,
        study_instance_uid=header.study_instance_uid if header else "",
        patient_id=header.identity.patient_id if header else None,
        already_held=already_held,
        failure=failure,
    )


class TransferredInstances(ABC):
    """What one association has carried: a message for each study and outcome, not for each instance."""

    def __init__(self, other: RemoteAE) -> None:
        self._other = other
        self._counts: dict[tuple[str, str | None, bool, str], Counter[str]] = {}

    def add(self, transfer: Transfer) -> None:
        """One more instance."""
        key = (transfer.study_instance_uid, transfer.patient_id, transfer.already_held, transfer.failure)
        self._counts.setdefault(key, Counter())[transfer.sop_class_uid] += 1

    def messages(self) -> list[AuditMessage]:
        """The messages on it: at the end of the association, however it ended."""
        return [
            self._message(
                StudyInstances(study_instance_uid=study, patient_id=patient_id, sop_classes=sop_classes),
                already_held=already_held,
                failure=failure,
            )
            for (study, patient_id, already_held, failure), sop_classes in self._counts.items()
        ]

    @abstractmethod
    def _message(self, instances: StudyInstances, *, already_held: bool, failure: str) -> AuditMessage: ...


class ReceivedInstances(TransferredInstances):
    """To us."""

    def __init__(self, other: RemoteAE, *, by_get: bool = False) -> None:
        super().__init__(other)
        self._get = by_get

    def _message(self, instances: StudyInstances, *, already_held: bool, failure: str) -> AuditMessage:
        return instances_received(self._other, instances, already_held=already_held, failure=failure, by_get=self._get)


class SentInstances(TransferredInstances):
    """By us, who cannot know what was held already."""

    def _message(self, instances: StudyInstances, *, already_held: bool, failure: str) -> AuditMessage:
        return instances_sent(self._other, instances, failure=failure)


def _application_activity(kind: Code) -> AuditMessage:
    return AuditMessage(
        event=APPLICATION_ACTIVITY,
        event_type=kind,
        action=Action.EXECUTE,
        own_role=Role.APPLICATION,
        we_requested=False,
    )


def outcome_of(failure: str) -> Outcome:
    """What becomes of an event: it failed for this reason, or, empty, it did not."""
    return Outcome.SERIOUS_FAILURE if failure else Outcome.SUCCESS


def study_and_patient(instances: StudyInstances) -> tuple[ParticipantObject, ParticipantObject]:
    """What an event that is about instances of a study names."""
    study = ParticipantObject(
        id=instances.study_instance_uid,
        id_type=STUDY_INSTANCE_UID,
        type_code=2,
        role=3,
        sop_classes=sorted(instances.sop_classes.items()),
    )
    # The table wants a patient always: of one without an ID, an empty one.
    return study, ParticipantObject(id=instances.patient_id or "", id_type=PATIENT_NUMBER, type_code=1, role=1)


def _told(identifier: Dataset) -> bytes:
    told = Dataset()
    for element in identifier:
        value = element.value if element.keyword in _QUERY_VALUES_TOLD else None
        told.add_new(element.tag, element.VR, value)
    return encode(told, is_implicit_vr=False, is_little_endian=True) or b""
