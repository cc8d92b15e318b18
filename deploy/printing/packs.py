"""What the command line prints of installed packs."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from worker.packs.facts import Facts
from worker.packs.installed import SHORT_DIGEST


def packs_view(facts: list[Facts]) -> RenderableType:
    """A few lines for each pack, which fit a terminal of 80 columns as well."""
    return Group(*(line for pack in facts for line in _lines(pack)))


def _lines(pack: Facts) -> Iterator[RenderableType]:
    # To be typed, so never cut: half a name finds nothing.
    yield Text.assemble((pack["pack"], "bold"), "  ", (", ".join(pack["used_for"]), "green"), overflow="fold")
    size = f"{pack['size_bytes'] / 2**20:.0f} MiB"
    if pack["fault"] is not None:
        yield _indented(size)
        yield _indented(pack["fault"], "red")
        return
    yield _indented(f"{pack['label']}: {pack['name']}, {pack['version']}; kind {pack['kind']}, family {pack['family']}")
    parts = [f"digest {pack['digest'][:SHORT_DIGEST]}", size]
    if pack["base"]:
        parts.append(f"on {pack['base']['name']}")
    if pack["brings"]:
        parts.append(f"brings {', '.join(pack['brings'])}")
    yield _indented("; ".join(parts), "dim")
    if not pack["licence_accepted"]:
        yield _indented("licence not accepted", "yellow")


def _indented(text: str, style: str = "") -> RenderableType:
    return Padding(Text(text, style), (0, 0, 0, 2))
