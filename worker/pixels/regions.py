"""Where in the picture the heart is, and what stands around it: from the machine's own regions (PS3.3 C.8.5.5)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from config.errors import ClipError
from config.reasons import Named, Reason, ReasonKind
from worker.pixels.calibration import PICTURES, Content, Part, Region, described_regions

__all__ = [
    "MINIMUM_SIDE",
    "TEXT_INSIDE",
    "WHOLE_PICTURE",
    "Content",
    "Layout",
    "Region",
    "beside",
    "choose_picture",
    "machine_layout",
]

MINIMUM_SIDE = 64
"""Pixels; a smaller picture has nothing left that the model could see at 224 x 224."""
WHOLE_PICTURE = 0.9
"""A region of this part of the picture is the screen of the machine with its text, not the sector alone."""
TEXT_INSIDE = "the machine's region is nearly the whole picture: its text may lie inside"
ALIKE = 0.2
"""Two pictures of one layout differ by less than this part of their sides."""
TRACES = frozenset({Content.M_MODE, Content.SPECTRAL_DOPPLER})
"""Ultrasound over time: a study of its own, where an ECG only goes along with a picture."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What the picture shows where; made from the machine's regions, or from the pixels when it wrote none."""

    region: Region
    """Where the two-dimensional tissue is."""
    origin: str
    """`machine`: its Sequence of Ultrasound Regions; `motion`: what moves; `picture`: its texture, nothing moves."""
    contents: frozenset[Content]
    pixel_spacing_mm: tuple[float, float] | None = None
    """Between rows and between columns, as DICOM's Pixel Spacing is ordered; None where nothing credible says it."""
    biplane: bool = False
    """Two pictures of like size, or more, stand beside each other; `region` is one of them."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which of several pictures is read, and what to say of it."""

    index: int
    biplane: bool
    notes: tuple[str, ...]


def machine_layout(header: Dataset, rows: int, columns: int) -> Layout | None:
    """The layout that the machine describes, or None when it describes no two-dimensional picture that can be used.

    Parameters
    ----------
    header
        The data set of the instance; of it only Sequence of Ultrasound Regions (0018,6011) is read.
    rows, columns
        The size of the decoded frames in pixels.

    Raises
    ------
    ClipError
        The regions show M-mode or spectral Doppler alone, or larger than the picture beside it.
    """
    picture = Region(left=0, top=0, right=columns, bottom=rows)
    described = described_regions(header, picture)
    traces = [part for part in described.parts if part.content in TRACES]
    if described.contents & TRACES and not described.contents & PICTURES:
        raise ClipError(Reason(ReasonKind.TRACES_ALONE, contents=_named(described.contents & TRACES)))
    pictures = [part for part in described.parts if part.content in PICTURES]
    candidates = [part for part in pictures if _can_be_seen(part.region)]
    if not candidates:
        return None
    layout = _without_traces(_chosen(candidates, pictures), traces)
    notes = (*described.notes, *layout.notes)
    if layout.region.area >= WHOLE_PICTURE * picture.area:
        notes = (*notes, TEXT_INSIDE)
    return replace(layout, contents=described.contents, notes=notes)


def _chosen(candidates: Sequence[Part], pictures: Sequence[Part]) -> Layout:
    """The largest picture, or one of those of like size beside it."""
    largest = max(candidates, key=lambda part: (part.region.area, part.content is Content.TISSUE))
    alike = [largest, *(part for part in candidates if beside(part.region, largest.region))]
    choice = choose_picture([part.region for part in alike], [_coloured(part, pictures) for part in alike])
    chosen = alike[choice.index]
    return Layout(
        region=chosen.region,
        origin="machine",
        contents=frozenset(),
        pixel_spacing_mm=chosen.spacing_mm,
        biplane=choice.biplane,
        notes=choice.notes,
    )


def choose_picture(regions: Sequence[Region], coloured: Sequence[bool]) -> Choice:
    """Of pictures beside each other, the first from the upper left; rather one without colour over it."""
    plain = [index for index, colour in enumerate(coloured) if not colour]
    compared = 0 < len(plain) < len(regions)
    pictures = plain if compared else range(len(regions))
    index = min(pictures, key=lambda index: regions[index].left + regions[index].top)
    notes = ["colour compare: the picture without colour was taken"] if compared else []
    if len(pictures) > 1:
        notes.append(f"{len(pictures)} pictures beside each other: the first was taken")
    return Choice(index=index, biplane=len(pictures) > 1, notes=tuple(notes))


def beside(one: Region, other: Region) -> bool:
    """Whether two pictures of like size stand side by side, or one above the other."""
    alike = (
        abs(one.width - other.width) <= ALIKE * max(one.width, other.width)
        and abs(one.height - other.height) <= ALIKE * max(one.height, other.height)
    )  # fmt: skip
    return alike and one.common(other).area <= ALIKE / 2 * min(one.area, other.area)


def _coloured(part: Part, pictures: Sequence[Part]) -> bool:
    """Whether colour fills the picture or lies over it."""
    boxes = (other.region for other in pictures if other.content is Content.COLOUR_DOPPLER)
    return any(box.common(part.region).area > box.area / 2 for box in boxes)


def _without_traces(layout: Layout, traces: Sequence[Part]) -> Layout:
    """A picture beside traces: kept when it is larger than they are, and cut where they cover it.

    Most machines freeze the picture while the trace runs, and show it small: then the clip is one of Doppler or
    M-mode. Of a picture that takes the larger part, there is something to see at least.

    Raises
    ------
    ClipError
        A trace is larger than the picture.
    """
    if not traces:
        return layout
    names = _named({trace.content for trace in traces})
    region = layout.region
    for trace in traces:
        if not trace.low_priority:
            region = _rest(region, trace.region)
    if not _can_be_seen(region) or region.area < max(trace.region.area for trace in traces):
        raise ClipError(Reason(ReasonKind.TRACES_WITH_SMALL_PICTURE, contents=names))
    notes = (*layout.notes, f"beside {names}, where the picture is often frozen")
    return replace(layout, region=region, notes=notes)


def _named(contents: Iterable[Content]) -> Reason:
    """As a part of reasons: one and another."""
    first, *others = (Named("content", content.name, content) for content in sorted(contents))
    said = Reason(ReasonKind.ALONE, what=first)
    for other in others:
        said = Reason(ReasonKind.BOTH, one=said, other=other)
    return said


def _can_be_seen(region: Region) -> bool:
    return min(region.width, region.height) >= MINIMUM_SIDE


def _rest(region: Region, trace: Region) -> Region:
    """The largest rectangle of a region that a trace leaves free."""
    covered = region.common(trace)
    if covered.area == 0:
        return region
    sides = (
        replace(region, bottom=covered.top),
        replace(region, top=covered.bottom),
        replace(region, right=covered.left),
        replace(region, left=covered.right),
    )
    return max(sides, key=lambda side: side.area)
