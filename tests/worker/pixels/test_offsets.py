"""Finding frames in encapsulated pixel data, however they were cut into fragments and whatever table there is."""

import itertools
import struct
from dataclasses import dataclass

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config.errors import ClipError
from worker.pixels.offsets import locate_encapsulated, locate_native

HEADER = b"what comes before the pixels"
FRAME_START, FRAME_END = b"\xff\xd8\xff\xe0", b"\xff\xd9"


@dataclass
class InMemory:
    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, start: int, stop: int) -> bytes:
        return self.content[start:stop]


def item(value: bytes) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(value)) + value


DELIMITER = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)

# A frame as JPEG has it: its start mark, and then bytes in which that mark cannot occur. Fragments have even lengths.
frames = st.lists(
    st.binary(min_size=0, max_size=40).map(lambda body: FRAME_START + body.replace(b"\xff", b"\xfe") + FRAME_END),
    min_size=1,
    max_size=12,
).map(lambda many: [frame + b"\0" * (len(frame) % 2) for frame in many])


@st.composite
def fragmented(draw: st.DrawFn, *, whole: bool = False) -> tuple[list[bytes], list[list[bytes]]]:
    """Frames, and each as its fragments."""
    drawn = draw(frames)
    cut = []
    for frame in drawn:
        places = [] if whole else draw(st.lists(st.integers(2, max(len(frame) // 2 - 1, 2)), max_size=3, unique=True))
        edges = [0, *sorted(2 * place for place in places if 2 * place < len(frame)), len(frame)]
        cut.append([frame[start:stop] for start, stop in itertools.pairwise(edges)])
    return drawn, cut


def encapsulated(fragments: list[list[bytes]], *, basic: bool) -> tuple[bytes, list[int]]:
    """Pixel data with or without a basic offset table, and the offset of each frame."""
    offsets, body = [], b""
    for frame in fragments:
        offsets.append(len(body))
        body += b"".join(item(fragment) for fragment in frame)
    table = struct.pack(f"<{len(offsets)}L", *offsets) if basic else b""
    return HEADER + item(table) + body + DELIMITER, offsets


def located(content: bytes, number_of_frames: int, extended: bytes = b"") -> tuple[list[bytes], tuple[str, ...]]:
    source = InMemory(content)
    found = locate_encapsulated(source, len(HEADER), number_of_frames, extended=extended)
    return [found.read(source, index) for index in range(found.count)], found.notes


@given(fragmented(), st.booleans())
def test_every_fragmentation_gives_back_the_frames_with_and_without_a_table(
    drawn: tuple[list[bytes], list[list[bytes]]], basic: bool
) -> None:
    whole, fragments = drawn
    content, _ = encapsulated(fragments, basic=basic)
    assert located(content, len(whole)) == (whole, ())


@given(fragmented(whole=True))
def test_the_extended_offset_table_is_followed(drawn: tuple[list[bytes], list[list[bytes]]]) -> None:
    whole, fragments = drawn
    content, offsets = encapsulated(fragments, basic=False)
    assert located(content, len(whole), struct.pack(f"<{len(offsets)}Q", *offsets)) == (whole, ())


@given(fragmented(), st.data())
def test_a_wrong_table_is_noticed_and_done_without(
    drawn: tuple[list[bytes], list[list[bytes]]], data: st.DataObject
) -> None:
    whole, fragments = drawn
    content, offsets = encapsulated(fragments, basic=True)
    wrong = list(offsets)
    wrong[data.draw(st.integers(0, len(wrong) - 1))] += data.draw(st.integers(1, 7))
    table_at = len(HEADER) + 8
    content = content[:table_at] + struct.pack(f"<{len(wrong)}L", *wrong) + content[table_at + 4 * len(wrong) :]
    found, notes = located(content, len(whole))
    assert found == whole
    assert "offset table is wrong" in notes[0]


@given(fragmented(), st.integers(0, 30))
def test_the_frames_that_are_there_count_not_those_of_the_header(
    drawn: tuple[list[bytes], list[list[bytes]]], said: int
) -> None:
    whole, fragments = drawn
    # As many fragments as frames are each taken for one.
    assume(said == len(whole) or said != sum(map(len, fragments)))
    content, _ = encapsulated(fragments, basic=False)
    found, notes = located(content, said)
    assert found == whole
    assert any(f"{len(whole)} are stored" in note for note in notes) == (said != len(whole))


def test_a_missing_delimiter_and_a_cut_last_frame_leave_the_others() -> None:
    whole = [FRAME_START + bytes([n]) * 20 for n in range(3)]
    content, _ = encapsulated([[frame] for frame in whole], basic=False)
    content = content[: -len(DELIMITER) - 5]
    found, _ = located(content, 3)
    assert found == [*whole[:2], whole[2][:-5]]


def test_fragments_that_belong_to_no_frame_are_refused() -> None:
    content, _ = encapsulated([[b"\1\2\3\4", b"\5\6\7\0", b"\1\1\1\1"]], basic=False)
    with pytest.raises(ClipError, match="3 fragments for 2 frames"):
        located(content, 2)


def test_pixel_data_without_items_are_refused() -> None:
    with pytest.raises(ClipError, match="no items"):
        located(HEADER + DELIMITER, 3)


def test_more_fragments_than_a_clip_can_have_are_not_walked() -> None:
    with pytest.raises(ClipError, match="more than 200000 fragments"):
        located(HEADER + item(b"") * 200_002, 12)


@given(st.integers(1, 50), st.integers(0, 20), st.integers(0, 1200), st.integers(0, 1200))
def test_native_frames_are_those_that_are_whole(
    frame_length: int, number_of_frames: int, stored: int, length: int
) -> None:
    source = InMemory((HEADER + bytes(range(256)) * 5)[: len(HEADER) + stored])
    end, held = len(HEADER) + length, min(stored, length)  # behind the element, padding or nothing
    if held < frame_length:
        with pytest.raises(ClipError, match="end within the first frame"):
            locate_native(source, len(HEADER), end, frame_length, number_of_frames)
        return
    found = locate_native(source, len(HEADER), end, frame_length, number_of_frames)
    assert found.count == held // frame_length
    last = found.read(source, found.count - 1)
    assert last == source.content[len(HEADER) + (found.count - 1) * frame_length :][:frame_length]
    assert bool(found.notes) == (found.count != number_of_frames)


@pytest.mark.parametrize("entries", [1, 2, 3, 5])
def test_a_table_of_other_frames_than_the_header_says_is_not_followed(entries: int) -> None:
    whole = [FRAME_START + bytes([n]) * 20 for n in range(4)]
    content, offsets = encapsulated([[frame] for frame in whole], basic=True)
    table = [*offsets, offsets[-1] + 28][:entries]
    items = content[content.index(item(struct.pack("<4L", *offsets))) + 24 :]
    found, notes = located(HEADER + item(struct.pack(f"<{entries}L", *table)) + items, 4)
    assert found == whole
    assert notes == ("the offset table is wrong: the frames were found without it",)
