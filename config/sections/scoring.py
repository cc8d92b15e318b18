"""Which model reads the clips, how these become tensors, and which are left out."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ModelSettings(BaseModel):
    """Which model reads the clips, and on what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pack: str
    retrieval_pack: str
    catalogue: str
    calibration: str
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "float32", "bfloat16"]
    maximum_device_failures: int = Field(ge=1)


class PixelSettings(BaseModel):
    """How a clip becomes a tensor (docs/pixels.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: Literal["fast-1", "upstream-1"]
    threads: int = Field(ge=0)


class GateSettings(BaseModel):
    """Which clips are left out of the scoring for what they show.

    No threshold for this has been published. The default margin is reasoned, and UNCALIBRATED: a model of the CLIP
    family is trained with its cosines multiplied by up to 100, where a difference of 0.05 means odds of e^5, or 150
    to 1, in the model's own terms. It is wide on purpose: a clip that is wrongly left out costs an answer without need.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    views: Literal["skip", "note", "off"]
    view_margin: float = Field(ge=0, le=2)
    """Of cosines, -1..1: by how much the nearest view that is no heart must beat the nearest that is one."""
