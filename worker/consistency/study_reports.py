"""The reports of a study: those of its instances that are one, and those that came by themselves."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydicom.dataset import Dataset

from config.errors import BucketAwayError
from config.logs import Event, emit, told_of
from db.consistency.received_reports import received_reports_of
from db.consistency.report_instances import ReportInstances, report_instances
from db.session import Database
from db.tables.consistency import ReceivedReport
from dicom_node.spool import Spool
from worker.consistency.arriving.received import read_received
from worker.consistency.documents.files import read_report_file
from worker.consistency.reading import ReadReport, ReportReader
from worker.consistency.sr.tree import items_of, text_of


@dataclass(frozen=True, kw_only=True)
class StudyReports:
    """What was read."""

    read: tuple[ReadReport, ...]
    notes: tuple[str, ...]
    """What could not be read, each with the report's id; free of what reports say."""


def reports_of_study(database: Database, spool: Spool, reader: ReportReader, *, study_id: int) -> StudyReports:
    """Read all reports of a study but our own, and those that a later one takes the place of.

    One that cannot be read is a note and an event, and stops nothing.
    """
    with database.read() as session:
        instances = report_instances(session, study_id)
        received = received_reports_of(session, study_id)
    found = [*_read_instances(spool, reader, instances), *_read_received(spool, reader, received, instances)]
    superseded = {uid for each in found for uid in each.predecessors}
    notes = [f"{each.uid}: {note}" for each in found for note in each.notes]
    read = [each.read for each in found if each.read is not None and each.uid not in superseded]
    return StudyReports(read=tuple(read), notes=tuple(notes))


@dataclass(frozen=True, kw_only=True)
class _Instance:
    uid: str
    read: ReadReport | None
    predecessors: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def _read_instances(spool: Spool, reader: ReportReader, instances: ReportInstances) -> Iterator[_Instance]:
    def read(uid: str) -> _Instance:
        dataset = read_report_file(spool.file(instances.paths[uid]))
        found = reader.instance(dataset, instances.ours)
        notes = () if found is None else found.notes
        return _Instance(uid=uid, read=found, predecessors=frozenset(_predecessors(dataset)), notes=notes)

    for uid in instances.paths:
        yield _read_or_why(uid, partial(read, uid), study=instances.study_instance_uid, sop_instance_uid=uid)


def _read_received(
    spool: Spool, reader: ReportReader, received: Sequence[ReceivedReport], instances: ReportInstances
) -> Iterator[_Instance]:
    """Those that came by themselves."""

    def read(row: ReceivedReport) -> _Instance:
        found = read_received(spool, row, reader)
        return _Instance(uid=row.report_id, read=found, notes=found.notes)

    for row in received:
        name = row.report_id
        yield _read_or_why(name, partial(read, row), study=instances.study_instance_uid, report=name[:16])


def _read_or_why(uid: str, read: Callable[[], _Instance], *, study: str, **named: Any) -> _Instance:
    """Somebody's damaged document must not keep our results back."""
    try:
        return read()
    except BucketAwayError:  # it can be read later
        raise
    except Exception as error:  # noqa: BLE001  whatever it is: it costs this document alone
        why = told_of(error)
        emit(Event.REPORT_NOT_READ, study_instance_uid=study, **named, reason=why)
        return _Instance(uid=uid, read=None, notes=(f"cannot be read: {why}",))


def _predecessors(dataset: Dataset) -> Iterator[str]:
    """The SOP Instance UIDs of Predecessor Documents Sequence (PS3.3 section C.17.2)."""
    for study in items_of(dataset, "PredecessorDocumentsSequence"):
        for series in items_of(study, "ReferencedSeriesSequence"):
            for reference in items_of(series, "ReferencedSOPSequence"):
                yield text_of(reference, "ReferencedSOPInstanceUID")
