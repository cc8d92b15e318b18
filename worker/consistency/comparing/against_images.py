"""What a number of a report, or a word that stands for one, says against the model's."""

from db.consistency.discordances import Discordance
from worker.consistency.comparing.comparison import Comparison, Reported
from worker.consistency.comparing.quantities import sureness
from worker.consistency.comparing.rule_kinds import NumberRule, WordRule
from worker.consistency.comparing.sides import of_model, of_statement
from worker.consistency.statements import Statement


def too_far_from_model(
    c: Comparison, rule: NumberRule | WordRule, report: Reported, statement: Statement,
    *, difference: float, needed: float, error: float,
) -> Discordance:  # fmt: skip
    """They are `difference` apart, where the rule asks for `needed`; `error` is the model's known one."""
    return Discordance(
        rule=rule.id,
        rules_version=c.rules.version,
        field=rule.field,
        severity=rule.severity(difference),
        sides=(of_statement(c, report, statement), of_model(c, rule.field)),
        confidence=sureness(difference - needed, error),
    )
