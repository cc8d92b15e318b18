"""While one object travels, the studies of others get late instances and new reports: what is overtaken stays here."""

from pathlib import Path

import pytest

import worker.delivering
from config.messages import MessageSettings
from db.runs import Run
from tests.support.due_reports import Installation
from worker.context import WorkerContext

RECEIVER = """
[pipeline]
retry_after_s = 0.001
[[messages]]
name = "chart"
kind = "fhir"
folder = "{folder}"
accept_models = ["RESEARCH"]
"""


@pytest.fixture(autouse=True)
def _scored_by_untrained() -> None:
    """Nothing is scored here."""


def test_a_message_is_of_the_run_whose_report_it_is_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site.toml"
    site.write_text(RECEIVER.format(folder=tmp_path))
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    ours = Installation(tmp_path / "data")
    first, overtaken = (ours.report(study, to=("chart",)) for study in ("1.2.1", "1.2.2"))
    told: list[tuple[str, Path]] = []
    later: list[Path] = []

    def tell(_: WorkerContext, __: MessageSettings, run: Run, report: Path) -> str:
        told.append((run.run_uid, report))
        if not later:
            later.append(ours.report("1.2.2", to=("chart",), late=True))
        return "written"

    monkeypatch.setattr(worker.delivering, "tell_result", tell)
    for _ in range(2):
        ours.wake()
    assert told == [("1.2.1 1", first), ("1.2.2 2", later[0])]
    assert overtaken not in [report for _, report in told]
    assert ours.states() == {"DELIVERED": 2, "CANCELLED": 1}
