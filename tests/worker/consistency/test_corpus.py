"""The labelled sentences: what the corpus must hold, and that the rules still fit what they were written with."""

from collections import Counter

import pytest

from bench.consistency import DEVICES, PARTS, figures, outcomes, read_corpus
from worker.consistency.fields import CONCEPTS
from worker.consistency.fields import DEVICES as KNOWN_DEVICES

SENTENCES = tuple(read_corpus())


def test_there_are_enough_sentences_and_enough_hard_ones() -> None:
    assert len(SENTENCES) >= 300
    assert sum(sentence.is_hard for sentence in SENTENCES) >= 60
    languages = Counter(sentence.language for sentence in SENTENCES)
    assert languages["en"] >= 220
    assert languages["de"] >= 50
    assert languages["es"] >= 40
    assert {sentence.part for sentence in SENTENCES} <= set(PARTS)
    held_out = [sentence for sentence in SENTENCES if sentence.part != "written-with"]
    assert len(held_out) >= 120
    assert len({sentence.style for sentence in SENTENCES}) == 4


def test_no_sentence_is_in_both_parts() -> None:
    texts = Counter((sentence.language, sentence.text) for sentence in SENTENCES)
    assert [text for text, number in texts.items() if number > 1] == []


def test_the_truth_names_fields_that_extraction_knows() -> None:
    known = {concept.field for concept in CONCEPTS.values()} | {concept.graded_as for concept in CONCEPTS.values()}
    known |= {field for concept in CONCEPTS.values() for field, _ in concept.affirms}
    assert {statement.field for sentence in SENTENCES for statement in sentence.truth} <= known
    assert set(KNOWN_DEVICES) == DEVICES


@pytest.mark.parametrize("language", ["en", "de", "es"])
def test_the_rules_fit_what_they_were_written_with(language: str) -> None:
    part = [each for each in SENTENCES if each.part == "written-with" and each.language == language]
    found = outcomes(part)
    wrong = [outcome.sentence.text for outcome in found if outcome.missed or outcome.invented]
    assert wrong == []


def test_what_was_not_written_for_the_rules_is_read_well_enough_to_be_of_use() -> None:
    """A floor far below the figures in docs/consistency-reading.md: it catches what breaks, and is no aim."""
    found = outcomes([each for each in SENTENCES if each.part != "written-with"])
    for of in (figures(found), figures(found, ["lvef"]), figures(found, DEVICES)):
        assert of.precision > 0.85
        assert of.recall > 0.85
