"""The registry's tables of what is made of pictures: prepared clips, and where their frame embeddings lie."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import JSON_OR_NULL, UID, Base


class Clip(Base):
    """What `prepare` made of an instance in one revision, and what `score` saw in it; or why it is left out.

    Facts of the picture are NULL where the machine gave none, and in rows from before they were kept.
    """

    __tablename__ = "clips"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    revision: Mapped[int]
    """Of the study."""
    sop_instance_uid: Mapped[str] = mapped_column(UID)
    """The instance."""
    tensor_path: Mapped[str | None]
    """Relative to the spool: uint8 [T,224,224,3] as .npy; None when `prepare` skipped it."""
    frame_numbers: Mapped[list[Any]]
    """The frames that were sampled, counted from 1."""
    preprocessing_profile: Mapped[str | None] = mapped_column(String(64))
    """How the frames became a tensor (docs/pixels.md)."""
    notes: Mapped[list[Any]]
    """What was odd about it, in English sentences."""
    skip_reason: Mapped[str | None]
    """Why it is left out of the scoring: by `prepare`, or, where there is a tensor, by the view gate of `score`."""
    skip_reason_terms: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    """What `prepare` made its reason of (config.reasons), so that a report may say it in another language."""
    frame_times_ms: Mapped[list[Any] | None] = mapped_column(JSON_OR_NULL)
    """When each of `frame_numbers` was taken, in milliseconds from the first frame of the instance."""
    time_origin: Mapped[str | None] = mapped_column(String(64))
    """What of the header these times come from."""
    heart_rate: Mapped[float | None]
    """Beats a minute."""
    region: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    """{"left", "top", "right", "bottom"} in pixels, the last two exclusive: what the frames were cut from."""
    region_origin: Mapped[str | None] = mapped_column(String(16))
    """Who said so: `machine`, `motion` or `picture`."""
    pixel_spacing_mm: Mapped[list[Any] | None] = mapped_column(JSON_OR_NULL)
    """[vertical, horizontal]."""
    contents: Mapped[list[Any] | None] = mapped_column(JSON_OR_NULL)
    """What the picture is made of, as tissue or colour Doppler; in alphabetical order."""
    view: Mapped[str | None] = mapped_column(String(32))
    """The id of the view that the last scoring saw; NULL: not judged."""
    view_score: Mapped[float | None]
    """Of that view; see `db.results.runs.ViewCall`."""
    view_margin: Mapped[float | None]
    """By how much it beats the nearest view of the other kind, heart or not."""
    view_note: Mapped[str | None]
    """Why the view was not judged, or is in doubt."""

    __table_args__ = (UniqueConstraint("study_id", "revision", "sop_instance_uid"),)


class StudyEmbeddings(Base):
    """The frame embeddings of one revision of a study, in a file of the spool (worker.embeddings)."""

    __tablename__ = "study_embeddings"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    revision: Mapped[int]
    """Of the study."""
    embedder: Mapped[str] = mapped_column(String(64), index=True)
    """SHA-256 of what decides the numbers: image tower and its configuration."""
    preprocessing_profile: Mapped[str] = mapped_column(String(64))
    """How clips became tensors: embeddings can be compared where this and `embedder` are the same."""
    path: Mapped[str]
    """Relative to the spool."""
    clips: Mapped[int]
    """How many are in the file."""
    frames: Mapped[int]
    """How many are in the file, of all clips."""
    created_at: Mapped[datetime]
    """When they were made."""

    __table_args__ = (UniqueConstraint("study_id", "revision", "embedder"),)
