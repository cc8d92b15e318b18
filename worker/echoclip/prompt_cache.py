"""The embeddings of prompts, kept on disk: a worker that starts again reads them in milliseconds.

    <folder>/<first 32 of the text tower's digest>/<SHA-256 of what it holds>.safetensors

A file holds what was embedded at one go: SHA-256 of each text, uint8 [N, 32], and its embedding, float32 [N, D]. The
texts themselves are not in it: some may not be passed on. Files appear whole and are never changed, so any number of
processes may read and write. It is only a cache: what is missing, damaged or cannot be written is embedded again.
"""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from config.whole_files import write_whole

FORMAT = "1"
UNUSED_AFTER_S = 90 * 86400.0
"""What nobody has read for so long is removed."""
MOST_FILES = 64
"""Of one text tower: each change of a catalogue adds one, and the longest unused goes."""
_TEXTS, _EMBEDDINGS = "texts", "embeddings"

EmbedTexts = Callable[[Sequence[str]], Tensor]


class PromptCache:
    """The embeddings of one text tower; texts that it has not seen are embedded together, in one go, and kept."""

    def __init__(self, folder: Path, *, text_tower: str, embed: EmbedTexts) -> None:
        """Look at nothing yet.

        Parameters
        ----------
        folder
            Shared by all text towers, and by all processes.
        text_tower
            SHA-256 of what decides an embedding: weights, tokenizer, precision.
        embed
            Texts to float32 [P, D], L2-normalised.
        """
        self._root = folder
        self._folder = folder / text_tower[:32]
        self._embed = embed
        self._known: dict[bytes, Tensor] | None = None

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """The embeddings of these texts, in their order: float32 [P, D], P at least 1."""
        if self._known is None:
            self._known = self._read()
        missing = list(dict.fromkeys(text for text in texts if _digest(text) not in self._known))
        if missing:
            embedded = self._embed(missing).to(torch.float32).contiguous()
            self._known |= {_digest(text): row for text, row in zip(missing, embedded, strict=True)}
            with suppress(OSError):
                self._write([_digest(text) for text in missing], embedded)
        return torch.stack([self._known[_digest(text)] for text in texts])

    def _read(self) -> dict[bytes, Tensor]:
        known: dict[bytes, Tensor] = {}
        for file in self._files(self._folder):
            try:
                known |= _read_file(file)
                os.utime(file)  # it is in use
            except (SafetensorError, KeyError, ValueError):
                with suppress(OSError):  # of a folder that is only to be read, it stays
                    file.unlink()
            except OSError:  # another process has just removed it, or it is not ours to read
                continue
        return known

    def _write(self, digests: Sequence[bytes], embeddings: Tensor) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        texts = torch.tensor([list(digest) for digest in digests], dtype=torch.uint8)
        checksum = _checksum(texts, embeddings)
        content = save({_TEXTS: texts, _EMBEDDINGS: embeddings}, {"format": FORMAT, "sha256": checksum})
        write_whole(self._folder / f"{checksum}.safetensors", content)
        self._tidy()

    def _tidy(self) -> None:
        for file in self._files(self._folder)[:-MOST_FILES]:
            file.unlink(missing_ok=True)
        for tower in self._root.iterdir():
            for file in self._files(tower):
                with suppress(FileNotFoundError):  # another process tidies, too
                    if file.stat().st_mtime < time.time() - UNUSED_AFTER_S:
                        file.unlink()
            with suppress(OSError):  # not empty
                tower.rmdir()

    @staticmethod
    def _files(folder: Path) -> list[Path]:
        """Those of one text tower, the longest unused first."""
        found = []
        for file in folder.glob("*.safetensors"):
            with suppress(FileNotFoundError):
                found.append((file.stat().st_mtime, file))
        return [file for _, file in sorted(found)]


def _read_file(file: Path) -> dict[bytes, Tensor]:
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata() or {}
        texts, embeddings = opened.get_tensor(_TEXTS), opened.get_tensor(_EMBEDDINGS)
    if metadata["format"] != FORMAT or metadata["sha256"] != _checksum(texts, embeddings):
        raise ValueError("not what was written")
    return {bytes(text.tolist()): row for text, row in zip(texts, embeddings, strict=True)}


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _checksum(*tensors: Tensor) -> str:
    """safetensors would not notice a flipped bit."""
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()
