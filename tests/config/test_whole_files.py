"""What is written is whole or not there; what was never finished goes."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from config.whole_files import sweep_unfinished, unfinished_name, write_durably, write_whole


@pytest.mark.parametrize("write", [write_whole, write_durably])
def test_a_file_that_cannot_be_written_leaves_the_one_before_and_nothing_else(
    tmp_path: Path, write: Callable[[Path, bytes], None]
) -> None:
    kept, folder = tmp_path / "kept", tmp_path / "folder"
    write(kept, b"one")
    write(kept, b"another")
    (folder / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write(folder, b"a file")
    assert kept.read_bytes() == b"another"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "kept"]


def test_what_was_begun_long_ago_is_swept_wherever_it_lies_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    long_ago = time.time() - 7200
    study = tmp_path / "reports/1.2.3"
    study.mkdir(parents=True)
    file, folder = unfinished_name(study / "4.dcm"), unfinished_name(tmp_path / "pack")
    file.write_bytes(b"half a report")
    folder.mkdir()
    (folder / "weights").write_bytes(b"some")
    being_written = unfinished_name(study / "5.dcm")
    being_written.write_bytes(b"a moment ago")
    ours = [study / "4.dcm", study / ".hidden", study / "named.unfinished"]
    for path in ours:
        path.write_bytes(b"whole")
    for path in (file, folder, *ours):
        os.utime(path, (long_ago, long_ago))
    assert sweep_unfinished(tmp_path) == 2
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {*ours, being_written}


def test_the_folder_of_a_file_system_itself_is_left_alone(tmp_path: Path) -> None:
    """Closed to all but root: who looks in is refused, and sweeps nothing else either."""
    left = unfinished_name(tmp_path / "lost+found" / "report")
    left.parent.mkdir()
    left.touch()
    os.utime(left, (0, 0))
    assert sweep_unfinished(tmp_path) == sweep_unfinished(left.parent) == 0
    assert left.exists()


def test_a_folder_that_is_not_there_holds_nothing_to_sweep(tmp_path: Path) -> None:
    assert sweep_unfinished(tmp_path / "nowhere") == 0


def test_a_durable_write_that_fails_leaves_neither_a_half_file_nor_the_old_one_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "report.dcm"
    write_durably(target, b"first")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_durably(target, b"second")
    assert target.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [target]
