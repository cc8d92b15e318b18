"""What killed processes leave half written is gone after the next start, and some time later at the latest."""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from config.settings import Settings, load_settings
from config.whole_files import unfinished_name
from dicom_node.reception import housekeeping
from dicom_node.reception.incoming import IncomingFile, Window
from dicom_node.reception.receiver import Receiver
from tests.support.waiting import wait_until


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ECHOWORKER_NODE__PORT", "0")
    monkeypatch.setattr(housekeeping, "SPEAKS_EVERY_S", 0.1)
    return load_settings()


PLACES: list[Callable[[Settings], Path]] = [
    lambda settings: settings.spool_dir / "reports/1.2.3/1.2.3.4.dcm",
    lambda settings: settings.spool_dir / "tensors/1.2.3/revision-1/1.2.3.4.pt",
    lambda settings: settings.spool_dir / "commitments/requests/1.2.3.json",
    lambda settings: settings.spool_dir / "receivers/callers-1.json",
    lambda settings: settings.broker_dir / "messages/1.score.msg",
    lambda settings: settings.packs_dir / "untrained",
    lambda settings: settings.audit_dir / "forwarded.json",
]


def left_over(settings: Settings) -> list[Path]:
    left = [unfinished_name(place(settings)) for place in PLACES]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
        os.utime(path, (0, 0))
    return left


def test_half_written_files_are_swept_at_start_and_while_running(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "SWEEP_UNFINISHED_EVERY_S", 1)
    before = left_over(settings)
    receiver = Receiver(settings)
    receiver.start()
    try:
        wait_until(lambda: not any(path.exists() for path in before), 10, "what was left over to be swept")
        later = left_over(settings)
        wait_until(lambda: not any(path.exists() for path in later), 10, "what was left over since to be swept")
    finally:
        receiver.stop()


def test_a_file_system_that_locks_no_files_leaves_none_open_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    window, before = Window(), len(list(Path("/proc/self/fd").iterdir()))
    for number in range(5):
        with pytest.raises(OSError, match="No locks available"):
            IncomingFile(tmp_path / f"{number}.part", window)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not list(tmp_path.iterdir())
