"""The canary: a synthetic study that goes through the whole live system, to see that it comes through."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.sections.peers import AETitle

CANARY_ROOT = "1.2.826.0.1.3680043.8.498.3226279"
"""All UIDs of canaries begin so, and no other does: pydicom's root, under which pydicom itself makes UIDs of one more
component alone. 3226279 is ECANARY on the keys of a telephone."""


def is_canary(study_instance_uid: str) -> bool:
    """Whether a study is a canary, and so nobody's."""
    return study_instance_uid.startswith(f"{CANARY_ROOT}.")


class CanarySettings(BaseModel):
    """How often one is sent, and what becomes of it (docs/monitoring.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every_minutes: int = Field(ge=0)
    """0: only when somebody asks."""
    within_s: float = Field(gt=0)
    """One that has not come through by then is told of."""
    destinations: tuple[str, ...]
    """Names of the destinations that get its report, where they take such a model's results; none: it stays here."""
    keep_hours: float = Field(gt=0)
    """Then it goes, from registry and spool."""
    calling_ae_title: AETitle
    """Of the canary, which calls the node as any sender does."""
    host: str
    """Where it calls the node; empty: `node.host`, or this machine."""

    @model_validator(mode="after")
    def _one_after_the_other(self) -> Self:
        if self.every_minutes and self.within_s > self.every_minutes * 60:
            raise ValueError("within_s is longer than every_minutes: the next one would be under way before")
        return self

    def require_known(self, destinations: set[str]) -> None:
        """Whether it names only destinations that there are.

        Raises
        ------
        ValueError
            It names another.
        """
        if unknown := sorted(set(self.destinations) - destinations):
            raise ValueError(f"canary.destinations: {unknown[0]} is none of the destinations")
