"""Do the reports of a study agree with what the model found in its images, and with each other?

Nothing is compared that the model did not answer, nor what a report says of an earlier time or is unsure of.

How sure a discordance is: of a number, how likely the truth is apart from what is reported by as much as the rule asks,
were the model's errors normally distributed and as large as is known; of findings and classes, the share of the frames.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from config.clinical_tasks import ClassTask
from db.discordances import MODEL, Discordance, Severity, Side, SideKind
from db.runs import Verdict
from dicom_node.report.answers import brief
from worker.consistency.comparison import Comparison, Reported
from worker.consistency.rules import AnotherPatientRule, ChangeRule, DeviceRule, GradeRule, NumberRule, ReportsRule
from worker.consistency.statements import Quantity, SourceKind, Statement
from worker.consistency.words import in_words

DEVIATION_OF_ERROR = math.sqrt(math.pi / 2)
"""The standard deviation of normally distributed errors, against their mean absolute size."""


def discordances(comparison: Comparison) -> tuple[Discordance, ...]:
    """What does not agree, report by report, and then between reports and over time."""
    return tuple(_all(comparison))


def _all(c: Comparison) -> Iterator[Discordance]:
    for report in c.reports:
        for number_rule in c.rules.numbers:
            yield from _number(c, number_rule, report)
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
    for change_rule in c.rules.changes:
        yield from _change(c, change_rule)


def _number(c: Comparison, rule: NumberRule, report: Reported) -> Iterator[Discordance]:
    """The reported number that is farthest from the model's, where that is too far."""
    estimate, error = c.found.number(rule.field), c.rules.error_of(c.found.family, rule.field)
    numbers = report.numbers(rule.field)
    if estimate is None or error is None or not numbers:
        return
    statement, quantity = max(numbers, key=lambda number: _apart(number[1], estimate))
    difference = _apart(quantity, estimate)
    needed = rule.needed(error, crosses=rule.crosses(_nearer_end(quantity, estimate), estimate))
    if difference >= needed:
        yield Discordance(
            rule=rule.id,
            rules_version=c.rules.version,
            field=rule.field,
            severity=rule.severity(difference),
            sides=(_said(c, report, statement), _model(c, rule.field)),
            confidence=_normal((difference - needed) / (DEVIATION_OF_ERROR * error)),
        )


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
    apart = [
        (min(abs(order.index(grade) - at) for grade in grades), statement)
        for statement in report.of(field)
        if (grades := [g for g in (statement.grade, statement.grade_to) if g in order])
    ]
    if not apart:
        return
    distance, statement = max(apart, key=lambda found: found[0])
    if distance >= rule.distance:
        yield Discordance(
            rule=rule.id,
            rules_version=c.rules.version,
            field=field,
            severity=Severity.MAJOR if distance >= rule.major_from else Severity.MINOR,
            sides=(_said(c, report, statement, task), _model(c, field)),
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
            sides=(side, _model(c, field)),
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
        return (_said(c, report, named[True]), rule.claimed) if True in named and not replaced else (None, None)
    named_kin = any(said.is_present for other in kin for said in report.of(other))
    if True in named or named_kin:
        return None, None
    if False in named:
        return _said(c, report, named[False]), rule.denied
    if report.mentions({field, *kin}) or not report.says_something:
        return None, None
    if not c.rules.tells_absence(rule, family=c.found.family, field=field):
        return None, None
    return _of_report(report, c.words.say("reported.not_mentioned")), rule.not_mentioned


def _patient(c: Comparison, rule: AnotherPatientRule, report: Reported) -> Iterator[Discordance]:
    fits = c.fits_better_than.get(report.id)
    if fits is not None and fits < rule.below:
        yield Discordance(
            rule=rule.id,
            rules_version=c.rules.version,
            field="patient",
            severity=Severity.MAJOR,
            sides=(
                _of_report(report, c.words.say("reported.its_text")),
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
    numbers = [(report, *number) for report in c.reports for number in report.numbers(rule.field)]
    pairs = [(_gap(one[2], other[2]), one, other) for one, other in combinations(numbers, 2)]
    if not pairs:
        return
    difference, one, other = max(pairs, key=lambda pair: pair[0])
    if difference >= rule.differs_by:
        yield Discordance(
            rule=rule.id,
            rules_version=c.rules.version,
            field=rule.field,
            severity=rule.severity(difference),
            sides=(_said(c, one[0], one[1]), _said(c, other[0], other[1])),
        )


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
            sides=(side, _model(c, rule.field)),
            confidence=_normal((difference - needed) / (math.sqrt(2) * DEVIATION_OF_ERROR * error)),
        )


def _model(c: Comparison, field: str) -> Side:
    result, task = c.found.results[field], c.catalogue.task(field)
    said = brief(result, task, c.words) if task is not None else str(result.verdict)
    clips = tuple(answer.sop_instance_uid for answer in result.clips)
    return Side(kind=SideKind.IMAGES, source=MODEL, said=said, clips=clips)


def _said(c: Comparison, report: Reported, statement: Statement, task: ClassTask | None = None) -> Side:
    said = in_words(statement, task, c.words)
    return replace(_of_report(report, said), start=statement.start, end=statement.end)


def _of_report(report: Reported, said: str) -> Side:
    return Side(kind=SideKind(report.kind.value), source=report.id, said=said)


def _nearer_end(quantity: Quantity, value: float) -> float:
    """Of a range, the number in it that is nearest to the value."""
    low = -math.inf if quantity.low is None else quantity.low
    high = math.inf if quantity.high is None else quantity.high
    return min(max(value, low), high)


def _apart(quantity: Quantity, value: float) -> float:
    return abs(_nearer_end(quantity, value) - value)


def _gap(one: Quantity, other: Quantity) -> float:
    """Between two ranges; 0 where they meet."""
    lows = [-math.inf if q.low is None else q.low for q in (one, other)]
    highs = [math.inf if q.high is None else q.high for q in (one, other)]
    return max(0.0, max(lows) - min(highs))


def _normal(deviations: float) -> float:
    """The part of a normal distribution below so many standard deviations."""
    return 0.5 * (1 + math.erf(deviations / math.sqrt(2)))
