"""Where each frame lies in the pixel data: arithmetic when native, items when encapsulated (PS3.5 annex A.4).

Nothing of the pixels is read for it but the heads of the items.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from config.errors import ClipError
from dicom_node.fragments import ITEM, UNDEFINED_LENGTH
from worker.pixels.codestream import start_of_frame
from worker.pixels.source import ByteSource

MOST_FRAGMENTS = 200_000
"""Walking more takes seconds; a clip has one or a few for each frame."""
_HEAD = struct.Struct("<HHL")
_ITEM = (ITEM >> 16, ITEM & 0xFFFF)

Part = tuple[int, int]
"""The positions of the first byte and of the one past the last."""


@dataclass(frozen=True, kw_only=True)
class FrameLocations:
    """The frames that are really stored."""

    count: int
    parts: Callable[[int], Sequence[Part]]
    """The parts, to be joined, of the frame at an index from 0."""
    notes: tuple[str, ...] = ()

    def read(self, source: ByteSource, index: int) -> bytes | memoryview:
        """The stored bytes of one frame."""
        pieces = [source.read(start, stop) for start, stop in self.parts(index)]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def locate_native(source: ByteSource, start: int, end: int, frame_length: int, number_of_frames: int) -> FrameLocations:
    """Frames of one length, one after the other; as many as the data hold. 0 frames: the header does not say.

    `end` is where the element says that its value ends; the source may end before, and go on behind it.

    Raises
    ------
    ClipError
        There is not one whole frame.
    """
    count = (min(source.size, end) - start) // frame_length
    if count < 1:
        raise ClipError("the pixel data end within the first frame")
    return FrameLocations(
        count=count,
        parts=lambda index: [(start + index * frame_length, start + (index + 1) * frame_length)],
        notes=other_count(count, number_of_frames),
    )


def locate_encapsulated(
    source: ByteSource,
    start: int,
    number_of_frames: int,
    *,
    extended: bytes = b"",
) -> FrameLocations:
    """Frames in items, by the offset table where there is one that holds, else by walking all items.

    Parameters
    ----------
    number_of_frames
        As the header says it; 0 when it does not.
    start
        Where the value of Pixel Data begins, with the item of the basic offset table.
    extended
        The value of Extended Offset Table (7FE0,0001), when there is one.

    Raises
    ------
    ClipError
        The items cannot be told apart into frames.
    """
    table = next(_items(source, start), None)
    if table is None:
        raise ClipError("the encapsulated pixel data have no items")
    first = table[1]
    starts = _table_starts(source, first, extended, "Q") or _table_starts(source, first, source.read(*table), "L")
    by_table = FrameLocations(
        count=len(starts),
        parts=lambda index: list(_items(source, starts[index], (*starts, None)[index + 1])),
        notes=other_count(len(starts), number_of_frames),
    )
    if starts and number_of_frames in (0, len(starts)):
        return by_table
    # Some machines write a table of one entry, or of other frames than are stored: header and items decide.
    try:
        frames = _grouped(source, list(_items(source, first)), number_of_frames)
    except ClipError:
        if starts:
            return by_table
        raise
    distrusted = bool(extended) or table[1] > table[0]
    agreed = list(starts) == [parts[0][0] - 8 for parts in frames]
    notes = ("the offset table is wrong: the frames were found without it",) if distrusted and not agreed else ()
    return FrameLocations(
        count=len(frames),
        parts=frames.__getitem__,
        notes=(*notes, *other_count(len(frames), number_of_frames)),
    )


def starts_with_an_item(source: ByteSource, start: int) -> bool:
    """Whether a value begins with the item of a basic offset table, as only encapsulated pixel data do."""
    head = source.read(start, start + 8)
    if len(head) < 8:
        return False
    group, element, length = _HEAD.unpack(head)
    return (group, element) == _ITEM and length % 4 == 0 and start + 8 + length <= source.size


def locate_stream(source: ByteSource, start: int) -> list[Part]:
    """The fragments of one stream that holds all frames, a video (PS3.5 section A.4.5 and what follows it).

    Raises
    ------
    ClipError
        There are none.
    """
    _, *fragments = list(_items(source, start)) or [(0, 0)]
    if not fragments:
        raise ClipError("the encapsulated pixel data have no items")
    return fragments


def _items(source: ByteSource, at: int, end: int | None = None) -> Iterator[Part]:
    """The contents of the items from a position to another, or to the delimiter; the last may be cut off."""
    for _ in range(MOST_FRAGMENTS):
        head = source.read(at, at + 8)
        if (end is not None and at >= end) or len(head) < 8:
            return
        group, element, length = _HEAD.unpack(head)
        if (group, element) != _ITEM or length == UNDEFINED_LENGTH:
            return
        yield at + 8, min(at + 8 + length, source.size)
        at += 8 + length
    raise ClipError(f"more than {MOST_FRAGMENTS} fragments")


def _table_starts(source: ByteSource, first: int, table: bytes | memoryview, kind: str) -> Sequence[int]:
    """The positions that an offset table gives, when an item begins at every one of them; else none."""
    size = struct.calcsize(f"<{kind}")
    offsets = struct.unpack(f"<{len(table) // size}{kind}", table[: len(table) // size * size])
    ascending = all(one < other for one, other in pairwise(offsets))
    if not offsets or offsets[0] != 0 or not ascending or len(offsets) > MOST_FRAGMENTS:
        return ()
    starts = [first + offset for offset in offsets]
    tag = _HEAD.pack(*_ITEM, 0)[:4]
    return starts if all(source.read(at, at + 4) == tag for at in starts) else ()


def _grouped(source: ByteSource, items: list[Part], number_of_frames: int) -> list[list[Part]]:
    """The items of each frame; all frames of an instance begin as its first does."""
    marks = [start_of_frame(bytes(source.read(item[0], min(item[0] + 8, item[1])))) for item in items]
    mark = next(filter(None, marks), None)
    starts = [mark is not None and other == mark for other in marks]
    if number_of_frames == 1 and sum(starts) < 2:
        return [items]
    if len(items) == number_of_frames or not any(starts):
        if len(items) > number_of_frames > 0:
            raise ClipError(f"{len(items)} fragments for {number_of_frames} frames, and no telling which are whose")
        return [[item] for item in items]
    first = starts.index(True)
    edges = [index for index, starts_one in enumerate(starts) if starts_one and index > first]
    return [items[start:stop] for start, stop in pairwise([0, *edges, len(items)])]


def other_count(count: int, number_of_frames: int) -> tuple[str, ...]:
    """The note on a header that says another number of frames than are stored."""
    if count == number_of_frames:
        return ()
    return (f"the header says {number_of_frames or 'nothing of its'} frames, {count} are stored",)
