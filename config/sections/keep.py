"""How long what is kept of a study is kept."""

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from config.sections.time_window import WindowSettings


class KeptKind(StrEnum):
    """What has an age of its own."""

    PIXELS = "pixels"
    """The received images; not the reports, whoever made them."""
    TENSORS = "tensors"
    """Prepared clips; as a rule they go with the report, and these are what a killed worker has left."""
    EMBEDDINGS = "embeddings"
    """What models made of each frame."""


class KeepSettings(WindowSettings):
    """How long; 0 is for ever. An age counts from a study's last instance."""

    pixels_days: int = Field(ge=0)
    tensors_days: int = Field(ge=0)
    embeddings_days: int = Field(ge=0)
    embeddings_of_former_models_days: int = Field(ge=1)

    def since(self, kind: KeptKind, *, now: datetime) -> datetime | None:
        """A study whose last instance came before then keeps nothing of this kind; None: everything is kept."""
        ages = {
            KeptKind.PIXELS: self.pixels_days,
            KeptKind.TENSORS: self.tensors_days,
            KeptKind.EMBEDDINGS: self.embeddings_days,
        }
        return now - timedelta(days=ages[kind]) if ages[kind] else None
