"""A model pack: the folder in which a model comes to us.

    manifest.json                 what it is, how far it may be trusted, SHA-256 of the other files
    open_clip_config.json         architecture and normalisation, as open_clip writes it
    open_clip_model.safetensors   the weights

Weights are safetensors only: that format holds numbers and no code.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config.errors import ModelPackError
from config.labels import ModelLabel
from db.runs import ModelIdentity

MANIFEST = "manifest.json"
CONFIGURATION = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Channels = tuple[float, float, float]


class Manifest(BaseModel):
    """What a pack says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    name: str = Field(min_length=1, max_length=64)
    version: str = Field(min_length=1, max_length=64)
    family: str = Field(pattern=r"^[a-z0-9-]+$", max_length=32)
    """Which published thresholds apply: `echo-clip` for the published weights."""
    label: ModelLabel
    licence: str = Field(min_length=1)
    files: dict[Literal["open_clip_config.json", "open_clip_model.safetensors"], Sha256]


class Normalisation(BaseModel):
    """Mean and standard deviation of each channel, for samples in 0..1."""

    model_config = ConfigDict(frozen=True)  # open_clip writes more here than concerns us

    mean: Channels
    std: Channels


class OpenClipConfiguration(BaseModel):
    """The part of open_clip_config.json that we check before open_clip builds the model from it."""

    model_config = ConfigDict(frozen=True)

    model_cfg: dict[str, Any]
    preprocess_cfg: Normalisation


@dataclass(frozen=True, kw_only=True)
class ModelPack:
    """A pack whose files are what its manifest says."""

    folder: Path
    identity: ModelIdentity
    normalisation: Normalisation
    image_size: int


def look_into_pack(folder: Path) -> ModelIdentity:
    """What a pack says that it is. Its files are there; that they are the right ones is not looked at: this is quick.

    Raises
    ------
    ModelPackError
        A file is missing, or manifest or configuration is not valid.
    """
    if not folder.is_dir():
        raise ModelPackError(f"model pack {folder}: no such folder; check model.pack")
    if not (folder / WEIGHTS).is_file():
        raise ModelPackError(f"model pack {folder}: has no {WEIGHTS}; install the pack again")
    manifest, identity = _manifest(folder)
    _configuration(folder)
    for name in (CONFIGURATION, WEIGHTS):
        _promised(folder / name, manifest)
    return identity


def load_pack(folder: Path) -> ModelPack:
    """Read and verify a pack: every file is there and has the digest that the manifest gives.

    Raises
    ------
    ModelPackError
        A file is missing, damaged or not valid; or the configuration would fetch something from a hub.
    """
    manifest, identity = _manifest(folder)
    for name in (CONFIGURATION, WEIGHTS):
        _verify(folder / name, manifest)
    configuration, image_size = _configuration(folder)
    return ModelPack(
        folder=folder, identity=identity, normalisation=configuration.preprocess_cfg, image_size=image_size
    )


def write_manifest(folder: Path, *, name: str, version: str, family: str, label: ModelLabel, licence: str) -> None:
    """Write the manifest of a pack whose other files are in place."""
    manifest = Manifest(
        format=1,
        name=name,
        version=version,
        family=family,
        label=label,
        licence=licence,
        files={CONFIGURATION: _sha256(folder / CONFIGURATION), WEIGHTS: _sha256(folder / WEIGHTS)},
    )
    (folder / MANIFEST).write_text(json.dumps(manifest.model_dump(mode="json"), indent=1) + "\n")


def _manifest(folder: Path) -> tuple[Manifest, ModelIdentity]:
    content = _read(folder / MANIFEST)
    manifest = _parsed(Manifest, content, folder / MANIFEST)
    return manifest, ModelIdentity(
        name=manifest.name,
        version=manifest.version,
        family=manifest.family,
        label=manifest.label,
        # The manifest holds the digest of every other file, so its own stands for them all.
        digest=hashlib.sha256(content).hexdigest(),
    )


def _configuration(folder: Path) -> tuple[OpenClipConfiguration, int]:
    """The configuration, and the edge of the images that the model takes, in pixels."""
    file = folder / CONFIGURATION
    configuration = _parsed(OpenClipConfiguration, _read(file), file)
    return configuration, _image_size(configuration.model_cfg, file)


def _promised(file: Path, manifest: Manifest) -> str:
    promised = manifest.files.get(file.name)  # type: ignore[call-overload]
    if promised is None:
        raise ModelPackError(f"{file.parent / MANIFEST}: files lacks the SHA-256 of {file.name}")
    return str(promised)


def _verify(file: Path, manifest: Manifest) -> None:
    promised = _promised(file, manifest)
    try:
        actual = _sha256(file)
    except OSError as error:
        raise ModelPackError(f"model pack: {file} cannot be read ({error.strerror})") from error
    if actual != promised:
        raise ModelPackError(f"model pack: {file} is not the file that its manifest names; install the pack again")


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


def _parsed(kind: type[Parsed], content: bytes, file: Path) -> Parsed:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ModelPackError(f"{file}: {where + ': ' if where else ''}{fault['msg']}") from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelPackError(f"model pack: {file} cannot be read ({error.strerror})") from error


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
