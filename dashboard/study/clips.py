"""The instances of a study as they are listed: which can be shown, what was seen in each, and why one was left out."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.uid import UID

from config.catalogue import Catalogue
from config.sections.rules import Action
from db.consistency.report_instances import ENCAPSULATED_PDF, STRUCTURED_REPORTS
from db.reading.queries import StudyDetail
from db.tables.pictures import Clip
from db.tables.studies import Instance

AT_ONCE = 60
"""Clips of one page."""


@dataclass(frozen=True, kw_only=True)
class ListedClip:
    """One instance."""

    number: int
    """Of the study's, in the order in which they came, from 1."""
    sop_instance_uid: str
    kind: str
    """What its SOP class is called."""
    view: str
    """What the model saw in it, with by how much; "" where that was not judged."""
    scored: tuple[int, ...]
    """The frames that an answer rests on, counted from 1."""
    facts: str
    """What is known of the picture: heart rate, and where its times are from."""
    why_not: str
    """Why it was not scored; "" where it was."""
    notes: tuple[str, ...]
    why_no_picture: str
    """Why it cannot be shown; "" where it may."""


def listed_clips(detail: StudyDetail, catalogue: Catalogue | None) -> list[ListedClip]:
    """All instances of the study, in the order in which they came."""
    clips = {clip.sop_instance_uid: clip for clip in detail.clips}
    scored = {} if detail.run is None else {clip.sop_instance_uid: clip.frame_numbers for clip in detail.run.clips}
    left_out = {} if detail.run is None else {clip.sop_instance_uid: str(clip.reason) for clip in detail.run.left_out}
    return [
        _listed(
            number,
            instance,
            clips.get(instance.sop_instance_uid),
            catalogue,
            scored=scored.get(instance.sop_instance_uid, ()),
            left_out=left_out.get(instance.sop_instance_uid, ""),
        )
        for number, instance in enumerate(detail.instances, start=1)
    ]


def _listed(
    number: int,
    instance: Instance,
    clip: Clip | None,
    catalogue: Catalogue | None,
    *,
    scored: Sequence[int],
    left_out: str,
) -> ListedClip:
    return ListedClip(
        number=number,
        sop_instance_uid=instance.sop_instance_uid,
        kind=UID(instance.sop_class_uid).name,
        view="" if clip is None else _view(clip, catalogue),
        scored=tuple(scored),
        facts="" if clip is None else _facts(clip),
        why_not="" if scored else _why_not(instance, clip, left_out),
        notes=() if clip is None else tuple(note for note in (*clip.notes, clip.view_note) if note),
        why_no_picture=_why_no_picture(instance),
    )


def _why_not(instance: Instance, clip: Clip | None, left_out: str) -> str:
    if instance.action == Action.STORE:
        return f"not scored: rule {instance.rule}" if instance.rule else "not scored: an object of ours"
    if left_out:
        return left_out
    if clip is None:
        return "not prepared yet"
    return clip.skip_reason or "not scored yet"


def _view(clip: Clip, catalogue: Catalogue | None) -> str:
    if clip.view is None or clip.view_margin is None:
        return ""
    known = catalogue.view(clip.view) if catalogue else None
    return f"{known.name if known else clip.view} (by {clip.view_margin:.3f})"


def _facts(clip: Clip) -> str:
    said = [f"{clip.heart_rate:.0f} beats a minute" if clip.heart_rate else ""]
    if clip.frame_numbers:
        said.append(f"{len(clip.frame_numbers)} frames for the model")
    if clip.contents:
        said.append(", ".join(clip.contents))
    return " · ".join(part for part in said if part)


def _why_no_picture(instance: Instance) -> str:
    if instance.removed_at is not None:
        return f"its pixels were removed on {instance.removed_at.astimezone():%Y-%m-%d}, when their time was over"
    is_report = instance.sop_class_uid.startswith(STRUCTURED_REPORTS) or instance.sop_class_uid == ENCAPSULATED_PDF
    return "a report: it has no picture" if is_report or instance.modality == "SR" else ""
