"""Re-scoring: when it runs by itself, when its answers become current, and of which another report goes out."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.sections.time_window import WindowSettings


class ReportAgainSettings(BaseModel):
    """Which changes of a study's answers are worth a report that supersedes the one before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: bool
    """Another verdict, or another class."""
    values: dict[str, float] = {}
    """By the id of a task: its value (or, where it measures nothing, its score) has moved by more than this."""

    @model_validator(mode="after")
    def _by_something(self) -> Self:
        if wrong := [task for task, least in self.values.items() if not least >= 0]:
            raise ValueError(f"rescore.report_again.values: {wrong[0]} must be 0 or more, in the unit of the task")
        return self

    @property
    def is_off(self) -> bool:
        """Whether nothing at all goes out."""
        return not self.answers and not self.values


class RescoreSettings(WindowSettings):
    """Results of former models, catalogues and calibrations, answered anew (docs/rescoring.md)."""

    enabled: bool
    """Whether beat starts it."""
    studies: int = Field(ge=0)
    """At most so many in one batch that beat starts; 0: all."""
    canary: int = Field(ge=0)
    """Of them so many first; then the batch waits for somebody. 0: none."""
    portion: int = Field(ge=1, le=1000)
    """Studies answered together, and written in one transaction."""
    adopt: Literal["by-hand", "automatic"]
    adopt_at_most_changed: float = Field(ge=0, le=1)
    """Of all answers the share that may have another verdict or class for a batch to be adopted automatically."""
    shadow_pack: str
    report_again: ReportAgainSettings
