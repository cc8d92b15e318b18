"""What a model pack says of itself: its manifest, and the names of the files that we know.

    manifest.json                 what it is, how far it may be trusted, SHA-256 of every other file
    accepted.json                 beside them, once somebody has accepted its licence; not part of the pack

    open_clip_config.json         kind open-clip: architecture and normalisation, as open_clip writes it
    open_clip_model.safetensors   kind open-clip: the weights

    prompts_used.json             optional: the prompts that the model was published with
    template_vocab.txt, blank_wordpiece.tokenizer, template_rules.json
                                  optional, the first two together: EchoCLIP-R's vocabulary (worker.echoclip.template)
    calibration.json              optional: thresholds that were made with this model
    LICENSE                       optional: the text of its licence

Weights are safetensors only: that format holds numbers and no code.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from config.calibration import Sha256
from config.errors import ModelPackError
from config.labels import ModelLabel

MANIFEST = "manifest.json"
ACCEPTED = "accepted.json"
CONFIGURATION = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"
PROMPTS = "prompts_used.json"
VOCABULARY = "template_vocab.txt"
WORDPIECE = "blank_wordpiece.tokenizer"
RULES = "template_rules.json"
CALIBRATION = "calibration.json"
LICENCE = "LICENSE"

OPEN_CLIP = "open-clip"
"""The kind of a pack whose towers open_clip builds."""

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
"""A file of the pack's folder; it has no folders below."""
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=32)]
Channels = tuple[float, float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Licence(_Part):
    """Under which terms the pack may be used."""

    name: str = Field(min_length=1, max_length=128)
    file: FileName | None = None
    """The file of the pack that holds the text; None: it has none."""


class Base(_Part):
    """The pack whose embeddings this one builds on."""

    name: str = Field(min_length=1, max_length=64)
    digest: Sha256


class Manifest(_Part):
    """What a pack says of itself."""

    format: Literal[1]
    kind: Identifier = OPEN_CLIP
    """Who can load it: an entry point of the group `echoworker.pack_kinds`."""
    name: str = Field(min_length=1, max_length=64)
    version: str = Field(min_length=1, max_length=64)
    family: Identifier
    """Which published thresholds apply: `echo-clip` for the published weights."""
    label: ModelLabel
    licence: Licence
    base: Base | None = None
    files: dict[FileName, Sha256]
    """Every other file of the pack; what is not named here is not read."""

    @field_validator("licence", mode="before")
    @classmethod
    def _name_alone(cls, licence: object) -> object:
        """A name alone is short for a licence without a text."""
        return {"name": licence} if isinstance(licence, str) else licence

    @model_validator(mode="after")
    def _files_hold(self) -> Self:
        if own := {MANIFEST, ACCEPTED} & self.files.keys():
            raise ValueError(f"files cannot name {', '.join(sorted(own))}")
        if self.licence.file is not None and self.licence.file not in self.files:
            raise ValueError(f"licence.file names {self.licence.file}, which files lacks")
        return self


class Normalisation(BaseModel):
    """Mean and standard deviation of each channel, for samples in 0..1."""

    model_config = ConfigDict(frozen=True)  # open_clip writes more here than concerns us

    mean: Channels
    std: Channels

    @field_validator("std")
    @classmethod
    def _divides(cls, std: Channels) -> Channels:
        if min(std) <= 0:
            raise ValueError("must be greater than 0")
        return std


class HeatMapConfiguration(_Part):
    """What heat maps are read from; a key of ours beside open_clip's."""

    stage: int = Field(default=-1, le=-1)
    """Of the image tower's trunk, from its end: -1 is the last. An earlier one has finer places, and knows less."""


class OpenClipConfiguration(BaseModel):
    """The part of open_clip_config.json that we check before open_clip builds the model from it."""

    model_config = ConfigDict(frozen=True)

    model_cfg: dict[str, Any]
    preprocess_cfg: Normalisation
    heat_map_cfg: HeatMapConfiguration = HeatMapConfiguration()


def manifest_bytes(manifest: Manifest) -> bytes:
    """A manifest as it is written: the same bytes for the same content, files by name."""
    content = manifest.model_dump(mode="json")
    content["files"] = dict(sorted(content["files"].items()))
    return (json.dumps(content, indent=1) + "\n").encode()


def write_manifest(
    folder: Path,
    *,
    name: str,
    version: str,
    family: str,
    label: ModelLabel,
    licence: str | Licence,
    kind: str = OPEN_CLIP,
    base: Base | None = None,
) -> Manifest:
    """Write the manifest of a pack whose other files, all those of the folder, are in place.

    Raises
    ------
    ModelPackError
        A field is not as a manifest has it; the message names it.
    """
    content = {
        "format": 1,
        "kind": kind,
        "name": name,
        "version": version,
        "family": family,
        "label": label,
        "licence": licence,
        "base": base,
        "files": digests(folder),
    }
    manifest = valid_manifest(content, folder / MANIFEST)
    (folder / MANIFEST).write_bytes(manifest_bytes(manifest))
    return manifest


def valid_manifest(content: Mapping[str, object], file: Path) -> Manifest:
    """A manifest with this content.

    Raises
    ------
    ModelPackError
        A field is not as a manifest has it; the message names it, and the file that it is for.
    """
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise ModelPackError(f"{file}: {fault_in(error)}") from error


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of a pack's folder, but for manifest and acceptance."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name not in (MANIFEST, ACCEPTED))
    return {path.name: sha256_of(path) for path in files}


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest, and the digest of the pack. It names that of every other file, so its own stands for them all.

    Raises
    ------
    ModelPackError
        It is missing or not valid.
    """
    content = read(folder / MANIFEST)
    return parsed(Manifest, content, folder / MANIFEST), hashlib.sha256(content).hexdigest()


def read_configuration(folder: Path) -> tuple[OpenClipConfiguration, int]:
    """The open_clip configuration of a folder, and the edge of the images that the model takes, in pixels.

    Raises
    ------
    ModelPackError
        It is missing or not valid, or it would fetch something from a hub.
    """
    file = folder / CONFIGURATION
    configuration = parsed(OpenClipConfiguration, read(file), file)
    return configuration, _image_size(configuration.model_cfg, file)


def _image_size(model_cfg: dict[str, Any], file: Path) -> int:
    vision, text = model_cfg.get("vision_cfg"), model_cfg.get("text_cfg")
    if not isinstance(vision, dict) or not isinstance(text, dict):
        raise ModelPackError(f"{file}: model_cfg needs vision_cfg and text_cfg")
    if text.get("hf_model_name") or text.get("hf_tokenizer_name"):
        raise ModelPackError(f"{file}: text_cfg names a model of a hub; a pack must hold all that it needs")
    size = vision.get("image_size")
    if not isinstance(size, int):
        raise ModelPackError(f"{file}: vision_cfg.image_size must be an integer")
    return size


Parsed = TypeVar("Parsed", bound=BaseModel)


def parsed(kind: type[Parsed], content: bytes, file: Path) -> Parsed:
    """JSON as this model.

    Raises
    ------
    ModelPackError
        It is not; the message names the file and the first field at fault.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise ModelPackError(f"{file}: {fault_in(error)}") from error


def fault_in(error: ValidationError) -> str:
    """The first fault, with the field; never with the text that is at fault, which may not be passed on."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where + ': ' if where else ''}{fault['msg'].removeprefix('Value error, ')}"


def read(file: Path) -> bytes:
    """The content of a small file of a pack.

    Raises
    ------
    ModelPackError
        It cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelPackError(f"model pack: {file} cannot be read ({error.strerror})") from error


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits.

    Raises
    ------
    ModelPackError
        It cannot be read.
    """
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise ModelPackError(f"model pack: {file} cannot be read ({error.strerror})") from error
