"""What the node tells the registry of an instance: value objects alone, for processes that never open it."""

from dataclasses import dataclass
from datetime import datetime

from config.sections.rules import NO_RULE, Decision

ACCEPTED = "accepted"
"""The outcome of a call that became an association; any other says why it did not."""

OTHER_AE_TITLES = "other AE titles"
"""As if it were the AE title of the many callers of a flood that are counted together."""
ELSEWHERE = "elsewhere"
"""As if it were the address of those from many addresses."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whose study it is. PHI: kept in its own table, never logged."""

    patient_id: str | None
    patient_name: str | None
    birth_date: str | None
    accession_number: str | None
    study_date: str | None


@dataclass(frozen=True, kw_only=True)
class ReceivedInstance:
    """An instance that lies in the spool under its final name."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str | None
    spool_path: str
    sha256: str
    size_bytes: int
    received_at: datetime
    calling_ae_title: str | None
    is_our_report: bool
    """A report of this software, of whatever installation: it answers a study, and is kept and never scored."""
    identity: Identity
    decision: Decision = NO_RULE
    """What the rules say of it."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """So many requests of one caller for an association that ended alike."""

    ae_title: str
    address: str
    outcome: str
    """`accepted`, or why it was refused."""
    count: int
    first_at: datetime
    last_at: datetime
