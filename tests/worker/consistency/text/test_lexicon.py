"""A hospital's own words: laid upon the bundled ones, and what is wrong with a file is said with its entry."""

from pathlib import Path

import pytest

from config.errors import ConfigurationError
from worker.consistency.text.extraction import extract
from worker.consistency.text.lexicon import BUNDLED, load_lexicons
from worker.consistency.text.vocabulary import Vocabulary


def fields(text: str, *own: Path, language: str = "en") -> list[tuple[str, object]]:
    found = extract(text, Vocabulary(load_lexicons(own)[language]))
    return [(each.field, each.grade if each.is_present is None else each.is_present) for each in found]


def written(folder: Path, text: str, name: str = "own.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_there_is_a_file_for_each_of_three_languages() -> None:
    assert sorted(path.stem for path in BUNDLED.glob("*.toml")) == ["de", "en", "es"]
    assert {language: lexicon.language for language, lexicon in load_lexicons().items()} == {
        "de": "de", "en": "en", "es": "es",
    }  # fmt: skip


def test_a_hospitals_words_are_added_to_the_bundled_ones(tmp_path: Path) -> None:
    own = written(
        tmp_path, 'language = "en"\n[terms]\nmitral_regurgitation = ["mitral leak"]\n[grades]\nmild = ["wee"]\n'
    )
    assert fields("A wee mitral leak.") == []
    assert fields("A wee mitral leak, moderate TR.", own) == [
        ("mitral_regurgitation", "mild"),
        ("tricuspid_regurgitation", "moderate"),
    ]


def test_a_bundled_word_that_means_something_else_there_is_forgotten(tmp_path: Path) -> None:
    own = written(tmp_path, 'language = "de"\nforget = ["MI"]\nother = ["MI"]\n')
    assert fields("MI 2015.", language="de") == [("mitral_regurgitation", "mild")]
    assert fields("MI 2015.", own, language="de") == []


def test_a_sites_own_task_has_words_too(tmp_path: Path) -> None:
    own = written(tmp_path, 'language = "en"\n[findings]\nappendage_occluder = ["Watchman", "LAA occluder"]\n')
    assert fields("A Watchman is in place.", own) == [("appendage_occluder", True)]
    assert fields("No LAA occluder or pacemaker.", own) == [("appendage_occluder", False), ("pacemaker", False)]


def test_a_new_language_is_a_file(tmp_path: Path) -> None:
    own = written(
        tmp_path,
        'language = "fr"\n[terms]\nlvef = ["FEVG"]\ntavr = ["TAVI"]\n[units]\n"%" = ["%"]\n'
        '[cues]\nnegation_before = ["pas de"]\n',
    )
    assert fields("Pas de TAVI. FEVG 55 %.", own, language="fr") == [("tavr", False), ("lvef", None)]


def test_files_are_laid_upon_each_other_in_their_order(tmp_path: Path) -> None:
    first = written(tmp_path, 'language = "en"\nforget = ["MR"]\n', "first.toml")
    second = written(tmp_path, 'language = "en"\n[terms]\nmitral_regurgitation = ["MR"]\n', "second.toml")
    assert fields("Mild MR.", first) == []
    assert fields("Mild MR.", first, second) == [("mitral_regurgitation", "mild")]
    assert fields("Mild MR.", second, first) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('language = "en"\n[terms]\nlvfe = ["EF"]\n', r"own.toml: terms.lvfe: no such term; there are lvef"),
        ('language = "en"\n[structures]\nlw = ["left"]\n', r"own.toml: structures.lw: no structure is called lw"),
        ('language = "en"\n[attributes]\nsizes = ["big"]\n', r"own.toml: attributes.sizes: no such attribute"),
        ('language = "en"\n[terms]\nlvef = ["EF", "%"]\n', r"own.toml: terms.lvef.1: '%' has no word in it"),
        ('language = "en"\n[trems]\nlvef = ["EF"]\n', r"own.toml: trems: unknown entry"),
        ('language = "en"\n[grades]\nsome = ["a bit"]\n', r"own.toml: grades.some: "),
        ('[terms]\nlvef = ["EF"]\n', r"own.toml: language: "),
        ('language = "en"\n[terms\n', r"own.toml: not valid TOML"),
    ],
)
def test_a_mistake_is_named_by_file_and_entry(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_lexicons([written(tmp_path, text)])


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent.toml: cannot be read"):
        load_lexicons([tmp_path / "absent.toml"])


def test_a_compound_is_read_by_its_end(tmp_path: Path) -> None:
    own = written(tmp_path, 'language = "de"\ncompounds = ["pumpe"]\n[terms]\nimpella = ["Pumpe"]\n')
    assert fields("Mikroaxialpumpe in situ.", own, language="de") == [("impella", True)]
    assert fields("Mikroaxialpumpe in situ.", language="de") == []


def test_a_zero_in_a_phrase_stands_for_any_number(tmp_path: Path) -> None:
    own = written(tmp_path, 'language = "en"\n[terms]\nimpella = ["P-0 pump"]\n')
    assert fields("P-6 pump seen.", own) == fields("P-12 pump seen.", own) == [("impella", True)]
    assert fields("P pump seen.", own) == []


def test_one_slip_in_a_long_word_is_read_over_and_a_listed_word_is_none(tmp_path: Path) -> None:
    assert fields("Mild mitral regugitation.") == [("mitral_regurgitation", "mild")]
    assert fields("Mild mitral regurgitatoin.") == [("mitral_regurgitation", "mild")]
    assert fields("Mild mitral regrgitaton.") == []
    own = written(tmp_path, 'language = "en"\nnot_typing_errors = ["regugitation"]\n')
    assert fields("Mild mitral regugitation.", own) == []
