import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.retrieval.indexes import contents, index_of, update, wanted
from worker.retrieval import index as index_module
from worker.retrieval.index import MANIFEST, Index
from worker.retrieval.segments import Segment

LIBRARY = {"1.1": [[1.0, 0.0], [0.0, 1.0]], "1.2": [[0.5, 0.5]], "1.3": [[-1.0, 0.0]]}
clips = st.lists(st.sampled_from([[1.0, 0.0], [0.0, 1.0], [-0.5, 0.25]]), max_size=3)
changes = st.lists(
    st.dictionaries(st.sampled_from(["1.1", "1.2", "1.3", "1.4", "1.5"]), st.none() | clips, min_size=1, max_size=3),
    min_size=1,
    max_size=6,
)


def size(segment: Segment) -> int:
    return segment.rows + len(segment.studies)


@settings(max_examples=20, deadline=None)
@given(changes)
def test_an_index_that_grew_by_steps_is_the_one_that_is_made_at_once(steps: list[dict[str, list[list[float]]]]) -> None:
    library: dict[str, list[list[float]]] = {}
    with TemporaryDirectory() as folder:
        for step in steps:
            for uid, clips_now in step.items():
                if clips_now is None:
                    library.pop(uid, None)
                else:
                    library[uid] = clips_now
            grown = index_of(Path(folder) / "grown", library)
        assert contents(grown) == contents(index_of(Path(folder) / "at once", library))
        assert set(contents(grown)) == set(library)
        assert grown.clips == sum(map(len, library.values()))
        assert grown.dead_rows <= sum(segment.rows for segment in grown.segments) / 4
        for number, segment in enumerate(grown.segments):
            newer = grown.segments[number + 1 :]
            assert size(segment) >= 2 * sum(map(size, newer))


def test_only_what_changed_is_read_again(tmp_path: Path) -> None:
    assert update(tmp_path, LIBRARY)[1].written == 3
    assert update(tmp_path, LIBRARY)[1].written == 0
    index, done = update(tmp_path, {**LIBRARY, "1.2": [[0.25, 0.5], [1.0, 0.0]]})
    assert (done.written, done.removed) == (1, 0)
    assert contents(index)["1.2"] == [("1.2.1", [0.25, 0.5]), ("1.2.2", [1.0, 0.0])]


def test_more_studies_than_the_memory_takes_are_written_in_portions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "ROWS_AT_ONCE", 2)
    library = {f"1.{number}": [[number / 8, 1.0]] for number in range(7)}
    index = index_of(tmp_path, library)
    assert contents(index) == {uid: [(f"{uid}.1", clip) for clip in clips] for uid, clips in library.items()}
    assert len(index.segments) == 1


def test_a_study_whose_embeddings_cannot_be_read_is_named_and_not_found_by_older_ones(tmp_path: Path) -> None:
    index_of(tmp_path, LIBRARY)
    index, done = update(tmp_path, {**LIBRARY, "1.1": None, "1.9": None})
    assert done.unreadable == ("1.1", "1.9")
    assert set(contents(index)) == {"1.2", "1.3"}
    index, done = update(tmp_path, {**LIBRARY, "1.9": [[0.0, 0.5]]})
    assert done.unreadable == ()
    assert set(contents(index)) == {"1.1", "1.2", "1.3", "1.9"}


def test_embeddings_of_another_length_are_not_taken_in(tmp_path: Path) -> None:
    for _ in range(2):
        index, done = update(tmp_path, {**LIBRARY, "1.9": [[1.0, 0.0, 0.0]]})
        assert (done.unreadable, done.made_again) == (("1.9",), False)
    assert set(contents(index)) == set(LIBRARY)


def test_a_study_without_a_clip_is_there_and_has_none(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"1.1": []})
    assert "1.1" in index
    assert (index.studies, index.clips) == (1, 0)
    assert list(index.blocks()) == []
    assert contents(index_of(tmp_path, LIBRARY | {"1.0": []}))["1.1"] == [("1.1.1", [1.0, 0.0]), ("1.1.2", [0.0, 1.0])]


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _garble(file: Path) -> None:
    file.write_bytes(b"PK\x03\x04 no numbers")


DAMAGES: dict[str, Callable[[Path], None]] = {
    "vectors-cut-off": lambda root: _cut(next(root.glob("*/vectors.npy"))),
    "studies-cut-off": lambda root: _cut(next(root.glob("*/studies.npy"))),
    "instances-cut-off": lambda root: _cut(next(root.glob("*/instances.npy"))),
    "vectors-garbled": lambda root: _garble(next(root.glob("*/vectors.npy"))),
    "studies-garbled": lambda root: _garble(next(root.glob("*/studies.npy"))),
    "other-instances": lambda root: shutil.copy(next(root.glob("*/studies.npy")), next(root.glob("*/instances.npy"))),
    "vectors-gone": lambda root: next(root.glob("*/vectors.npy")).unlink(),
    "segment-gone": lambda root: shutil.rmtree(next(root.glob("*/vectors.npy")).parent),
    "manifest-cut-off": lambda root: _cut(root / MANIFEST),
    "manifest-of-another-kind": lambda root: (root / MANIFEST).write_text("[1, 2]"),
    "another-format": lambda root: (root / MANIFEST).write_text('{"format": 2, "segments": []}'),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_index_is_made_again(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    before = contents(index_of(tmp_path, LIBRARY))
    damage(tmp_path)
    index, done = update(tmp_path, LIBRARY)
    assert done.made_again
    assert contents(index) == before
    assert not update(tmp_path, LIBRARY)[1].made_again


def test_what_a_killed_update_left_is_removed_and_does_no_harm(tmp_path: Path) -> None:
    index_of(tmp_path, LIBRARY)
    (segment,) = tmp_path.glob("*/")
    left = shutil.copytree(segment, tmp_path / "0123456789abcdef")
    assert contents(index_of(tmp_path, LIBRARY)).keys() == LIBRARY.keys()
    assert not left.exists()


def test_an_open_index_outlives_the_files_that_another_process_replaced(tmp_path: Path) -> None:
    opened = index_of(tmp_path, LIBRARY)
    before = contents(opened)
    index_of(tmp_path, {"1.7": [[0.0, 1.0]]})
    assert not (tmp_path / opened.segments[0].name).exists()
    assert contents(opened) == before


UPDATER = """
import sys
from pathlib import Path
from tests.worker.retrieval.indexes import contents, update
root, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for number in range(first, last, 1 if first < last else -1):
    library = {f"1.{study}": [[study / 64, number / 64]] for study in range(number)}
    index, done = update(root, library)
    assert not done.made_again and not done.unreadable
    assert contents(index) == {uid: [(uid + ".1", clip) for clip in clips] for uid, clips in library.items()}
"""


def test_two_processes_that_update_at_once_each_see_what_they_asked_for(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONHASHSEED": "0", "PATH": ""}
    arguments = (["1", "20"], ["20", "1"])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", UPDATER, tmp_path, *numbers], env=environment, stderr=subprocess.PIPE, text=True
        )
        for numbers in arguments
    ]
    outcomes = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outcomes
    assert contents(index_of(tmp_path, LIBRARY)).keys() == LIBRARY.keys()


def test_the_registry_is_asked_once_the_lock_is_held(tmp_path: Path) -> None:
    """Who asked before waiting for another's update would take out again what that brought in."""

    def wanted_under_lock() -> dict[str, index_module.WantedStudy]:
        probe = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'ab'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        run = subprocess.run([sys.executable, "-c", probe, tmp_path / "lock"], capture_output=True, check=False)
        assert b"BlockingIOError" in run.stderr
        return wanted(LIBRARY)

    index, _ = index_module.updated_index(tmp_path, wanted_under_lock)
    assert isinstance(index, Index)
