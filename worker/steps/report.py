"""SCORED -> REPORTED: the run is compared with the reports of its study, and becomes a Structured Report of its own.

A heat map and a page go beside it; each is built once.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from pydicom.dataset import Dataset
from sqlalchemy.orm import Session

from config.errors import ReportError
from config.languages import Language
from config.logs import Event, emit
from config.sections.canary import is_canary
from config.sections.report_objects import ReportObject
from config.whole_files import write_durably
from db.consistency.discordance_rows import record_check, told_of
from db.consistency.discordances import Check
from db.delivery.deliveries import no_destination, set_deliveries
from db.reading.queries import spool_paths_of
from db.results.recording import current_run
from db.results.reports import add_report, current_reports, delivered_predecessor
from db.results.runs import Run
from db.tables.deliveries import Report
from db.tables.studies import Study
from db.working.leases import Claim
from worker.consistency.checking import check_study, tell
from worker.context import WorkerContext
from worker.steps.building import Building, Built, built_or_why
from worker.steps.outcome import Outcome
from worker.steps.stored_report import is_intact

Existing = Mapping[ReportObject, Report]
"""What was built of the run before, by kind."""


def report_study(context: WorkerContext, held: Claim) -> Outcome:
    """Build the objects of the current run, and make each due for the destinations that take it.

    The Structured Report is always built: it is the result. Heat map and page are built where a destination takes them;
    where one of these cannot be, the report goes without, and the journal says why. What they say of the study's other
    reports is what those said when ours was built.

    Raises
    ------
    ReportError
        There is no run, its results cannot be put into a report, its catalogue or an instance that it used is lost, or
        the report that was built before is lost and would not come out the same.
    """
    building, existing, check = _to_build(context, held)
    run = building.run
    wanted = context.wanted_objects(run.model.label, held.study_instance_uid)
    takers = {kind for kind, names in wanted.items() if names}
    built, missing = _build(building, existing, takers)
    for one in built.values():
        file = context.spool.absolute(one.report.spool_path)
        write_durably(file, one.content)
        context.spool.share(file)
    for kind, reason in missing.items():
        # That there is nothing to show is no trouble, or was told when it was scored.
        if reason != building.why_no_heat:
            emit(Event.PICTURE_NOT_MADE, study_instance_uid=held.study_instance_uid, reason=reason)
        wanted[kind] = []
    notes = [*missing.values()] if takers else [_why_nowhere(context, run)]
    new = 0

    def record(session: Session, study: Study) -> None:
        nonlocal new
        for kind, one in built.items():
            if kind not in existing:
                add_report(session, study_id=study.id, run_uid=run.run_uid, report=one.report)
        set_deliveries(session, study_id=study.id, wanted=wanted)
        if check is not None:
            now = datetime.now(UTC)
            new = record_check(session, study_id=study.id, run_uid=run.run_uid, check=check, at=now, is_told=True)
        if notes:
            study.reason = "; ".join(notes)

    def afterwards() -> None:
        tell(held.study_instance_uid, new)
        # The pixels can be prepared again; the tensors are larger than they are.
        tensors = context.spool.tensor_folder(held.study_instance_uid, held.revision)
        context.spool.remove_folder(tensors)

    return Outcome(record=record, afterwards=afterwards)


def _why_nowhere(context: WorkerContext, run: Run) -> str:
    if is_canary(run.study_instance_uid) and not context.settings.canary.destinations:
        return "a canary: its report stays here (canary.destinations)"
    return no_destination(run.model.label)


def _to_build(context: WorkerContext, held: Claim) -> tuple[Building, Existing, Check | None]:
    """What objects are built of, what was built before, and what the check found where there is no report yet."""
    with context.database.read() as session:
        run = current_run(session, study_id=held.study_id, study_instance_uid=held.study_instance_uid)
        if run is None:
            raise ReportError(f"study {held.study_instance_uid}: no run to report; requeue it with --step prepare")
        existing = {ReportObject(report.kind): report for report in current_reports(session, study_id=held.study_id)}
        by_message = [receiver.name for receiver in context.settings.messages]
        predecessor = delivered_predecessor(session, study_id=held.study_id, run_uid=run.run_uid, besides=by_message)
        told = told_of(session, run.run_uid)
        instances = spool_paths_of(session, held.study_id)
    report = existing.get(ReportObject.SR)
    building = Building(
        context=context,
        study_id=held.study_id,
        run=run,
        instances=instances,
        predecessor=predecessor,
        # Whatever the setting is by now: what is lost comes back in the language that it had, and says what it said.
        language=context.settings.report.language if report is None else Language(report.language),
        told=told,
    )
    if report is not None:
        return building, existing, None
    catalogue, language = building.catalogue, building.language
    check = check_study(context, study_id=held.study_id, run=run, catalogue=catalogue, language=language)
    return replace(building, told=None if check is None else check.told), existing, check


def _build(
    building: Building, existing: Existing, takers: set[ReportObject]
) -> tuple[dict[ReportObject, Built], dict[ReportObject, str]]:
    """What has to be written, and why a picture that is wanted is missing.

    A run has one report for ever: built again by a newer version, the same UID could have other bytes. So a heat map
    comes before its report, which refers to it, and not any more afterwards.
    """
    built: dict[ReportObject, Built] = {}
    missing: dict[ReportObject, str] = {}

    def have_picture(kind: ReportObject, made: Built | str | None) -> None:
        if isinstance(made, str):
            missing[kind] = made
        elif made is not None:
            built[kind] = made

    heat_map, page, report = ReportObject.HEAT_MAP, ReportObject.PDF, ReportObject.SR
    if heat_map in existing or (heat_map in takers and report not in existing):
        have_picture(heat_map, _restored_or_new(building.context, existing.get(heat_map), building.heat_map))
    has_heat_map = heat_map in existing or heat_map in built
    header = _report(building, existing.get(report), built, has_heat_map=has_heat_map)
    if page in existing or page in takers:
        draw = partial(building.page, header, has_heat_map=has_heat_map)
        have_picture(page, _restored_or_new(building.context, existing.get(page), draw))
    return built, missing


def _report(
    building: Building, before: Report | None, built: dict[ReportObject, Built], *, has_heat_map: bool
) -> Dataset:
    """The report's header, once it is sure to be there: built where it is not, with the bytes that it had."""
    if before is not None and is_intact(building.context, before):
        return building.header(before.sop_instance_uid, before.spool_path)
    made = building.report(has_heat_map=has_heat_map)
    if before is not None and made.report.sha256 != before.sha256:
        raise ReportError(
            f"report {made.report.sop_instance_uid} is lost, and this version builds other bytes under its UID: "
            "put its file back, or requeue the study with --step prepare for a new one"
        )
    built[ReportObject.SR] = made
    return made.header


def _restored_or_new(context: WorkerContext, before: Report | None, build: Callable[[], Built]) -> Built | str | None:
    """None where it lies there whole; a sentence where it cannot be had, or would not be the same as before."""
    if before is not None and is_intact(context, before):
        return None
    made = built_or_why(build)
    if before is not None and (isinstance(made, str) or made.report.sha256 != before.sha256):
        why = made if isinstance(made, str) else "this version builds other bytes under its UID"
        return f"the {before.kind} {before.sop_instance_uid} is lost and not built again: {why}"
    return made
