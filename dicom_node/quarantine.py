"""What lies in quarantine: instances that were refused and kept, each with a note beside it.

    quarantine/<day>/<SHA-256 of the file>.dcm, .json

The same bytes from the same sender lie there once, however often it tries; the note counts them.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.whole_files import sync, write_durably
from dicom_node.spool import Spool, sha256_of


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """One instance in quarantine."""

    path: Path
    """Below the quarantine: a day, and a name of our own."""
    reason: str
    calling_ae_title: str | None
    received_at: datetime
    """Aware, UTC: the first time."""
    size_bytes: int
    times: int
    """How often it came."""


def put_in_quarantine(spool: Spool, received: Path, *, reason: str, calling_ae_title: str | None) -> Path:
    """Put a refused file aside, under a name of our own.

    Raises
    ------
    OSError
        The disk failed or is full; the file is where it was, or in quarantine.
    """
    now = datetime.now(UTC)
    name = f"{sha256_of(received)}.dcm"
    known = next(spool.quarantined.glob(f"*/{name}"), None)
    kept = known or spool.quarantined / f"{now:%Y-%m-%d}" / name
    before = _note(kept.with_suffix(".json"))
    note = {
        "reason": reason,
        "calling_ae_title": calling_ae_title,
        "received_at": (_time(before.get("received_at")) or now).isoformat(),
        "last_received_at": now.isoformat(),
        "times": _times(before) + 1 if known else 1,
    }
    write_durably(kept.with_suffix(".json"), json.dumps(note, indent=1).encode())
    received.rename(kept)  # over the same bytes, where they are there
    sync(kept)
    sync(kept.parent)
    return kept


def quarantined(spool_dir: Path, *, at_least: int | None = None) -> list[Quarantined]:
    """Everything in quarantine, the latest first; a file whose note is lost or damaged is listed without a reason.

    With `at_least`, days are looked at, the last one first, until there are so many.
    """
    found: list[Quarantined] = []
    folder = Spool(spool_dir).quarantined
    for day in sorted((path for path in folder.glob("*") if path.is_dir()), reverse=True):
        if at_least is not None and len(found) >= at_least:
            break
        for path in day.glob("*.dcm"):
            with suppress(FileNotFoundError):  # removed by hand at this moment
                found.append(_kept(folder, path))
    return sorted(found, key=lambda kept: kept.received_at, reverse=True)


def count_quarantined(spool: Spool) -> int:
    """How many instances lie in quarantine."""
    return sum(1 for _ in spool.quarantined.glob("*/*.dcm"))


def _kept(folder: Path, path: Path) -> Quarantined:
    facts = path.stat()
    note = _note(path.with_suffix(".json"))
    return Quarantined(
        path=path.relative_to(folder),
        reason=note.get("reason") or "its note is lost",
        calling_ae_title=note.get("calling_ae_title"),
        received_at=_time(note.get("received_at")) or datetime.fromtimestamp(facts.st_mtime, UTC),
        size_bytes=facts.st_size,
        times=_times(note),
    )


def _note(file: Path) -> dict[str, Any]:
    try:
        note = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _times(note: dict[str, Any]) -> int:
    times = note.get("times")
    return times if isinstance(times, int) else 1


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text or "").astimezone(UTC)
    except ValueError:
        return None
