"""How well findings are read out of report texts: precision and recall per field, on labelled sentences of our own.

    python -m bench.consistency [--part PART] [--language en] [--hard] [--errors]
    python -m bench.consistency --pin > tests/worker/consistency/text/corpus_figures.toml

A statement is right where field, value or grade or presence, certainty and time are those of the truth, and its place
overlaps the truth's. "Placed" is the share of these whose place is the truth's own: what both cover is at least half of
what either does. The sentences are in tests/worker/consistency/text/corpus; "written-with" is what the rules were made
to fit, the others were not. What --pin prints is what the tests let no part fall below.
"""

import argparse
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from worker.consistency.statements import Certainty, Quantity, Statement, When
from worker.consistency.text.extraction import extract
from worker.consistency.text.fields import CONCEPTS
from worker.consistency.text.lexicon import load_lexicons
from worker.consistency.text.vocabulary import Vocabulary

CORPUS = Path(__file__).parents[1] / "tests" / "worker" / "consistency" / "text" / "corpus"
PARTS = ("written-with", "held-out", *(f"held-out-{number}" for number in range(2, 13)))
DEVICES = frozenset(
    {"pacemaker", "pacemaker_lead_rv", "pacemaker_lead_ra", "impella", "lvad_cannula", "tavr", "mitraclip",
     "aortic_prosthesis", "mitral_prosthesis", "mitral_ring", "tricuspid_prosthesis", "tricuspid_ring"}
)  # fmt: skip
LEAST_OVERLAP = 0.5
"""Of two places, what both cover against what either does: from there on they are the same place."""
_UNITS = {concept.field: concept.unit for concept in CONCEPTS.values() if concept.measures}


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One of the corpus, with what it says."""

    text: str
    language: str
    part: str
    style: str
    is_hard: bool
    truth: tuple[Statement, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one sentence."""

    sentence: Sentence
    right: tuple[Statement, ...]
    """Of the truth."""
    placed: tuple[Statement, ...]
    """Those of the right ones that were found in their own place."""
    missed: tuple[Statement, ...]
    invented: tuple[Statement, ...]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of one field, or of several."""

    right: int
    placed: int
    missed: int
    invented: int

    @property
    def placing(self) -> float:
        return self.placed / self.right if self.right else 1.0

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.invented) if self.right + self.invented else 1.0

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def read_corpus() -> Iterator[Sentence]:
    """All sentences, file by file."""
    for path in sorted(CORPUS.glob("*.toml")):
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
        for entry in entries["sentence"]:
            yield Sentence(
                text=entry["text"],
                language=entries["language"],
                part=entries["split"],
                style=entry["style"],
                is_hard=entry.get("hard", False),
                truth=tuple(_statements(entry["text"], entry["truth"])),
            )


def _statements(text: str, truth: Iterable[dict[str, object]]) -> Iterator[Statement]:
    """In the order of the text: what it has twice stands, if it can, behind the beginning of the statement before."""
    before = 0
    for said in truth:
        before = _place(text, str(said["text"]), before)
        yield _statement(said, before)


def _place(text: str, words: str, before: int) -> int:
    whole = rf"(?<!\w){re.escape(words)}(?!\w)"
    starts = [found.start() for found in re.finditer(whole, text)] or [text.index(words)]
    return next((start for start in starts if start >= before), starts[0])


def _statement(said: dict[str, object], start: int) -> Statement:
    low, high = said.get("low", said.get("value")), said.get("high", said.get("value"))
    quantity = None
    if low is not None or high is not None:
        ends = [float(str(end)) if end is not None else None for end in (low, high)]
        quantity = Quantity(low=ends[0], high=ends[1], unit=_UNITS[str(said["field"])])
    grade, grade_to, present = said.get("grade"), said.get("grade_to"), said.get("present")
    return Statement(
        field=str(said["field"]),
        start=start,
        end=start + len(str(said["text"])),
        quantity=quantity,
        grade=None if grade is None else str(grade),
        grade_to=None if grade_to is None else str(grade_to),
        is_present=None if present is None else bool(present),
        certainty=Certainty(str(said.get("certainty", Certainty.CERTAIN))),
        when=When(str(said.get("when", When.CURRENT))),
    )


def outcome_of(sentence: Sentence, vocabulary: Vocabulary) -> Outcome:
    """Each statement matched with one of the truth at most: that in whose place it is most."""
    waiting, right, placed, invented = list(sentence.truth), [], [], []
    for found in extract(sentence.text, vocabulary):
        match = max(
            (true for true in waiting if _says_the_same(found, true)), key=partial(overlap, found), default=None
        )
        if match is None:
            invented.append(found)
            continue
        waiting.remove(match)
        right.append(match)
        if overlap(found, match) >= LEAST_OVERLAP:
            placed.append(match)
    return Outcome(
        sentence=sentence, right=tuple(right), placed=tuple(placed), missed=tuple(waiting), invented=tuple(invented)
    )


def _says_the_same(one: Statement, other: Statement) -> bool:
    said = [
        (each.field, each.quantity, each.grade, each.grade_to, each.is_present, each.certainty, each.when)
        for each in (one, other)
    ]
    return said[0] == said[1] and overlap(one, other) > 0


def overlap(one: Statement, other: Statement) -> float:
    """Of their places, the characters that both have against those that either has: 0 to 1."""
    both = min(one.end, other.end) - max(one.start, other.start)
    either = max(one.end, other.end) - min(one.start, other.start)
    return max(both, 0) / either


def outcomes(sentences: Iterable[Sentence]) -> list[Outcome]:
    """Each read with the lexicon of its language."""
    vocabularies = {language: Vocabulary(lexicon) for language, lexicon in load_lexicons().items()}
    return [outcome_of(sentence, vocabularies[sentence.language]) for sentence in sentences]


def figures(found: Sequence[Outcome], fields: Iterable[str] | None = None) -> Figures:
    """Over these fields, or all."""
    wanted = None if fields is None else frozenset(fields)

    def count(statements: Iterator[Statement]) -> int:
        return sum(wanted is None or statement.field in wanted for statement in statements)

    return Figures(
        right=count(each for outcome in found for each in outcome.right),
        placed=count(each for outcome in found for each in outcome.placed),
        missed=count(each for outcome in found for each in outcome.missed),
        invented=count(each for outcome in found for each in outcome.invented),
    )


def pinned(found: Sequence[Outcome]) -> dict[str, Figures]:
    """What is pinned of one part: of each language, of ejection fractions, of devices."""
    languages = sorted({outcome.sentence.language for outcome in found})
    of_language = {name: figures([each for each in found if each.sentence.language == name]) for name in languages}
    return of_language | {"lvef": figures(found, ["lvef"]), "devices": figures(found, DEVICES)}


def _print_pins() -> None:
    print("# Of today: `python -m bench.consistency --pin` writes it, and test_corpus.py lets nothing fall below it.")
    sentences = list(read_corpus())
    for part in PARTS:
        print(f"\n[{part}]")
        for name, of in pinned(outcomes(each for each in sentences if each.part == part)).items():
            told = {"precision": of.precision, "recall": of.recall, "placed": of.placing}
            print(f"{name} = {{ {', '.join(f'{key} = {value:.3f}' for key, value in told.items())} }}")


def _print_part(part: str, found: Sequence[Outcome]) -> None:
    hard = sum(outcome.sentence.is_hard for outcome in found)
    languages = Counter(outcome.sentence.language for outcome in found)
    told = ", ".join(f"{number} {language}" for language, number in sorted(languages.items()))
    print(f"\n{part}: {len(found)} sentences ({told}; {hard} hard)")
    print(f"{'field':26} {'true':>5} {'precision':>10} {'recall':>8} {'F1':>8} {'placed':>8}")
    fields = sorted({each.field for outcome in found for each in (*outcome.right, *outcome.missed, *outcome.invented)})
    for field in fields:
        _print_row(field, figures(found, [field]))
    _print_row("all devices", figures(found, DEVICES))
    for language in sorted(languages):
        _print_row(f"all, {language}", figures([each for each in found if each.sentence.language == language]))
    _print_row("all, not hard", figures([each for each in found if not each.sentence.is_hard]))
    _print_row("all, hard", figures([each for each in found if each.sentence.is_hard]))
    _print_row("all", figures(found))


def _print_row(name: str, of: Figures) -> None:
    print(f"{name:26} {of.right + of.missed:5} {of.precision:10.3f} {of.recall:8.3f} {of.f1:8.3f} {of.placing:8.3f}")


def _print_errors(found: Sequence[Outcome]) -> None:
    for outcome in found:
        if not outcome.missed and not outcome.invented:
            continue
        print(f"\n[{outcome.sentence.language}] {outcome.sentence.text!r}")
        for name, statements in (("missed", outcome.missed), ("invented", outcome.invented)):
            for each in statements:
                print(f"    {name:8} {_described(each, outcome.sentence.text)}")


def _described(statement: Statement, text: str) -> str:
    said: list[object] = [statement.quantity, statement.grade, statement.grade_to, statement.is_present]
    told = " ".join(str(each) for each in said if each is not None)
    place = text[statement.start : statement.end]
    return f"{statement.field} {told} {statement.certainty} {statement.when} {place!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--language")
    parser.add_argument("--hard", action="store_true")
    parser.add_argument("--errors", action="store_true")
    parser.add_argument("--pin", action="store_true")
    given = parser.parse_args()
    if given.pin:
        _print_pins()
        return
    for part in [given.part] if given.part else PARTS:
        sentences = [
            sentence
            for sentence in read_corpus()
            if sentence.part == part
            and (given.language is None or sentence.language == given.language)
            and (sentence.is_hard or not given.hard)
        ]
        if sentences:
            found = outcomes(sentences)
            _print_part(part, found)
            if given.errors:
                _print_errors(found)


if __name__ == "__main__":
    main()
