"""What the command line prints of reports and images: both sides aligned, and discordances."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from config.catalogue import Catalogue
from config.clinical_tasks import ClassTask
from db.consistency.discordance_review import ListedDiscordance, Review, RulePrecision
from db.consistency.discordances import Discordance, ReviewState, Severity
from db.results.runs import Verdict
from deploy.printing.tables import time_column, time_text, uid_column, whole_column
from dicom_node.report.answers import brief
from dicom_node.report.wording import discordance_in_words
from worker.consistency.statements import Statement, When
from worker.consistency.words import in_words

if TYPE_CHECKING:
    from worker.consistency.checking import Compared
    from worker.consistency.reading import ReadReport

_STYLE = {Severity.MAJOR: "bold red", Severity.MINOR: "yellow"}

NARROW = 0
"""Columns: a list of three lines each has room for folded UIDs and times on every terminal."""


def aligned_table(compared: "Compared", reports: Sequence["ReadReport"], catalogue: Catalogue) -> Table:
    """One row for each statement of a report, beside what the model says of the same; what disagrees is in colour."""
    table = Table(
        "Question", "Images", "Report", "In its words", *(["Which report"] if len(reports) > 1 else []),
        title="What the images and the reports say", title_justify="left",
    )  # fmt: skip
    severities = {one.field: one.severity for one in reversed(compared.check.discordances)}
    for field in _fields(compared, reports, catalogue):
        task, result = catalogue.task(field), compared.comparison.found.results.get(field)
        images = "" if task is None or result is None else brief(result, task)
        style = _STYLE.get(severities[field], "") if field in severities else ""
        said = [(report, each) for report in reports for each in report.reported.statements if each.field == field]
        name = field if task is None else task.name
        if not said:
            table.add_row(name, Text(images, style), Text("", style), "")
        for number, (report, statement) in enumerate(said):
            words = in_words(statement, task if isinstance(task, ClassTask) else None)
            table.add_row(
                name if number == 0 else "",
                Text(images if number == 0 else "", style),
                Text(_with_time(words, statement), style),
                Text(report.words_of(statement.start, statement.end)),
                *([Text(report.reported.id)] if len(reports) > 1 else []),
            )
    return table


def discordance_lines(found: Iterable[Discordance], catalogue: Catalogue) -> Iterator[Text]:
    """One sentence each, as a Structured Report says it."""
    for one in found:
        yield Text(discordance_in_words(one, catalogue), style=_STYLE[one.severity])


def of_one_study(found: Iterable[ListedDiscordance], catalogue: Catalogue | None) -> Iterator[Text]:
    """A line each; its number is what `confirm` and `dismiss` take. Without the catalogue, questions have no names."""
    for one in found:
        task = catalogue.task(one.found.field) if catalogue else None
        said = " against ".join(f"{side.said} ({side.kind})" for side in one.found.sides)
        about = one.found.field if task is None else task.name
        yield Text.assemble(
            f"Discordance {one.id}  ",
            (one.found.severity, _STYLE[one.found.severity]),
            f"  {about}: {said}  {one.found.rule}  {_state(one)}",
        )


def discordances_table(found: Iterable[ListedDiscordance], catalogue: Catalogue) -> Table:
    """Three lines for each: what it is about, and both sides. Its number is what `confirm` and `dismiss` take."""
    table = Table(
        "ID", whole_column("Severity"), uid_column("Study Instance UID", NARROW), "What does not agree",
        "Rule and version", "Conf.", time_column("Found (UTC)", NARROW), "State",
    )  # fmt: skip
    for one in found:
        discordance, task = one.found, catalogue.task(one.found.field)
        sides = [f"{side.kind}: {side.said}" for side in discordance.sides]
        table.add_row(
            str(one.id),
            Text(discordance.severity, _STYLE[discordance.severity]),
            one.study_instance_uid,
            Text("\n".join([discordance.field if task is None else task.name, *sides])),
            f"{discordance.rule} {discordance.rules_version}",
            "" if discordance.confidence is None else f"{discordance.confidence:.2f}",
            time_text(one.found_at),
            Text(_state(one)),
        )
    return table


def reviews_table(reviews: Iterable[Review]) -> Table:
    """One row for each word."""
    table = Table("When", "State", "By", "Why")
    for review in reviews:
        table.add_row(time_text(review.at), review.state, Text(review.by), Text(review.reason or ""))
    return table


def precision_table(rules: Iterable[RulePrecision]) -> Table:
    """One row for each rule."""
    table = Table("Rule", "Confirmed", "Dismissed", "Precision", "Not looked at")
    for rule in rules:
        share = "" if rule.precision is None else f"{rule.precision:.2f}"
        table.add_row(rule.rule, str(rule.confirmed), str(rule.dismissed), share, str(rule.new))
    return table


def _fields(compared: "Compared", reports: Sequence["ReadReport"], catalogue: Catalogue) -> list[str]:
    """What the model answered or a report speaks of: the questions of the catalogue in their order, then the rest."""
    said = dict.fromkeys(each.field for report in reports for each in report.reported.statements)
    silent = (Verdict.ABSTAINED, Verdict.UNCALIBRATED)
    answered = {each.task_id for each in compared.comparison.found.results.values() if each.verdict not in silent}
    asked = [task.id for task in catalogue.tasks]
    return [
        *(task for task in asked if task in answered or task in said),
        *(each for each in said if each not in asked),
    ]


def _with_time(words: str, statement: Statement) -> str:
    return words if statement.when is When.CURRENT else f"{words} ({statement.when})"


def _state(one: ListedDiscordance) -> str:
    said = "" if one.state is ReviewState.NEW and one.superseded_at is not None else str(one.state)
    if one.state is not ReviewState.NEW:
        said += f" by {one.reviewed_by}" + (f": {one.review_reason}" if one.review_reason else "")
    return "; ".join(part for part in (said, "superseded" if one.superseded_at is not None else "") if part)
