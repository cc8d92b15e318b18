"""What lies in quarantine: instances that were refused and kept, each with a note beside it (dicom_node.spool)."""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dicom_node.spool import Spool


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """One instance in quarantine."""

    path: Path
    """Below the quarantine: a day, and a name of our own."""
    reason: str
    calling_ae_title: str | None
    received_at: datetime
    """Aware, UTC."""
    size_bytes: int


def quarantined(spool_dir: Path) -> list[Quarantined]:
    """Everything in quarantine, the latest first; a file whose note is lost or damaged is listed without a reason."""
    found = []
    folder = Spool(spool_dir).quarantined
    for path in folder.glob("*/*.dcm"):
        with suppress(FileNotFoundError):  # removed by hand at this moment
            facts = path.stat()
            note = _note(path.with_suffix(".json"))
            found.append(
                Quarantined(
                    path=path.relative_to(folder),
                    reason=note.get("reason") or "its note is lost",
                    calling_ae_title=note.get("calling_ae_title"),
                    received_at=_time(note.get("received_at")) or datetime.fromtimestamp(facts.st_mtime, UTC),
                    size_bytes=facts.st_size,
                )
            )
    return sorted(found, key=lambda kept: kept.received_at, reverse=True)


def _note(file: Path) -> dict[str, str | None]:
    try:
        note = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text or "").astimezone(UTC)
    except ValueError:
        return None
