"""Numbers of reports against the model's and each other: across limits, and in whatever unit they stand."""

from dataclasses import replace

from tests.worker.consistency.comparing.test_discordances import (
    CATALOGUE,
    RULES,
    compared,
    ejection_fraction,
    found,
    measured,
    report,
    rules_of,
)
from worker.consistency.comparing.comparable import comparable
from worker.consistency.comparing.comparison import Comparison, Reported
from worker.consistency.comparing.discordances import discordances
from worker.consistency.comparing.rule_kinds import ReportsRule
from worker.consistency.comparing.rules import load_rules
from worker.consistency.statements import Quantity, Statement


def test_across_a_limit_less_is_enough_with_the_errors_that_are_bundled() -> None:
    def differ(reported: float, value: float, family: str) -> bool:
        comparison = Comparison(
            found=found(measured(value), family=family),
            catalogue=CATALOGUE,
            rules=load_rules(),
            reports=[report(ejection_fraction(reported))],
        )
        return rules_of(discordances(comparison)) == ["lvef-differs"]

    assert differ(55, 41, "phantom-demo")
    assert differ(60, 45.5, "phantom-demo")
    for family in ("phantom-demo", "echo-clip"):
        error = load_rules().error_of(family, "lvef")
        assert error is not None
        needed = max(10.0, 2.5 * error)
        assert differ(55, 55 - needed - 0.1, family)
        assert not differ(55, 55 - needed + 0.1, family)
        assert not differ(55, 55 + needed + 0.1, family), "as far apart, and no limit lies between"


def test_a_number_across_a_limit_is_found_beside_one_that_is_farther_and_crosses_none() -> None:
    differs, _ = compared(found(measured(52.0)), report(ejection_fraction(69), ejection_fraction(36)))
    assert (differs.rule, differs.sides[0].said) == ("lvef-differs", "36 %")  # 16; the other, 17, asks for 18


def test_what_stands_in_another_unit_is_converted_or_not_compared() -> None:
    def pressure(value: float, unit: str) -> Statement:
        return Statement(field="pa_pressure", start=0, end=5, quantity=Quantity(low=value, high=value, unit=unit))

    model = found(measured(60.0, "pa_pressure"))
    assert not compared(model, report(pressure(8, "kPa"))), "60 mmHg"
    (one,) = compared(model, report(pressure(3, "kPa")))
    assert (one.rule, one.sides[0].said) == ("pa-pressure-differs", "3 kPa")
    nonsense = report(pressure(3, "cm"), pressure(30, "1"))
    assert not compared(model, nonsense)
    both = Comparison(found=model, catalogue=CATALOGUE, rules=RULES, reports=[nonsense])
    assert comparable(both) == ()


def test_two_reports_are_not_compared_in_different_units_of_what_no_task_asks() -> None:
    def excursion(value: float, unit: str, name: str) -> Reported:
        quantity = Quantity(low=value, high=value, unit=unit)
        return report(Statement(field="tapse", start=0, end=5, quantity=quantity), name=name)

    of_site = RULES.model_copy(
        update={"reports": (ReportsRule(id="tapse-differs", field="tapse", differs_by=5, major_from=10),)}
    )
    comparison = Comparison(found=found(), catalogue=CATALOGUE, rules=of_site, reports=[])
    cases: list[tuple[float, str, list[str]]] = [(1.8, "cm", []), (18, "mm", []), (10, "mm", ["tapse-differs"])]
    for value, unit, differ in cases:
        reports = [excursion(18, "mm", "text"), excursion(value, unit, "machine")]
        assert rules_of(discordances(replace(comparison, reports=reports))) == differ
