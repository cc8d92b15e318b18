"""Reports to ids and back, against a reference in plain Python; on an invented vocabulary, or the operator's own."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.echoclip.template import reference
from tests.worker.echoclip.template.invented import (
    AREA,
    BEGIN,
    END,
    GRADIENT,
    GROWN,
    LARGE,
    LEAK,
    LUNG,
    MOUTH,
    PHRASES,
    PLAIN,
    PUMP,
    RANGE,
    RULES,
    SCORE,
    SMALL,
    SPECIALS,
    STRAIN,
    SUMMARY,
    VALUES,
    WEDGE,
    WEEK,
    phrase_id,
    value_ids,
    write_vocabulary,
)
from worker.echoclip.template.rules import TemplateRules
from worker.echoclip.template.tokenizer import Phrase, TemplateTokenizer
from worker.echoclip.template.vocabulary import TemplateVocabulary

OPERATORS_FOLDER = os.environ.get("ECHOWORKER_TEST_TEMPLATE_FOLDER")  # before a fixture clears the environment
VOCABULARY = TemplateVocabulary(SPECIALS, PHRASES, RULES)
TOKENIZER = TemplateTokenizer(VOCABULARY)
ROOMY = TemplateTokenizer(VOCABULARY, context_length=1000)


def ids_between(text: str) -> list[int]:
    """The ids of a text without begin, end and padding."""
    row = TOKENIZER(text)[0].tolist()
    end = row.index(END)
    assert row[0] == BEGIN
    assert row[end + 1 :] == [0] * (76 - end)
    return row[1:end]


def test_a_phrase_is_its_id_followed_by_its_value() -> None:
    assert ids_between("The main pump empties by 55 %.") == [phrase_id(PUMP), *value_ids("55")]


def test_the_vocabulary_ends_with_begin_and_end() -> None:
    assert (TOKENIZER.vocabulary_size, END, BEGIN) == (END + 1, BEGIN + 1, 5 + len(PHRASES) + 5 + 127)


def test_a_batch_is_a_row_of_int64_for_each_text() -> None:
    rows = TOKENIZER([PLAIN, "", SMALL])
    assert (rows.shape, rows.dtype) == ((3, 77), torch.int64)
    assert torch.equal(rows[2], TOKENIZER(SMALL)[0])
    assert TOKENIZER([]).shape == (0, 77)
    assert TOKENIZER(PLAIN, context_length=3).tolist() == [[BEGIN, phrase_id(PLAIN), END]]


@pytest.mark.parametrize("text", ["", " ", "\n", "something else entirely", "5", "MILD"])
def test_a_text_without_a_known_phrase_is_begin_and_end(text: str) -> None:
    assert ids_between(text) == []


def test_an_unknown_phrase_between_two_known_ones_is_dropped() -> None:
    assert ids_between(f"{PLAIN}Nobody knows this. {SMALL}") == [phrase_id(PLAIN), phrase_id(SMALL)]


def test_the_values_of_an_unknown_phrase_are_dropped_with_it() -> None:
    text = "Mild leak at the outlet valve. Unknown 33.3 and severe. The main pump empties by 40%."
    assert ids_between(text) == [phrase_id(LEAK), *value_ids("MILD"), phrase_id(PUMP), *value_ids("40")]


def test_the_longest_phrase_wins() -> None:
    assert ids_between(GROWN) == [phrase_id(GROWN)]
    assert ids_between(LARGE + PLAIN) == [phrase_id(LARGE), phrase_id(PLAIN)]


@pytest.mark.parametrize(
    ("number", "pieces"),
    [
        ("20.0", ["20", ".0"]),
        ("2.29", ["2", ".2", "9"]),
        ("100", ["100"]),
        ("105", ["10", "5"]),
        ("250.5", ["25", "0", ".5"]),
        ("007", ["00", "7"]),
        ("4.", ["4", "?"]),  # no id for a stop alone
    ],
)
def test_how_a_number_is_spelled(number: str, pieces: list[str]) -> None:
    assert ids_between(f"PRESSURE DROP IS {number}MMHG.") == [phrase_id(GRADIENT), *value_ids(*pieces)]


@pytest.mark.parametrize("severity", ["MILD", "MODERATE", "SEVERE", "MILD/MODERATE", "MODERATE/SEVERE"])
def test_a_severity_has_an_id(severity: str) -> None:
    assert ids_between(f"{severity} leak at the outlet valve.") == [phrase_id(LEAK), *value_ids(severity)]


def test_a_severity_after_a_letter_is_none() -> None:
    assert TOKENIZER.phrases("XMILD leak at the outlet valve.") == []


def test_very_severe_is_one_value_of_which_half_has_an_id() -> None:
    text = "Very severe leak at the outlet valve."
    assert ids_between(text) == [phrase_id(LEAK), *value_ids("?", "SEVERE")]
    assert TOKENIZER.phrases(text)[0].values == ("VERY SEVERE",)


def test_two_values_are_separated() -> None:
    text = "Somewhere from mildly to 12.5 leak at the inlet valve."
    assert ids_between(text) == [phrase_id(RANGE), *value_ids("MILD", "‡", "12", ".5")]


def test_a_number_before_a_full_stop_takes_it_along() -> None:
    # As the model was trained: a phrase that ends with a value and a stop is found only with a decimal.
    assert ids_between("Sum of points is 2.5. Fluid.")[0] == phrase_id(SCORE)
    assert phrase_id(SCORE) not in ids_between("Sum of points is 2. Fluid.")


def test_dates_and_codes_leave_no_values_behind() -> None:
    text = "01/02/2020 I50.9 Seen in week 3 03.04.2021 severely leak at the outlet valve."
    assert ids_between(text) == [phrase_id(WEEK), *value_ids("3"), phrase_id(LEAK), *value_ids("SEVERE")]


def test_a_unit_may_stand_apart() -> None:
    assert ids_between("Width of the channel 7 mm at its mouth.") == [phrase_id(MOUTH), *value_ids("7")]
    assert ids_between("opening of 4.1  cm2") == [phrase_id(AREA), *value_ids("4", ".1", "‡", "2")]
    assert ids_between("lung vessel pulmonary artery fills at 30 mmHg.") == [phrase_id(LUNG), *value_ids("30")]


def test_a_missing_stop_and_another_spelling_are_repaired() -> None:
    assert ids_between("The main pump empties by 60% fluid.")[:2] == [phrase_id(PUMP), *value_ids("60")]
    assert ids_between("The lower vein is thin and shrinks on breathing (3 mmHg).")[0] == phrase_id(STRAIN)
    assert ids_between("Overall points of all walls: no fluid around the pump.")[0] == phrase_id(SUMMARY)


def test_a_stop_is_added_wherever_its_sentence_stands_even_inside_another() -> None:
    # Whoever lists a sentence takes care of those that go on from it, as the published list does.
    assert TOKENIZER.cleaned(WEDGE.replace("<#>", "5")) == "WEDGE AT 5MM.HG. "
    assert ids_between(WEDGE.replace("<#>", "5")) == []


def test_a_prompt_that_was_not_filled_has_a_value_that_nobody_knows() -> None:
    assert ids_between(PUMP) == [phrase_id(PUMP), *value_ids("?")]


def test_a_long_report_keeps_its_beginning_and_its_end() -> None:
    row = TOKENIZER((PLAIN + SMALL) * 60)[0].tolist()
    assert row == [BEGIN, *[phrase_id(PLAIN), phrase_id(SMALL)] * 37, phrase_id(PLAIN), END]


def test_a_report_that_just_fits_is_whole() -> None:
    assert TOKENIZER(PLAIN * 75)[0].tolist() == [BEGIN, *[phrase_id(PLAIN)] * 75, END]


def test_phrases_are_for_people() -> None:
    found = TOKENIZER.phrases("Somewhere from mild to severe leak at the inlet valve. What? No fluid around the pump.")
    assert found == [Phrase(phrase_id(RANGE), RANGE, ("MILD", "SEVERE")), Phrase(phrase_id(PLAIN), PLAIN, ())]
    assert found[0].text == "SOMEWHERE FROM MILD TO SEVERE LEAK AT THE INLET VALVE. "


def test_decoding_gives_the_known_text_with_its_values() -> None:
    text = "Pressure drop was 20.0 mmHg. Never heard of 5. Severely leak at the outlet valve"
    assert TOKENIZER.decode(TOKENIZER(text)[0]) == "PRESSURE DROP IS 20.0MMHG. "
    assert TOKENIZER.decode(TOKENIZER(text + ".")[0]).endswith(". SEVERE LEAK AT THE OUTLET VALVE. ")


def test_decoding_shows_what_was_lost() -> None:
    assert (
        TOKENIZER.decode(TOKENIZER("Very severe leak at the outlet valve.")[0]) == "?SEVERE LEAK AT THE OUTLET VALVE. "
    )
    cut = TOKENIZER(RANGE.replace("<#>", "MILD"), context_length=4)[0]
    assert TOKENIZER.decode(cut) == "SOMEWHERE FROM MILD TO <#> LEAK AT THE INLET VALVE. "
    assert TOKENIZER.decode([*value_ids("5"), phrase_id(PLAIN)]) == PLAIN  # a value of no phrase


@pytest.mark.parametrize("wrong", [-1, END + 1])
def test_decoding_refuses_what_is_no_id(wrong: int) -> None:
    with pytest.raises(ValueError, match=f"id {wrong} is not in 0..{END}"):
        TOKENIZER.decode([BEGIN, wrong])


def test_a_row_has_room_for_begin_and_end() -> None:
    with pytest.raises(ValueError, match="context_length is 1"):
        TemplateTokenizer(VOCABULARY, context_length=1)


def filled(phrases: list[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def one(phrase: str) -> st.SearchStrategy[str]:
        parts = phrase.split("<#>")
        drawn = st.lists(values, min_size=len(parts) - 1, max_size=len(parts) - 1)
        return drawn.map(lambda between: parts[0] + "".join(v + p for v, p in zip(between, parts[1:], strict=True)))

    return st.sampled_from(phrases).flatmap(one)


NUMBERS = st.one_of(
    st.integers(0, 999).map(str), st.decimals(0, 400, places=1).map(str), st.decimals(0, 9, places=2).map(str)
)
SEVERITIES = st.sampled_from(["MILD", "MODERATE", "SEVERE", "MILD/MODERATE", "MODERATE/SEVERE"])
# Without values that join with what stands beside them: a number and its stop, a letter before it; and without WEDGE.
UNAMBIGUOUS = [phrase for phrase in PHRASES if not any(part in phrase for part in ("<#>. ", "CM<#>", "S<#>", WEDGE))]
REPORTS = st.lists(filled(UNAMBIGUOUS, NUMBERS | SEVERITIES), max_size=30).map("".join)
UNTIDY = st.lists(
    st.one_of(
        filled(list(PHRASES), NUMBERS | SEVERITIES | st.sampled_from(["very severe", "mildly", "5.", "٣", "<#>"])),
        filled(list(PHRASES), NUMBERS).map(str.lower),
        filled(list(PHRASES), NUMBERS).map(lambda phrase: phrase.rstrip(". ") + " "),
        st.text(max_size=20),
        st.text("AMILD 0123456789./<#>%", max_size=20),
    ),
    max_size=40,
).map("".join)


@settings(deadline=None)
@given(REPORTS)
def test_known_phrases_come_back_from_their_ids(report: str) -> None:
    row = ROOMY(report)[0]
    text = ROOMY.decode(row)
    assert text == report
    assert torch.equal(ROOMY(text)[0], row)


@settings(deadline=None)
@given(UNTIDY | st.text(st.characters()))
def test_the_ids_are_the_references(text: str) -> None:
    expected = reference.ids(
        text, specials=SPECIALS, phrases=PHRASES, values=VALUES, stops=RULES.stops, rewrites=RULES.rewrites, length=77
    )
    assert TOKENIZER(text)[0].tolist() == expected


@settings(deadline=None)
@given(UNTIDY | st.text(st.characters(exclude_categories=[])), st.integers(2, 100))
def test_every_text_gives_a_row_that_the_text_tower_can_read(text: str, length: int) -> None:
    row = TOKENIZER(text, context_length=length)[0].tolist()
    end = row.index(END)
    assert (len(row), row[0], row.count(END), set(row[end + 1 :]) <= {0}) == (length, BEGIN, 1, True)
    assert all(len(SPECIALS) <= token < BEGIN for token in row[1:end])
    ROOMY.decode(row)


@pytest.mark.skipif(OPERATORS_FOLDER is None, reason="ECHOWORKER_TEST_TEMPLATE_FOLDER names no folder")
@settings(deadline=None, max_examples=300)
@given(st.data())
def test_the_operators_own_vocabulary_is_tokenized_as_the_reference_does(data: st.DataObject) -> None:
    folder = Path(OPERATORS_FOLDER or "")
    vocabulary = TemplateVocabulary.read(folder)
    lines = (folder / "template_vocab.txt").read_text(encoding="utf-8").split("\n")
    phrases = list(dict.fromkeys(line for line in lines if line))
    text = data.draw(st.lists(filled(phrases, NUMBERS | SEVERITIES) | st.text(max_size=20), max_size=40).map("".join))
    expected = reference.ids(
        text,
        specials=SPECIALS,
        phrases=phrases,
        values=VALUES,
        stops=vocabulary.rules.stops,
        rewrites=vocabulary.rules.rewrites,
        length=77,
    )
    assert TemplateTokenizer(vocabulary)(text)[0].tolist() == expected


def test_a_pack_without_rules_is_read_with_those_of_its_vocabulary(tmp_path: Path) -> None:
    tokenizer = TemplateTokenizer(TemplateVocabulary.read(write_vocabulary(tmp_path, rules=None)))
    assert [phrase.template for phrase in tokenizer.phrases("Pressure drop is 12 mmHg fluid.")] == [GRADIENT, "FLUID. "]
    without = TemplateTokenizer(TemplateVocabulary(SPECIALS, PHRASES, TemplateRules()))
    assert [phrase.template for phrase in without.phrases("Pressure drop is 12 mmHg fluid.")] == ["FLUID. "]
