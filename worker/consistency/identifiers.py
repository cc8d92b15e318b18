"""What a report says about whose study it is of; never shown, not even where something goes wrong."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Identifier:
    """A number with who gave it out; "" where that is not said."""

    value: str = field(repr=False)
    issuer: str = field(default="", repr=False)
    source: str = ""
    """Where it stands, as "OBR-18"."""


@dataclass(frozen=True, kw_only=True)
class ReportIdentifiers:
    """All that a report may be matched by; what is not there is empty."""

    study_instance_uids: tuple[str, ...] = ()
    accession_numbers: tuple[Identifier, ...] = ()
    """Candidates, the likeliest first: orders have several numbers, and sites differ in which one they use."""
    patient_ids: tuple[Identifier, ...] = ()
    observed_at: datetime | None = None
    """Aware: when the study was made, as far as the report says."""
