"""Operations: what is in registry and spool is shown to whoever is signed in; administrators act, and nobody else."""

import re
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import select

from config.sections.dashboard import AccountRole
from config.sections.keep import KeptKind
from config.sections.monitoring import AlertCause
from config.settings import load_settings
from dashboard.installation import Installation
from dashboard.rendering import NOTHING
from db.lifecycle.received import ACCEPTED, Call
from db.lifecycle.retention import note_removal
from db.monitoring.alerts import Condition, alert_told, note_conditions, take_alerts
from db.monitoring.callers import record_calls
from db.monitoring.reconciliations import record_reconciliation
from db.reading.queries import study_detail
from db.states import BatchKind, BatchState, DeliveryState, RescoredState
from db.tables.deliveries import Delivery, DeliveryAnswer
from db.tables.monitoring import Reconciliation
from db.tables.pipeline import DeviceHealth, JournalEntry
from db.tables.rescoring import RescoredStudy, Rescoring
from db.working.devices import note_failed, set_aside
from db.working.pauses import former_pauses, open_pauses
from dicom_node.quarantine import put_in_quarantine
from dicom_node.spool import Spool
from tests.dashboard.conftest import SignIn
from tests.dashboard.test_quality import batch
from tests.support import lab
from tests.support.browsing import Browser

PAGES = ("", "/queues", "/peers", "/deliveries", "/deliveries/3", "/rescoring", "/rescoring/1", "/storage")
DEAD = 3
"""The number of the delivery of the laboratory that was refused for good."""


@pytest.fixture
def here(here: Installation) -> Installation:
    """The laboratory, with a spool and a batch of re-scoring."""
    Spool(here.settings.spool_dir).create()
    with here.database.write() as session:
        lab.fill(session)
        session.add(batch(BatchKind.RESCORE))
        session.flush()
        for study, state in ((1, RescoredState.SCORED), (2, RescoredState.READING), (3, RescoredState.DUE)):
            session.add(RescoredStudy(rescoring_id=1, study_id=study, state=state, is_canary=False))
    return here


def words(browser: Browser, path: str) -> str:
    """The text of a page of operations, without its markup."""
    answer = browser.get(f"/operations{path}")
    assert answer.status_code == 200, path
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def test_every_page_is_for_whoever_is_signed_in_and_names_no_patient(viewer: Browser, browser: Browser) -> None:
    for path in PAGES:
        assert browser.get(f"/operations{path}").status_code == 303
        said = words(viewer, path)
        assert not [phi for phi in lab.PHI if phi in said], path


def test_the_page_that_one_is_at_is_marked_in_both_navigations(viewer: Browser) -> None:
    for path in PAGES:
        text = viewer.get(f"/operations{path}").text
        current = re.findall(r'href="([^"]+)" aria-current="page"', text)
        assert current == ["/operations", f"/operations{path.rsplit('/', path.count('/') - 1)[0]}"], path


@pytest.mark.parametrize(
    ("action", "sent"),
    [
        ("queues/score/pause", {"reason": "disk"}),
        ("queues/score/resume", {}),
        (f"deliveries/{DEAD}/resend", {}),
        ("deliveries/resend", {"destination": "PACS"}),
        ("rescoring/1/pause", {}),
        ("rescoring/1/resume", {}),
        ("rescoring/1/adopt", {}),
        ("rescoring/1/discard", {"reason": "no"}),
        ("devices/use-again", {"host": "gpu1", "device": "cuda:0"}),
    ],
)
@pytest.mark.parametrize("role", [AccountRole.VIEWER, AccountRole.READER])
def test_what_is_an_admins_is_refused_to_others(
    here: Installation, as_role: SignIn, role: AccountRole, action: str, sent: dict[str, str]
) -> None:
    browser = as_role(role)
    page = browser.get("/account").text
    secret = re.search(r'name="form_secret" value="([^"]*)"', page)
    assert secret is not None
    answer = browser.client.post(f"/operations/{action}", data=sent | {"form_secret": secret[1]})
    assert answer.status_code == 403
    with here.database.read() as session:
        assert not open_pauses(session)
        assert session.get_one(Delivery, DEAD).state == DeliveryState.DEAD
        assert (session.get_one(Rescoring, 1).state, session.get_one(Rescoring, 1).paused) == (BatchState.SCORED, False)


def test_no_form_is_shown_to_whoever_may_not_send_it(viewer: Browser) -> None:
    for path in PAGES:
        assert re.findall(r'action="(/operations[^"]*)"', viewer.get(f"/operations{path}").text) == []


def test_the_overview_says_whether_the_node_can_work(viewer: Browser) -> None:
    said = words(viewer, "")
    assert "registry ok schema" in said
    assert "node FAULT no receiving process" in said
    assert "3 DELIVERED" in said
    assert "M 1 DEMO" in said, "the model whose result became current last"


def test_alerts_that_are_open_are_shown(here: Installation, viewer: Browser) -> None:
    now = here.now()
    wrong = Condition(cause=AlertCause.DEAD_LETTER, subject="PACS", said="1 object was refused for good")
    again = timedelta(hours=1)
    assert "refused for good" not in words(viewer, "")
    with here.database.write() as session:
        note_conditions(session, "oncall", [wrong], host="h", now=now, again_after=again)
        (alert,) = take_alerts(session, "oncall", host="h", now=now)
        alert_told(session, alert, now=now, again_after=again)
    assert re.search(r"dead-letter PACS \d+ \w+ 1 object was refused for good oncall:", words(viewer, ""))


def test_archives_and_deaths_of_workers_are_shown(here: Installation, viewer: Browser, admin: Browser) -> None:
    now = here.now()
    with here.database.write() as session:
        look = {"archive": "ARCHIVE", "day": now.date(), "looked_at": now, "found": 12, "fetched": 1}
        record_reconciliation(session, Reconciliation(**look, missing=["1.2.8"], incomplete=[], trouble="out of reach"))
        died = "score: its worker was killed by SIGSEGV"
        for at in (now, now - timedelta(days=40)):
            session.add(
                JournalEntry(study_id=3, revision=1, at=at, step="score", state_before="PREPARED",
                             state_after="PREPARED", attempt=2, host="gpu1", reason=died, traceback="towers.py:12")
            )  # fmt: skip
    said = words(viewer, "")
    assert f"gpu1 score, attempt 2 1.2.3 {died}" in said
    assert "towers.py" not in said, "a traceback is for administrators"
    said = words(admin, "")
    assert f"{now.date()} ARCHIVE 12 1 0 1" in said
    assert "out of reach" in said
    assert f"gpu1 score, attempt 2 1.2.3 {died} Where towers.py:12" in said
    assert said.count(died) == 1, "what is long ago is not shown"


def test_a_gpu_that_is_mended_is_used_again(here: Installation, admin: Browser) -> None:
    with here.database.write() as session:
        note_failed(session, "gpu1", "cuda:0", reason="wrong sums", now=here.now(), at_most=1)
    assert "gpu1 cuda:0 1" in words(admin, "")
    assert admin.submit("/operations", "/operations/devices/use-again").status_code == 303
    with here.database.read() as session:
        assert set_aside(session, "gpu1") == set()
        assert "said to be mended by a-admin" in str(session.get_one(DeviceHealth, ("gpu1", "cuda:0")).reason)


def test_a_queue_is_paused_with_a_reason_and_resumed_by_name(here: Installation, admin: Browser) -> None:
    page, of_score = "/operations/queues", "/operations/queues/score"
    assert admin.submit(page, f"{of_score}/pause", reason=" ").status_code == 422
    assert admin.submit(page, f"{of_score}/pause", reason="a new disk").status_code == 303
    assert "paused by a-admin" in words(admin, "/queues")
    assert admin.submit(page, f"{of_score}/pause", reason="again").status_code == 409
    assert admin.submit(page, f"{of_score}/resume").status_code == 303
    with here.database.read() as session:
        (pause,) = former_pauses(session, limit=5)
    assert (pause.paused_by, pause.reason, pause.resumed_by) == ("a-admin", "a new disk", "a-admin")
    assert "a-admin a new disk" in words(admin, "/queues")


def test_one_peer_alone_is_paused(here: Installation, admin: Browser) -> None:
    admin.submit("/operations/queues", "/operations/queues/deliver/pause", reason="moves", peer="PACS")
    with here.database.read() as session:
        (pause,) = open_pauses(session)
    assert (pause.queue, pause.peer) == ("deliver", "PACS")
    assert admin.submit("/operations/queues", "/operations/queues/deliver/resume").status_code == 303
    with here.database.read() as session:
        assert not open_pauses(session)


def test_peers_and_their_last_contact_and_who_was_refused(here: Installation, viewer: Browser) -> None:
    peers = [
        {"name": "PACS", "ae_title": "PACS1", "roles": ["destination"], "host": "10.0.0.9"},
        {"name": "lab 1", "ae_title": "ECHO1", "roles": ["sender"]},
    ]
    object.__setattr__(here, "settings", load_settings(data_dir=here.settings.data_dir, peers=peers))
    facts = {"address": "10.0.0.5", "count": 3, "first_at": lab.OCTOBER, "last_at": lab.NOVEMBER}
    with here.database.write() as session:
        record_calls(session, [
            Call(ae_title="ECHO1", outcome=ACCEPTED, **facts), Call(ae_title="EVIL", outcome="not known", **facts)
        ])  # fmt: skip
    said = words(viewer, "/peers")
    assert re.search(rf"lab 1 sender ECHO1 {lab.NOVEMBER.astimezone():%Y-%m-%d %H:%M:%S} {NOTHING}", said)
    assert re.search(rf"PACS destination PACS1 10.0.0.9:104 {NOTHING} 2026-\d\d-\d\d", said), "it had something of us"
    refused = said[said.index("Who was refused") : said.index("Everybody who called")]
    assert "EVIL 10.0.0.5 not known 3" in refused
    assert "ECHO1" not in refused


def test_a_dead_letter_has_a_page_and_is_sent_again_by_name(here: Installation, admin: Browser) -> None:
    with here.database.write() as session:
        session.add(DeliveryAnswer(delivery_id=DEAD, at=lab.NOVEMBER, state="DEAD", answer="0xA900"))
    assert "3 PACS sr 1.2.2" in words(admin, "/deliveries")
    page = f"/operations/deliveries/{DEAD}"
    assert "DEAD 0xA900" in words(admin, f"/deliveries/{DEAD}")
    assert admin.submit(page, f"{page}/resend").headers["location"] == page
    with here.database.read() as session:
        assert session.get_one(Delivery, DEAD).state == DeliveryState.DUE
        last = study_detail(session, "1.2.2").journal[-1]
    assert (last.state_after, last.reason) == ("REPORTED", "resent by a-admin")
    assert "3 PACS sr" not in words(admin, "/deliveries")


def test_all_dead_letters_of_a_destination_are_sent_again(here: Installation, admin: Browser) -> None:
    assert admin.submit("/operations/deliveries", "/operations/deliveries/resend").status_code == 303
    with here.database.read() as session:
        assert not session.scalars(select(Delivery).where(Delivery.state == DeliveryState.DEAD)).all()


def test_what_is_not_there_is_said_so(admin: Browser) -> None:
    for path in ("deliveries/99", "rescoring/99"):
        assert admin.get(f"/operations/{path}").status_code == 404


def test_a_batch_shows_how_far_it_is_and_is_paused_resumed_and_adopted(here: Installation, admin: Browser) -> None:
    assert "Batch 1 rescore SCORED Other 2 RESEARCH" in words(admin, "/rescoring")
    assert "1 of 3" in words(admin, "/rescoring")
    page = "/operations/rescoring/1"
    assert admin.submit(page, f"{page}/pause").status_code == 303
    assert "paused by a-admin" in words(admin, "/rescoring/1")
    assert admin.submit(page, f"{page}/resume").status_code == 409, "nobody would go on with it"
    rescore = here.settings.rescore.model_copy(update={"enabled": True})
    object.__setattr__(here, "settings", here.settings.model_copy(update={"rescore": rescore}))
    assert admin.submit(page, f"{page}/resume").status_code == 303
    assert "paused by a-admin; resumed by a-admin" in words(admin, "/rescoring/1")
    assert admin.submit(page, f"{page}/adopt").status_code == 303
    with here.database.read() as session:
        found = session.get_one(Rescoring, 1)
    assert (found.state, found.paused, found.reason) == (BatchState.ADOPTING, False, "adopted by a-admin")


def test_a_batch_is_discarded_with_a_reason_by_name(here: Installation, admin: Browser) -> None:
    page = "/operations/rescoring/1"
    admin.submit(page, f"{page}/discard", reason="worse on devices")
    with here.database.read() as session:
        found = session.get_one(Rescoring, 1)
    assert (found.state, found.reason) == (BatchState.DISCARDED, "by a-admin: worse on devices")
    assert not re.findall(r'action="/operations/rescoring[^"]*"', admin.get(page).text), "it is over"


def test_what_changes_is_told_task_by_task(here: Installation, admin: Browser) -> None:
    task = {"answers": 2, "values_changed": 2, "answers_changed": 1, "turns": [["PRESENT", "ABSENT", 1]]}
    sums = {"studies": 2, "studies_with_other_answers": 1, "answers": 2, "values_changed": 2, "answers_changed": 1}
    moved = {"5 %": -0.25, "median": 0.0, "95 %": 0.125}
    with here.database.write() as session:
        session.get_one(Rescoring, 1).report = sums | {"tasks": {"pacemaker": task | {"moved": moved}}}
    said = words(admin, "/rescoring/1")
    assert "1 of 2 answers have another verdict or class" in said
    assert "2 2 1 -0.25 0 0.125 1 PRESENT &gt; ABSENT" in said


def test_storage_shows_quarantine_packs_disk_and_what_was_removed(here: Installation, viewer: Browser) -> None:
    spool = Spool(here.settings.spool_dir)
    part = spool.new_incoming()
    part.write_bytes(b"12345")
    put_in_quarantine(spool, part, reason="cut off", calling_ae_title="ECHO1")
    (here.settings.packs_dir / "half-a-pack").mkdir(parents=True)
    with here.database.write() as session:
        note_removal(session, 1, KeptKind.PIXELS, sizes=[4000, 5000], began_at=lab.NOVEMBER, ended_at=lab.NOVEMBER)
    said = words(viewer, "/storage")
    assert "ECHO1 cut off 1 5 B" in said
    assert "half-a-pack cannot be used" in said
    assert "1.2.1 pixels 2 9.0 kB" in said
    assert re.search(r"[\d.]+ [GT]B free of", said)


def test_without_a_pack_it_says_that_the_demo_model_scores(viewer: Browser) -> None:
    assert "the bundled DEMO model scores" in words(viewer, "/storage")


def test_the_dashboard_loads_no_model_code() -> None:
    code = (
        "import sys; import dashboard.server;"
        "print([name for name in ('torch', 'open_clip', 'timm', 'matplotlib') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
