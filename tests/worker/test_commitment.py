"""Reports go to a PACS that is to commit to keeping them: to real associations, through step, node and registry."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import load_settings
from config.steps import Step
from db.reading.queries import StudyDetail
from dicom_node.commitment.messages import CommitmentReport
from tests.support.clips import SMALL
from tests.support.commitment import CommittingPACS, Node
from tests.support.waiting import wait_until
from tests.worker.pipeline import Pipeline

SITE = """
[node]
port = 0
[pipeline]
retry_after_s = 0.001
commitment_again_after_s = {again_after_s}
[[peers]]
roles = ["destination"]
name = "pacs"
host = "127.0.0.1"
port = {port}
ae_title = "PACS"
accept_models = ["UNTRAINED"]
objects = ["sr"]
storage_commitment = true
"""
AWAITED = "waits for the storage commitment of pacs"


@pytest.fixture
def pacs() -> Iterator[CommittingPACS]:
    with CommittingPACS().running() as running:
        yield running


def pipeline_to(
    pacs: CommittingPACS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, again_after_s: float = 3600
) -> tuple[Pipeline, str]:
    """And a study in it whose report is built."""
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(port=pacs.port, again_after_s=again_after_s))
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    pipeline = Pipeline.create(load_settings(data_dir=tmp_path / "data"))
    study = pipeline.receive(SMALL)
    pipeline.fall_quiet()
    pipeline.run(study, (Step.PREPARE, Step.SCORE, Step.REPORT))
    return pipeline, study


def node_of(pipeline: Pipeline) -> Node:
    return Node(pipeline.context.settings, pipeline.context.database)


def delivery(detail: StudyDetail) -> tuple[str, str | None]:
    assert detail.report is not None
    (found,) = detail.report.deliveries
    return found.state, found.last_answer


def test_a_report_counts_as_delivered_once_the_pacs_has_committed_on_the_same_association(
    pacs: CommittingPACS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, study = pipeline_to(pacs, tmp_path, monkeypatch)
    detail = pipeline.run(study, [Step.DELIVER])
    assert detail.report is not None
    assert pacs.stored == [detail.report.sop_instance_uid]
    assert (detail.study.state, detail.reason, detail.study.attempts) == ("REPORTED", AWAITED, 0)
    assert delivery(detail) == ("SENT", "0x0000")
    assert pacs.statuses == [0x0000]  # it is durable in the spool; the intake applies it
    node_of(pipeline).intake.work_once()
    detail = pipeline.run(study, [Step.DELIVER])
    assert (detail.study.state, delivery(detail)) == ("DELIVERED", ("DELIVERED", "storage committed"))
    assert (len(pacs.stored), len(pacs.asked)) == (1, 1)


def test_a_pacs_that_calls_our_node_is_heard(
    pacs: CommittingPACS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, study = pipeline_to(pacs, tmp_path, monkeypatch)
    with node_of(pipeline).running() as node:
        pacs.reports, pacs.node_port = "called", node.port
        pipeline.run(study, [Step.DELIVER])
        wait_until(lambda: delivery(pipeline.detail(study))[0] == "DELIVERED", 20, "the report to be applied")
        pacs.report_by_call(CommitmentReport(transaction_uid="1.2.3"), node.port)
    assert pacs.statuses == [0x0000, 0x0000]  # the second is of a transaction that is not ours
    assert pipeline.run(study, [Step.DELIVER]).study.state == "DELIVERED"


def test_what_the_pacs_does_not_keep_is_sent_again_the_same_object(
    pacs: CommittingPACS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, study = pipeline_to(pacs, tmp_path, monkeypatch)
    pacs.failure_reason = 0x0112
    pipeline.run(study, [Step.DELIVER])
    intake = node_of(pipeline).intake
    intake.work_once()
    detail = pipeline.detail(study)
    assert delivery(detail) == ("DUE", "storage not committed: 0x0112 no such object instance")
    assert detail.reason == "pacs: storage not committed: 0x0112 no such object instance"
    pacs.failure_reason = 0
    pipeline.run(study, [Step.DELIVER])
    intake.work_once()
    assert pipeline.run(study, [Step.DELIVER]).study.state == "DELIVERED"
    assert pacs.stored[0] == pacs.stored[1]
    assert len(set(pacs.asked)) == 2


def test_a_pacs_that_never_reports_is_asked_again_and_not_sent_again(
    pacs: CommittingPACS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, study = pipeline_to(pacs, tmp_path, monkeypatch, again_after_s=0.1)
    pacs.reports = "never"
    pipeline.run(study, [Step.DELIVER])
    wait_until(lambda: len(pipeline.run(study, [Step.DELIVER]) and pacs.asked) >= 2, 20, "it to be asked again")
    assert len(set(pacs.asked)) == len(pacs.asked)
    assert len(pacs.stored) == 1
    detail = pipeline.detail(study)
    assert (detail.study.state, detail.study.attempts, delivery(detail)[0]) == ("REPORTED", 0, "SENT")


def test_a_pacs_that_takes_no_request_is_a_failed_attempt_that_says_so(
    pacs: CommittingPACS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, study = pipeline_to(pacs, tmp_path, monkeypatch)
    pacs.action_status = 0x0213
    detail = pipeline.run(study, [Step.DELIVER])
    assert (detail.study.state, delivery(detail)[0]) == ("REPORTED", "DUE")
    assert "answers 0x0213 to the request for storage commitment" in str(detail.reason)
    assert "answers 0x0213" in str(delivery(detail)[1])
