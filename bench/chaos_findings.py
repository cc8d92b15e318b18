"""Whether anything was lost, doubled or left behind: registry, spool and PACS beside what the modalities have sent."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.chaos_flow import Pacs, SentStudy
from config.sections.report_objects import ReportObject
from config.steps import Step
from db.states import ALLOWED, DeliveryState, StudyState
from db.tables.deliveries import Delivery, Report
from db.tables.pictures import StudyEmbeddings
from db.tables.pipeline import JournalEntry
from db.tables.runs import CurrentRun, ResultRow, RunRow
from db.tables.studies import Instance, Study
from dicom_node.spool import sha256_of
from tests.support.clips import data_set_of

KNOWN_FOLDERS = ("audit", "cache", "spool/catalogues", "spool/receivers", "packs", "calibration")
"""Of the data folder, that hold what belongs to no study; what is unfinished there is counted all the same."""
LOCKS = ("running-on-", "spool/received_reports/.registering", "spool/.removing")
NOTES = (".json", ".taken")
"""Of `spool/receivers`: what living processes tell each other; those of the dead are read up and removed."""


@dataclass(kw_only=True)
class Figures:
    """What the table says."""

    studies: int = 0
    delivered: int = 0
    instances: int = 0
    acknowledged: int = 0
    associations: int = 0
    reopened: int = 0
    objects: int = 0
    copies: int = 0
    attempts_lost: int = 0
    """Attempts of steps that came to nothing."""


@dataclass(kw_only=True)
class Registry:
    """All rows that matter, read at once."""

    studies: list[Study]
    instances: list[Instance]
    runs: list[RunRow]
    current: dict[int, int]
    reports: list[Report]
    deliveries: list[Delivery]
    embeddings: list[StudyEmbeddings]
    journal: list[JournalEntry]
    runs_with_results: set[int]

    @classmethod
    def read(cls, session: Session) -> "Registry":
        return cls(
            studies=list(session.scalars(select(Study))),
            instances=list(session.scalars(select(Instance))),
            runs=list(session.scalars(select(RunRow))),
            current={row.study_id: row.run_id for row in session.scalars(select(CurrentRun))},
            reports=list(session.scalars(select(Report))),
            deliveries=list(session.scalars(select(Delivery))),
            embeddings=list(session.scalars(select(StudyEmbeddings))),
            journal=list(session.scalars(select(JournalEntry).order_by(JournalEntry.id))),
            runs_with_results=set(session.scalars(select(ResultRow.run_id).distinct())),
        )


def figures_of(registry: Registry, sent: Sequence[SentStudy], pacs: Pacs) -> Figures:
    return Figures(
        studies=len(sent),
        delivered=sum(study.state == StudyState.DELIVERED for study in registry.studies),
        instances=sum(len(study.files) for study in sent),
        acknowledged=sum(len(study.acknowledged) for study in sent),
        associations=sum(study.associations for study in sent),
        reopened=sum(study.revision - 1 for study in registry.studies),
        objects=len(pacs.copies),
        copies=sum(len(copies) for copies in pacs.copies.values()),
        attempts_lost=sum(
            entry.attempt is not None and entry.state_before == entry.state_after for entry in registry.journal
        ),
    )


def wrong(registry: Registry, sent: Sequence[SentStudy], pacs: Pacs, data: Path) -> list[str]:
    """A sentence for everything that is not as it has to be."""
    return [
        *_studies_not_done(registry, sent),
        *_instances_lost(registry, sent, data / "spool"),
        *_journal_broken(registry),
        *_doubled(registry),
        *_not_at_the_pacs(registry, pacs, data / "spool"),
        *_orphans(registry, data),
    ]


def _studies_not_done(registry: Registry, sent: Sequence[SentStudy]) -> Iterator[str]:
    known = {study.study_instance_uid: study for study in registry.studies}
    for one in sent:
        study = known.pop(one.study_instance_uid, None)
        if study is None:
            yield f"study {one.study_instance_uid}: no row"
        elif study.state != StudyState.DELIVERED:
            yield f"study {one.study_instance_uid}: {study.state} ({study.reason})"
    yield from (f"study {uid}: a row, and nobody sent it" for uid in known)


def _instances_lost(registry: Registry, sent: Sequence[SentStudy], spool: Path) -> Iterator[str]:
    rows = {row.sop_instance_uid: row for row in registry.instances}
    for study in sent:
        yield from (f"instance {_uid(file)}: never acknowledged" for file in study.missing)
        for uid in study.acknowledged:
            row = rows.get(uid)
            if row is None:
                yield f"instance {uid}: acknowledged, and no row"
                continue
            file = spool / row.spool_path
            if not file.is_file():
                yield f"instance {uid}: acknowledged, and no file"
            elif data_set_of(file) != data_set_of(study.files[uid]):
                yield f"instance {uid}: its file has other bytes than were sent"
            elif sha256_of(file) != row.sha256 or file.stat().st_size != row.size_bytes:
                yield f"instance {uid}: its row says other bytes than its file has"
    if len(rows) != len(registry.instances):
        yield "instances: one SOP Instance UID has two rows"


def _uid(file: Path) -> str:
    return file.name


def _journal_broken(registry: Registry) -> Iterator[str]:
    of_study: dict[int, list[JournalEntry]] = defaultdict(list)
    for entry in registry.journal:
        of_study[entry.study_id].append(entry)
    for study in registry.studies:
        uid, entries = study.study_instance_uid, of_study[study.id]
        before: str | None = None
        for entry in entries:
            allowed = ALLOWED[None if entry.state_before is None else StudyState(entry.state_before)]
            if entry.state_before != before:
                yield f"study {uid}: the journal goes on from {entry.state_before}, and was at {before}"
            if entry.state_after not in allowed:
                yield f"study {uid}: went from {entry.state_before} to {entry.state_after}"
            before = entry.state_after
        if before != study.state:
            yield f"study {uid}: {study.state}, and its journal ends with {before}"
        moves = Counter(
            (entry.revision, entry.step) for entry in entries if entry.step and entry.state_before != entry.state_after
        )
        for (revision, step), count in moves.items():
            if count > 1:
                yield f"study {uid}: revision {revision} was moved on by {step} {count} times"
        if not moves[study.revision, Step.DELIVER]:
            yield f"study {uid}: no journal row says that revision {study.revision} was delivered"


def _doubled(registry: Registry) -> Iterator[str]:
    for (study_id, revision), count in Counter((run.study_id, run.revision) for run in registry.runs).items():
        if count > 1:
            yield f"study number {study_id}: revision {revision} has {count} runs"
    for run in registry.runs:
        if run.id not in registry.runs_with_results:
            yield f"run {run.run_uid}: no results"
    newest = {run.study_id: run.id for run in sorted(registry.runs, key=lambda run: run.revision)}
    if newest != registry.current:
        yield "runs: of some study the current one is not that of its last revision"
    for (run_id, kind), count in Counter((report.run_id, report.kind) for report in registry.reports).items():
        if count > 1:
            yield f"run number {run_id}: {count} objects of kind {kind}"


def _not_at_the_pacs(registry: Registry, pacs: Pacs, spool: Path) -> Iterator[str]:
    current = set(registry.current.values())
    deliveries = {delivery.report_id: delivery for delivery in registry.deliveries}
    unknown = set(pacs.copies)
    reported: Counter[int] = Counter()
    for report in registry.reports:
        uid = report.sop_instance_uid
        copies, delivery = pacs.copies.get(uid, []), deliveries.get(report.id)
        unknown.discard(uid)
        reported[report.study_id] += report.kind == ReportObject.SR and bool(copies)
        file = spool / report.spool_path
        if not file.is_file() or sha256_of(file) != report.sha256:
            yield f"object {uid}: its file is missing or has other bytes"
        elif set(copies) - {hashlib.sha256(data_set_of(file)).hexdigest()}:
            yield f"object {uid}: the PACS has other bytes than the spool"
        if report.run_id in current and not copies:
            yield f"object {uid}: of the current run, and not at the PACS"
        if report.run_id in current and (delivery is None or delivery.state != DeliveryState.DELIVERED):
            yield f"object {uid}: at the PACS, and its delivery is {delivery and delivery.state}"
    yield from (f"object {uid}: at the PACS, and no row" for uid in unknown)
    for study in registry.studies:
        if reported[study.id] > study.revision:
            yield f"study {study.study_instance_uid}: {reported[study.id]} reports of {study.revision} revisions"


def _orphans(registry: Registry, data: Path) -> Iterator[str]:
    spool = data / "spool"
    known = {
        *(row.spool_path for row in registry.instances),
        *(row.spool_path for row in registry.reports),
        *(row.path for row in registry.embeddings),
    }
    known |= {str(path.relative_to(spool)) for path in _heat_of(registry, spool)}
    for file in (path for path in data.rglob("*") if path.is_file()):
        relative = str(file.relative_to(data))
        if relative.startswith("spool/receivers/") and file.suffix in NOTES:
            continue
        if relative.startswith(KNOWN_FOLDERS) and not file.name.endswith(".unfinished"):
            if not relative.startswith("spool/receivers/"):
                continue
        elif relative.removeprefix("spool/") in known or relative.startswith(LOCKS):
            continue
        yield f"file {relative}: nobody's"
    yield from (f"row of {path}: no file" for path in known if not (spool / path).is_file())


def _heat_of(registry: Registry, spool: Path) -> Iterable[Path]:
    runs = {run.run_uid for run in registry.runs}
    return [path for path in (spool / "heat").rglob("*") if path.is_file() and path.name.split(".")[0] in runs]
