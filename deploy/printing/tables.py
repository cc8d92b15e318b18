"""What the command line prints of the registry: tables for people."""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, ClassTask, RegressionTask
from config.labels import ModelLabel
from config.sections.report_objects import ReportObject
from config.sections.rules import Action
from config.steps import Lane
from db.reading.queries import StudyDetail, StudySummary
from db.results.runs import Run, TaskResult, Verdict
from db.states import DeliveryState
from db.tables.deliveries import Report
from db.tables.peers import Caller
from db.tables.pictures import Clip
from dicom_node.quarantine import Quarantined
from dicom_node.report.answers import confidence, in_reading_order, most_like, outcome_name
from dicom_node.report.wording import LIMITS_OF_USE

_STATE_STYLE = {"DELIVERED": "green", "FAILED": "bold red", "DEAD": "bold red", "SKIPPED": "yellow"}
_LABEL_STYLE = {ModelLabel.UNTRAINED: "bold red", ModelLabel.DEMO: "bold red"}

_UNIT = {"similarity": "cosine", "probability": "probability", "score": "score"}
"""Of a finding's score."""

_OBJECT = {ReportObject.SR: "Report", ReportObject.HEAT_MAP: "Heat map", ReportObject.PDF: "Page"}

WIDE = 140
"""Columns of a terminal that has room for whole UIDs; a narrower one folds them, for half a UID finds nothing."""
FOLDED_UID = 22
FOLDED_TIME = 10


def studies_table(studies: Iterable[StudySummary], *, width: int) -> Table:
    """The list of studies, newest first, for a terminal of so many columns."""
    table = Table(
        uid_column("Study Instance UID", width),
        whole_column("State"),
        "Rev.",
        "Inst." if width < WIDE else "Instances",
        time_column("Last instance (UTC)" if width >= WIDE else "Last (UTC)", width),
        "Reason",
    )
    for study in studies:
        table.add_row(
            study.study_instance_uid,
            _state(study.state),
            str(study.revision),
            str(study.instances),
            time_text(study.last_instance_at),
            Text(study.reason or ""),
        )
    return table


def callers_table(callers: Iterable[Caller], *, width: int) -> Table:
    """Who called the node: one row for each caller and outcome."""
    table = Table(
        whole_column("Calling AE title"), whole_column("Address"), "Outcome", "Calls", time_column("Last (UTC)", width)
    )
    for caller in callers:
        table.add_row(
            Text(caller.ae_title),
            Text(caller.address),
            Text(caller.outcome),
            str(caller.count),
            time_text(caller.last_at),
        )
    return table


def quarantine_table(found: Iterable[Quarantined], *, width: int) -> Table:
    """What lies in quarantine, and why."""
    table = Table(
        time_column("Since (UTC)", width),
        "Times",
        "From",
        "KiB",
        "Reason",
        uid_column("File in spool/quarantine", width),
    )
    for kept in found:
        table.add_row(
            time_text(kept.received_at),
            str(kept.times),
            Text(kept.calling_ae_title or ""),
            str(-(-kept.size_bytes // 1024)),
            Text(kept.reason),
            Text(str(kept.path)),
        )
    return table


def study_view(detail: StudyDetail, catalogue: Catalogue | None, *, width: int) -> RenderableType:
    """All about one study: state, results with provenance, clips, deliveries, and what happened when.

    `catalogue` is that of the study's run; without it, tasks have no names and values no units. `width` is that of the
    terminal, in columns.
    """
    study = detail.study
    head = Text.assemble(("Study ", "bold"), study.study_instance_uid, f"  revision {study.revision}  ")
    head.append_text(_state(study.state))
    if study.lane == Lane.STAT:
        head.append("  STAT", style="bold red")
    if detail.reason:
        head.append(f"  {detail.reason}")
    parts: list[RenderableType] = [head]
    if detail.run is not None:
        parts += [results_table(detail.run, catalogue), _provenance(detail.run)]
    parts += [_clips_table(detail, catalogue, width)]
    parts += [_deliveries_table(made) for made in detail.objects]
    parts.append(_journal_table(detail, width))
    for entry in [entry for entry in detail.journal if entry.traceback][-1:]:
        parts.append(Text(f"Traceback of {entry.step}, attempt {entry.attempt}\n{entry.traceback}", style="dim"))
    return Group(*parts)


def results_table(run: Run, catalogue: Catalogue | None) -> Table:
    """A run's answers, then what has none; each row says what kind of model made it, and the title what that means."""
    limits = None if run.model.label is ModelLabel.CLINICAL else LIMITS_OF_USE[run.model.label]
    columns = ("Task", whole_column("Answer"), whole_column("Model"), "Value", "Unit", "Note")
    table = Table(*columns, title=limits, title_style="bold red", title_justify="left", caption_justify="left")
    # Said once, below, of the many that share it.
    uncalibrated = Counter(r.reason for r in run.results if r.verdict is Verdict.UNCALIBRATED)
    shared = {reason for reason, count in uncalibrated.items() if count > 1}
    captions = [f"UNCALIBRATED ({uncalibrated[reason]}): {reason}" for reason in uncalibrated if reason in shared]
    if catalogue is None:
        captions.insert(0, f"catalogue {run.catalogue_digest} is not in the spool: no names and units")
    table.caption = Text("\n".join(captions))
    above: TaskResult | None = None
    for result in in_reading_order(run.results):
        if above is not None and (above.verdict is Verdict.UNCALIBRATED) != (result.verdict is Verdict.UNCALIBRATED):
            table.add_section()
        above = result
        task = catalogue.task(result.task_id) if catalogue else None
        value, unit = _value(result, task)
        table.add_row(
            task.name if task else result.task_id,
            result.verdict,
            Text(run.model.label, _LABEL_STYLE.get(run.model.label, "")),
            Text(value),
            unit,
            Text(_note(result, task, unsaid=shared)),
        )
    return table


def _value(result: TaskResult, task: AnyTask | None) -> tuple[str, str]:
    """The value of an answer, and its unit; a class in words, unless it is only what the clips are most like."""
    if result.outcome is not None:
        name = outcome_name(result.outcome, task) if isinstance(task, ClassTask) else result.outcome
        return (name if result.verdict is Verdict.CLASSIFIED else ""), ""
    unit = "" if task is None else task.unit.meaning if isinstance(task, RegressionTask) else _UNIT[result.score_kind]
    if result.value is not None:
        return f"{result.value:.3g}", unit
    return ("", "") if result.score is None else (f"{result.score:.4g}", unit)  # as many digits as its threshold


def _note(result: TaskResult, task: AnyTask | None, *, unsaid: Collection[str | None]) -> str:
    said: list[str | None] = []
    if result.verdict in (Verdict.PRESENT, Verdict.ABSENT):
        said.append("" if result.threshold is None else f"threshold {result.threshold:.4g}")
    if task is not None:
        said.append(most_like(result, task) if result.verdict is Verdict.UNCALIBRATED else confidence(result, task))
    if result.verdict is not Verdict.UNCALIBRATED or result.reason not in unsaid:
        said.append(result.reason)
    return "; ".join(part for part in said if part)


def _provenance(run: Run) -> Text:
    return Text(
        f"run {run.run_uid} at {run.finished_at:%Y-%m-%d %H:%M:%S} UTC: model {run.model.name} {run.model.version} "
        f"({run.model.label}, {run.model.digest[:12]}), catalogue {run.catalogue_digest[:12]}, "
        f"calibration {(run.calibration_digest or 'none of the site')[:16]}, "
        f"EchoWorker {run.software_version}, preprocessing {run.preprocessing_profile}, "
        f"view gate {run.view_gate or 'none'}",
        style="dim",
    )


def _clips_table(detail: StudyDetail, catalogue: Catalogue | None, width: int) -> Table:
    table = Table(uid_column("Instance", width), "Frames", "View", "Clip", title="Instances", title_justify="left")
    clips = {clip.sop_instance_uid: clip for clip in detail.clips}
    for instance in detail.instances:
        clip = clips.get(instance.sop_instance_uid)
        if instance.action == Action.STORE:
            kept = f"not scored: rule {instance.rule}" if instance.rule else "not scored: an object of ours"
            table.add_row(instance.sop_instance_uid, "", "", Text(kept))
        elif clip is None:
            table.add_row(instance.sop_instance_uid, "", "", "not prepared yet")
        else:
            notes = [*clip.notes, clip.view_note] if clip.view_note else clip.notes
            said = clip.skip_reason or "; ".join(notes) or "ok"
            frames = str(len(clip.frame_numbers) or "")
            table.add_row(instance.sop_instance_uid, frames, Text(_view(clip, catalogue)), Text(said))
    return table


def _view(clip: Clip, catalogue: Catalogue | None) -> str:
    """What the model sees in a clip, and by how much it prefers that to any view of the other kind."""
    if clip.view is None or clip.view_margin is None:
        return ""
    known = catalogue.view(clip.view) if catalogue else None
    return f"{known.name if known else clip.view} (by {clip.view_margin:.3f})"


def _deliveries_table(made: Report) -> Table:
    columns = ("ID", "Destination", whole_column("State"), "Attempts", "Last answer")
    table = Table(*columns, title_justify="left")
    table.title = f"{_OBJECT[ReportObject(made.kind)]} {made.sop_instance_uid}"
    for delivery in made.deliveries:
        said = delivery.last_answer or ""
        if delivery.state == DeliveryState.SENT and delivery.commitment_asked_at is not None:
            said += f"; storage commitment asked for at {time_text(delivery.commitment_asked_at)} UTC"
        counts = (str(delivery.attempts), Text(said))
        table.add_row(str(delivery.id), delivery.destination, _state(delivery.state), *counts)
    return table


def _journal_table(detail: StudyDetail, width: int) -> Table:
    columns = (
        time_column("At (UTC)", width),
        "Rev.",
        whole_column("Step"),
        whole_column("State"),
        "Attempt",
        "ms",
        "Reason",
    )
    table = Table(*columns, title="Journal", title_justify="left")
    for entry in detail.journal:
        table.add_row(
            time_text(entry.at),
            str(entry.revision),
            entry.step or "",
            _state(entry.state_after),
            str(entry.attempt or ""),
            "" if entry.duration_ms is None else str(entry.duration_ms),
            Text(entry.reason or ""),
        )
    return table


def uid_column(heading: str, width: int) -> Column:
    """A column of UIDs, for a terminal of so many columns."""
    return Column(heading, no_wrap=width >= WIDE, overflow="fold", max_width=None if width >= WIDE else FOLDED_UID)


def time_column(heading: str, width: int) -> Column:
    """A column of times."""
    return Column(heading, no_wrap=width >= WIDE, max_width=None if width >= WIDE else FOLDED_TIME)


def whole_column(heading: str) -> Column:
    """A column whose words stay whole."""
    return Column(heading, no_wrap=True)


def time_text(at: datetime) -> str:
    """A time, in UTC, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _state(state: str) -> Text:
    return Text(state, style=_STATE_STYLE.get(state, ""))
