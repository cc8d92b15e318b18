"""What a peer says does not depend on how it cuts it up: into fragments, PDUs, and pieces of the stream."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.reception.p_data import (
    COMMAND,
    HEADER_BYTES,
    LAST,
    P_DATA_TF,
    BrokenMessageError,
    CommandSet,
    Limits,
    MessageBrokenOffError,
    PDataReader,
)
from dicom_node.reception.read_ahead import READ_AHEAD_BYTES, ReadAhead

LARGEST_PDU = 300
CONTEXTS = (1, 3, 255)
LIMITS = Limits(data_pdu_bytes=LARGEST_PDU, pdu_s=60, control_pdu_bytes=1000, command_set_bytes=200)


@dataclass(frozen=True)
class Message:
    context_id: int
    command_set: bytes
    data_set: bytes


@dataclass
class Kept:
    """A sink whose room is never more than a few bytes."""

    room_bytes: int
    content: bytearray = field(default_factory=bytearray)
    _room: bytearray = field(default_factory=bytearray)

    def room(self) -> memoryview:
        self._room = bytearray(self.room_bytes)
        return memoryview(self._room)

    def advance(self, count: int) -> None:
        self.content += self._room[:count]


def stream_of(content: bytes, pieces: Sequence[int] = (1 << 30,)) -> ReadAhead:
    """A stream that gives the content in pieces of these sizes, then ends."""
    left = memoryview(content)
    sizes = cycle(pieces)

    def receive_into(target: memoryview) -> int:
        nonlocal left
        count = min(next(sizes), len(target), len(left))
        target[:count] = left[:count]
        left = left[count:]
        return count

    return ReadAhead(receive_into, pdu_timeout_s=LIMITS.pdu_s)


messages = st.builds(
    Message,
    context_id=st.sampled_from(CONTEXTS),
    command_set=st.binary(min_size=1, max_size=LIMITS.command_set_bytes),
    data_set=st.binary(max_size=1000),
)
piece_sizes = st.lists(st.integers(1, 1000), min_size=1, max_size=10)
untimed = settings(deadline=None)


@st.composite
def cut_up(draw: st.DrawFn, message: Message) -> bytes:
    """The message in fragments of any size, and these in PDUs as they fit."""
    sizes = cycle(draw(st.lists(st.integers(1, LARGEST_PDU - HEADER_BYTES), min_size=1, max_size=10)))
    together = cycle(draw(st.lists(st.booleans(), min_size=1, max_size=10)))
    pdus, pdu = [], b""
    for bits, content in ((COMMAND, message.command_set), (0, message.data_set)):
        for fragment, is_last in fragments(content, sizes):
            control = bits | (LAST if is_last else 0)
            item = struct.pack(">LBB", len(fragment) + 2, message.context_id, control) + fragment
            if pdu and (len(pdu) + len(item) > LARGEST_PDU or not next(together)):
                pdus.append(pdu)
                pdu = b""
            pdu += item
    return b"".join(data_pdu(items) for items in [*pdus, pdu])


def fragments(content: bytes, sizes: Iterator[int]) -> Iterator[tuple[bytes, bool]]:
    at = 0
    while True:
        end = at + next(sizes)
        yield content[at:end], end >= len(content)
        if end >= len(content):
            return
        at = end


def data_pdu(items: bytes) -> bytes:
    return struct.pack(">BxL", P_DATA_TF, len(items)) + items


def item(content: bytes, control: int, context_id: int = 1) -> bytes:
    return struct.pack(">LBB", len(content) + 2, context_id, control) + content


@untimed
@given(data=st.data(), sent=st.lists(messages, max_size=3), pieces=piece_sizes, room=st.integers(1, 1000))
def test_any_cut_gives_the_same_messages(
    data: st.DataObject, sent: list[Message], pieces: list[int], room: int
) -> None:
    stream = stream_of(b"".join(data.draw(cut_up(message)) for message in sent), pieces)
    reader = PDataReader(stream, LIMITS)
    read = []
    for _ in sent:
        command_set = reader.peek_command_set(CONTEXTS)
        assert command_set is not None
        reader.take(command_set)
        kept = Kept(room)
        reader.read_data_set(command_set.context_id, kept)
        read.append(Message(command_set.context_id, command_set.content, bytes(kept.content)))
    assert read == sent
    with pytest.raises(ConnectionResetError):
        reader.peek_command_set(CONTEXTS)


@untimed
@given(data=st.data(), message=messages, pieces=piece_sizes)
def test_looking_at_a_message_consumes_nothing_of_it(data: st.DataObject, message: Message, pieces: list[int]) -> None:
    content = data.draw(cut_up(message))
    stream = stream_of(content, pieces)
    assert PDataReader(stream, LIMITS).peek_command_set(CONTEXTS) is not None
    assert everything(stream) == content


def test_a_large_fragment_goes_past_the_buffer() -> None:
    fragment = bytes(range(250)) * 2000
    limits = Limits(data_pdu_bytes=len(fragment) + HEADER_BYTES, pdu_s=60)
    kept = Kept(2 * READ_AHEAD_BYTES)
    PDataReader(stream_of(data_pdu(item(fragment, LAST))), limits).read_data_set(1, kept)
    assert kept.content == fragment


def everything(stream: ReadAhead) -> bytes:
    content, room = b"", memoryview(bytearray(2 * READ_AHEAD_BYTES))
    with suppress(ConnectionResetError):
        while count := stream.read_into(room):
            content += room[:count]
    return content


@untimed
@given(content=st.binary(max_size=400), pieces=piece_sizes)
def test_arbitrary_bytes_end_in_what_is_documented(content: bytes, pieces: list[int]) -> None:
    reader = PDataReader(stream_of(data_pdu(b"")[:4] + content, pieces), LIMITS)
    with suppress(BrokenMessageError, MessageBrokenOffError, ConnectionResetError):
        command_set = reader.peek_command_set(CONTEXTS)
        if command_set is None:
            reader.require_within_limits(message_goes_on=False)
            return
        reader.take(command_set)
        reader.read_data_set(command_set.context_id, Kept(10))


@pytest.mark.parametrize(
    "content",
    [
        bytes([5, 0, 0, 0, 0, 4, 0, 0, 0, 0]),
        data_pdu(item(b"a data set", LAST)),
        data_pdu(item(b"in a context that was not accepted", COMMAND | LAST, context_id=5)),
        data_pdu(item(b"one context,", COMMAND) + item(b"and another", COMMAND | LAST, context_id=3)),
        data_pdu(item(b"a part", COMMAND)) + bytes([7, 0, 0, 0, 0, 4, 0, 0, 0, 0]),
        data_pdu(item(b"too long" * 26, COMMAND | LAST)),
        data_pdu(item(b"too long" * 13, COMMAND) + item(b"in two parts" * 13, COMMAND | LAST)),
        data_pdu(item(b"", COMMAND)) * (READ_AHEAD_BYTES // 12 + 1),
        data_pdu(item(b"longer than its PDU", COMMAND | LAST)[:-1])[: -1 - 5],
        data_pdu(b"\0" * (LARGEST_PDU + 1)),
        data_pdu(b""),
        data_pdu(b"\0" * 5),
    ],
)
def test_what_is_no_command_set_within_the_limits_is_left_to_others(content: bytes) -> None:
    stream = stream_of(content + b"\0" * HEADER_BYTES)
    assert PDataReader(stream, LIMITS).peek_command_set(CONTEXTS) is None
    assert everything(stream) == content + b"\0" * HEADER_BYTES


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (bytes([7, 0, 0, 0, 0, 4, 0, 0, 0, 0]), MessageBrokenOffError),
        (data_pdu(item(b"another message", COMMAND | LAST)), BrokenMessageError),
        (data_pdu(item(b"in another context", LAST, context_id=3)), BrokenMessageError),
        (data_pdu(item(b"the end", LAST) + item(b"and on", LAST)), BrokenMessageError),
        (data_pdu(item(b"longer than its PDU", LAST)[:-1]), BrokenMessageError),
        (data_pdu(item(b"followed by less than an item", 0) + b"\0" * 5), BrokenMessageError),
        (data_pdu(struct.pack(">LBB", 1, 1, 0)), BrokenMessageError),
        (data_pdu(item(b"\0" * LARGEST_PDU, LAST)), BrokenMessageError),
        (data_pdu(b""), BrokenMessageError),
        (data_pdu(item(b"cut off", LAST))[:-1], ConnectionResetError),
    ],
)
def test_a_data_set_that_is_none_is_an_error(content: bytes, error: type[Exception]) -> None:
    reader = PDataReader(stream_of(content), LIMITS)
    with pytest.raises(error):
        reader.read_data_set(1, Kept(10))


def test_a_pdu_that_breaks_off_a_data_set_is_left_in_the_stream() -> None:
    abort = bytes([7, 0, 0, 0, 0, 4, 0, 0, 0, 0])
    stream = stream_of(data_pdu(item(b"a part", 0)) + abort)
    with pytest.raises(MessageBrokenOffError):
        PDataReader(stream, LIMITS).read_data_set(1, Kept(10))
    assert everything(stream) == abort


def test_a_command_set_that_announces_no_data_set_ends_its_pdu() -> None:
    reader = PDataReader(stream_of(b""), LIMITS)
    reader.take(CommandSet(context_id=1, content=b"", stream_bytes=0, left_in_pdu=0))
    reader.end_message()
    reader.take(CommandSet(context_id=1, content=b"", stream_bytes=0, left_in_pdu=7))
    with pytest.raises(BrokenMessageError):
        reader.end_message()


@pytest.mark.parametrize(
    ("pdu_type", "length", "fits"),
    [(1, 1000, True), (1, 1001, False), (4, LARGEST_PDU, True), (4, LARGEST_PDU + 1, False)],
)
def test_a_pdu_that_others_read_has_a_limit(pdu_type: int, length: int, fits: bool) -> None:
    reader = PDataReader(stream_of(struct.pack(">BxL", pdu_type, length)), LIMITS)
    if fits:
        reader.require_within_limits(message_goes_on=False)
    else:
        with pytest.raises(BrokenMessageError):
            reader.require_within_limits(message_goes_on=False)


def test_a_message_that_others_put_together_has_a_limit() -> None:
    limits = Limits(data_pdu_bytes=1000, pdu_s=60, other_message_bytes=3000)
    reader = PDataReader(stream_of(struct.pack(">BxL", P_DATA_TF, 1000)), limits)
    for goes_on in (False, True, True, False, True, True):
        reader.require_within_limits(message_goes_on=goes_on)
    with pytest.raises(BrokenMessageError):
        reader.require_within_limits(message_goes_on=True)


def test_a_pdu_that_is_dripped_beyond_its_time_is_an_error() -> None:
    stream = ReadAhead(lambda target: len(target[:1]), pdu_timeout_s=0.01)
    stream.expect_pdu()
    with pytest.raises(TimeoutError):
        while True:
            stream.peek(HEADER_BYTES)
            stream.skip(HEADER_BYTES)
