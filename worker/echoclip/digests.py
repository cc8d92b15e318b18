"""What tells the embeddings of one open-clip pack from those of another, without loading it."""

import hashlib

from worker.packs.folder import ModelPack
from worker.packs.manifest import CONFIGURATION, RULES, VOCABULARY, WEIGHTS, WORDPIECE


def embedder_of(pack: ModelPack) -> str:
    """SHA-256 of what decides the embeddings of frames: configuration and weights, as the manifest of a pack has them.

    A pack that is imported anew, with prompts or a calibration beside the same weights, has the same one.

    The precision is left out on purpose: what float32 and bfloat16 make of a frame has a cosine of about 0.9999
    with random weights (docs/performance.md), and counts as the same.
    """
    return _together(pack, CONFIGURATION, WEIGHTS)


def text_tower_of(pack: ModelPack) -> str:
    """SHA-256 of what decides the embeddings of texts: the same, and the vocabulary of the tokenizer where it has one.

    CLIP's own tokenizer comes with open_clip.
    """
    return _together(pack, CONFIGURATION, WEIGHTS, VOCABULARY, WORDPIECE, RULES)


def _together(pack: ModelPack, *names: str) -> str:
    return hashlib.sha256("".join(pack.manifest.files.get(name, "") for name in names).encode()).hexdigest()
