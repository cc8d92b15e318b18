"""What tells the embeddings of one open-clip pack from those of another, without loading it."""

import hashlib
import json
from pathlib import Path

from worker.echoclip.pack import CONFIGURATION, MANIFEST, WEIGHTS

_TOKENIZER = ("template_vocab.txt", "blank_wordpiece.tokenizer")


def embedder_of(folder: Path) -> str:
    """SHA-256 of what decides the embeddings of frames: configuration and weights, as the manifest of a pack has them.

    A pack that is imported anew, with prompts or a calibration beside the same weights, has the same one.
    """
    files = _files(folder)
    return _together(files[CONFIGURATION], files[WEIGHTS])


def text_tower_of(folder: Path) -> str:
    """SHA-256 of what decides the embeddings of texts: the same, and the vocabulary of the tokenizer where it has one.

    CLIP's own tokenizer comes with open_clip.
    """
    files = _files(folder)
    return _together(files[CONFIGURATION], files[WEIGHTS], *(files.get(name, "") for name in _TOKENIZER))


def _files(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of a pack that was verified."""
    return dict(json.loads((folder / MANIFEST).read_bytes())["files"])


def _together(*digests: str) -> str:
    return hashlib.sha256("".join(digests).encode()).hexdigest()
