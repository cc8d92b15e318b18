"""Spelling: each case is a step of the definition, or an order of two steps that shows in the result."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.echoclip.template import invented, reference
from worker.echoclip.template.cleaning import clean


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", " "),
        ("  Two words ", "TWO WORDS "),
        ("one\r\n\ttwo", "ONE TWO "),
        ("A^B crlf C‡D", "AB CD "),
        ("patient`s", "PATIENT'S "),
        ("A.B", "A. B "),
        ("IS 2.5. NEXT", "IS 2.5. NEXT "),
        ("IS 2.NEXT", "IS 2. NEXT "),
        (".5 OF ALL", ".5 OF ALL "),  # a stop that a text begins with has nothing before it
        ("END . NEXT...", "END. NEXT. "),
        ("[A] [B", "A B "),
        ("IT WAS, THEY WERE", "IT IS, THEY ARE "),
        ("WASTE AND TOWERED", "WASTE AND TOWERED "),
        ("ONE AND/OR TWO", "ONE AND TWO "),
        ("NORMALLY mildly MODERATELY Severely", "NORMAL MILD MODERATE SEVERE "),
        ("ABNORMALLY", "ABNORMAL "),
        ("pulmonary artery and pulmonary  artery", "PA AND PULMONARY ARTERY "),  # two blanks: not yet collapsed
        ("ON 01/02/2020 SEEN", "ON SEEN "),
        ("ON 01.02.2020 SEEN", "ON SEEN "),
        ("ON 1/2/2020 SEEN", "ON 1/2/2020 SEEN "),
        ("CODE I50.9 HERE", "CODE HERE "),
        ("CODE I50 HERE", "CODE I50 HERE "),
        ("24 mm, 3  CM, 40\tmmHg, 55 %", "24MM, 3CM, 40MMHG, 55% "),
        ("30 + CVP mmHg", "30MMHG "),
        ("1 + 2", "1+2 "),
        ("BAD \ud800 TEXT", "BAD ? TEXT "),
    ],
)
def test_each_step(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_a_known_sentence_gets_its_full_stop_and_no_second_one() -> None:
    unfinished = invented.RULES.unfinished()
    assert clean("Pressure drop was 20.5 mmHg fluid", unfinished) == "PRESSURE DROP IS 20.5MMHG. FLUID "
    assert clean("Pressure drop is 20 mmHg.", unfinished) == "PRESSURE DROP IS 20MMHG. "
    assert clean("Pressure drop is high", unfinished) == "PRESSURE DROP IS HIGH "


PIECES = st.one_of(
    st.text(max_size=4),
    st.text("0123456789./", max_size=11),
    st.sampled_from(
        [" ", "  ", "\n", ".", " . ", "WAS", " was ", "AND/OR", "MILD", "LY", "NORMALLY", "PULMONARY", "ARTERY", " + ",
         "CVP", "MMHG", " MM", "CM", "%", "I50.9", "A1.", "CRLF", "^", "[", "PRESSURE DROP IS 5MMHG", "WEDGE AT 7.MM"]
    ),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_cleaning_is_the_references(text: str) -> None:
    assert clean(text, invented.RULES.unfinished()) == reference.cleaned(text, invented.RULES.stops)
