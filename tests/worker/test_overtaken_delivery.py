"""While one object travels, the studies of others get late instances and new reports: what is overtaken stays here."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

import worker.delivering
from config.sections.messages import MessageSettings
from db.consistency.discordance_rows import record_check
from db.consistency.discordances import Check, Told
from db.results.runs import Run
from db.tables.studies import Study
from tests.support.due_reports import Installation
from tests.support.message_servers import HTTPAnswer, fhir_server
from tests.support.scripted_pacs import ScriptedPACS
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
PACS = """
[pipeline]
retry_after_s = 0.001
[[peers]]
name = "pacs"
roles = ["destination"]
host = "127.0.0.1"
port = {port}
ae_title = "STORESCP"
accept_models = ["RESEARCH"]
"""
SERVER = """
[pipeline]
retry_after_s = 0.001
[[dicomweb]]
name = "pacs"
url = "http://127.0.0.1:{port}"
accept_models = ["RESEARCH"]
"""


@pytest.fixture(autouse=True)
def _scored_by_untrained() -> None:
    """Nothing is scored here."""


def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str) -> Installation:
    site = tmp_path / "site.toml"
    site.write_text(settings)
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    return Installation(tmp_path / "data")


def test_a_message_is_of_the_run_whose_report_it_is_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = installation(tmp_path, monkeypatch, RECEIVER.format(folder=tmp_path))
    first, overtaken = (ours.report(study, to=("chart",)) for study in ("1.2.1", "1.2.2"))
    told: list[tuple[str, Path]] = []
    later: list[Path] = []

    def tell(_: WorkerContext, __: MessageSettings, run: Run, report: Path, *___: object) -> str:
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


def test_a_message_says_what_its_report_says_of_the_studys_other_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = installation(tmp_path, monkeypatch, RECEIVER.format(folder=tmp_path))
    ours.report("1.2.1", to=("chart",))
    told = Told(compared=1, questions=("lvef",), discordances=())
    with ours.context.database.write() as session:
        study_id, check = (
            session.scalars(select(Study.id)).one(),
            Check(rules_version="1", reports=(), notes=(), discordances=(), told=told),
        )
        record_check(session, study_id=study_id, run_uid="1.2.1 1", check=check, at=datetime.now(UTC), is_told=True)
    said: list[object] = []
    monkeypatch.setattr(worker.delivering, "tell_result", lambda *what: said.append(what[-1]) or "written")
    ours.wake()
    assert said == [told]


def test_a_report_that_is_overtaken_while_another_travels_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedPACS().running() as pacs:
        ours = installation(tmp_path, monkeypatch, PACS.format(port=pacs.port))
        first, overtaken, third = (ours.report(study) for study in ("1.2.1", "1.2.2", "1.2.3"))
        later: list[Path] = []

        def meanwhile(uid: str) -> None:
            if uid == first.stem:
                later.append(ours.report("1.2.2", late=True))

        pacs.meanwhile = meanwhile
        for _ in range(2):
            ours.wake()
    assert pacs.sent == [first.stem, third.stem, later[0].stem]
    assert overtaken.stem not in pacs.has
    assert pacs.associations == 2
    assert ours.states() == {"DELIVERED": 3, "CANCELLED": 1}


def test_by_stow_too_a_report_that_is_overtaken_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[Path] = []
    with fhir_server([HTTPAnswer(503)]) as server:
        ours = installation(tmp_path, monkeypatch, SERVER.format(port=server.port))
        overtaken = ours.report("1.2.2")

        def overtake(context: WorkerContext, *_: object) -> bool:
            later.append(ours.report("1.2.2", late=True))
            return True

        monkeypatch.setattr(worker.delivering, "is_intact", overtake)
        ours.wake()
    assert server.messages == []
    assert overtaken.stem != later[0].stem
    assert ours.states() == {"DUE": 1, "CANCELLED": 1}
