"""Words of a report that stand for numbers ("moderately reduced"), against the model's number and those of reports."""

from collections.abc import Iterator

from config.clinical_tasks import RegressionTask
from db.consistency.discordances import Discordance
from worker.consistency.comparing.against_images import too_far_from_model
from worker.consistency.comparing.between_reports import SaidQuantity, farthest_apart, outermost
from worker.consistency.comparing.comparison import Comparison, Reported
from worker.consistency.comparing.quantities import apart
from worker.consistency.comparing.rule_kinds import Against, WordRule
from worker.consistency.statements import Quantity, Statement


def words_against_images(c: Comparison, report: Reported) -> Iterator[Discordance]:
    """By each rule, the word that is farthest from the model's number, where that is too far."""
    for rule in c.rules.words:
        estimate, error = c.found.number(rule.field), c.rules.error_of(c.found.family, rule.field)
        words = words_for_images(c, rule, report)
        if estimate is None or error is None or not words:
            continue
        statement, meant = max(words, key=lambda word: apart(word[1], estimate))
        difference, needed = apart(meant, estimate), rule.needed(error)
        if difference >= needed:
            yield too_far_from_model(c, rule, report, statement, difference=difference, needed=needed, error=error)


def words_against_numbers(c: Comparison) -> Iterator[Discordance]:
    """By each rule, the word and the number that are farthest apart, of two reports or of one."""
    for rule in c.rules.words:
        yield from farthest_apart(c, rule, words_with_numbers(c, rule))


def words_for_images(c: Comparison, rule: WordRule, report: Reported) -> list[tuple[Statement, Quantity]]:
    """The words of a report that a rule compares with images, with what they stand for.

    None where the report names a number, which says it better.
    """
    if rule.against is not Against.IMAGES or c.numbers(report, rule.field):
        return []
    return _words(c, rule, report)


def words_with_numbers(c: Comparison, rule: WordRule) -> list[tuple[SaidQuantity, SaidQuantity]]:
    """The words that a rule compares with reports, each beside the numbers of the same report or, where that names
    none, beside those of the others: what a report says in both ways is compared with others by its number. Of several
    words or numbers those at either end, which are the farthest apart.
    """
    if rule.against is not Against.REPORTS:
        return []
    numbers = [(report, *number) for report in c.reports for number in c.numbers(report, rule.field)]
    pairs = []
    for report in c.reports:
        own = [number for number in numbers if number[0] is report]
        words: list[SaidQuantity] = [(report, *word) for word in _words(c, rule, report)]
        pairs += [(word, number) for word in outermost(words) for number in outermost(own or numbers)]
    return pairs


def _words(c: Comparison, rule: WordRule, report: Reported) -> list[tuple[Statement, Quantity]]:
    meaning, task = c.rules.meaning_of(rule.words), c.catalogue.task(rule.field)
    if not isinstance(task, RegressionTask):
        return []
    found = []
    for statement in report.of(rule.words):
        span = meaning.span([grade for grade in (statement.grade, statement.grade_to) if grade is not None])
        if span is not None:
            found.append((statement, Quantity(low=span[0], high=span[1], unit=task.unit.value)))
    return found
