"""How batches of re-scoring are shown: how far they are, what changes, and how far two models agree."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from db.rescoring.outdated import Outlook, Target
from db.rescoring.rescored import progress_in
from db.states import BatchKind, BatchState, RescoredState

if TYPE_CHECKING:
    from db.tables.rescoring import Rescoring

LOOK_EVERY_S = 1.0
NEXT_STEP = {
    BatchState.CANARY: "the canary is answered: echoworker rescore continue {id}, or discard {id}",
    BatchState.SCORED: "nothing is current yet: echoworker rescore adopt {id}, or discard {id}",
}


def outlook_lines(found: Outlook, target: Target, *, without_pixels: int) -> list[str]:
    """What a batch would have to do."""
    lines = [f"{found.studies} studies would be answered by {target.model_name} {target.model_version}"]
    if found.because:
        lines.append("another " + ", ".join(f"{why}: {count}" for why, count in found.because.items()))
    if found.studies:
        pixels = found.studies - found.from_embeddings
        lines.append(f"{found.from_embeddings} from kept embeddings, {pixels - without_pixels} from their pixels")
    if without_pixels:
        lines.append(f"{without_pixels} cannot be answered: neither embeddings of this model nor all pixels are there")
    return lines


def batch_facts(batch: "Rescoring", counts: Mapping[str, int]) -> dict[str, Any]:
    """One batch, for programs."""
    return {
        "batch": batch.id,
        "kind": batch.kind,
        "state": batch.state,
        "paused": batch.paused,
        "reason": batch.reason,
        "started_by": batch.started_by,
        "created_at": batch.created_at.isoformat(),
        "state_since": batch.state_since.isoformat(),
        "model": {
            "name": batch.model_name,
            "version": batch.model_version,
            "label": batch.model_label,
            "digest": batch.model_digest,
            "pack": batch.pack,
        },
        "catalogue_digest": batch.catalogue_digest,
        "calibration_digest": batch.calibration_digest,
        "tasks": batch.task_ids,
        "studies": dict(counts),
    }


def batches_table(listed: Sequence[tuple["Rescoring", Mapping[str, int]]]) -> Table:
    """The batches, one a line."""
    table = Table("Batch", "Kind", "State", "Model", "Begun", "Done", "Of", "Cannot, failed", "Why")
    for batch, counts in listed:
        done, total = progress_in(counts)
        without = counts.get(RescoredState.CANNOT, 0) + counts.get(RescoredState.FAILED, 0)
        state = f"{batch.state}, paused" if batch.paused else batch.state
        model = f"{batch.model_name} {batch.model_version}"
        begun = f"{batch.created_at:%Y-%m-%d %H:%M}"
        table.add_row(
            str(batch.id), batch.kind, state, model, begun, str(done), str(total), str(without), batch.reason or ""
        )
    return table


def show_batch(
    console: Console, batch: "Rescoring", counts: Mapping[str, int], reasons: Sequence[tuple[str, str, int]]
) -> None:
    """A batch and its report."""
    done, total = progress_in(counts)
    model = f"{batch.model_name} {batch.model_version}, {batch.model_label}"
    console.print(Text(f"re-scoring {batch.id}, {batch.kind}, {batch.state}: {done} of {total} studies; {model}"))
    for state, count in sorted(counts.items()):
        console.print(Text(f"  {count} {state}"))
    for state, reason, count in reasons:
        console.print(Text(f"  {count} {state}: {reason}", style="dim"), soft_wrap=True)
    if batch.report is None:
        console.print("no report yet: it is made when all studies, or those of the canary, are answered")
    elif batch.kind == BatchKind.SHADOW:
        console.print(_agreement_table(batch.report))
    else:
        _show_changes(console, batch.report)
    if (step := NEXT_STEP.get(BatchState(batch.state))) is not None and batch.kind == BatchKind.RESCORE:
        console.print(Text(step.format(id=batch.id)), soft_wrap=True)


@contextmanager
def progress(console: Console, counts: Callable[[], Mapping[str, int]]) -> Iterator[None]:
    """Show how far a batch is while the block works on it."""
    if not console.is_terminal:
        yield
        return
    done_with_it = threading.Event()
    with Progress(console=console) as bar:
        task = bar.add_task("studies")

        def look() -> None:
            while not done_with_it.wait(LOOK_EVERY_S):
                done, total = progress_in(counts())
                bar.update(task, completed=done, total=total)

        looker = threading.Thread(target=look, daemon=True)
        looker.start()
        try:
            yield
        finally:
            done_with_it.set()
            looker.join()


def _show_changes(console: Console, report: Mapping[str, Any]) -> None:
    console.print(
        Text(
            f"{report['answers_changed']} of {report['answers']} answers have another verdict or class, "
            f"{report['values_changed']} another value; of {report['studies']} studies "
            f"{report['studies_with_other_answers']} have an answer that is another"
        ),
        soft_wrap=True,
    )
    table = Table("Task", "Answers", "Values changed", "Answers changed", "Moved by: 5 %", "Median", "95 %", "From, to")
    for task_id, facts in report["tasks"].items():
        moved = facts["moved"] or {}
        numbers = [f"{moved[name]:+.3g}" if name in moved else "" for name in ("5 %", "median", "95 %")]
        turns = ", ".join(f"{count} {one} > {other}" for one, other, count in facts["turns"][:3])
        scale = f" ({facts['on_another_scale']} on another scale)" if facts["on_another_scale"] else ""
        counts = [str(facts["answers"]), f"{facts['values_changed']}{scale}", str(facts["answers_changed"])]
        table.add_row(task_id, *counts, *numbers, Text(turns))
    console.print(table)


def _agreement_table(report: Mapping[str, Any]) -> Table:
    table = Table("Task", "Pairs", "Both answer", "Agree", "Kappa", "Mean difference", "Limits of agreement")
    for task_id, facts in report["tasks"].items():
        limits = facts.get("limits_of_agreement")
        kappa = _stated(facts.get("kappa"))
        table.add_row(
            task_id,
            str(facts["pairs"]),
            str(facts.get("both_answer", "")),
            _stated(facts.get("agreement")),
            f"{kappa} (quadratic weights)" if kappa and facts["kappa_weights"] == "quadratic" else kappa,
            _stated(facts.get("mean_difference")),
            f"{limits[0]:.3g} to {limits[1]:.3g}" if limits else "",
        )
    return table


def _stated(number: float | None) -> str:
    return "" if number is None else f"{number:.3g}"
