"""A report that somebody brings in, or gives to a study, by hand: kept, and registered at once."""

from contextlib import suppress
from pathlib import Path

from config.errors import UnreadableReportError
from config.settings import Settings
from db.consistency.received_reports import ReceivedSummary, Via, received_under
from db.session import Database
from dicom_node.header import is_valid_uid
from dicom_node.spool import Spool
from worker.consistency.arriving.inbox import LARGEST_BYTES, identifiers_in_name
from worker.consistency.arriving.kept_reports import KeptReport, keep_report, registering_alone
from worker.consistency.arriving.received import reports_in, require_report
from worker.consistency.arriving.registering import Registering
from worker.consistency.documents.kinds import ReportKind
from worker.consistency.hl7.parsing import messages_in


def report_of_file(file: Path, *, study_instance_uid: str = "", accession_number: str = "") -> KeptReport:
    """A file as a report; text and PDF are of the study that their file's name says, where nothing else does.

    Raises
    ------
    UnreadableReportError
        It is no report, or several HL7 messages; or what is said of it is no UID.
    OSError
        It cannot be read.
    """
    if study_instance_uid and not is_valid_uid(study_instance_uid):
        raise UnreadableReportError("what is given as the Study Instance UID is none")
    if file.stat().st_size > LARGEST_BYTES:
        raise UnreadableReportError(f"more than {LARGEST_BYTES >> 20} MiB are no report")
    content = file.read_bytes()
    kind = ReportKind.of(content)
    if kind is ReportKind.HL7:
        messages = messages_in(content)
        if len(messages) != 1:
            raise UnreadableReportError(f"{len(messages)} HL7 messages: give each a file, or use the watched folder")
        content = messages[0]
    if kind in (ReportKind.TEXT, ReportKind.PDF) and not (study_instance_uid or accession_number):
        said = identifiers_in_name(file.stem)
        study_instance_uid = next(iter(said.study_instance_uids), "")
        accession_number = next((number.value for number in said.accession_numbers), "")
    report = KeptReport(
        content=content,
        kind=kind,
        via=Via.COMMAND,
        study_instance_uid=study_instance_uid,
        accession_number=accession_number,
    )
    require_report(report)
    return report


def bring_in(settings: Settings, registry: Database, report: KeptReport) -> list[ReceivedSummary]:
    """Keep and register a report; what became of it. What was registered before is told as it is.

    Raises
    ------
    SpoolError
        There is no place for it.
    OSError
        The spool cannot be written.
    """
    spool = Spool.of(settings)
    registering = Registering.of(settings, spool, registry)
    waiting = keep_report(spool, report)
    with registering_alone(spool, wait=True), suppress(FileNotFoundError):  # a worker was first
        registering.register(waiting)
    with registry.read() as session:
        return received_under(session, [one.report_id for one in reports_in(report)])


def give_to_study(settings: Settings, registry: Database, number: int, study_instance_uid: str) -> None:
    """Match a report by hand, in the registry and in the spool.

    Raises
    ------
    SpoolError
        The spool is away.
    RegistryError, OSError
        As `Registering.match_by_hand`.
    """
    spool = Spool.of(settings)
    spool.require_there()
    with registering_alone(spool, wait=True):
        Registering.of(settings, spool, registry).match_by_hand(number, study_instance_uid)
