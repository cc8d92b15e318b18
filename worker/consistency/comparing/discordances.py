"""Do the reports of a study agree with what the model found in its images, and with each other?

Nothing is compared that the model did not answer, nor what a report says of an earlier time or is unsure of.

How sure a discordance is: of a number, how likely the truth is apart from what is reported by as much as the rule asks,
were the model's errors normally distributed and as large as is known; of findings and classes, the share of the frames.
"""

import math
from collections.abc import Iterator

from config.clinical_tasks import ClassTask
from db.consistency.discordances import MODEL, Discordance, Severity, Side, SideKind
from db.results.runs import Verdict
from dicom_node.report.answers import brief
from worker.consistency.comparing.against_images import too_far_from_model
from worker.consistency.comparing.between_reports import farthest_apart, outermost
from worker.consistency.comparing.comparison import Comparison, Reported
from worker.consistency.comparing.quantities import apart, nearer_end, sureness
from worker.consistency.comparing.rule_kinds import (
    AnotherPatientRule,
    ChangeRule,
    DeviceRule,
    GradeRule,
    NumberRule,
    ReportsRule,
)
from worker.consistency.comparing.sides import of_model, of_report, of_statement
from worker.consistency.comparing.words_for_numbers import words_against_images, words_against_numbers
from worker.consistency.statements import SourceKind


def discordances(comparison: Comparison) -> tuple[Discordance, ...]:
    """What does not agree, report by report, and then between reports and over time."""
    return tuple(_all(comparison))


def _all(c: Comparison) -> Iterator[Discordance]:
    for report in c.reports:
        for number_rule in c.rules.numbers:
            yield from _number(c, number_rule, report)
        yield from words_against_images(c, report)
        for grade_rule in c.rules.grades:
            for field in grade_rule.fields:
                yield from _grade(c, grade_rule, field, report)
        for device_rule in c.rules.devices:
            for field in device_rule.fields:
                yield from _device(c, device_rule, field, report)
        if c.rules.another_patient is not None:
            yield from _patient(c, c.rules.another_patient, report)
    for reports_rule in c.rules.reports:
        yield from _between_reports(c, reports_rule)
    yield from words_against_numbers(c)
    for change_rule in c.rules.changes:
        yield from _change(c, change_rule)


def _number(c: Comparison, rule: NumberRule, report: Reported) -> Iterator[Discordance]:
    """The reported number that is farthest from the model's, of those that are too far."""
    estimate, error = c.found.number(rule.field), c.rules.error_of(c.found.family, rule.field)
    if estimate is None or error is None:
        return
    too_far = []
    for statement, quantity in c.numbers(report, rule.field):
        difference = apart(quantity, estimate)
        needed = rule.needed(error, crosses=rule.crosses(nearer_end(quantity, estimate), estimate))
        if difference >= needed:
            too_far.append((difference, needed, statement))
    if too_far:
        difference, needed, statement = max(too_far, key=lambda each: each[0])
        yield too_far_from_model(c, rule, report, statement, difference=difference, needed=needed, error=error)


def _grade(c: Comparison, rule: GradeRule, field: str, report: Reported) -> Iterator[Discordance]:
    result, task = c.found.results.get(field), c.catalogue.task(field)
    if result is None or result.verdict is not Verdict.CLASSIFIED or result.outcome is None:
        return
    if not isinstance(task, ClassTask) or not task.ordered or (result.agreement or 0) < rule.agreement:
        return
    if not c.rules.grades_well(rule, family=c.found.family, field=field):
        return
    order = [outcome.id for outcome in task.classes]
    at = order.index(result.outcome)
    away = []
    for statement in report.of(field):
        if grades := [order.index(g) for g in (statement.grade, statement.grade_to) if g in order]:
            # 0 where the model's grade lies within a range.
            away.append((max(min(grades) - at, at - max(grades), 0), statement))
    if not away:
        return
    distance, statement = max(away, key=lambda found: found[0])
    if distance >= rule.distance:
        yield Discordance(
            rule=rule.id,
            rules_version=c.rules.version,
            field=field,
            severity=Severity.MAJOR if distance >= rule.major_from else Severity.MINOR,
            sides=(of_statement(c, report, statement, task), of_model(c, field)),
            confidence=result.agreement,
        )


def _device(c: Comparison, rule: DeviceRule, field: str, report: Reported) -> Iterator[Discordance]:
    result = c.found.results.get(field)
    wanted = Verdict.PRESENT if rule.in_images else Verdict.ABSENT
    if report.kind is not SourceKind.TEXT_REPORT or result is None or result.verdict is not wanted:
        return
    kin = c.rules.kin_of(field)
    side, asked = _of_text(c, rule, field, kin, report)
    if side is not None and asked is not None and (result.agreement or 0) >= asked:
        yield Discordance(
            rule=rule.id,
            rules_version=c.rules.version,
            field=field,
            severity=rule.severity,
            sides=(side, of_model(c, field)),
            confidence=result.agreement,
        )


def _of_text(
    c: Comparison, rule: DeviceRule, field: str, kin: frozenset[str], report: Reported
) -> tuple[Side | None, float | None]:
    """What the text says against the images, if anything, and how many frames must agree for that."""
    named = {said.is_present: said for said in report.of(field) if said.is_present is not None}
    if not rule.in_images:
        of_kin = (c.found.results.get(other) for other in kin)
        replaced = any(other is not None and other.verdict is Verdict.PRESENT for other in of_kin)
        return (of_statement(c, report, named[True]), rule.claimed) if True in named and not replaced else (None, None)
    named_kin = any(said.is_present for other in kin for said in report.of(other))
    if True in named or named_kin:
        return None, None
    if False in named:
        return of_statement(c, report, named[False]), rule.denied
    if report.mentions({field, *kin}) or not report.says_something:
        return None, None
    if not c.rules.tells_absence(rule, family=c.found.family, field=field):
        return None, None
    return of_report(report, c.words.say("reported.not_mentioned")), rule.not_mentioned


def _patient(c: Comparison, rule: AnotherPatientRule, report: Reported) -> Iterator[Discordance]:
    fits = c.fits_better_than.get(report.id)
    if fits is not None and fits < rule.below:
        yield Discordance(
            rule=rule.id,
            rules_version=c.rules.version,
            field="patient",
            severity=Severity.MAJOR,
            sides=(
                of_report(report, c.words.say("reported.its_text")),
                Side(
                    kind=SideKind.IMAGES,
                    source=MODEL,
                    # The rule's share: this study's moves with others that come, and a review is of what is said.
                    said=c.words.say("reported.fits", percent=100 * (1 - rule.below)),
                ),
            ),
            confidence=1 - fits,
        )


def _between_reports(c: Comparison, rule: ReportsRule) -> Iterator[Discordance]:
    """The two numbers that are farthest apart, of two reports or of one."""
    numbers = [(report, *number) for report in c.reports for number in c.numbers(report, rule.field)]
    units = dict.fromkeys(quantity.unit for _, _, quantity in numbers)
    ends = [outermost([number for number in numbers if number[2].unit == unit]) for unit in units]
    yield from farthest_apart(c, rule, [(pair[0], pair[1]) for pair in ends if len(pair) > 1])


def _change(c: Comparison, rule: ChangeRule) -> Iterator[Discordance]:
    """One model's two numbers: both may be off."""
    if c.earlier is None or c.earlier.family != c.found.family:
        return
    now, before = c.found.number(rule.field), c.earlier.number(rule.field)
    error = c.rules.error_of(c.found.family, rule.field)
    if now is None or before is None or error is None:
        return
    difference, needed = abs(now - before), rule.needed(error)
    if difference >= needed:
        task = c.catalogue.task(rule.field)
        said = brief(c.earlier.results[rule.field], task, c.words) if task is not None else f"{before:g}"
        side = Side(kind=SideKind.EARLIER, source=c.earlier.study_instance_uid, said=said)
        yield Discordance(
            rule=rule.id,
            rules_version=c.rules.version,
            field=rule.field,
            severity=rule.severity(difference),
            sides=(side, of_model(c, rule.field)),
            confidence=sureness(difference - needed, math.sqrt(2) * error),
        )
