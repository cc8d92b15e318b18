"""The frame embeddings of a study, kept in the spool: what is asked of them later needs no pixels and no model.

    spool/embeddings/<first 16 of the embedder>/<Study Instance UID>/<revision>.safetensors

One tensor for each clip, float16 [T, D] under its SOP Instance UID. safetensors maps the file: reading one clip of a
study touches that clip alone. Half precision moves a cosine by some 0.00001, by 0.0005 at most (11 bits a coordinate).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from config.errors import DamagedFileError
from config.whole_files import write_durably

FORMAT = "1"


@dataclass(frozen=True, kw_only=True)
class ClipEmbeddings:
    """One clip: the frames that were embedded, and what the model made of each."""

    sop_instance_uid: str
    frame_numbers: tuple[int, ...]
    """Counted from 1, as Referenced Frame Number (0008,1160) counts them."""
    frames: Tensor
    """float32 [T, D], L2-normalised."""


def embeddings_path(spool: Path, *, embedder: str, study_instance_uid: str, revision: int) -> Path:
    """Where the embeddings of this revision belong."""
    return spool / "embeddings" / embedder[:16] / study_instance_uid / f"{revision}.safetensors"


def write_embeddings(path: Path, clips: Sequence[ClipEmbeddings], *, embedder: str, profile: str) -> None:
    """Write the clips of one study; the file appears whole, in place of an earlier one.

    Raises
    ------
    OSError
        The disk does not take it.
    """
    frame_numbers = json.dumps({clip.sop_instance_uid: list(clip.frame_numbers) for clip in clips})
    tensors = {clip.sop_instance_uid: clip.frames.to(torch.float16).contiguous() for clip in clips}
    metadata = {"format": FORMAT, "embedder": embedder, "profile": profile, "frame_numbers": frame_numbers}
    write_durably(path, save(tensors, metadata))


def read_embeddings(path: Path) -> list[ClipEmbeddings]:
    """The clips of one study, in the order in which they were written, as float32 of length 1 again.

    Raises
    ------
    DamagedFileError
        The file is missing or damaged: requeue the study with --step prepare, and it is written again.
    """
    try:
        with safe_open(path, framework="pt") as file:
            frame_numbers: Mapping[str, list[int]] = json.loads(file.metadata()["frame_numbers"])
            return [
                ClipEmbeddings(
                    sop_instance_uid=uid,
                    frame_numbers=tuple(numbers),
                    frames=torch.nn.functional.normalize(file.get_tensor(uid).float(), dim=-1),
                )
                for uid, numbers in frame_numbers.items()
            ]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(
            f"the embeddings {path.parent.name} revision {path.stem} are missing or damaged: "
            "requeue the study with --step prepare"
        ) from error
