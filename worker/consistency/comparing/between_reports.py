"""What two statements of reports, of two or of one, say of the same number."""

import math
from collections.abc import Iterator, Sequence

from db.consistency.discordances import Discordance
from worker.consistency.comparing.comparison import Comparison, Reported
from worker.consistency.comparing.quantities import gap
from worker.consistency.comparing.rule_kinds import ReportsRule, WordRule
from worker.consistency.comparing.sides import of_statement
from worker.consistency.statements import Quantity, Statement

SaidQuantity = tuple[Reported, Statement, Quantity]
"""A statement with its report, and the number that it names or stands for."""


def outermost(said: Sequence[SaidQuantity]) -> list[SaidQuantity]:
    """The one that begins highest and the one that ends lowest, in their order: two that are as far apart as any two of
    these are. Not by looking at each pair: a text may name ten thousand numbers."""
    if not said:
        return []
    lows = [-math.inf if quantity.low is None else quantity.low for _, _, quantity in said]
    highs = [math.inf if quantity.high is None else quantity.high for _, _, quantity in said]
    return [said[at] for at in sorted({lows.index(max(lows)), highs.index(min(highs))})]


def farthest_apart(
    c: Comparison, rule: ReportsRule | WordRule, pairs: Sequence[tuple[SaidQuantity, SaidQuantity]]
) -> Iterator[Discordance]:
    """The pair that is farthest apart, where that is as far as the rule asks; both of a pair are of one unit."""
    if not pairs:
        return
    one, other = max(pairs, key=lambda pair: gap(pair[0][2], pair[1][2]))
    difference = gap(one[2], other[2])
    if difference >= rule.differs_by:
        yield Discordance(
            rule=rule.id,
            rules_version=c.rules.version,
            field=rule.field,
            severity=rule.severity(difference),
            sides=(of_statement(c, one[0], one[1]), of_statement(c, other[0], other[1])),
        )
