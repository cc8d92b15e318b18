"""A model pack: the folder in which a model comes to us. `worker.packs.manifest` says what lies in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from config.errors import ModelPackError
from db.results.runs import ModelIdentity
from worker.packs.manifest import (
    CALIBRATION,
    CONFIGURATION,
    MANIFEST,
    OPEN_CLIP,
    PROMPTS,
    RULES,
    VOCABULARY,
    WEIGHTS,
    WORDPIECE,
    Manifest,
    Normalisation,
    OpenClipConfiguration,
    read_configuration,
    read_manifest,
    sha256_of,
)
from worker.packs.published import PublishedTask, read_published

READS_TEMPLATES = "echo-clip-r"
"""The family whose text tower was trained with the template vocabulary."""


@dataclass(frozen=True, kw_only=True)
class ModelPack:
    """A pack whose files are what its manifest says."""

    folder: Path
    manifest: Manifest
    identity: ModelIdentity

    def file(self, name: str) -> Path | None:
        """The file of that name; None where the pack has none. What its manifest does not name is not part of it."""
        return self.folder / name if name in self.manifest.files else None

    @property
    def normalisation(self) -> Normalisation:
        """Kind open-clip: see there."""
        return self._open_clip[0].preprocess_cfg

    @property
    def image_size(self) -> int:
        """Kind open-clip: the edge of the images that its model takes, in pixels."""
        return self._open_clip[1]

    @property
    def heat_map_stage(self) -> int:
        """Kind open-clip: the stage of its image tower's trunk that heat maps are read from, -1 the last."""
        return self._open_clip[0].heat_map_cfg.stage

    @property
    def context_length(self) -> int:
        """Kind open-clip: how many ids its text tower takes of a text; 77 where the configuration does not say."""
        return int(self._open_clip[0].model_cfg["text_cfg"].get("context_length", 77))

    @cached_property
    def published_prompts(self) -> Mapping[str, PublishedTask] | None:
        """The prompts that the model was published with, by the key of their task; None where the pack has none.

        Raises
        ------
        ModelPackError
            Its file is not as `worker.packs.published` describes it.
        """
        file = self.file(PROMPTS)
        return read_published(file) if file is not None else None

    @property
    def vocabulary_folder(self) -> Path | None:
        """The folder with the vocabulary of the template tokenizer; None: the text tower takes CLIP's own tokens."""
        return self.folder if self.file(VOCABULARY) and self.file(WORDPIECE) else None

    @property
    def lacks_vocabulary(self) -> bool:
        """Whether its text tower knows template tokens alone, and the pack does not bring the vocabulary for them."""
        return self.identity.family == READS_TEMPLATES and self.vocabulary_folder is None

    @property
    def calibration_file(self) -> Path | None:
        """The calibration that comes with the model (config.calibration); None where there is none."""
        return self.file(CALIBRATION)

    @cached_property
    def _open_clip(self) -> tuple[OpenClipConfiguration, int]:
        return read_configuration(self.folder)


def look_into_pack(folder: Path) -> ModelPack:
    """A pack as it says that it is. Its files are there; that they are the right ones is not looked at: this is quick.

    Raises
    ------
    ModelPackError
        A file is missing, or manifest or configuration is not valid.
    """
    pack = _opened(folder)
    for name in pack.manifest.files:
        if not (folder / name).is_file():
            raise ModelPackError(f"model pack {folder}: has no {name}; install the pack again")
    return pack


def load_pack(folder: Path) -> ModelPack:
    """Read and verify a pack: every file is there and has the digest that the manifest gives.

    Raises
    ------
    ModelPackError
        A file is missing, damaged or not valid; or the configuration would fetch something from a hub.
    """
    pack = _opened(folder)
    if (folder / RULES).exists() and RULES not in pack.manifest.files:
        raise ModelPackError(f"model pack {folder}: its manifest does not name {RULES}, which would be read: remove it")
    for name, promised in pack.manifest.files.items():
        if sha256_of(folder / name) != promised:
            raise ModelPackError(
                f"model pack: {folder / name} is not the file that its manifest names; install the pack again"
            )
    return pack


def _opened(folder: Path) -> ModelPack:
    if not folder.is_dir():
        raise ModelPackError(f"model pack {folder}: no such folder; check model.pack")
    if not (folder / MANIFEST).is_file():
        raise ModelPackError(
            f"model pack {folder}: has no {MANIFEST}; make it a pack: echoworker packs import {folder}"
        )
    manifest, digest = read_manifest(folder)
    identity = ModelIdentity(
        name=manifest.name, version=manifest.version, family=manifest.family, label=manifest.label, digest=digest
    )
    pack = ModelPack(folder=folder, manifest=manifest, identity=identity)
    if manifest.kind == OPEN_CLIP:
        for name in (CONFIGURATION, WEIGHTS):
            if name not in manifest.files:
                raise ModelPackError(f"{folder / MANIFEST}: files lacks the SHA-256 of {name}")
        _ = pack.image_size  # its configuration is valid
    if (VOCABULARY in manifest.files) != (WORDPIECE in manifest.files):
        raise ModelPackError(f"{folder / MANIFEST}: {VOCABULARY} and {WORDPIECE} belong together: files has one alone")
    return pack
