"""Which questions a report and the images, or two reports, both answer: where no discordance means agreement."""

from collections.abc import Iterator

from config.clinical_tasks import ClassTask
from db.results.runs import Verdict
from worker.consistency.comparing.comparison import Comparison, Reported
from worker.consistency.comparing.rule_kinds import DeviceRule, GradeRule, WordRule
from worker.consistency.comparing.words_for_numbers import words_for_images, words_with_numbers
from worker.consistency.statements import SourceKind


def comparable(c: Comparison) -> tuple[str, ...]:
    """The fields that a rule could be applied to, in the order of the catalogue, then whatever only reports name."""
    fields = set(_fields(c))
    asked = [task.id for task in c.catalogue.tasks if task.id in fields]
    return (*asked, *sorted(fields.difference(asked)))


def _fields(c: Comparison) -> Iterator[str]:
    for report in c.reports:
        for number in c.rules.numbers:
            if _is_known(c, number.field) and c.numbers(report, number.field):
                yield number.field
        yield from (f for rule in c.rules.grades for f in rule.fields if _is_graded(c, rule, f, report))
        yield from (f for rule in c.rules.devices for f in rule.fields if _is_named(c, rule, f, report))
    for rule in c.rules.reports:
        if sum(len(c.numbers(report, rule.field)) for report in c.reports) > 1:
            yield rule.field
    yield from (word_rule.field for word_rule in c.rules.words if _says_a_word(c, word_rule))


def _is_known(c: Comparison, field: str) -> bool:
    """Whether the model measured it, and how far it is off is known."""
    return c.found.number(field) is not None and c.rules.error_of(c.found.family, field) is not None


def _says_a_word(c: Comparison, rule: WordRule) -> bool:
    """Whether a report has a word for a number that there is."""
    beside_images = any(words_for_images(c, rule, report) for report in c.reports)
    return (beside_images and _is_known(c, rule.field)) or bool(words_with_numbers(c, rule))


def _is_graded(c: Comparison, rule: GradeRule, field: str, report: Reported) -> bool:
    result, task = c.found.results.get(field), c.catalogue.task(field)
    if result is None or result.verdict is not Verdict.CLASSIFIED or not isinstance(task, ClassTask):
        return False
    order = [outcome.id for outcome in task.classes]
    graded = any(each in order for said in report.of(field) for each in (said.grade, said.grade_to))
    is_good = (result.agreement or 0) >= rule.agreement and c.rules.grades_well(
        rule, family=c.found.family, field=field
    )
    return task.ordered and is_good and graded


def _is_named(c: Comparison, rule: DeviceRule, field: str, report: Reported) -> bool:
    """A text that says whether it is there, by a verdict that so many frames agree on as the rule asks for."""
    result = c.found.results.get(field)
    if result is None or report.kind is not SourceKind.TEXT_REPORT:
        return False
    said = {each.is_present for each in report.of(field)} - {None}
    verdict, share = (Verdict.PRESENT, rule.denied) if rule.in_images else (Verdict.ABSENT, rule.claimed)
    agrees = share is not None and (result.agreement or 0) >= share
    return result.verdict is verdict and agrees and bool(said)
