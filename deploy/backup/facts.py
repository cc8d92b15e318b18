"""What a backup says of itself, and which of them there are in a folder."""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from config.errors import BackupError
from deploy.backup.sums import SUMS
from dicom_node.spool import sha256_of

FACTS = "backup.json"
DATA = "data"
"""What lies below it lies below the data folder."""


class BackupFacts(BaseModel):
    """The content of `backup.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    software: str
    """The version that made it."""
    began_at: datetime
    """The registry is that of this moment; the spool has all that it names, and may have more."""
    ended_at: datetime
    registry: str
    """Kind of database."""
    registry_file: str
    schema_revision: str
    files: int
    size_bytes: int
    sums: str
    """SHA-256 of `SHA256SUMS`."""


def read_facts(backup: Path) -> BackupFacts:
    """Of a finished backup whose list is what it was.

    Raises
    ------
    BackupError
        There is none, or its list is damaged.
    """
    try:
        facts = BackupFacts.model_validate_json((backup / FACTS).read_bytes())
    except FileNotFoundError as error:
        raise BackupError(f"{backup} is no backup: it has no {FACTS}") from error
    except ValidationError as error:
        raise BackupError(f"{backup / FACTS} is damaged, or of a later version of this software") from error
    if not (backup / SUMS).is_file() or sha256_of(backup / SUMS) != facts.sums:
        raise BackupError(f"{backup / SUMS} is missing or has been changed: this backup cannot be trusted")
    return facts


def backups_in(folder: Path) -> list[Path]:
    """The finished backups of a folder, the oldest first."""
    return sorted(path.parent for path in folder.glob(f"*/{FACTS}") if not path.parent.name.startswith("."))
