"""A small run of bench.chaos: everything is killed in its turn, and everything is there once afterwards."""

from pathlib import Path

import pytest

from bench.chaos import Plan, run

pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(600)]


def test_nothing_is_lost_or_doubled_or_left_behind_while_everything_is_killed(tmp_path: Path) -> None:
    plan = Plan(studies=6, kills=8, seed=8, quiet_s=4, gap_s=1.5, settles_within_s=120)
    outcome = run(plan, tmp_path)
    assert outcome.wrong == []
    assert sum(outcome.killed.values()) == plan.kills
    figures = outcome.figures
    assert (figures.delivered, figures.acknowledged) == (plan.studies, figures.instances)
    assert figures.objects >= plan.studies
