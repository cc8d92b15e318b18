"""Our node commits to what it keeps, and tells senders so: however they wait for it, and whatever dies meanwhile."""

import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import structlog
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, UltrasoundMultiFrameImageStorage, generate_uid
from pynetdicom.association import Association

from config.logs import configure_logs
from config.settings import Settings, load_settings
from db.session import Database
from dicom_node.commitment import files as commitment_files
from dicom_node.commitment.messages import REQUEST, WELL_KNOWN_INSTANCE, Failure, Reference, action_information
from dicom_node.contexts import STORAGE_COMMITMENT
from tests.support.archives import MadeStudy, made_study
from tests.support.commitment import Node, Sender, ask
from tests.support.servers import free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.long

CLIP = str(UltrasoundMultiFrameImageStorage)
SITE = """
[[peers]]
name = "modality"
ae_title = "MODALITY"
roles = ["sender"]
host = "127.0.0.1"
port = {port}

[[peers]]
name = "reports to us, and never sends"
ae_title = "PACS"
roles = ["destination"]
host = "127.0.0.1"
port = 1
storage_commitment = true
"""


@pytest.fixture
def sender() -> Sender:
    return Sender(free_port())


@pytest.fixture(params=["fast", "stock"])
def settings(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sender: Sender
) -> Settings:
    monkeypatch.setattr(commitment_files, "GRACE_S", 1.0)
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(port=sender.port))
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    monkeypatch.setenv("ECHOWORKER_NODE__RECEIVE_PATH", request.param)
    monkeypatch.setenv("ECHOWORKER_NODE__PORT", "0")
    monkeypatch.setenv("ECHOWORKER_PIPELINE__RETRY_AFTER_S", "0.5")
    return load_settings(data_dir=tmp_path / "data")


@pytest.fixture
def node(settings: Settings) -> Iterator[Node]:
    database = Database(settings.database_url)
    database.upgrade()
    with Node(settings, database).running() as running:
        yield running


@pytest.fixture
def study(tmp_path: Path) -> MadeStudy:
    return made_study(tmp_path / "outside", PatientName="Secretname^Given", PatientID="SECRET-ID")


@pytest.fixture
def association(node: Node, sender: Sender) -> Iterator[Association]:
    opened = sender.associate(node.port)
    yield opened
    if opened.is_established:
        opened.abort()  # a report may come just now, and pynetdicom's release would wait for good (see `Sender`)


@pytest.fixture
def logs() -> Iterator[StringIO]:
    stream = StringIO()
    configure_logs(process="node", stream=stream)
    yield stream
    structlog.reset_defaults()


def store(association: Association, study: MadeStudy) -> list[Reference]:
    for file in study.files:
        assert association.send_c_store(file).Status == 0x0000
    return [Reference(CLIP, file.stem) for file in study.files]


def nothing_waits(node: Node) -> bool:
    folders = [node.spool.commitments / name for name in ("requests", "answers", "sending", "given-up")]
    return not any(list(folder.glob("*")) for folder in folders if folder.exists())


def test_a_sender_that_stays_is_told_on_its_own_association_what_is_kept_and_what_is_not(
    node: Node, sender: Sender, association: Association, study: MadeStudy, logs: StringIO
) -> None:
    kept = store(association, study)
    never_sent, other_class = generate_uid(), (str(CTImageStorage), kept[0].sop_instance_uid)
    transaction = generate_uid()
    assert ask(association, transaction, *kept, (CLIP, never_sent), other_class) == 0x0000
    (report,) = sender.wait_for_reports()
    assert [where for where, _ in sender.heard] == ["here"]
    assert sender.event_types == [2]
    assert report.transaction_uid == transaction
    assert list(report.committed) == kept
    assert list(report.failed) == [Failure(CLIP, never_sent, 0x0112), Failure(*other_class, 0x0119)]
    assert association.send_c_store(study.files[0]).Status == 0x0000
    association.release()
    assert association.is_released
    wait_until(lambda: nothing_waits(node), 10, "the files of the transaction to go")
    assert "storage commitment reported" in logs.getvalue()
    assert "secret" not in logs.getvalue().lower()


def test_a_sender_may_go_on_storing_while_it_waits(
    node: Node, sender: Sender, association: Association, study: MadeStudy
) -> None:
    kept = store(association, study)
    assert ask(association, generate_uid(), *kept) == 0x0000
    stored = 0
    while stored < 10_000:
        with sender.turn:
            if sender.heard:
                break
            stored += association.send_c_store(study.files[0]).Status == 0x0000
        time.sleep(0)  # the other thread's turn: a lock is not fair
    assert stored > 1
    (report,) = sender.wait_for_reports()
    assert (sender.event_types, sender.heard[0][0]) == ([1], "here")
    assert report.failed == ()
    wait_until(lambda: nothing_waits(node), 10, "its answer to be taken")


def test_a_sender_that_leaves_at_once_is_called(
    node: Node, sender: Sender, association: Association, study: MadeStudy
) -> None:
    with sender.listening():
        kept = store(association, study)
        assert ask(association, generate_uid(), *kept) == 0x0000
        association.release()
        (report,) = sender.wait_for_reports()
        assert sender.heard[0][0] == "called"
        assert list(report.committed) == kept
        assert sender.event_types == [1]
        wait_until(lambda: nothing_waits(node), 10, "the files of the transaction to go")


def test_a_sender_that_is_away_is_told_when_it_is_back(
    node: Node, sender: Sender, association: Association, study: MadeStudy, logs: StringIO
) -> None:
    kept = store(association, study)
    assert ask(association, generate_uid(), *kept) == 0x0000
    association.release()
    wait_until(lambda: "could not be reported" in logs.getvalue(), 20, "a first call in vain")
    sender.answers = 0x0110  # back, but not well: it does not take the report
    with sender.listening():
        sender.wait_for_reports()
    sender.answers = 0x0000
    with sender.listening():
        wait_until(lambda: nothing_waits(node), 30, "the report to be taken")
    assert {report.committed for _, report in sender.heard} == {tuple(kept)}


def test_a_transaction_that_is_asked_for_twice_is_reported_twice(
    node: Node, sender: Sender, association: Association, study: MadeStudy
) -> None:
    kept = store(association, study)
    transaction = generate_uid()
    assert ask(association, transaction, *kept) == 0x0000
    sender.wait_for_reports(1)
    assert ask(association, transaction, *kept) == 0x0000
    reports = sender.wait_for_reports(2)
    assert reports[0] == reports[1]


def test_a_sender_without_an_address_that_has_left_is_given_up(node: Node, study: MadeStudy, logs: StringIO) -> None:
    unknown = Sender(free_port(), ae_title="NOBODY")
    association = unknown.associate(node.port)
    assert ask(association, "1.2.3", *store(association, study)) == 0x0000
    association.release()
    given_up = node.spool.commitments / "given-up"
    wait_until(lambda: given_up.exists() and list(given_up.glob("1.2.3_*.json")), 20, "its answer to be put aside")
    assert "no peer with this AE title has a host to call" in logs.getvalue()


def test_one_without_an_address_that_stays_is_told(node: Node, study: MadeStudy) -> None:
    unknown = Sender(free_port(), ae_title="NOBODY")
    association = unknown.associate(node.port)
    kept = store(association, study)
    assert ask(association, generate_uid(), *kept) == 0x0000
    assert list(unknown.wait_for_reports()[0].committed) == kept
    association.release()


def without(keyword: str) -> Dataset:
    information = action_information("1.2.3", [Reference(CLIP, "1.2.4")])
    delattr(information, keyword)
    return information


def with_reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    return action_information("1.2.3", [Reference(sop_class_uid, sop_instance_uid)])


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize(
    ("information", "action", "instance", "status"),
    [
        (with_reference(CLIP, "1.2.4"), 2, WELL_KNOWN_INSTANCE, 0x0123),
        (with_reference(CLIP, "1.2.4"), REQUEST, "1.2.3", 0x0112),
        (without("TransactionUID"), REQUEST, WELL_KNOWN_INSTANCE, 0x0115),
        (without("ReferencedSOPSequence"), REQUEST, WELL_KNOWN_INSTANCE, 0x0115),
        (action_information("1.2.3", []), REQUEST, WELL_KNOWN_INSTANCE, 0x0115),
        (action_information("../../evil", [Reference(CLIP, "1.2.4")]), REQUEST, WELL_KNOWN_INSTANCE, 0x0115),
        (with_reference(CLIP, ""), REQUEST, WELL_KNOWN_INSTANCE, 0x0115),
        (with_reference("Secretname^Given", "1.2.4"), REQUEST, WELL_KNOWN_INSTANCE, 0x0115),
        (None, REQUEST, WELL_KNOWN_INSTANCE, 0x0115),
    ],
    ids=["action", "instance", "no-transaction", "no-sequence", "empty", "path", "no-uid", "no-class", "no-data-set"],
)
def test_a_request_that_makes_no_sense_is_told_why(
    node: Node,
    association: Association,
    logs: StringIO,
    information: Dataset | None,
    action: int,
    instance: str,
    status: int,
) -> None:
    response, _ = association.send_n_action(information, action, STORAGE_COMMITMENT, instance)
    assert response.Status == status
    assert "secret" not in logs.getvalue().lower()
    assert nothing_waits(node)
    assert ask(association, "1.2.3", (CLIP, "1.2.4")) == 0x0000


def test_who_may_not_send_may_not_ask(node: Node) -> None:
    association = Sender(free_port(), ae_title="PACS").associate(node.port)
    assert [str(context.abstract_syntax) for context in association.accepted_contexts] == [STORAGE_COMMITMENT]
    assert ask(association, "1.2.3", (CLIP, "1.2.4")) == 0x0124
    association.release()


def test_with_the_registry_away_a_request_is_taken_and_answered_when_it_is_back(
    settings: Settings, sender: Sender, study: MadeStudy
) -> None:
    database = Database(settings.database_url)  # no schema yet: every statement fails
    with Node(settings, database).running() as node:
        association = sender.associate(node.port)
        kept = store(association, study)
        assert ask(association, generate_uid(), *kept) == 0x0000
        database.upgrade()
        assert list(sender.wait_for_reports()[0].committed) == kept
        association.release()


def test_what_was_asked_before_a_crash_is_answered_after_it(
    settings: Settings, sender: Sender, study: MadeStudy
) -> None:
    database = Database(settings.database_url)
    database.upgrade()
    node = Node(settings, database)
    node.receiver.start()
    association = sender.associate(node.port)
    kept = store(association, study)
    assert ask(association, generate_uid(), *kept) == 0x0000
    association.abort()
    node.receiver.stop()
    with sender.listening(), Node(settings, database).running():
        assert list(sender.wait_for_reports()[0].committed) == kept
