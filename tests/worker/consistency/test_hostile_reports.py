"""Reports that nobody wrote by hand: whatever comes, reading and comparing it takes seconds, and no more memory."""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.consistency.comparing.test_discordances import compared, ejection_fraction, found, measured, report
from tests.worker.consistency.hl7.test_reports import message, obx
from worker.consistency.comparing.between_reports import outermost
from worker.consistency.comparing.quantities import gap
from worker.consistency.hl7.acknowledging import Verdict, judge
from worker.consistency.hl7.parsing import messages_in, messages_of_frame
from worker.consistency.hl7.reports import read_hl7_reports
from worker.consistency.reading import ReportReader, TextReader
from worker.consistency.statements import Quantity, Statement

READER = ReportReader()


@contextmanager
def quickly(limit_s: float = 5.0) -> Iterator[None]:
    """Seconds of processor time, with room for a slow machine: what these tests forbid takes minutes to hours."""
    started = time.process_time()
    yield
    assert time.process_time() - started < limit_s


@pytest.mark.parametrize("filler", [b"\r", b"\n", b"\r\n", b" ", b"\r ", b"\t\n"])
@pytest.mark.parametrize("of", [messages_in, messages_of_frame])
def test_a_message_with_line_ends_without_end_is_taken_apart_at_once(
    of: Callable[[bytes], list[bytes]], filler: bytes
) -> None:
    content = message(obx("TX", "EF 55 %."))
    with quickly():
        (one,) = of(content + filler * 200_000 + b"NTE")
    assert one.startswith(b"MSH|")


def test_a_document_in_lines_of_base64_is_taken_apart_at_once() -> None:
    lines = base64.encodebytes(b"%PDF-" + b"\0" * 6_000_000).decode().replace("\n", "\r\n")
    content = message(obx("ED", f"^application^pdf^Base64^{lines}"), obx("TX", "EF 55 %."))
    with quickly():
        assert judge(content).verdict is Verdict.ACCEPTED
    with quickly():
        (one,) = read_hl7_reports(content)
    assert one.text == "EF 55 %."


def test_a_word_without_end_is_read_over() -> None:
    with quickly():
        assert READER.text("x", f"{'x' * 190_000} EF 55 %.").reported.statements


def test_ten_thousand_numbers_are_compared_at_once() -> None:
    numbers = [ejection_fraction(20 + at % 50) for at in range(10_000)]
    words = [Statement(field="lv_function", start=0, end=1, grade="normal")] * 10_000
    with quickly():
        one = {each.rule: each for each in compared(found(measured(44.0)), report(*numbers, *words))}
    assert [side.said for side in one["lvef-reported-differently"].sides] == ["20 %", "69 %"]


ENDS = st.one_of(st.none(), st.integers(min_value=5, max_value=95))
RANGES = st.tuples(ENDS, ENDS).filter(lambda ends: None in ends or ends[0] <= ends[1])  # type: ignore[operator]


@given(st.lists(RANGES, min_size=2, max_size=8))
def test_the_outermost_two_are_as_far_apart_as_any_two(ends: list[tuple[float | None, float | None]]) -> None:
    whole = report()
    said = [(whole, ejection_fraction(1), Quantity(low=low, high=high, unit="%")) for low, high in ends]
    farthest = max(gap(one[2], other[2]) for one, other in combinations(said, 2))
    two = outermost(said)
    assert farthest == (gap(two[0][2], two[1][2]) if len(two) > 1 else 0)


def test_of_a_plain_text_as_much_is_read_as_of_others_and_a_note_says_so() -> None:
    text = "EF 55 %.\n" * 500_000
    with quickly(20.0):
        read = READER.text("x", text)
    assert (len(read.text), read.notes) == (
        200_000,
        ("the text has more than 200000 characters: those behind were not read",),
    )
    assert TextReader().text("x", text).text == read.text
