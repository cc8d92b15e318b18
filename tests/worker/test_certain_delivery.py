"""Whatever a PACS does, in the end it has each report once, as it was built: real ones, and one that does as told."""

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, ImplicitVRLittleEndian
from pynetdicom import AE
from sqlalchemy import select, update

from config.sections.report_objects import ReportObject
from config.steps import Lane
from db.delivery.dead_letters import dead_of, resend_deliveries
from db.results.reports import delivered_predecessor
from db.tables.deliveries import Delivery
from db.tables.studies import Study
from dicom_node.report.comprehensive import comprehensive_uid
from tests.support.commitment import CommittingPACS, Node
from tests.support.due_reports import Installation, data_set, elements
from tests.support.message_servers import HTTPAnswer, fhir_server
from tests.support.scps import serving
from tests.support.scripted_pacs import ScriptedPACS
from tests.support.servers import Orthanc, StoreSCP, free_port, storescp
from worker.reaper import announce_overdue_steps

pytestmark = pytest.mark.long

SITE = """
[node]
port = 0
[pipeline]
retry_after_s = {retry_after_s}
maximum_delivery_attempts = {attempts}
[[peers]]
name = "pacs"
roles = ["destination"]
host = "127.0.0.1"
port = {port}
ae_title = "{ae_title}"
accept_models = ["RESEARCH"]
storage_commitment = {commits}
[[peers]]
name = "second"
roles = ["destination"]
host = "127.0.0.1"
port = {second}
ae_title = "STORESCP"
accept_models = ["RESEARCH"]
"""
AS_IT_COMES = ["--accept-all", "--bit-preserving", "--unique-filenames"]
"""DCMTK keeps every arrival in a file of its own, as it came."""
STUDIES = ("1.2.1", "1.2.2", "1.2.3")


@pytest.fixture(autouse=True)
def _scored_by_untrained() -> None:
    """Nothing is scored here."""


def installation(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    port: int,
    second: int = 1,
    ae_title: str = "STORESCP",
    commits: bool = False,
    retry_after_s: float = 0.001,
    attempts: int = 50,
) -> Installation:
    values = {"port": port, "second": second, "ae_title": ae_title, "commits": str(commits).lower()}
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(**values, retry_after_s=retry_after_s, attempts=attempts))
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    return Installation(tmp_path / "data")


@pytest.fixture
def pacs() -> Iterator[ScriptedPACS]:
    with ScriptedPACS().running() as running:
        yield running


def uids(*files: Path) -> list[str]:
    return [file.stem for file in files]


def run(ours: Installation, times: int = 6) -> None:
    """As the reaper does over a day: whatever waits is tried when its pause is over."""
    for _ in range(times):
        ours.end_pauses()
        ours.wake()


def test_reports_of_many_studies_go_in_one_association_and_lie_in_dcmtk_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with storescp(tmp_path, options=[*AS_IT_COMES, "--verbose"]) as server:
        ours = installation(tmp_path, monkeypatch, port=server.port)
        files = [ours.report(study) for study in STUDIES]
        assert ours.wake() == ["pacs"]
        assert sorted(map(data_set, server.folder.iterdir())) == sorted(map(data_set, files))
        assert (tmp_path / "server.log").read_text().count("Association Acknowledged") == 1
    assert {ours.detail(study).study.state for study in STUDIES} == {"DELIVERED"}
    assert ours.wake() == []


def test_a_report_lies_in_orthanc_as_it_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orthanc: Orthanc
) -> None:
    ours = installation(tmp_path, monkeypatch, port=orthanc.port, ae_title="ORTHANC")
    file = ours.report("1.2.77.1")
    ours.wake()
    (held,) = orthanc.instance_files(file.stem)
    assert elements(held) == elements(file.read_bytes())
    assert ours.detail("1.2.77.1").study.state == "DELIVERED"
    orthanc.forget("1.2.77.1")


def test_a_pacs_that_was_down_for_the_whole_run_gets_each_report_once_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    ours = installation(tmp_path, monkeypatch, port=port)
    files = [ours.report(study) for study in STUDIES]
    run(ours)
    assert ours.states() == {"DUE": 3}
    assert "connection refused" in str(ours.detail("1.2.1").reason)
    with storescp(tmp_path, port=port, options=AS_IT_COMES) as server:
        run(ours)
        assert sorted(map(data_set, server.folder.iterdir())) == sorted(map(data_set, files))
    assert ours.states() == {"DELIVERED": 3}
    with ours.context.database.read() as session:
        assert dead_of(session, "pacs") == []


def test_one_that_is_dead_is_asked_once_for_all_and_not_at_all_during_its_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                calls.append(connection)
                connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        ours = installation(tmp_path, monkeypatch, port=listening.getsockname()[1], retry_after_s=3600)
        for study in STUDIES:
            ours.report(study)
        assert ours.wake() == ["pacs"]
        assert len(calls) == 1
        for _ in range(3):
            assert ours.wake() == []
        assert len(calls) == 1
        listening.shutdown(socket.SHUT_RDWR)
    assert {ours.detail(study).study.state for study in STUDIES} == {"REPORTED"}


def test_the_other_destination_is_served_while_one_is_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storescp: StoreSCP
) -> None:
    ours = installation(tmp_path, monkeypatch, port=free_port(), second=storescp.port, retry_after_s=3600)
    for study in STUDIES:
        ours.report(study, to=("pacs", "second"))
    ours.wake()
    assert len(list(storescp.folder.iterdir())) == 3
    assert ours.states() == {"DUE": 3, "DELIVERED": 3}


def test_out_of_resources_stops_at_the_first_and_costs_no_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pacs: ScriptedPACS
) -> None:
    ours = installation(tmp_path, monkeypatch, port=pacs.port, attempts=2)
    files = [ours.report(study) for study in STUDIES]
    pacs.statuses = [0xA700] * 5
    run(ours, times=5)
    assert len(pacs.sent) == pacs.associations == 5
    assert pacs.has == {}
    assert "0xA700 out of resources" in str(ours.detail("1.2.1").reason)
    run(ours, times=1)
    assert pacs.has == {file.stem: data_set(file) for file in files}
    assert pacs.associations == 6
    assert ours.states() == {"DELIVERED": 3}


@pytest.mark.parametrize("how", ["abort", "keep and abort"])
def test_one_that_drops_the_association_in_the_middle_has_each_report_once_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pacs: ScriptedPACS, how: str
) -> None:
    """Also one that has kept the object whose answer is lost: it says so when it comes again."""
    ours = installation(tmp_path, monkeypatch, port=pacs.port)
    files = [ours.report(study) for study in STUDIES]
    pacs.statuses = [0x0000, how, how]
    run(ours)
    assert pacs.has == {file.stem: data_set(file) for file in files}
    assert pacs.sent.count(files[0].stem) == 1
    assert ours.states() == {"DELIVERED": 3}


def test_a_report_at_which_the_pacs_always_drops_the_association_holds_up_no_other_and_ends_as_a_dead_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pacs: ScriptedPACS
) -> None:
    ours = installation(tmp_path, monkeypatch, port=pacs.port, attempts=3)
    files = [ours.report(study) for study in STUDIES]
    pacs.statuses = ["abort", 0x0000, 0x0000, *["abort"] * 9]
    run(ours)
    assert sorted(pacs.has) == sorted(uids(*files[1:]))
    assert pacs.sent.count(files[0].stem) == 3
    failed = ours.detail("1.2.1")
    assert failed.study.state == "FAILED"
    assert "pacs: given up after 3 attempts: no answer; mend the cause, then echoworker deliveries resend" in str(
        failed.reason
    )
    pacs.statuses = []
    with ours.context.database.write() as session:
        resend_deliveries(session, dead_of(session, "pacs"), now=datetime.now(UTC))
    run(ours, times=1)
    assert pacs.has == {file.stem: data_set(file) for file in files}
    assert ours.detail("1.2.1").study.state == "DELIVERED"


@pytest.mark.parametrize("status", [0xA900, 0xC000, 0x0122, 0x0124])
def test_a_refusal_uses_up_attempts_and_the_other_reports_are_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pacs: ScriptedPACS, status: int
) -> None:
    ours = installation(tmp_path, monkeypatch, port=pacs.port, attempts=2)
    files = [ours.report(study) for study in STUDIES]
    pacs.statuses = [status, 0x0000, 0x0000, status]
    run(ours)
    assert pacs.sent == uids(*files, files[0])
    assert ours.states() == {"DELIVERED": 2, "DEAD": 1}


def test_one_that_takes_no_such_object_refuses_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(_verification_alone()) as port:
        ours = installation(tmp_path, monkeypatch, port=port, attempts=1)
        ours.report("1.2.1")
        run(ours, times=2)
    assert ours.states() == {"DEAD": 1}
    assert "accepts none of Comprehensive 3D SR Storage in Explicit VR Little Endian (SOP class not supported)" in str(
        ours.detail("1.2.1").reason
    )


def test_a_pacs_that_takes_no_pages_has_the_report_and_its_study_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pacs: ScriptedPACS
) -> None:
    ours = installation(tmp_path, monkeypatch, port=pacs.port)
    file = ours.report("1.2.1", with_page=True)
    run(ours, times=1)
    assert pacs.sent == uids(file)
    assert ours.states() == {"DELIVERED": 1, "CANCELLED": 1}
    detail = ours.detail("1.2.1")
    assert detail.study.state == "DELIVERED"
    (given_up,) = [made for made in detail.objects if made.kind == ReportObject.PDF]
    assert "accepts no Encapsulated PDF Storage" in str(given_up.deliveries[0].last_answer)


def test_a_page_is_not_given_up_where_nothing_at_all_is_taken_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(_verification_alone()) as port:
        ours = installation(tmp_path, monkeypatch, port=port)
        ours.report("1.2.1", with_page=True)
        run(ours, times=1)
    assert ours.states() == {"DUE": 2}


def test_one_that_takes_implicit_vr_alone_gets_the_same_elements_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--implicit", "--bit-preserving", "--unique-filenames"]
    with storescp(tmp_path, options=options) as server:
        ours = installation(tmp_path, monkeypatch, port=server.port)
        file = ours.report("1.2.1")
        ours.wake()
        (received,) = server.folder.iterdir()
        held = elements(received.read_bytes())
    assert held.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert held == elements(file.read_bytes())


def test_a_pacs_that_accepts_and_then_fails_to_commit_gets_the_same_object_again_until_it_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CommittingPACS(failure_reason=0x0213).running() as pacs:
        ours = installation(tmp_path, monkeypatch, port=pacs.port, ae_title="PACS", commits=True)
        intake = Node(ours.settings, ours.context.database).intake
        files = [ours.report(study) for study in STUDIES]
        ours.wake()
        intake.work_once()
        assert ours.states() == {"DUE": 3}
        assert "storage not committed: 0x0213 resource limitation" in str(ours.detail("1.2.2").reason)
        pacs.failure_reason = 0
        run(ours, times=1)
        intake.work_once()
    assert sorted(pacs.stored) == sorted(uids(*files) * 2)
    assert len(pacs.asked) == 2, "one transaction for all that went in one association"
    assert {ours.detail(study).study.state for study in STUDIES} == {"DELIVERED"}
    assert ours.wake() == []


def test_a_pacs_without_room_for_more_is_asked_all_the_same_to_commit_to_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CommittingPACS(reports="never").running() as pacs:
        ours = installation(tmp_path, monkeypatch, port=pacs.port, ae_title="PACS", commits=True)
        ours.report("1.2.1")
        run(ours, times=1)
        assert len(pacs.asked) == 1
        with ours.context.database.write() as session:
            session.execute(update(Delivery).values(next_attempt_at=None))
        pacs.store_status = 0xA700
        ours.report("1.2.2")
        run(ours, times=1)
    assert ours.states() == {"SENT": 1, "DUE": 1}
    assert "0xA700 out of resources" in str(ours.detail("1.2.2").reason)
    assert len(pacs.asked) == 2


def test_one_that_takes_no_comprehensive_3d_sr_gets_and_commits_to_a_comprehensive_sr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CommittingPACS(without=Comprehensive3DSRStorage).running() as pacs:
        ours = installation(tmp_path, monkeypatch, port=pacs.port, ae_title="PACS", commits=True)
        intake = Node(ours.settings, ours.context.database).intake
        files = [ours.report(study) for study in STUDIES]
        pacs.failure_reason = 0x0110
        ours.wake()
        intake.work_once()
        assert ours.states() == {"DUE": 3}
        pacs.failure_reason = 0
        run(ours, times=1)
        intake.work_once()
    assert sorted(pacs.stored) == sorted([comprehensive_uid(uid) for uid in uids(*files)] * 2)
    assert {ours.detail(study).study.state for study in STUDIES} == {"DELIVERED"}


def test_what_went_as_comprehensive_sr_goes_so_again_when_the_pacs_has_learnt_comprehensive_3d_sr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would have two objects of one report."""
    port = free_port()
    ours = installation(tmp_path, monkeypatch, port=port)
    file = ours.report("1.2.1")
    sent = []
    for classes in ([ComprehensiveSRStorage], [ComprehensiveSRStorage, Comprehensive3DSRStorage]):
        with ScriptedPACS(classes=classes, port=port).running() as pacs:
            with ours.context.database.write() as session:
                resend_deliveries(session, session.scalars(select(Delivery.id)).all(), now=datetime.now(UTC))
            run(ours, times=1)
            sent += pacs.sent
    assert sent == [comprehensive_uid(file.stem)] * 2
    assert ours.states() == {"DELIVERED": 1}


def test_a_stat_object_that_a_pacs_has_no_room_for_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pacs: ScriptedPACS
) -> None:
    """It goes ahead of all once, and then waits its turn among them."""
    ours = installation(tmp_path, monkeypatch, port=pacs.port)
    urgent = ours.report("1.2.1")
    others = [ours.report(study) for study in ("1.2.2", "1.2.3")]
    with ours.context.database.write() as session:
        session.execute(update(Study).where(Study.study_instance_uid == "1.2.1").values(lane=Lane.STAT))
    pacs.meanwhile = lambda uid: pacs.statuses.append(0xA700 if uid == urgent.stem else 0x0000)
    run(ours, times=3)
    assert pacs.sent[0] == urgent.stem
    assert sorted(pacs.has) == uids(*others)
    assert ours.detail("1.2.1").study.state == "REPORTED"


def test_an_object_that_a_pacs_has_no_room_for_while_it_takes_all_others_ends_as_a_dead_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pacs: ScriptedPACS
) -> None:
    ours = installation(tmp_path, monkeypatch, port=pacs.port, attempts=2)
    poison = ours.report("1.2.1")
    pacs.meanwhile = lambda uid: pacs.statuses.append(0xA700 if uid == poison.stem else 0x0000)
    run(ours)
    assert ours.states() == {"DUE": 1}, "nobody knows yet that it is not the PACS"
    for study in STUDIES[1:]:
        ours.report(study)
        run(ours)
    assert ours.states() == {"DELIVERED": 2, "DEAD": 1}
    failed = ours.detail("1.2.1")
    assert failed.study.state == "FAILED"
    assert "pacs: given up after 2 attempts: 0xA700 out of resources" in str(failed.reason)


def test_a_dicomweb_server_gets_reports_as_a_pacs_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orthanc: Orthanc
) -> None:
    """Down first, then there."""
    site, away = tmp_path / "site.toml", f"http://127.0.0.1:{free_port()}/"
    entry = '[[dicomweb]]\nname = "vna"\nurl = "{}"\naccept_models = ["RESEARCH"]\ncompressed = false\n'
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    site.write_text(entry.format(away))
    ours = Installation(tmp_path / "data")
    files = [ours.report(study, to=("vna",)) for study in ("1.2.78.1", "1.2.78.2")]
    run(ours, times=2)
    assert ours.states() == {"DUE": 2}
    assert f"vna: {away.rstrip('/')}: cannot be reached" in str(ours.detail("1.2.78.1").reason)
    site.write_text(entry.format(orthanc.dicomweb))
    back = Installation(tmp_path / "data")
    run(back, times=2)
    assert back.states() == {"DELIVERED": 2}
    for file, study in zip(files, ("1.2.78.1", "1.2.78.2"), strict=True):
        (held,) = orthanc.instance_files(file.stem)
        assert elements(held) == elements(file.read_bytes())
        assert back.detail(study).study.state == "DELIVERED"
        orthanc.forget(study)


@pytest.mark.parametrize(
    ("answer", "may_be_there", "reason"),
    [
        (HTTPAnswer(504), True, "answered HTTP 504; its own log says why"),
        (HTTPAnswer(200, b"{}"), True, "vna: no answer: HTTP 200: the answer does not name the object"),
        (HTTPAnswer(503), False, "answered HTTP 503; its own log says why"),
        (HTTPAnswer(400), False, "answered HTTP 400; its own log says why"),
    ],
)
def test_what_a_dicomweb_server_may_have_stored_is_named_as_superseded_by_the_next_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: HTTPAnswer, may_be_there: bool, reason: str
) -> None:
    site = tmp_path / "site.toml"
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    with fhir_server([answer]) as vna:
        site.write_text(
            f'[[dicomweb]]\nname = "vna"\nurl = "http://127.0.0.1:{vna.port}"\naccept_models = ["RESEARCH"]\n'
        )
        ours = Installation(tmp_path / "data")
        file = ours.report("1.2.78.1", to=("vna",))
        ours.wake()
    assert ours.states() == {"DUE": 1}
    assert reason in str(ours.detail("1.2.78.1").reason)
    with ours.context.database.read() as session:
        study_id = session.scalars(select(Study.id)).one()
        predecessor = delivered_predecessor(session, study_id=study_id, run_uid="a later one")
        named = predecessor and predecessor.sop_instance_uid
    assert named == (file.stem if may_be_there else None)


def test_a_report_that_was_changed_in_the_spool_is_not_sent_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pacs: ScriptedPACS
) -> None:
    ours = installation(tmp_path, monkeypatch, port=pacs.port)
    changed, whole = ours.report("1.2.1"), ours.report("1.2.2")
    changed.write_bytes(changed.read_bytes()[:-2] + b"XX")
    ours.wake()
    assert list(pacs.has) == uids(whole)
    assert f"report {changed.stem} is lost or changed in the spool" in str(ours.detail("1.2.1").reason)


def test_what_waits_is_announced_by_the_name_of_the_destination_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = installation(tmp_path, monkeypatch, port=free_port())
    for study in STUDIES:
        ours.report(study)
    for _ in range(2):
        announce_overdue_steps(ours.context)
    (message,) = (ours.settings.broker_dir / "messages").iterdir()
    headers = json.loads(message.read_text())["headers"]
    assert (headers["task"], headers["argsrepr"]) == ("echoworker.deliver_to", "['pacs']")


def test_two_workers_at_once_send_everything_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pacs: ScriptedPACS
) -> None:
    ours = installation(tmp_path, monkeypatch, port=pacs.port)
    files = [ours.report(study) for study in STUDIES]
    workers = [threading.Thread(target=ours.wake) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(pacs.sent) == sorted(uids(*files))


def _verification_alone() -> AE:
    ae = AE(ae_title="STORESCP")
    ae.add_supported_context("1.2.840.10008.1.1")
    return ae
