import errno
import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor

from worker.echoclip.prompt_cache import MOST_FILES, UNUSED_AFTER_S, PromptCache

TOWER = hashlib.sha256(b"a text tower").hexdigest()
TEXTS = [f"The measure is {number}." for number in range(700)]


class Counting:
    """A text tower that remembers what it was given."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> Tensor:
        self.batches.append(list(texts))
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") for text in texts]
        vectors = [torch.randn(16, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.nn.functional.normalize(torch.stack(vectors), dim=-1)


@pytest.fixture
def tower() -> Counting:
    return Counting()


def cache(folder: Path, tower: Counting, digest: str = TOWER) -> PromptCache:
    return PromptCache(folder / "prompts", text_tower=digest, embed=tower)


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))


def test_a_cold_start_embeds_all_at_one_go_and_a_warm_one_nothing_bit_for_bit(tmp_path: Path, tower: Counting) -> None:
    cold = cache(tmp_path, tower)([*TEXTS, TEXTS[0]])
    assert tower.batches == [TEXTS]
    warm = cache(tmp_path, tower)([*TEXTS, TEXTS[0]])
    assert len(tower.batches) == 1
    assert torch.equal(warm, cold)
    assert torch.equal(cold[-1], cold[0])


def test_only_what_is_new_is_embedded(tmp_path: Path, tower: Counting) -> None:
    cache(tmp_path, tower)(TEXTS[:5])
    mixed = cache(tmp_path, tower)([TEXTS[6], TEXTS[2], TEXTS[5]])
    assert tower.batches[1:] == [[TEXTS[6], TEXTS[5]]]
    assert torch.equal(mixed, Counting()([TEXTS[6], TEXTS[2], TEXTS[5]]))
    cache(tmp_path, tower)(TEXTS[:7])
    assert len(tower.batches) == 2


def test_another_text_tower_has_embeddings_of_its_own(tmp_path: Path, tower: Counting) -> None:
    cache(tmp_path, tower)(TEXTS[:5])
    cache(tmp_path, tower, hashlib.sha256(b"another").hexdigest())(TEXTS[:5])
    assert len(tower.batches) == 2


def _flipped(content: bytes) -> bytes:
    return content[:-7] + bytes([content[-7] ^ 1]) + content[-6:]


@pytest.mark.parametrize(
    "damage", [_flipped, lambda content: content[: len(content) // 2], lambda _: b"", lambda _: b"no safetensors" * 9]
)
def test_a_damaged_file_is_made_anew(tmp_path: Path, tower: Counting, damage: object) -> None:
    cold = cache(tmp_path, tower)(TEXTS[:5])
    (file,) = files_in(tmp_path)
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    assert torch.equal(cache(tmp_path, tower)(TEXTS[:5]), cold)
    assert len(tower.batches) == 2
    assert files_in(tmp_path) == [file]
    assert torch.equal(cache(tmp_path, tower)(TEXTS[:5]), cold)
    assert len(tower.batches) == 2


def test_a_folder_that_cannot_be_written_costs_time_and_no_answer(tmp_path: Path, tower: Counting) -> None:
    (tmp_path / "prompts").write_text("a file in the way")
    embeddings = cache(tmp_path, tower)(TEXTS[:5])
    assert torch.equal(embeddings, Counting()(TEXTS[:5]))


def test_a_damaged_file_in_a_folder_that_is_only_to_be_read_costs_time_and_no_answer(
    tmp_path: Path, tower: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = cache(tmp_path, tower)(TEXTS[:5])
    (file,) = files_in(tmp_path)
    file.write_bytes(b"no safetensors")

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for change in ("unlink", "rename", "replace", "mkdir"):
        monkeypatch.setattr(Path, change, read_only)
    assert torch.equal(cache(tmp_path, tower)(TEXTS[:5]), cold)
    assert file.read_bytes() == b"no safetensors"


def test_many_may_write_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda n: cache(tmp_path, Counting())(TEXTS[n % 3 : 40]), range(16)))
    assert all(torch.equal(one[-1], written[0][-1]) for one in written)
    reader = Counting()
    cache(tmp_path, reader)(TEXTS[:40])
    assert reader.batches == []
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".safetensors"] == []


def test_no_text_is_written_down(tmp_path: Path, tower: Counting) -> None:
    cache(tmp_path, tower)(["Words that may not be passed on"])
    (file,) = files_in(tmp_path)
    assert b"passed on" not in file.read_bytes()


def test_what_nobody_used_for_long_goes_and_what_is_used_stays(tmp_path: Path, tower: Counting) -> None:
    others = hashlib.sha256(b"a model of last year").hexdigest()
    cache(tmp_path, tower, others)(TEXTS[:5])
    cache(tmp_path, tower)(TEXTS[:5])
    long_ago = time.time() - UNUSED_AFTER_S - 60
    for file in files_in(tmp_path):
        os.utime(file, (long_ago, long_ago))
    cache(tmp_path, tower)(TEXTS[:6])  # reads what there is, and writes one text more
    assert {file.parent.name for file in files_in(tmp_path)} == {TOWER[:32]}
    assert len(files_in(tmp_path)) == 2
    assert not (tmp_path / "prompts" / others[:32]).exists()


def test_its_growth_is_bounded(tmp_path: Path, tower: Counting) -> None:
    for number in range(MOST_FILES + 5):
        cache(tmp_path, tower)([TEXTS[number]])
    assert len(files_in(tmp_path)) == MOST_FILES
