"""When a study is complete, and how its steps are tried."""

import random

from pydantic import BaseModel, ConfigDict, Field

from config.sections.time_limits import Seconds


class StudySettings(BaseModel):
    """When a study counts as complete."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quiet_period_s: Seconds
    association_keeps_open_s: float = Field(ge=0)


class PipelineSettings(BaseModel):
    """Leases, attempts and back-off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lease_s: Seconds
    maximum_attempts: int = Field(ge=1)
    maximum_delivery_attempts: int = Field(ge=1)
    retry_after_s: Seconds
    retry_at_most_s: Seconds
    surroundings_again_after_s: Seconds
    reap_every_s: Seconds
    wake_again_after_s: Seconds
    commitment_again_after_s: Seconds

    def back_off_s(self, attempts: int) -> float:
        """How long to wait after so many failed attempts: doubled after each, up to a limit."""
        doublings = min(attempts - 1, 30)  # more would overflow before the limit is applied
        return float(min(self.retry_after_s * 2**doublings, self.retry_at_most_s))

    def back_off_with_jitter_s(self, attempts: int) -> float:
        """Anything up to that, so that what failed together does not come again together ("full jitter")."""
        return random.uniform(0, self.back_off_s(attempts))  # noqa: S311

    def circuit_pause_s(self, attempts: int) -> float:
        """Half of that at least, so that one that is away is left alone, and the rest at random ("equal jitter")."""
        longest_s = self.back_off_s(attempts)
        return random.uniform(longest_s / 2, longest_s)  # noqa: S311
