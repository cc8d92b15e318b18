"""`echoworker calibrate` and `echoworker probe`: from cases with known truth to thresholds, or to a head."""

from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from config.errors import ConfigurationError
from deploy.cli.shared import console, open_registry, require_installation, start

if TYPE_CHECKING:
    from config.clinical_tasks import AnyTask
    from config.settings import Settings
    from worker.calibration.judging import Findings
    from worker.calibration.thresholds import ThresholdRule


class _CasesByDefault(TyperGroup):
    """`calibrate CASES.csv` is `calibrate cases CASES.csv`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See click: a first word that is no command is an argument of the command `cases`."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["cases", *args]
        return super().parse_args(ctx, args)


calibrate_commands = typer.Typer(
    cls=_CasesByDefault,
    help="Make thresholds from cases with known truth: [bold]calibrate CASES.csv --task ID[/]; show and activate them.",
    no_args_is_help=True,
)
probe_commands = typer.Typer(help="Train a head of one's own on the kept embeddings.", no_args_is_help=True)

Cases = Annotated[
    Path,
    typer.Argument(
        metavar="CASES.csv",
        exists=True,
        dir_okay=False,
        help="Columns study_instance_uid, truth; task, where it is about several; group, which tells patients apart.",
    ),
]
Rule = Annotated[Literal["f1"], typer.Option("--rule", help="How the threshold is chosen: the highest F1.")]
Sensitivity = Annotated[
    float | None,
    typer.Option("--sensitivity", min=0.01, max=1.0, help="Instead: the highest threshold with this sensitivity."),
]


@calibrate_commands.command("cases")
def calibrate_cases(
    cases: Cases,
    tasks: Annotated[list[str], typer.Option("--task", metavar="ID", help="A task of the catalogue; again for more.")],
    rule: Rule = "f1",
    sensitivity: Sensitivity = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", file_okay=False, help="By default below the data folder."),
    ] = None,
    activate: Annotated[bool, typer.Option("--activate", help="Put it to use at once.")] = False,
) -> None:
    """Choose thresholds, say what they are worth, and write candidate, report and pictures. The default command."""
    _require_libraries("calibrate")
    chosen = _rule(rule, sensitivity)
    settings = start("calibrate")
    asked = _asked(settings, cases, tasks)
    from worker.calibration import active, making  # noqa: PLC0415  commands load what they need: --help is quick
    from worker.calibration.source import open_source  # noqa: PLC0415

    source = open_source(settings, open_registry(settings))
    folder = out or settings.calibration_dir / f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    made = making.calibrate(
        source,
        asked,
        cases=cases,
        rule=chosen,
        folder=folder,
        software_version=version("echoworker"),
    )
    for note in made.notes:
        _say(note)
    for found in made.findings:
        _show_findings(found)
    _say(f"written: {folder}")
    if made.calibration is None:
        _say("nothing to activate: measurements have no threshold")
    elif activate:
        _show_activated(active.activate(settings, folder))
    else:
        _say(f"read its report.md, then: echoworker calibrate activate {folder}")


@calibrate_commands.command("activate")
def calibrate_activate(
    candidate: Annotated[Path, typer.Argument(metavar="FOLDER", exists=True, help="As `calibrate` wrote it.")],
) -> None:
    """Make a candidate this site's calibration; the one before it is kept."""
    from worker.calibration import active  # noqa: PLC0415

    settings = start("calibrate")
    require_installation(settings)
    _show_activated(active.activate(settings, candidate))


@calibrate_commands.command("show")
def calibrate_show() -> None:
    """Show the active calibration, and what of it holds for the active model."""
    from config.calibration import site_calibration  # noqa: PLC0415
    from worker.calibration import active  # noqa: PLC0415
    from worker.calibration.source import open_source  # noqa: PLC0415

    settings = start("calibrate")
    calibration = site_calibration(settings)
    if calibration is None:
        _say("no calibration is active: what has no threshold in the catalogue is UNCALIBRATED")
        return
    source = open_source(settings, open_registry(settings))
    _say(f"{settings.calibration_path}, {calibration.digest[:12]}, made {calibration.made_at:%Y-%m-%d} with")
    _say(f"{calibration.model_name} ({calibration.model_label}), frames of profile {calibration.preprocessing_profile}")
    table = Table("Task", "Threshold", "Origin", "Holds")
    for found, why_not in active.holding(calibration, source.model, source.catalogue, profile=source.profile):
        cuts = [found.threshold] if found.threshold is not None else found.cut_points or ()
        numbers = ", ".join(f"{cut:.4g}" for cut in cuts)
        holds = Text("yes", style="green") if why_not is None else Text(f"no: {why_not}", style="yellow")
        table.add_row(found.task_id, numbers, Text(found.origin), holds)
    console.print(table)


@probe_commands.command("train")
def probe_train(
    cases: Cases,
    task_id: Annotated[str, typer.Option("--task", metavar="ID", help="The task of the catalogue that it answers.")],
    name: Annotated[str, typer.Option(help="Of the pack; by default, the task's with -probe.")] = "",
    rule: Rule = "f1",
    sensitivity: Sensitivity = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", file_okay=False, help="Where the pack is written.")
    ] = None,
    install: Annotated[bool, typer.Option("--install", help="Install it among the packs of this site.")] = False,
) -> None:
    """Train a linear head for one task, and make it a model pack; figures are of patients that it had not seen."""
    _require_libraries("probe train")
    if (out is None) != install:
        raise ConfigurationError("probe train: give either --out FOLDER or --install")
    chosen = _rule(rule, sensitivity)
    settings = start("probe")
    asked = _asked(settings, cases, [task_id])
    from worker.calibration.source import open_source  # noqa: PLC0415
    from worker.linear_probe.making import make_probe  # noqa: PLC0415

    source = open_source(settings, open_registry(settings))
    made = make_probe(
        source,
        asked[task_id],
        cases=cases,
        rule=chosen,
        name=name or f"{task_id}-probe",
        folder=out,
        packs_dir=settings.packs_dir,
        software_version=version("echoworker"),
    )
    for note in made.notes:
        _say(note)
    _show_findings(made.findings)
    identity = made.pack.identity
    _say(f"the pack {identity.name}, {identity.digest[:12]}, {identity.label}: {made.pack.folder}")
    _say(
        "it is used once it is active: echoworker packs activate" if install else "echoworker packs import installs it"
    )


def _require_libraries(command: str) -> None:
    if find_spec("sklearn") is None or find_spec("matplotlib") is None:
        raise ConfigurationError(
            f"echoworker {command} needs scikit-learn and matplotlib: pip install 'echoworker[calibration]'"
        )


def _asked(settings: "Settings", cases: Path, task_ids: list[str]) -> "dict[str, AnyTask]":
    """The tasks. A wrong id, or a wrong file of cases, is refused before torch and the model are loaded."""
    from config.catalogue import load_catalogue  # noqa: PLC0415
    from worker.calibration.cases import asked_tasks, read_cases  # noqa: PLC0415

    tasks = asked_tasks(load_catalogue(settings.catalogue_path), task_ids)
    read_cases(cases, list(tasks.values()))
    return tasks


def _rule(rule: Literal["f1"], sensitivity: float | None) -> "ThresholdRule":
    from worker.calibration.thresholds import ThresholdRule  # noqa: PLC0415

    if sensitivity is None:
        return ThresholdRule(name=rule)
    return ThresholdRule(name="sensitivity", at_least=sensitivity)


def _show_findings(found: "Findings") -> None:
    from worker.calibration.report import stated  # noqa: PLC0415

    table = Table("", "Cross-validated", "Apparent", title=found.cases.task.name, title_justify="left")
    for question in found.questions:
        table.add_row(f"threshold: {question.name}", "", stated(question.threshold, 4))
    for name, apparent in found.apparent.items():
        validated = stated(found.cross_validated.get(name)) if found.cross_validated else ""
        table.add_row(name, validated, stated(apparent))
    console.print(table)
    for warning in found.warnings:
        _say(warning, style="yellow")
    for case in found.cases.unanswered:
        _say(f"  {case.study_instance_uid}: {case.reason}", style="dim")


def _show_activated(activated: Any) -> None:
    tasks = ", ".join(task.task_id for task in activated.calibration.tasks)
    _say(f"active: {activated.calibration.digest[:12]}, for {tasks}")
    if activated.kept is not None:
        _say(f"the one before it is kept: {activated.kept}")
    if activated.no_longer:
        _say(f"no longer calibrated, since the one before had them: {', '.join(activated.no_longer)}", style="yellow")
    _say("workers read it when they start: restart them; then requeue UID --step score answers a study anew")


def _say(text: str, style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=True)
