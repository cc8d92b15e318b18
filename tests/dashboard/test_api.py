"""The API as programs meet it: what it says, who may ask, what may be changed, and that its document is true."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import update

from config.sections.dashboard import AccountRole
from dashboard.application import create_app
from dashboard.installation import Installation
from db.accounts import add_account, add_token
from db.lifecycle.received import ACCEPTED, Call
from db.monitoring.callers import record_calls
from db.tables.pipeline import JournalEntry
from db.tables.runs import RunRow
from tests.dashboard.conftest import SignIn
from tests.support import lab
from tests.support.audit_trail import ACCESSED, QUERY, asked_by_people

API = "/api/v1"
PROBLEM = "application/problem+json"
Program = Callable[..., Response]


@pytest.fixture
def filled(here: Installation) -> Installation:
    with here.database.write() as session:
        lab.fill(session)
        session.execute(update(RunRow).values(catalogue_digest=here.catalogue.digest))
    return here


@pytest.fixture
def as_program(filled: Installation) -> Callable[[AccountRole], Program]:
    return programs_of(filled)


def programs_of(filled: Installation) -> Callable[[AccountRole], Program]:
    """Asks with the token of an account of this role: GET, or POST of JSON."""
    client = TestClient(create_app(filled), base_url="http://127.0.0.1")

    def with_role(role: AccountRole) -> Program:
        with filled.database.write() as session:
            add_account(session, f"p-{role}", role=role, password_hash=None, now=filled.now())
            token = add_token(session, f"p-{role}", note="t", now=filled.now(), lasts=timedelta(days=1))

        def ask(path: str, body: Any = None, **query: object) -> Response:
            headers = {"Authorization": f"Bearer {token}"}
            if body is None:
                return client.get(f"{API}{path}", params=query, headers=headers)
            return client.post(f"{API}{path}", json=body, headers=headers)

        return ask

    return with_role


def test_nobody_is_told_anything_without_a_token_or_a_session(filled: Installation) -> None:
    client = TestClient(create_app(filled), base_url="http://127.0.0.1")
    for path in client.get("/api/openapi.json").json()["paths"]:
        answer = client.get(path.replace("{view}", "v_states").replace("{number}", "1"))
        assert answer.status_code in (401, 405), path
        assert answer.headers["content-type"] == PROBLEM
        assert answer.json()["status"] == answer.status_code


def test_studies_come_page_by_page_each_once_and_the_latest_first(as_program: Any) -> None:
    ask = as_program(AccountRole.VIEWER)
    seen, cursor = [], None
    while True:
        page = ask("/studies", limit=2, **({"cursor": cursor} if cursor else {})).json()
        seen += [study["study_instance_uid"] for study in page["studies"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["1.2.4", "1.2.3", "1.2.2", "1.2.5", "1.2.1"]


def test_studies_are_filtered_by_state_day_and_for_readers_by_patient(as_program: Any) -> None:
    ask = as_program(AccountRole.READER)

    def found(**query: str) -> list[str]:
        return [study["study_instance_uid"] for study in ask("/studies", **query).json()["studies"]]

    assert found(state="FAILED") == ["1.2.2"]
    assert found(until="2026-10-31") == ["1.2.1"]
    assert "1.2.1" not in found(since="2026-11-01")
    assert found(patient_id="4711-X") == ["1.2.1"]
    assert found(accession_number="ACC-99") == ["1.2.1"]
    assert found(patient_id="none") == []


def test_whose_study_it_is_is_told_readers_who_ask_for_it_and_is_in_the_trail(
    filled: Installation, as_program: Any
) -> None:
    viewer, reader = as_program(AccountRole.VIEWER), as_program(AccountRole.READER)
    for path, query in (
        ("/studies", {"identity": True}),
        ("/studies/1.2.1", {"identity": True}),
        ("/studies", {"patient_id": "4711-X"}),
    ):
        assert viewer(path, **query).status_code == 403
    for path in ("/studies", "/studies/1.2.1"):
        assert not [secret for secret in lab.PHI if secret in viewer(path).text]
    assert asked_by_people(filled.settings.audit_dir, QUERY) == [], "nobody was told whose they are"
    assert reader("/studies/1.2.1", identity=True).json()["identity"]["patient_name"] == "Zwölf^Ottilie"
    assert reader("/studies", identity=True).json()["studies"][-1]["identity"]["patient_id"] == "4711-X"
    (viewed,) = asked_by_people(filled.settings.audit_dir, ACCESSED)
    assert (viewed.user, viewed.objects) == ("p-reader", ("1.2.1", "4711-X"))
    (searched,) = asked_by_people(filled.settings.audit_dir, QUERY)
    assert searched.user == "p-reader"


def test_one_study_has_its_results_with_what_made_them_and_its_timeline(as_program: Any) -> None:
    study = as_program(AccountRole.VIEWER)("/studies/1.2.1").json()
    results = {result["task_id"]: result for result in study["run"]["results"]}
    assert (results["lvef"]["value"], results["lvef"]["unit"], results["lvef"]["model_label"]) == (
        60.0,
        "%",
        "RESEARCH",
    )
    assert study["run"]["model"]["digest"] == "d" * 64
    assert [each["state_after"] for each in study["journal"]][-1] == "DELIVERED"
    assert study["objects"][0]["deliveries"][0]["state"] == "DELIVERED"
    assert study["instances"][0]["calling_ae_title"] == "ECHO1"


def test_a_number_keeps_its_unit_where_the_catalogue_of_its_run_is_lost(filled: Installation, as_program: Any) -> None:
    with filled.database.write() as session:
        session.execute(update(RunRow).values(catalogue_digest="0" * 64))
    results = as_program(AccountRole.VIEWER)("/studies/1.2.1").json()["run"]["results"]
    assert [result["unit"] for result in results if result["value"] is not None] == ["%"]
    assert {result["unit"] for result in results if result["value"] is None} <= {None}


def test_a_site_that_edits_its_catalogue_is_told_by_the_one_that_the_dashboard_started_with(
    filled: Installation, tmp_path: Path
) -> None:
    half_written = tmp_path / "tasks.toml"
    half_written.write_text("[[task]]\nid = ")
    model = filled.settings.model.model_copy(update={"catalogue": str(half_written)})
    edited = replace(filled, settings=filled.settings.model_copy(update={"model": model}))
    study = programs_of(edited)(AccountRole.VIEWER)("/studies/1.2.1").json()
    assert study["run"]["results"][0]["unit"] == "%"


def test_where_a_worker_died_is_for_administrators(filled: Installation, as_program: Any) -> None:
    with filled.database.write() as session:
        session.execute(update(JournalEntry).where(JournalEntry.study_id == 1).values(traceback="towers.py:12"))

    def told(role: AccountRole) -> set[str | None]:
        return {each["traceback"] for each in as_program(role)("/studies/1.2.1").json()["journal"]}

    assert told(AccountRole.READER) == {None}
    assert told(AccountRole.ADMIN) == {"towers.py:12"}


def test_what_reports_say_is_for_readers(filled: Installation, as_program: Any) -> None:
    viewer, reader = as_program(AccountRole.VIEWER), as_program(AccountRole.READER)
    assert viewer("/discordances").status_code == 403
    assert viewer("/studies/1.2.2").json()["discordances"] is None
    (one,) = reader("/studies/1.2.2").json()["discordances"]
    assert [side["said"] for side in one["sides"]] == ["55 to 60 %", "40 %"]
    (viewed,) = asked_by_people(filled.settings.audit_dir, ACCESSED)
    assert viewed.objects[0] == "1.2.2"


def test_a_discordance_is_listed_and_reviewed_by_who_shows_the_token(as_program: Any) -> None:
    ask = as_program(AccountRole.READER)
    (found,) = ask("/discordances", open=True).json()["discordances"]
    refused = ask(f"/discordances/{found['id']}/review", {"state": "DISMISSED"})
    assert (refused.status_code, refused.headers["content-type"]) == (409, PROBLEM)
    assert "for a reason" in refused.json()["detail"]
    said = ask(f"/discordances/{found['id']}/review", {"state": "CONFIRMED", "reason": "an old report"}).json()
    assert (said["state"], said["reviewed_by"], said["review_reason"]) == ("CONFIRMED", "p-reader", "an old report")
    late = ask(f"/discordances/{found['id']}/review", {"state": "DISMISSED", "reason": "no", "seen": "NEW"})
    assert late.status_code == 409
    assert "CONFIRMED by p-reader meanwhile" in late.json()["detail"]
    words = ask(f"/discordances/{found['id']}/reviews").json()
    assert [(one["by"], one["state"], one["reason"]) for one in words] == [("p-reader", "CONFIRMED", "an old report")]
    assert ask("/discordances", open=True).json()["discordances"] == []
    assert ask("/discordances/precision").json()[0]["confirmed"] == 1
    assert ask("/discordances/999").status_code == 404


def test_discordances_come_page_by_page_the_latest_first(as_program: Any) -> None:
    ask = as_program(AccountRole.READER)
    first = ask("/discordances", limit=2).json()
    second = ask("/discordances", limit=2, before=first["next_before"]).json()
    numbers = [one["id"] for page in (first, second) for one in page["discordances"]]
    assert len(numbers) == 3
    assert numbers == sorted(numbers, reverse=True)
    assert second["next_before"] is None


def test_a_queue_is_paused_by_an_administrator_alone_and_says_by_whom(as_program: Any) -> None:
    asked = {"queue": "score", "reason": "a new GPU"}
    assert as_program(AccountRole.READER)("/queues/pause", asked).status_code == 403
    admin = as_program(AccountRole.ADMIN)
    queues = {queue["queue"]: queue for queue in admin("/queues/pause", asked).json()}
    assert queues["score"]["pauses"][0]["paused_by"] == "p-admin"
    assert "paused already" in admin("/queues/pause", asked).json()["detail"]
    assert admin("/queues/resume", {"queue": "score"}).json()[1]["pauses"] == []
    (pause,) = admin("/queues/pauses").json()
    assert pause["resumed_by"] == "p-admin"
    assert admin("/queues/pause", {"queue": "score", "reason": " "}).status_code == 422


def test_a_dead_letter_is_sent_again(as_program: Any) -> None:
    admin = as_program(AccountRole.ADMIN)
    (dead,) = admin("/deliveries").json()
    assert (dead["study_instance_uid"], dead["destination"], dead["last_answer"]) == ("1.2.2", "PACS", "A900")
    (sent,) = admin("/deliveries/resend", {"ids": [dead["id"]]}).json()
    assert (sent["state"], sent["attempts"]) == ("DUE", 0)
    assert admin("/studies/1.2.2").json()["state"] == "REPORTED"
    assert admin(f"/deliveries/{dead['id']}").json()["state"] == "DUE"
    assert admin("/deliveries/resend", {"ids": [999]}).status_code == 404
    (destination,) = admin("/deliveries/destinations").json()
    assert destination["counts"] == {"DELIVERED": 1, "DUE": 1}


def test_callers_quality_models_and_health_are_told(filled: Installation, as_program: Any) -> None:
    with filled.database.write() as session:
        now = filled.now()
        for outcome in (ACCEPTED, "not known"):
            record_calls(
                session, [Call(ae_title="X", address="10.0.0.1", outcome=outcome, count=2, first_at=now, last_at=now)]
            )
    ask = as_program(AccountRole.VIEWER)
    assert [caller["count"] for caller in ask("/callers", refused=True).json()] == [2]
    assert ask("/quarantine").json() == []
    took = {each["study_instance_uid"]: each for each in ask("/quality/turnaround", since="2026-10-01").json()}
    assert (took["1.2.1"]["total_s"], took["1.2.1"]["failed_attempts"]) == (570.0, 1)
    drift = ask("/quality/drift", since="2026-10-01", task="lvef").json()
    assert {row["task_id"] for row in drift} == {"lvef"}
    assert {row["day"] for row in drift} == {"2026-10-31", "2026-11-01"}
    assert [row["day"] for row in drift] == sorted((row["day"] for row in drift), reverse=True)
    assert ask("/quality/drift", since="2026-10-01", until="2026-10-31").json()
    seen = ask("/quality/prevalence", since="2026-10-01", until="2026-10-31").json()
    assert [(row["month"], row["present"], row["prevalence"]) for row in seen] == [("2026-10-01", 1, 1.0)]
    assert ask("/packs").json() == []
    assert ask("/rescorings").json() == []
    assert ask("/rescorings/1").status_code == 404
    health = ask("/health").json()
    assert health["studies"] == {"DELIVERED": 3, "FAILED": 1, "SCORED": 1}
    assert health["model"]["name"] == "M"


def test_a_session_acts_by_the_secret_of_its_forms_in_a_header_and_no_other_site_can(
    filled: Installation, as_role: SignIn
) -> None:
    browser = as_role(AccountRole.ADMIN)
    shown = browser.get("/account").text
    secret = shown.partition('name="form_secret" value="')[2].partition('"')[0]
    asked, path = {"queue": "score", "reason": "a new GPU"}, f"{API}/queues/pause"
    assert browser.client.post(path, json=asked).status_code == 403
    assert browser.client.post(path, json=asked, headers={"X-EchoWorker-Form": "guessed"}).status_code == 403
    right = {"X-EchoWorker-Form": secret}
    foreign = right | {"Origin": "https://evil.example"}
    assert browser.client.post(path, json=asked, headers=foreign).status_code == 403
    plain = {"content": '{"queue": "score", "reason": "x"}', "headers": right | {"Content-Type": "text/plain"}}
    assert browser.client.post(path, **plain).status_code == 422, "a form of another site could say that"
    assert browser.client.post(path, json=asked, headers=right).status_code == 200


def test_what_is_wrong_is_a_problem_and_is_in_the_document(as_program: Any) -> None:
    ask = as_program(AccountRole.VIEWER)
    for path, query, status in (
        ("/studies", {"limit": 0}, 422),
        ("/studies", {"cursor": "%%%"}, 422),
        ("/studies", {"cursor": "AAAA"}, 422),
        ("/studies", {"state": "SOLD"}, 422),
        ("/studies/1.2.99", {}, 404),
        ("/studies/<b>", {}, 422),
        ("/exports/v_none.csv", {}, 404),
        ("/nothing", {}, 404),
        ("/queues/pause", {}, 405),
    ):
        answer = ask(path, **query)
        assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), path
        assert set(answer.json()) == {"status", "title", "detail"}


def test_the_document_explains_every_operation_field_and_refusal(as_role: SignIn) -> None:
    document = as_role(AccountRole.VIEWER).get("/api/openapi.json").json()
    operations = [each for path in document["paths"].values() for each in path.values()]
    assert len(operations) >= 25
    for operation in operations:
        assert operation["description"]
        for status, response in operation["responses"].items():
            assert int(status) < 400 or list(response["content"]) == [PROBLEM]
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), (operation["operationId"], parameter["name"])
    assert {"401", "403", "422"} <= set(operations[0]["responses"])
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_a_page_lists_the_operations_and_the_tables_that_this_role_may_take(as_role: SignIn) -> None:
    for role, sees in ((AccountRole.VIEWER, False), (AccountRole.READER, True)):
        shown = as_role(role).get("/api").text
        assert "/api/v1/queues/pause" in shown
        assert "/api/v1/exports/v_current_results.parquet" in shown
        assert ("/api/v1/exports/v_discordances.csv" in shown) is sees
        assert "style=" not in shown
        assert "//cdn" not in shown
