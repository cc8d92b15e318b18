"""Backups on the disks and servers that hospitals have, and restores that come to a stop."""

import base64
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest

from config.errors import BackupError
from config.settings import Settings, load_settings
from db.session import Database
from deploy.backup import restoring
from deploy.backup.copying import copied, files_to_keep
from deploy.backup.making import forget_but_last, make_backup
from deploy.backup.registry_copy import restore_registry
from deploy.backup.restoring import faults_of_backup, restore_backup
from dicom_node.spool import Spool


def settings_at(monkeypatch: pytest.MonkeyPatch, data: Path, url: str = "") -> Settings:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(data))
    monkeypatch.setenv("ECHOWORKER_DATABASE__URL", url)
    return load_settings()


def backup_of_an_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    settings = settings_at(monkeypatch, tmp_path / "data")
    Spool.of(settings).create()
    registry = Database.of(settings)
    registry.upgrade()
    with registry.write():
        pass  # which settles how identities are kept
    return make_backup(settings, registry, tmp_path / "backups", now=datetime(2026, 3, 1, 0, 15, tzinfo=UTC)).folder


def test_the_folder_of_a_file_system_itself_is_not_looked_into(tmp_path: Path) -> None:
    """It lies at the top of a disk of its own, closed to all but root: each night's backup came to nothing there."""
    for place in (tmp_path, tmp_path / "spool"):
        (place / "lost+found").mkdir(parents=True)
        (place / "lost+found" / "#12").touch()
    (tmp_path / "spool" / "ours").touch()
    assert list(files_to_keep(tmp_path)) == [PurePosixPath("spool/ours")]


def test_the_error_of_a_tool_is_said_and_no_row_that_it_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's pg_restore begins with a word of Perl where the locale of whoever signed in is not installed here."""
    tool = tmp_path / "pg_restore"
    tool.write_text(
        "#!/bin/sh\necho 'perl: warning: Setting locale failed.' >&2\n"
        'echo \'pg_restore: error: COPY failed for table "patient_identities": ERROR: bad: "DOE^JOHN"\' >&2\nexit 1\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    settings = settings_at(monkeypatch, tmp_path / "data", "postgresql+psycopg://echo@nowhere/echo")
    with pytest.raises(BackupError, match=r'COPY failed for table "patient_identities"$'):
        restore_registry(settings, tmp_path / "dump")


def test_a_restore_with_other_privacy_is_said_to_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions of the dashboard would go on, and what is to be registered would never be."""
    monkeypatch.setenv("ECHOWORKER_PRIVACY__PATIENT_IDENTITIES", "encrypted")
    monkeypatch.setenv("ECHOWORKER_PRIVACY__KEY", base64.b64encode(bytes(32)).decode())
    backup = backup_of_an_installation(monkeypatch, tmp_path)
    monkeypatch.setenv("ECHOWORKER_PRIVACY__KEY", base64.b64encode(bytes(range(32))).decode())
    with pytest.raises(BackupError, match=r"the restore is not done: set .* and restore it again"):
        restore_backup(settings_at(monkeypatch, tmp_path / "new"), backup)


def test_the_files_are_on_the_disk_before_the_registry_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, done = backup_of_an_installation(monkeypatch, tmp_path), list[str]()
    restore = restoring.restore_registry
    monkeypatch.setattr(os, "sync", lambda: done.append("files"))
    monkeypatch.setattr(restoring, "restore_registry", lambda *its: (done.append("registry"), restore(*its)))
    restore_backup(settings_at(monkeypatch, tmp_path / "new"), backup)
    assert done == ["files", "registry"]


def test_a_registry_that_was_changed_in_the_backup_is_not_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one bit that no check of SQLite minds: any value of a result may be such a bit."""
    backup = backup_of_an_installation(monkeypatch, tmp_path)
    registry = backup / "registry.sqlite3"
    content = bytearray(registry.read_bytes())
    content[68] ^= 1  # of the application's own number (SQLite's file format, section 1.3)
    registry.write_bytes(content)
    with pytest.raises(BackupError, match=r"registry\.sqlite3 was changed since it was backed up"):
        restore_backup(settings_at(monkeypatch, tmp_path / "new"), backup)
    assert not (tmp_path / "new" / "registry.sqlite3").exists()
    registry.unlink()
    with pytest.raises(BackupError, match=r"registry\.sqlite3 is missing in the backup"):
        restore_backup(settings_at(monkeypatch, tmp_path / "third"), backup)


def test_a_registry_that_is_none_is_one_fault_among_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = backup_of_an_installation(monkeypatch, tmp_path)
    (backup / "registry.sqlite3").write_bytes(b"no database, by any means" * 100)
    assert list(faults_of_backup(backup)) == ["registry.sqlite3: changed since it was backed up"]


def test_what_sqlite_cannot_copy_is_said_in_our_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "registry.sqlite3"
    damaged.write_bytes(b"no database, by any means" * 100)
    with pytest.raises(BackupError, match=r"cannot be copied to .*: SQLITE_NOTADB, it is damaged"):
        restore_registry(settings_at(monkeypatch, tmp_path / "new"), damaged)


def test_the_backup_of_a_night_whose_clock_was_wrong_is_not_the_first_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_at(monkeypatch, tmp_path / "data")
    backup_of_an_installation(monkeypatch, tmp_path)
    made = make_backup(settings, Database.of(settings), tmp_path / "backups", now=datetime(2000, 1, 1, tzinfo=UTC))
    assert forget_but_last(tmp_path / "backups", 1, made=made.folder) == []
    assert made.folder.is_dir()


FULL = """
import resource, sys
from pathlib import Path
from deploy.backup.copying import copied
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # in place of a disk that is full
try:
    copied(Path(sys.argv[1]), Path(sys.argv[2]))
except OSError as error:
    print(error.filename)
"""


def test_of_two_disks_the_one_that_failed_is_named(tmp_path: Path) -> None:
    """Else a backup that failed at night says "No space left on device", and nobody knows on which."""
    (tmp_path / "source").write_bytes(bytes(100_000))
    full = [sys.executable, "-c", FULL, tmp_path / "source", tmp_path / "target"]
    assert subprocess.run(full, capture_output=True, text=True, check=True).stdout == f"{tmp_path / 'target'}\n"
    unreadable = Path("/proc/self/mem")  # its first page is nobody's: EIO
    with pytest.raises(OSError, match="Input/output") as raised:
        copied(unreadable, tmp_path / "another")
    assert raised.value.filename == str(unreadable)
