"""What the command line prints of the registry: tables for people."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from config.catalogue import Catalogue, RegressionTask
from config.labels import ModelLabel
from config.rules import Action
from db.queries import StudyDetail, StudySummary
from db.runs import Run, TaskResult, Verdict
from db.states import DeliveryState

LIMITS_OF_USE = {
    ModelLabel.UNTRAINED: "UNTRAINED model: random weights, these numbers mean nothing",
    ModelLabel.DEMO: "DEMO model: trained on synthetic hearts, not for clinical use",
    ModelLabel.RESEARCH: "RESEARCH model: not for clinical use",
}
_STATE_STYLE = {"DELIVERED": "green", "FAILED": "bold red", "SKIPPED": "yellow"}


def studies_table(studies: Iterable[StudySummary]) -> Table:
    """The list of studies, newest first."""
    table = Table(_uid("Study Instance UID"), "State", "Rev.", "Instances", "Last instance (UTC)", "Reason")
    for study in studies:
        table.add_row(
            study.study_instance_uid,
            _state(study.state),
            str(study.revision),
            str(study.instances),
            f"{study.last_instance_at:%Y-%m-%d %H:%M:%S}",
            Text(study.reason or ""),
        )
    return table


def study_view(detail: StudyDetail, catalogue: Catalogue) -> RenderableType:
    """All about one study: state, results with provenance, clips, deliveries, and what happened when."""
    study = detail.study
    head = Text.assemble(("Study ", "bold"), study.study_instance_uid, f"  revision {study.revision}  ")
    head.append_text(_state(study.state))
    if study.reason:
        head.append(f"  {study.reason}")
    parts: list[RenderableType] = [head]
    if detail.run is not None:
        parts += [results_table(detail.run, catalogue), _provenance(detail.run)]
    parts += [_clips_table(detail)]
    if detail.report is not None:
        parts.append(_deliveries_table(detail))
    parts.append(_journal_table(detail))
    return Group(*parts)


def results_table(run: Run, catalogue: Catalogue) -> Table:
    """A run's answers; its title says what made them."""
    limits = LIMITS_OF_USE.get(run.model.label)
    table = Table("Task", "Answer", "Value", "Unit", "Note", title=limits, title_style="bold red", title_justify="left")
    for result in run.results:
        task = catalogue.task(result.task_id)
        unit = task.unit.meaning if isinstance(task, RegressionTask) else "cosine"
        value = result.value if result.value is not None else result.score
        table.add_row(
            task.name if task else result.task_id,
            result.verdict,
            "" if value is None else f"{value:.3g}",
            "" if value is None else unit,
            Text(_note(result)),
        )
    return table


def _note(result: TaskResult) -> str:
    if result.verdict in (Verdict.PRESENT, Verdict.ABSENT):
        return f"threshold {result.threshold}"
    return result.reason or ""


def _provenance(run: Run) -> Text:
    return Text(
        f"run {run.run_uid} at {run.finished_at:%Y-%m-%d %H:%M:%S} UTC: model {run.model.name} {run.model.version} "
        f"({run.model.label}, {run.model.digest[:12]}), catalogue {run.catalogue_digest[:12]}, "
        f"EchoWorker {run.software_version}, preprocessing {run.preprocessing_profile}",
        style="dim",
    )


def _clips_table(detail: StudyDetail) -> Table:
    table = Table(_uid("Instance"), "Frames", "Clip", title="Instances", title_justify="left")
    clips = {clip.sop_instance_uid: clip for clip in detail.clips}
    for instance in detail.instances:
        clip = clips.get(instance.sop_instance_uid)
        if instance.action == Action.STORE:
            kept = f"not scored: rule {instance.rule}" if instance.rule else "not scored: a report of ours"
            table.add_row(instance.sop_instance_uid, "", Text(kept))
        elif clip is None:
            table.add_row(instance.sop_instance_uid, "", "not prepared yet")
        else:
            said = clip.skip_reason or "; ".join(clip.notes) or "ok"
            table.add_row(instance.sop_instance_uid, str(len(clip.frame_numbers) or ""), Text(said))
    return table


def _deliveries_table(detail: StudyDetail) -> Table:
    report = detail.report
    table = Table("Destination", "State", "Attempts", "Last answer", title_justify="left")
    if report is not None:
        table.title = f"Report {report.sop_instance_uid}"
        for delivery in report.deliveries:
            said = delivery.last_answer or ""
            if delivery.state == DeliveryState.SENT:
                said += f"; storage commitment asked for at {delivery.commitment_asked_at:%Y-%m-%d %H:%M:%S} UTC"
            table.add_row(delivery.destination, _state(delivery.state), str(delivery.attempts), Text(said))
    return table


def _journal_table(detail: StudyDetail) -> Table:
    table = Table("At (UTC)", "Rev.", "Step", "State", "Attempt", "ms", "Reason", title="Journal", title_justify="left")
    for entry in detail.journal:
        table.add_row(
            f"{entry.at:%H:%M:%S}",
            str(entry.revision),
            entry.step or "",
            _state(entry.state_after),
            str(entry.attempt or ""),
            "" if entry.duration_ms is None else str(entry.duration_ms),
            Text(entry.reason or ""),
        )
    return table


def _uid(heading: str) -> Column:
    return Column(heading, no_wrap=True, overflow="fold")  # half a UID finds nothing


def _state(state: str) -> Text:
    return Text(state, style=_STATE_STYLE.get(state, ""))
