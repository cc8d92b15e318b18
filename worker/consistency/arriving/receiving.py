"""The process that reports come to: it keeps what is sent by HL7 or put into a folder, and needs no registry for it.

Registering is for others (`registering`, beside this): with the database or the broker away, reports are kept and
acknowledged all the same.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from config.errors import ConfigurationError, UnreadableReportError
from config.logs import Event, emit, place_of
from config.settings import Settings
from db.consistency.received_reports import Via
from db.lifecycle.received import ACCEPTED
from dicom_node.audit.events import RemoteAE
from dicom_node.audit.refusals import Refusals
from dicom_node.duties import Duties
from dicom_node.reception.reporting import Callers
from dicom_node.spool import Spool
from dicom_node.tls import ListeningContext
from worker.consistency.arriving.inbox import Inbox, hl7_messages, is_text, plain_text
from worker.consistency.arriving.kept_reports import KeptReport, inbox_of, keep_report, require_place
from worker.consistency.documents.kinds import ReportKind
from worker.consistency.hl7.acknowledging import Verdict, judge
from worker.consistency.hl7.mllp_server import Listening, mllp_server

LOOKS_EVERY_S = 1.0
BY_HL7 = "(HL7 listener)"
"""As if it were the AE title of whoever calls the listener: senders of HL7 have none."""


class ReportReceiver:
    """The listener and the watched folder of one installation."""

    def __init__(self, settings: Settings, spool: Spool) -> None:
        self._settings = settings
        self._spool = spool
        self._duties = Duties()
        self._callers = Callers(spool)
        self._refusals = Refusals(_log_refusal, told_each=settings.audit.refusals_told)
        folder = settings.consistency.folder
        self._folder = Inbox(folder=Path(folder)) if folder else None
        self._unreadable: set[Path] = set()
        """Files that the disk does not give: said once, and tried again each time."""

    def run(self, stop: threading.Event) -> None:
        """Receive until `stop` is set.

        Raises
        ------
        ConfigurationError
            The port is taken, or not allowed; or a certificate cannot be used.
        """
        with self._listening():
            while not stop.wait(LOOKS_EVERY_S):
                self.look_once()
                self._refusals.sum_up()
                self._duties.do("callers", self._callers.publish)
        self._refusals.sum_up(now=True)
        self._duties.do("callers", self._callers.publish)

    def look_once(self) -> None:
        """Take what lies in the watched folder; a folder that is not there is waited for."""
        if self._folder is not None:
            self._duties.do("watched folder", self._take_from_folder)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        wanted = self._settings.consistency
        if not wanted.port:
            yield
            return
        listening = Listening(
            host=wanted.host,
            port=wanted.port,
            networks=wanted.networks,
            tls=ListeningContext(self._settings.tls).current if wanted.tls else None,
            require_place=lambda: require_place(self._spool),
            admitted=lambda address: self._count(address, ACCEPTED),
            refused=self._refuse,
        )
        with ExitStack() as open_until_then:
            try:
                port = open_until_then.enter_context(mllp_server(inbox_of(self._spool), listening))
            except OSError as error:
                address = f"{wanted.host}:{wanted.port}"
                raise ConfigurationError(f"consistency: cannot listen on {address}: {error.strerror}") from error
            emit(Event.LISTENING_FOR_REPORTS, host=wanted.host, port=port)
            yield

    def _count(self, address: str, outcome: str) -> None:
        self._callers.note(ae_title=BY_HL7, address=address, outcome=outcome)

    def _refuse(self, address: str, reason: str) -> None:
        """Counted each; logged as associations are that are refused: a flood fills no disk."""
        self._count(address, reason)
        self._refusals.note(RemoteAE(ae_title=BY_HL7, address=address), reason=reason)

    def _take_from_folder(self) -> None:
        folder = self._folder
        if folder is None:
            return
        for path in folder.waiting():
            try:
                self._take(folder, path)
            except FileNotFoundError:
                continue  # another reader took it
            except OSError as error:
                if path not in self._unreadable:  # its name may be an accession number: it is not told
                    emit(Event.REPORT_REFUSED, step="watched folder", error=place_of(error))
                self._unreadable.add(path)

    def _take(self, folder: Inbox, path: Path) -> None:
        """Keep a file's reports, and only then move it away: taken twice, they are the same reports.

        Raises
        ------
        SpoolError
            There is no place: it waits.
        OSError
            It cannot be read or moved, or the reports cannot be kept.
        """
        try:
            refused = self._kept_text(path) if is_text(path) else self._kept_messages(path)
        except UnreadableReportError as error:
            refused = str(error)
        if refused:
            folder.reject(path, refused)
            emit(Event.REPORT_REFUSED, step="watched folder", reason=refused)
        else:
            folder.done(path)

    def _kept_text(self, path: Path) -> str:
        said = plain_text(path).identifiers
        self._keep(
            KeptReport(
                content=path.read_bytes(),
                kind=ReportKind.TEXT,
                via=Via.FOLDER,
                study_instance_uid=next(iter(said.study_instance_uids), ""),
                accession_number=next((number.value for number in said.accession_numbers), ""),
            )
        )
        return ""

    def _kept_messages(self, path: Path) -> str:
        """What could not be kept of a file of messages, in words; the others are."""
        messages, refused = hl7_messages(path), []
        for message in messages:
            judged = judge(message)
            if judged.verdict is Verdict.ACCEPTED:
                self._keep(KeptReport(content=message, kind=ReportKind.HL7, via=Via.FOLDER))
            else:
                refused.append(judged.condition)
        if not refused:
            return ""
        taken = "the others were taken" if len(refused) < len(messages) else "nothing was taken"
        return f"{len(refused)} of {len(messages)} HL7 messages are {' or '.join(sorted(set(refused)))}; {taken}"

    def _keep(self, report: KeptReport) -> None:
        kept = keep_report(self._spool, report)
        emit(Event.REPORT_RECEIVED, step="watched folder", path=kept.name)


def _log_refusal(caller: RemoteAE, reason: str) -> None:
    emit(Event.REPORT_REFUSED, host=caller.address, reason=reason)
