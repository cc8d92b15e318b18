"""How long the work of a worker may take; what takes longer hangs."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.steps import Step

Seconds = Annotated[float, Field(gt=0)]


class StepLimit(BaseModel):
    """Of one step: when it is broken off, and when the process that does not let itself be broken off is ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    soft_s: Seconds
    hard_s: Seconds

    @model_validator(mode="after")
    def _soft_comes_first(self) -> Self:
        if self.soft_s >= self.hard_s:
            raise ValueError("soft_s has to be less than hard_s")
        return self


class TimeLimitSettings(BaseModel):
    """Of every kind of work. Each limit is for one study, or for the studies of one batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prepare: StepLimit
    score: StepLimit
    report: StepLimit
    sending_s: Seconds
    """Hard, as it runs in threads: what goes to a peer in one association."""
    maintenance_s: Seconds
    """Hard."""
    stop_s: Seconds
    """How long a worker that is asked to stop may go on with what it is at."""

    @property
    def rescore_s(self) -> float:
        """Hard: of one wake-up of re-scoring, which reads pixels and answers, as those two steps do."""
        return self.prepare.hard_s + self.score.hard_s

    def of(self, step: Step) -> StepLimit:
        """The limit of a step that is done under a lease on its study."""
        limits = {Step.PREPARE: self.prepare, Step.SCORE: self.score, Step.REPORT: self.report}
        return limits[step]
