"""One study's check: what its reports say, against what a run found in its images.

instances and received reports -> statements     run, and the run of the patient's study before -> what was found
                              \\                 /
                               rules -> discordances, in English for the registry, and as the report tells them

Only `check_again` writes. The words of reports stay here: what leaves is what they say, in our words, and where.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from config.catalogue import Catalogue
from config.languages import Language
from config.logs import Event, emit
from db.consistency.discordance_rows import record_check, told_of
from db.consistency.discordances import Check, Told
from db.lifecycle.studies import report_again
from db.reading.priors import last_run_before
from db.rescoring.outdated import rests
from db.rescoring.rescored import counts_since
from db.results.recording import current_run
from db.results.reports import current_report, last_report
from db.results.runs import Run
from db.session import Database
from db.tables.runs import RunRow
from db.tables.studies import Study
from dicom_node.report.words import words_of
from worker.catalogues import catalogue_of_run
from worker.consistency.comparing.comparable import comparable
from worker.consistency.comparing.comparison import Comparison, Found
from worker.consistency.comparing.discordances import discordances
from worker.consistency.comparing.rules import Rules
from worker.consistency.fitting import Fit
from worker.consistency.reading import ReadReport
from worker.consistency.reporting_again import is_said_otherwise
from worker.consistency.study_reports import reports_of_study
from worker.context import WorkerContext


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A comparison with the reports that it was made of, for somebody who looks at both."""

    comparison: Comparison
    reports: Sequence[ReadReport]
    """Those that say something about these images."""
    check: Check


def check_study(
    context: WorkerContext, *, study_id: int, run: Run, catalogue: Catalogue, language: Language
) -> Check | None:
    """Compare a run with all reports of its study; None where checks are switched off."""
    if context.consistency is None:
        return None
    database, rules, reader = context.database, context.consistency.rules, context.consistency.reader
    reports = reports_of_study(database, context.spool, reader, study_id=study_id)
    return compare(
        run,
        catalogue,
        rules,
        reports.read,
        earlier=earlier_found(database, study_id=study_id, run=run),
        fit=context.fitting.of(study_id, rules.another_patient, reports.read, label=run.model.label),
        notes=reports.notes,
        language=language,
    ).check


def compare(
    run: Run,
    catalogue: Catalogue,
    rules: Rules,
    reports: Sequence[ReadReport],
    *,
    earlier: Found | None = None,
    fit: Fit | None = None,
    notes: Sequence[str] = (),
    language: Language = Language.ENGLISH,
) -> Compared:
    """Compare a run with these reports; `fit`: how well their texts fit the images, where that was measured."""
    fit = fit or Fit()
    said = [report for report in reports if report.reported.says_something]
    comparison = Comparison(
        found=Found.of(run.results, family=run.model.family, study_instance_uid=run.study_instance_uid),
        catalogue=catalogue,
        rules=rules,
        reports=[report.reported for report in said],
        earlier=earlier,
        fits_better_than=fit.better_than,
    )
    found = discordances(comparison)
    told = discordances(replace(comparison, words=words_of(language, catalogue)))
    questions = comparable(comparison)
    check = Check(
        rules_version=rules.version,
        reports=tuple(report.reported.id for report in said),
        notes=(*notes, *fit.notes),
        discordances=found,
        likenesses=fit.likenesses,
        told=Told(compared=len(said), questions=questions, discordances=told) if questions or told else None,
    )
    return Compared(comparison=comparison, reports=said, check=check)


def earlier_found(database: Database, *, study_id: int, run: Run) -> Found | None:
    """What a model of the same family found in the patient's study before this one."""
    with database.read() as session:
        until = counts_since(session, run)
        before = last_run_before(session, study_id=study_id, model=run.model, until=until)
    if before is None:
        return None
    return Found.of(before.results, family=before.model.family, study_instance_uid=before.study_instance_uid)


def check_again(context: WorkerContext, study_id: int) -> int | None:
    """Compare a study anew whose report is built, and write what is found: for reports that came since, and new rules.

    Where that is otherwise than the study's Structured Report says, in what `consistency.report_again` asks for, the
    study is reported once more: as another object, of the same results. Else the report stays as it is: it says what
    was known when it was built. Where a re-scoring's answers were adopted without a report, the last report that there
    is counts; that our side is another number is no reason then, as nothing was to go out for that.

    Returns how many discordances are new; None where there was nothing to do: checks are off, or the report step is
    still to come and checks by itself.

    Raises
    ------
    ReportError
        The catalogue of the run is lost.
    """
    with context.database.read() as session:
        uid = session.get_one(Study, study_id).study_instance_uid
        run = current_run(session, study_id=study_id, study_instance_uid=uid)
        mine = current_report(session, study_id=study_id)
        report = mine or last_report(session, study_id=study_id)
        reported_run_uid = None if report is None else session.get_one(RunRow, report.run_id).run_uid
        is_to_be_reported = mine is None and not rests(session, study_id)
    if run is None or is_to_be_reported or context.consistency is None:
        return None
    catalogue = catalogue_of_run(context.spool, run.catalogue_digest, context.catalogue)
    # What is compared has to be in one language.
    language = context.settings.report.language if report is None else Language(report.language)
    check = check_study(context, study_id=study_id, run=run, catalogue=catalogue, language=language)
    if check is None:
        return None
    with context.database.write() as session:
        now = current_run(session, study_id=study_id, study_instance_uid=uid)
        if now is None or now.run_uid != run.run_uid:  # scored again meanwhile: its report step checks
            return None
        at, wanted = datetime.now(UTC), context.settings.consistency.report_again
        new = record_check(session, study_id=study_id, run_uid=run.run_uid, check=check, at=at)
        told = None if reported_run_uid is None else told_of(session, reported_run_uid)
        otherwise = is_said_otherwise(told, check.told, wanted=wanted, of_one_run=reported_run_uid == run.run_uid)
        is_due = otherwise and report_again(session, study_id, run_uid=str(uuid.uuid4()), now=at)
    tell(uid, new)
    if is_due:
        emit(Event.REPORTED_AGAIN, study_instance_uid=uid)
    return new


def tell(study_instance_uid: str, new: int) -> None:
    """Log that there is something to look at."""
    if new:
        emit(Event.DISCORDANCES_FOUND, study_instance_uid=study_instance_uid, count=new)
