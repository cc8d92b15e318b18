"""How long what is kept of a study is kept."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.errors import ConfigurationError
from config.time_window import TimeWindow


class KeptKind(StrEnum):
    """What has an age of its own."""

    PIXELS = "pixels"
    """The received images; not the reports, whoever made them."""
    TENSORS = "tensors"
    """Prepared clips; as a rule they go with the report, and these are what a killed worker has left."""
    EMBEDDINGS = "embeddings"
    """What models made of each frame."""


class KeepSettings(BaseModel):
    """How long; 0 is for ever. An age counts from a study's last instance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pixels_days: int = Field(ge=0)
    tensors_days: int = Field(ge=0)
    embeddings_days: int = Field(ge=0)
    embeddings_of_former_models_days: int = Field(ge=1)
    window: str
    """HH:MM-HH:MM by the clock of the machine whose worker removes what is too old."""

    @model_validator(mode="after")
    def _window_is_one(self) -> Self:
        try:
            TimeWindow.parse(self.window)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def open_hours(self) -> TimeWindow:
        """The window."""
        return TimeWindow.parse(self.window)

    def since(self, kind: KeptKind, *, now: datetime) -> datetime | None:
        """A study whose last instance came before then keeps nothing of this kind; None: everything is kept."""
        ages = {
            KeptKind.PIXELS: self.pixels_days,
            KeptKind.TENSORS: self.tensors_days,
            KeptKind.EMBEDDINGS: self.embeddings_days,
        }
        return now - timedelta(days=ages[kind]) if ages[kind] else None
