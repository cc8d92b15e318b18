"""Stops and spellings: guessed from a vocabulary, or read out of an operator's copy of the published code."""

from pathlib import Path

import pytest

from config.errors import ModelPackError
from tests.worker.echoclip.template.invented import PHRASES, RULES
from worker.echoclip.template.rules import TemplateRules, derived_rules, published_rules, read_rules

CLEANING = """
import nowhere
raise SystemExit("never run")
other = ["NOT THIS"]
add_period = [
    r"PRESSURE DROP IS <#>MMHG",
    "OVERALL POINTS",
]
add_period = [a.lower() for a in add_period]
"""
TOKENIZER = 'replacements = [("POINTS.: <#>", "POINTS. <#>")]\n'


def test_measured_sentences_may_come_without_their_stop() -> None:
    rules = derived_rules(["PRESSURE IS <#>MMHG. ", "WALL IS <#> THICK. ", "ALL IS WELL. ", "WIDTH <#>CM<#> "])
    assert rules == TemplateRules(stops=("PRESSURE IS <#>MMHG",))


@pytest.mark.parametrize("longer", ["WIDTH <#>MM AT ITS END. ", "THE WIDTH <#>MM OF IT. ", "WIDTH <#>MMHG. "])
def test_a_sentence_that_another_goes_on_from_gets_no_stop(longer: str) -> None:
    assert "WIDTH <#>MM" not in derived_rules(["WIDTH <#>MM. ", longer]).stops


def test_no_guessed_stop_cuts_a_phrase() -> None:
    unfinished = derived_rules(PHRASES).unfinished()
    assert unfinished is not None
    assert not [phrase for phrase in PHRASES if unfinished.search(phrase.replace("<#>", "12.5"))]


def test_published_sentences_are_read_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "utils.py").write_text(CLEANING)
    (tmp_path / "template_tokenizer.py").write_text(TOKENIZER)
    assert published_rules(tmp_path) == TemplateRules(
        stops=("PRESSURE DROP IS <#>MMHG", "OVERALL POINTS"), rewrites=(("POINTS.: <#>", "POINTS. <#>"),)
    )


@pytest.mark.parametrize(
    ("cleaning", "tokenizer", "message"),
    [
        (None, TOKENIZER, r"utils.py cannot be read"),
        (CLEANING, "replacements = {", r"template_tokenizer.py is not Python"),
        (CLEANING, "x = 1", r"template_tokenizer.py has no list replacements"),
        ("add_period = [f(1)]", TOKENIZER, r"utils.py: add_period is not a list of sentences"),
        ("add_period = [1]", TOKENIZER, r"published code's sentences"),
        (CLEANING, 'replacements = [("A <#>", "A")]', r"as many values"),
    ],
)
def test_what_is_not_the_published_code_is_refused(
    tmp_path: Path, cleaning: str | None, tokenizer: str, message: str
) -> None:
    if cleaning is not None:
        (tmp_path / "utils.py").write_text(cleaning)
    (tmp_path / "template_tokenizer.py").write_text(tokenizer)
    with pytest.raises(ModelPackError, match=message):
        published_rules(tmp_path)


def test_a_pack_keeps_its_rules(tmp_path: Path) -> None:
    RULES.write(tmp_path)
    assert read_rules(tmp_path, PHRASES) == RULES


@pytest.mark.parametrize(
    "content",
    ["", "{}x", '{"format": 2}', '{"stops": [""]}', '{"rewrites": [["A <#>", "A"]]}', '{"more": 1}', "\udcff"],
)
def test_a_damaged_file_of_rules_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "template_rules.json").write_text(content, errors="surrogateescape")
    with pytest.raises(ModelPackError, match=r"template_rules.json: .*import the pack again"):
        read_rules(tmp_path, PHRASES)
