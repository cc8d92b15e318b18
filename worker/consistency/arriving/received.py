"""What is in the reports that came by themselves: whose they are, and what they say."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import date

from pydicom.dataset import Dataset

from config.errors import UnreadableReportError
from db.consistency.received_reports import CANCELLED, Via
from db.tables.consistency import ReceivedReport
from dicom_node.header import is_valid_uid
from dicom_node.spool import Spool
from worker.consistency.arriving.kept_reports import KeptReport, read_kept
from worker.consistency.documents.files import read_report_object
from worker.consistency.documents.kinds import ReportKind
from worker.consistency.documents.objects import is_ours, kind_of_report, read_pdf
from worker.consistency.documents.plain_text import text_in
from worker.consistency.hl7.orders import order_keys
from worker.consistency.hl7.reports import HL7Report, ResultStatus, read_hl7_reports
from worker.consistency.identifiers import Identifier, ReportIdentifiers
from worker.consistency.reading import ReadReport, ReportReader
from worker.consistency.sr.tree import text_of


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """One of the reports in some bytes, as it is to be registered."""

    report_id: str
    place: int
    status: ResultStatus
    identifiers: ReportIdentifiers = field(repr=False)
    order_key: str | None = None
    unusable: str = ""
    """Why there is nothing in it, "" otherwise; free of PHI."""


def reports_in(kept: KeptReport) -> list[Incoming]:
    """The reports in these bytes, at least one: of what cannot be used, one that says why."""
    try:
        found = _of_message(kept) if kept.kind is ReportKind.HL7 else [_of_file(kept)]
    except UnreadableReportError as error:
        return [_unusable(kept, str(error))]
    return found or [_unusable(kept, "the HL7 message has no result in it (OBR)")]


def require_report(kept: KeptReport) -> None:
    """Say so where bytes are no report at all, before they are taken.

    Raises
    ------
    UnreadableReportError
        They are none; the message says why.
    """
    for one in reports_in(kept):
        if one.unusable:
            raise UnreadableReportError(one.unusable)


def read_received(spool: Spool, row: ReceivedReport, reader: ReportReader) -> ReadReport:
    """Read what a registered report says.

    Raises
    ------
    UnreadableReportError
        It says nothing that can be read; or its file is damaged.
    OSError
        Its file is lost, or cannot be read.
    """
    kept = read_kept(spool.file(row.spool_path))
    if kept.kind is not ReportKind.DICOM:
        text, notes, study_day = _text(kept, row.place)
        return reader.text(row.report_id, text, notes, study_day=study_day)
    read = reader.instance(read_report_object(kept.content))
    if read is None:
        raise UnreadableReportError("the DICOM object is neither a report with text or measurements nor a PDF")
    return replace(read, reported=replace(read.reported, id=row.report_id))


def _of_message(kept: KeptReport) -> list[Incoming]:
    keys = order_keys(kept.content)
    return [
        Incoming(
            report_id=_report_id(kept, place),
            place=place,
            status=report.status,
            identifiers=_named(kept, report.identifiers),
            order_key=keys[place],
            unusable="" if report.text or report.status == CANCELLED else "the report has no text",
        )
        for place, report in enumerate(read_hl7_reports(kept.content))
    ]


def _of_file(kept: KeptReport) -> Incoming:
    said = ReportIdentifiers()
    if kept.kind is ReportKind.DICOM:
        dataset = read_report_object(kept.content)
        if is_ours(dataset):
            raise UnreadableReportError("EchoWorker made this object itself: it is no report to compare with")
        if kind_of_report(dataset) is None:
            raise UnreadableReportError("the DICOM object is neither a report with text or measurements nor a PDF")
        said = _identifiers_of(dataset)
    else:
        _text(kept, 0)
    return Incoming(
        report_id=_report_id(kept, 0),
        place=0,
        status=ResultStatus.UNSAID,
        identifiers=_named(kept, said),
        order_key=_key_of_name(kept),
    )


def _key_of_name(kept: KeptReport) -> str | None:
    """Of the watched folder: a text under the same name is the next version of it."""
    if kept.via is not Via.FOLDER:
        return None
    said = f"folder\0{kept.study_instance_uid}\0{kept.accession_number}"
    return hashlib.sha256(said.encode()).hexdigest()


def _unusable(kept: KeptReport, why: str) -> Incoming:
    return Incoming(
        report_id=_report_id(kept, 0),
        place=0,
        status=ResultStatus.UNSAID,
        identifiers=_named(kept, ReportIdentifiers()),
        unusable=why,
    )


def _report_id(kept: KeptReport, place: int) -> str:
    return hashlib.sha256(f"{kept.digest}/{place}".encode()).hexdigest()


def _named(kept: KeptReport, said: ReportIdentifiers) -> ReportIdentifiers:
    """With what was said beside in place of what the bytes say; whose patient's it is remains theirs to say."""
    if kept.study_instance_uid:
        return replace(said, study_instance_uids=(kept.study_instance_uid,))
    if kept.accession_number:
        number = Identifier(value=kept.accession_number, source="beside the report")
        return replace(said, study_instance_uids=(), accession_numbers=(number,))
    return said


def _text(kept: KeptReport, place: int) -> tuple[str, tuple[str, ...], date | None]:
    """The text of one of the reports, what was left out of it, and the day of its study where it says so."""
    if kept.kind is ReportKind.HL7:
        report = _message_report(kept, place)
        return report.text, report.notes, report.study_day
    if kept.kind is ReportKind.TEXT:
        return text_in(kept.content), (), None
    if kept.kind is ReportKind.PDF:
        document = read_pdf(kept.content)
        if not document.text:
            raise UnreadableReportError("; ".join(document.notes))
        return document.text, document.notes, None
    raise UnreadableReportError("a DICOM object is read as one")


def _message_report(kept: KeptReport, place: int) -> HL7Report:
    reports = read_hl7_reports(kept.content)
    if place >= len(reports):
        raise UnreadableReportError("the HL7 message has fewer results in it than were registered")
    return reports[place]


def _identifiers_of(dataset: Dataset) -> ReportIdentifiers:
    uid, number, patient = (text_of(dataset, each) for each in ("StudyInstanceUID", "AccessionNumber", "PatientID"))
    issuer = text_of(dataset, "IssuerOfPatientID")
    return ReportIdentifiers(
        study_instance_uids=(uid,) if uid and is_valid_uid(uid) else (),
        accession_numbers=(Identifier(value=number, source="(0008,0050)"),) if number else (),
        patient_ids=(Identifier(value=patient, issuer=issuer, source="(0010,0020)"),) if patient else (),
    )
