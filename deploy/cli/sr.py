"""`echoworker sr`: whether Structured Reports are right where the public validators do not look."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from config.logs import configure_logs
from deploy.cli.shared import console

if TYPE_CHECKING:
    from dicom_node.report.checking.check import Checked

_STYLES = {"FAULT": "red", "WARN": "yellow"}

sr_commands = typer.Typer(
    help="Structured Reports, ours and others': what is wrong with them that the public validators do not see.",
    no_args_is_help=True,
)


@sr_commands.command("check")
def check_reports(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="DICOM files.", exists=True, dir_okay=False)],
    faults: Annotated[bool, typer.Option("--faults", help="Leave out what DICOM allows (WARN).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON, for programs.")] = False,
) -> None:
    """Check TID 1500 reports, and of other Structured Reports what holds for all. Status 1 where anything is found.

    One line for each finding: how bad, which content item, what is wrong, and the place in the standard that says so.
    The command needs no installation and changes nothing; what it prints quotes codes and UIDs, and no names or text.
    """
    import json  # noqa: PLC0415

    from dicom_node.report.checking.check import check_file  # noqa: PLC0415

    configure_logs(process="sr")
    checked = [(file, _without_warnings(check_file(file)) if faults else check_file(file)) for file in files]
    if as_json:
        typer.echo(json.dumps([_facts(file, one) for file, one in checked], indent=2, ensure_ascii=False))
    else:
        for file, one in checked:
            _say(file, one)
    if any(one.findings for _, one in checked):
        raise typer.Exit(1)


def _say(file: Path, checked: "Checked") -> None:
    count = len(checked.findings)
    found = f"findings: {count}" if count else "no finding"
    console.print(Text(f"{file}: {checked.kind}: {found}", style="bold"), soft_wrap=True)
    for finding in checked.findings:
        console.print(
            Text.assemble(
                "  ",
                (f"{finding.level:<5}", _STYLES[finding.level]),
                f" {finding.path}: {finding.said}",
                (f"  [{finding.rule}: {finding.source}]", "dim"),
            ),
            soft_wrap=True,
        )


def _facts(file: Path, checked: "Checked") -> dict[str, Any]:
    return {"file": str(file), "kind": checked.kind, "findings": [asdict(finding) for finding in checked.findings]}


def _without_warnings(checked: "Checked") -> "Checked":
    return replace(checked, findings=tuple(finding for finding in checked.findings if finding.level == "FAULT"))
