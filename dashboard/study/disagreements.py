"""The discordances of a study side by side, each with the passage of the report that says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from config.catalogue import Catalogue
from db.consistency.discordance_review import ListedDiscordance, Review
from db.consistency.discordances import Side, SideKind
from db.session import Database
from dicom_node.report.words import ENGLISH
from dicom_node.spool import Spool
from worker.consistency.reading import ReadReport, TextReader
from worker.consistency.study_reports import reports_of_study

AROUND = 240
"""Characters of the report that are shown before and behind the passage."""
_IN_WORDS = {
    SideKind.MEASUREMENTS: "The machine's report",
    SideKind.TEXT: "The report",
    SideKind.IMAGES: "The images",
    SideKind.EARLIER: "The study before",
}


@dataclass(frozen=True, kw_only=True)
class StudyText:
    """The reports of a study, as people read them. PHI."""

    reports: Mapping[str, ReadReport] = field(repr=False)
    """By their ids."""
    notes: tuple[str, ...] = ()
    """What could not be read, and why."""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """What a report says, with what stands around it. PHI."""

    before: str = field(repr=False)
    words: str = field(repr=False)
    behind: str = field(repr=False)
    begins_earlier: bool
    ends_later: bool


@dataclass(frozen=True, kw_only=True)
class ShownSide:
    """One of the two that do not agree."""

    what: str
    said: str
    source: str
    """The report's id, or the Study Instance UID of an earlier study; "" of the images."""
    is_earlier_study: bool
    is_of_model: bool
    """A model says so, of these images or of an earlier study's: it never stands without its label."""
    clips: tuple[str, ...]
    passage: Passage | None
    why_no_passage: str


@dataclass(frozen=True, kw_only=True)
class ShownDiscordance:
    """One discordance."""

    listed: ListedDiscordance
    question: str
    is_of_earlier_run: bool
    """The study was scored again since, and not compared again yet."""
    sides: tuple[ShownSide, ...] | None = field(repr=False)
    """PHI: what reports say. None for whoever may not read it."""
    said_before: tuple[Review, ...] = field(repr=False)
    """By those who reviewed it before the last one did, the latest first; likewise for readers alone."""


def study_text(database: Database, spool: Spool, study_id: int) -> StudyText:
    """All reports of the study but our own; one that cannot be read is a note."""
    found = reports_of_study(database, spool, TextReader(), study_id=study_id)
    return StudyText(reports={one.reported.id: one for one in found.read}, notes=found.notes)


def shown_discordances(
    listed: Sequence[ListedDiscordance],
    catalogue: Catalogue | None,
    *,
    run_uid: str | None,
    for_reader: bool,
    text: StudyText | None,
    reviews: Mapping[int, Sequence[Review]],
) -> list[ShownDiscordance]:
    """What is asked, and with both sides only `for_reader`; `text` is None where no report was read. `run_uid` is of
    the run that counts."""
    return [
        ShownDiscordance(
            listed=one,
            question=_question(one.found.field, catalogue),
            is_of_earlier_run=one.run_uid != run_uid,
            sides=tuple(_shown(side, text) for side in one.found.sides) if for_reader else None,
            said_before=tuple(reviews.get(one.id, ())[1:]) if for_reader else (),
        )
        for one in listed
    ]


def passage_of(text: str, start: int, end: int) -> Passage | None:
    """The characters [start, end) with `AROUND` on either side, cut between words; None where the text has none."""
    if not 0 <= start < end <= len(text):
        return None
    first, last = max(start - AROUND, 0), min(end + AROUND, len(text))
    before, behind = text[first:start], text[end:last]
    if first > 0:
        before = before.partition(" ")[2] or before
    if last < len(text):
        behind = behind.rpartition(" ")[0] or behind
    return Passage(
        before=before, words=text[start:end], behind=behind, begins_earlier=first > 0, ends_later=last < len(text)
    )


def _question(field: str, catalogue: Catalogue | None) -> str:
    task = catalogue.task(field) if catalogue else None
    return ENGLISH.texts.get(f"compared.{field}", field) if task is None else task.name


def _shown(side: Side, text: StudyText | None) -> ShownSide:
    is_report = side.kind in (SideKind.TEXT, SideKind.MEASUREMENTS)
    passage, why = _passage(side, text) if is_report and text is not None else (None, "")
    return ShownSide(
        what=_IN_WORDS[side.kind],
        said=side.said,
        source="" if side.kind is SideKind.IMAGES else side.source,
        is_earlier_study=side.kind is SideKind.EARLIER,
        is_of_model=side.kind in (SideKind.IMAGES, SideKind.EARLIER),
        clips=side.clips,
        passage=passage,
        why_no_passage=why,
    )


def _passage(side: Side, text: StudyText) -> tuple[Passage | None, str]:
    report = text.reports.get(side.source)
    if report is None:
        return None, "the report is not here any more, or cannot be read, or a later one has taken its place"
    if side.start is None or side.end is None:
        return None, "the report does not mention it"
    passage = passage_of(report.text, side.start, side.end)
    return passage, "" if passage else "the report has changed since it was compared"
