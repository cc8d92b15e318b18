"""A trained head as a model pack: a folder like any other's, that names the pack whose model it needs.

manifest.json       kind linear-probe; base: name and digest of the pack that embeds
head.json           what it answers, and how it was trained
head.safetensors    its numbers
report.md, *.png    what is to be expected of it
"""

from collections.abc import Mapping
from pathlib import Path

from config.labels import ModelLabel, weakest
from db.results.runs import ModelIdentity
from worker.calibration.making import write_findings
from worker.linear_probe.head import LINEAR_PROBE
from worker.linear_probe.training import Trained
from worker.packs.manifest import Base, Licence, write_manifest


def label_of(base: ModelIdentity) -> ModelLabel:
    """How far a head on this model may be trusted: as far as it, and at most RESEARCH, since nobody validated it."""
    return weakest(base.label, ModelLabel.RESEARCH)


def write_pack(
    folder: Path, trained: Trained, *, base: ModelIdentity, name: str, facts: Mapping[str, str], notes: tuple[str, ...]
) -> None:
    """Write the pack of a head into an empty folder.

    `facts` and `notes` are for the report, as `worker.calibration.report` takes them.

    Raises
    ------
    ModelPackError
        The name is none that a pack may have.
    OSError
        The disk does not take it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trained.head.write(folder)
    label = label_of(base)
    title = f"{name}: a linear probe on {base.name} ({label})"
    write_findings(folder, [trained.findings], title=title, facts=facts, notes=notes)
    write_manifest(
        folder,
        kind=LINEAR_PROBE,
        name=name,
        version=f"{trained.head.description.training.trained_at:%Y-%m-%d}",
        family=base.family,
        label=label,
        licence=Licence(name=f"of this site, and of {base.name} for what it rests on"),
        base=Base(name=base.name, digest=base.digest),
    )
