"""Downloads, packs and accepted licences, all of them invented: nothing of EchoCLIP's own is in these tests."""

import json
import shutil
from pathlib import Path
from typing import Any

from config.labels import ModelLabel
from worker.packs.importing import import_pack
from worker.packs.installed import InstalledPack, find_pack
from worker.packs.licences import accept
from worker.packs.manifest import ACCEPTED, MANIFEST, Base, write_manifest
from worker.packs.source import Choices, look_at_source

LICENCE_TEXT = "# The Invented Licence\n\nUse it as you like, on Sundays.\n"
PROMPTS: dict[str, Any] = {
    "pump_speed": {
        "mode": "regression",
        "label_sources": ["SPEED OF THE PUMP: <#>. ", "PUMP AT <#>. "],
        "range": [2, 9],
    },
    "pump": {
        "mode": "binary",
        "label_sources": ["PUMP <#>CM DEEP. ", "PUMP. "],
        "testers": ["PUMP 4CM DEEP. ", "PUMP. "],
    },
    "size": {
        "mode": "categorical",
        "label_sources": ["SOMEWHAT LARGE. ", "VERY LARGE. ", "LARGISH. "],
        "values": [1, 2, 1],
        "value_mapping": {"1": "Large", "2": "Very large"},
    },
}


def plain_download(pack: Path, folder: Path) -> Path:
    """What a hub would give of this pack's model: open_clip's files and a licence."""
    shutil.copytree(pack, folder)
    (folder / MANIFEST).unlink()
    (folder / ACCEPTED).unlink(missing_ok=True)
    (folder / "LICENSE.md").write_text(LICENCE_TEXT)
    return folder


def installed(folder: Path, packs_dir: Path, **choices: Any) -> InstalledPack:
    """Import a folder, its licence accepted."""
    source = look_at_source(folder, Choices(**choices))
    pack = import_pack(source, packs_dir, accept(source.terms))
    return find_pack(packs_dir, pack.folder.name)


def pack_of_kind(folder: Path, kind: str, *, base: Base | None = None, label: ModelLabel = ModelLabel.RESEARCH) -> Path:
    """A pack of another kind than open-clip, with one file."""
    folder.mkdir(parents=True)
    (folder / "numbers.json").write_text(json.dumps([1, 2, 3]))
    fields = {"name": folder.name, "version": "1", "family": "invented", "licence": "none"}
    write_manifest(folder, kind=kind, base=base, label=label, **fields)
    return folder
