"""The terms of a pack, as an operator reads and accepts them before it is installed."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict

from config.calibration import Sha256
from config.errors import ModelPackError
from config.labels import ModelLabel
from worker.packs.folder import ModelPack
from worker.packs.manifest import ACCEPTED, parsed, read

ECHOCLIP_LICENCE = "Cedars-Sinai Academic Software License"
_OF_ECHOCLIP = (
    f"The {ECHOCLIP_LICENCE} holds for the weights, the prompts and the vocabulary of EchoCLIP and EchoCLIP-R. In "
    "short: for academic and nonprofit researchers alone; no transfer to anybody else; commercial use by agreement "
    "with Cedars-Sinai. This summary is ours, and does not replace it: its text is in the file LICENSE of the authors' "
    "repository echonet/echo_CLIP on GitHub, and on the model's page of the hub. Read it there before you accept."
)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What has to be accepted."""

    name: str
    text: str | None = None
    """None: the pack holds no text of it."""
    summary: str | None = None
    """Without a text: what we know of it, and where it is."""

    @property
    def digest(self) -> str | None:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest() if self.text is not None else None


KNOWN_TERMS: dict[str, Terms] = {
    family: Terms(name=ECHOCLIP_LICENCE, summary=_OF_ECHOCLIP) for family in ("echo-clip", "echo-clip-r")
}
"""By family of models: what holds where a download brings no text of it. We do not bring one either."""


class Acceptance(BaseModel):
    """That somebody accepted, when, and which text: accepted.json, beside the pack and not part of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    licence: str
    licence_sha256: Sha256 | None
    accepted_at: AwareDatetime
    software_version: str


def accept(terms: Terms) -> Acceptance:
    """The record of an acceptance, now."""
    return Acceptance(
        licence=terms.name,
        licence_sha256=terms.digest,
        accepted_at=datetime.now(UTC).replace(microsecond=0),
        software_version=version("echoworker"),
    )


def terms_of(pack: ModelPack) -> Terms:
    """The terms of an installed pack.

    Raises
    ------
    ModelPackError
        Its licence text cannot be read.
    """
    licence = pack.manifest.licence
    if licence.file is not None:
        return Terms(name=licence.name, text=licence_text(pack.folder / licence.file))
    known = KNOWN_TERMS.get(pack.manifest.family)
    return Terms(name=licence.name, summary=known.summary if known is not None else None)


def licence_text(file: Path) -> str:
    """The text of a licence file; bytes that are no UTF-8 are shown as such, not refused.

    Raises
    ------
    ModelPackError
        It cannot be read.
    """
    return read(file).decode(errors="replace")


def is_accepted(pack: ModelPack) -> bool:
    """Whether these very terms were accepted here. Of random numbers there is nothing to accept."""
    if pack.identity.label is ModelLabel.UNTRAINED:
        return True
    file = pack.folder / ACCEPTED
    if not file.is_file():
        return False
    try:
        accepted, terms = parsed(Acceptance, read(file), file), terms_of(pack)
    except ModelPackError:
        return False
    return (accepted.licence, accepted.licence_sha256) == (terms.name, terms.digest)
