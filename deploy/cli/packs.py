"""`echoworker packs`: model packs come in, are looked at, checked and chosen."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from config.errors import EchoWorkerError, ModelPackError
from config.labels import ModelLabel
from config.settings import Settings
from deploy.cli.shared import console, start

if TYPE_CHECKING:
    from worker.packs.active import PackUse
    from worker.packs.installed import InstalledPack
    from worker.packs.licences import Acceptance, Terms
    from worker.packs.source import Choices

packs_commands = typer.Typer(
    help="Model packs: import, check and choose the models that score and that search.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As packs list shows it.")]
AsName = Annotated[str | None, typer.Option("--name", help="What the pack is called.")]
AsFamily = Annotated[
    str | None, typer.Option("--family", help="Decides which published thresholds hold, as echo-clip does.")
]
AsLabel = Annotated[
    ModelLabel | None, typer.Option("--label", case_sensitive=False, help="How far it may be trusted: RESEARCH.")
]
AsVersion = Annotated[str | None, typer.Option("--version", help="By default from its weights, or its revision.")]
LicenceFile = Annotated[
    Path | None, typer.Option("--licence", exists=True, dir_okay=False, help="The text of its licence.")
]
Also = Annotated[
    list[Path] | None,
    typer.Option("--also", exists=True, help="More of its files, or a folder: prompts, vocabulary, calibration."),
]
Accept = Annotated[bool, typer.Option("--accept-licence", help="You have read the licence, and accept it.")]


class _DeclinedError(EchoWorkerError):
    """Somebody was asked whether they accept the licence, and did not."""


@packs_commands.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A pack, or a download of an open_clip model.")],
    name: AsName = None,
    family: AsFamily = None,
    label: AsLabel = None,
    version: AsVersion = None,
    licence: LicenceFile = None,
    also: Also = None,
    accept_licence: Accept = False,
) -> None:
    """Check a model and install it as a pack; weights in .bin are converted. Shows its licence, to be accepted."""
    from worker.packs.source import Choices  # noqa: PLC0415  commands load what they need: --help is quick

    choices = Choices(name=name, family=family, label=label, version=version, licence=licence, also=also or ())
    _import(start("packs"), folder, choices, accept_licence=accept_licence)


@packs_commands.command("pull")
def pull(
    model: Annotated[str, typer.Argument(metavar="NAME", help="On the hub, as OWNER/MODEL.")],
    revision: Annotated[str | None, typer.Option(help="By default the newest.")] = None,
    name: AsName = None,
    family: AsFamily = None,
    label: AsLabel = None,
    version: AsVersion = None,
    licence: LicenceFile = None,
    also: Also = None,
    accept_licence: Accept = False,
) -> None:
    """Download a model from the hub, with your account there, and import it."""
    import shutil  # noqa: PLC0415

    from worker.packs.hub import pull as pull_files  # noqa: PLC0415
    from worker.packs.source import Choices  # noqa: PLC0415

    settings = start("packs")
    choices = Choices(name=name, family=family, label=label, version=version, licence=licence, also=also or ())
    pulled = pull_files(model, settings.packs_dir, choices, revision=revision)
    try:
        _import(settings, pulled.folder, pulled.choices, accept_licence=accept_licence)
    except (_DeclinedError, typer.Abort):
        shutil.rmtree(pulled.folder)  # whoever does not accept its terms must not have it
        raise
    shutil.rmtree(pulled.folder)


@packs_commands.command("list")
def list_packs(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """List the installed packs: what each is, what it brings, and what it is used for."""
    from deploy.printing.packs import packs_view  # noqa: PLC0415
    from worker.packs.facts import pack_facts  # noqa: PLC0415

    settings = start("packs")
    facts = pack_facts(settings)
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
    elif facts:
        console.print(packs_view(facts))
    else:
        console.print("no pack is installed; the bundled DEMO model scores")


@packs_commands.command("verify")
def verify(name: Annotated[str, typer.Argument(metavar="[NAME]", help="By default all of them.")] = "") -> None:
    """Check packs anew: every digest, every tensor, prompts, vocabulary, base."""
    from worker.packs.check import check_pack, stray_files  # noqa: PLC0415
    from worker.packs.installed import find_pack, installed_packs  # noqa: PLC0415

    settings = start("packs")
    packs = [find_pack(settings.packs_dir, name)] if name else installed_packs(settings.packs_dir)
    if not packs:
        _say("no pack is installed: nothing to verify")
    damaged = 0
    for installed in packs:
        try:
            stray = stray_files(check_pack(installed.folder, settings.packs_dir))
        except ModelPackError as error:
            _say(f"{installed.name}: {error}", style="red")
            damaged += 1
        else:
            _say(f"{installed.name}: good" + (f"; nothing reads its {', '.join(stray)}" if stray else ""))
    if damaged:
        raise EchoWorkerError(f"{damaged} of {len(packs)} packs cannot be used")


@packs_commands.command("activate")
def activate(
    name: Name,
    use: Annotated[str, typer.Option("--for", help="scoring or retrieval.")] = "scoring",
) -> None:
    """Let a pack score, or search, from the next study on; running workers take it up by themselves."""
    from worker.packs.active import PackUse  # noqa: PLC0415
    from worker.packs.active import activate as activate_pack  # noqa: PLC0415
    from worker.packs.installed import find_pack  # noqa: PLC0415

    settings = start("packs")
    if use not in list(PackUse):
        raise EchoWorkerError(f"--for {use}: say scoring or retrieval")
    installed = find_pack(settings.packs_dir, name)
    _require_size(installed, PackUse(use))
    activate_pack(settings.packs_dir, installed, PackUse(use))
    _say(f"{installed.name} is active for {use}, from the next study on")
    setting = "pack" if use == PackUse.SCORING else "retrieval_pack"
    if named := getattr(settings.model, setting):
        _say(f"but the setting model.{setting} is stronger, and names {named}: take it out", style="bold yellow")


@packs_commands.command("remove")
def remove(name: Name) -> None:
    """Remove a pack that nothing uses."""
    from worker.packs.active import remove as remove_pack  # noqa: PLC0415
    from worker.packs.installed import find_pack  # noqa: PLC0415

    settings = start("packs")
    installed = find_pack(settings.packs_dir, name)
    remove_pack(settings, installed)
    _say(f"{installed.name} is removed")


def _import(settings: Settings, folder: Path, choices: "Choices", *, accept_licence: bool) -> None:
    from worker.packs.source import look_at_source  # noqa: PLC0415

    source = look_at_source(folder, choices)
    accepted = _accepted(source.terms, already=accept_licence)
    from worker.packs.importing import import_pack  # noqa: PLC0415  torch: after the licence, which nobody waits for

    pack = import_pack(source, settings.packs_dir, accepted)
    identity = pack.identity
    _say(
        f"{pack.folder.name} is installed: {identity.name}, {identity.version}, family {identity.family}, "
        f"label {identity.label}"
    )
    _say(f"echoworker packs activate {pack.folder.name} lets it score")


def _accepted(terms: "Terms", *, already: bool) -> "Acceptance":
    """Show the terms, and ask."""
    from worker.packs.licences import accept  # noqa: PLC0415

    asks = sys.stdin.isatty() and sys.stdout.isatty()
    shown = "".join(each for each in terms.text or terms.summary or "" if each.isprintable() or each in "\n\t")
    _say(f"Licence: {terms.name}", style="bold")
    if terms.text is not None and asks and not already:
        with console.pager():
            console.print(Text(shown))
    else:
        typer.echo(shown)
    if already:
        return accept(terms)
    if not asks:
        raise EchoWorkerError(
            f"the licence {terms.name!r} has to be accepted by somebody who has read it: run this in a terminal, or "
            "with --accept-licence; nothing was installed"
        )
    if typer.prompt("Do you accept it? Type yes", default="no").strip().lower() != "yes":
        raise _DeclinedError("the licence was not accepted; nothing was installed")
    return accept(terms)


def _require_size(installed: "InstalledPack", use: "PackUse") -> None:
    from worker.packs.active import PackUse  # noqa: PLC0415
    from worker.packs.manifest import OPEN_CLIP  # noqa: PLC0415

    if use is PackUse.SCORING and installed.pack is not None and installed.pack.manifest.kind == OPEN_CLIP:
        from worker.loading import require_size  # noqa: PLC0415

        require_size(installed.folder, installed.pack.image_size)


def _say(line: str, *, style: str = "") -> None:
    console.print(Text(line, style=style), soft_wrap=True, highlight=False)
