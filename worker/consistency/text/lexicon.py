"""The words of one language for what extraction looks for: a file each, which a hospital's own are laid upon."""

import tomllib
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from config.errors import ConfigurationError
from worker.consistency.statements import When
from worker.consistency.text.fields import COMPOSED, CONCEPTS, STRUCTURES, Degree
from worker.consistency.text.tokens import Sort, tokens_of

BUNDLED = Path(__file__).with_name("lexicons")


class Cue(StrEnum):
    """Words that change what is said of what stands before or after them, up to the end of the clause."""

    NEGATION_BEFORE = "negation_before"
    NEGATION_AFTER = "negation_after"
    UNCERTAIN_BEFORE = "uncertain_before"
    UNCERTAIN_AFTER = "uncertain_after"
    EITHER = "either"
    """"Versus": it is one thing or another, where no earlier study is meant."""
    PLANNED_BEFORE = "planned_before"
    PLANNED_AFTER = "planned_after"
    PAST = "past"
    """Of a finding, not of a device: who had one "previously" has it."""
    PAST_STUDY = "past_study"
    """Of whatever an earlier study showed."""
    PAST_TENSE = "past_tense"
    """"Was": earlier only where something else in the sentence is "now"."""
    COMPARED = "compared"
    """What follows is earlier, what stands before is not."""
    NOW = "now"
    CHANGED = "changed"
    """"Improved", "declined": makes "from 30 to 45" two values, and no range."""
    AFFIRMED = "affirmed"
    """"In place": ends the list that a negation goes through."""
    AGO = "ago"
    """Of `PAST_STUDY`, how long ago: who was given a device then has it."""
    SAME = "same"
    """"Unchanged": a value that is alone beside it is of now."""
    REMOVAL = "removal"
    """Of `NEGATION_AFTER`, what can be planned: until then the device is there."""
    TREND = "trend"
    """Of `CHANGED`: a grade right before it is the change's, as in "markedly improved"."""
    DONE = "done"
    """"After", "status post": what stands behind it is planned no more."""
    RENEWED = "renewed"
    """Behind `REMOVAL` and its like: "removed and replaced" is there again."""
    LEFT_BEHIND = "left_behind"
    """Of `NEGATION_AFTER`, what leaves a lead where it is: "abandoned"."""
    FOUND = "found"
    """"Seen", "noted": ends what a negation before it is about, "no wire seen, lead noted"."""
    UNANSWERED = "unanswered"
    """"n/a", "not assessed": nothing is said of what stands before it."""
    CAUSED = "caused"
    """"Related": what is missing in "no pacemaker-related regurgitation" is the regurgitation."""
    LOCATED = "located"
    """"On", "attached to": what is missing in "no thrombus on the lead" is the thrombus."""
    DATED = "dated"
    """"In", "of": a year or date after it is of the past."""
    REFERENCE = "reference"
    """"Normal", "ref": a number behind it, in brackets behind another, is what is normal, and not what was measured."""
    THRESHOLD = "threshold"
    """"Defined as", "qualifies for": an open number of its clause is what is asked for, and of no patient."""
    DIFFERENCE = "difference"
    """"By": a number behind it is how much something changed, where anything did."""
    ELSEWHERE = "elsewhere"
    """"MRI", "exercise": what its clause says was not seen by this method, or not at rest."""
    STUDY = "study"
    """"Echo", "report": with a date behind it an earlier one."""
    METHOD = "method"
    """"Biplane": how a value was measured; beside one in percent, "BP" is no blood pressure."""
    LESSER_METHOD = "lesser_method"
    """"A4C", "Teichholz": a value that gives way to any other of the same text."""
    SMALLER = "smaller"
    """Of `Degree.ABNORMAL`, what makes a size no larger: "decreased"."""
    RELATIVE = "relative"
    """"Mother": what stands behind it is not of the patient."""
    NEUTRAL = "neutral"
    """Has the words of a cue and is none: "no change", "not only"."""


class Join(StrEnum):
    """Words between the clauses of a sentence."""

    AND = "and"
    OR = "or"
    WITH = "with"
    BUT = "but"


class RangeWord(StrEnum):
    """Words of a range, of numbers or of grades."""

    FROM = "from"
    TO = "to"
    BETWEEN = "between"
    ABOVE = "above"
    AT_LEAST = "at_least"
    BELOW = "below"
    AT_MOST = "at_most"
    PLUS = "plus"


def _known_concept(name: str) -> str:
    if name not in CONCEPTS:
        raise ValueError(f"no such term; there are {', '.join(CONCEPTS)} (a site's own tasks go to [findings])")
    return name


def _known_structures(names: str) -> str:
    if unknown := sorted(set(names.split()) - set(STRUCTURES)):
        raise ValueError(f"no structure is called {', '.join(unknown)}; there are {', '.join(STRUCTURES)}")
    return names


def _known_attribute(name: str) -> str:
    if name not in COMPOSED:
        raise ValueError(f"no such attribute; there are {', '.join(COMPOSED)}")
    return name


def _with_words(phrase: str) -> str:
    if not phrase_of(phrase):
        raise ValueError(f"{phrase!r} has no word in it")
    return phrase


def phrase_of(text: str) -> tuple[str, ...]:
    """What is compared with a text: its words and numbers, folded, without signs."""
    return tuple(token.text for token in tokens_of(text) if token.sort in (Sort.WORD, Sort.NUMBER))


Phrases = tuple[Annotated[str, AfterValidator(_with_words)], ...]


class Lexicon(BaseModel):
    """One language's words; docs/consistency-reading.md says what each table is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: str = Field(pattern=r"^[a-z]{2}$")
    forget: Phrases = ()
    """Of a hospital's own file: phrases of the bundled one that mean something else there."""
    common: Phrases = ()
    """Small words: they tell the language, and a number may stand before them without a unit."""
    abbreviations: Phrases = ()
    """Their full stop ends no sentence."""
    titles: Phrases = ()
    """Forms of address that are also a short name of something: "Mr. Smith", with one capital, is no mitral leak."""
    not_typing_errors: Phrases = ()
    """Words that are one letter away from another of this file, and are no typing error of it."""
    compounds: Phrases = ()
    """Words that are also read at the end of a longer one, as German writes them."""
    terms: dict[Annotated[str, AfterValidator(_known_concept)], Phrases] = {}
    findings: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Phrases] = {}
    """Of a site's own binary tasks: what names them."""
    structures: dict[Annotated[str, AfterValidator(_known_structures)], Phrases] = {}
    attributes: dict[Annotated[str, AfterValidator(_known_attribute)], Phrases] = {}
    other: Phrases = ()
    """What has grades and numbers that are none of ours."""
    grades: dict[Degree, Phrases] = {}
    grade_signs: tuple[tuple[Degree, Degree], ...] = ()
    """What "1+", "2+", "grade III" are, from one and upwards: from, to."""
    grade_words: Phrases = ()
    """Those before such a number: "grade"."""
    cues: dict[Cue, Phrases] = {}
    joins: dict[Join, Phrases] = {}
    ranges: dict[RangeWord, Phrases] = {}
    units: dict[str, tuple[str, ...]] = {}
    """UCUM -> how it is written."""
    months: dict[Annotated[str, Field(pattern=r"^([1-9]|1[0-2])$")], Phrases] = {}
    """Their names by their numbers, as they stand in "3 March 2020"."""
    sections: dict[When, Phrases] = {}
    """Headings, by the time that what stands below is about."""


def load_lexicons(own: Sequence[Path] = ()) -> dict[str, Lexicon]:
    """The bundled ones by language, with each of the hospital's own files laid upon the one of its language.

    Raises
    ------
    ConfigurationError
        A file is missing, is not TOML, or has an entry that is wrong; the message names the file and the entry.
    """
    tables: dict[str, dict[str, Any]] = {}
    for path in (*sorted(BUNDLED.glob("*.toml")), *own):
        entries = _read(path)
        checked = _validated(path, entries)
        below = tables.get(checked.language, {})
        tables[checked.language] = _laid(_without(below, {phrase_of(phrase) for phrase in checked.forget}), entries)
    return {language: Lexicon.model_validate(entries) for language, entries in tables.items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"lexicon {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"lexicon {path}: not valid TOML: {error}") from error


def _validated(path: Path, entries: dict[str, Any]) -> Lexicon:
    try:
        return Lexicon.model_validate(entries)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"] if part != "[key]")
        said = "unknown entry" if fault["type"] == "extra_forbidden" else fault["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"lexicon {path}: {where}: {said}") from error


def _laid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Lists go on, tables are merged, whatever else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        if key == "grade_signs" or known is None:
            merged[key] = value
        elif isinstance(value, dict):
            merged[key] = _laid(known, value)
        else:
            merged[key] = [*known, *value] if isinstance(value, list) else value
    return merged


def _without(entries: dict[str, Any], phrases: set[tuple[str, ...]]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in entries.items():
        if isinstance(value, dict):
            kept[key] = _without(value, phrases)
        elif isinstance(value, list):
            kept[key] = [one for one in value if not (isinstance(one, str) and phrase_of(one) in phrases)]
        else:
            kept[key] = value
    return kept
