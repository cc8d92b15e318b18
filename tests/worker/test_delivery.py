"""What may leave, and to whom: settings, destinations and files change between a report and its delivery."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.uid import Comprehensive3DSRStorage
from pynetdicom import AE, evt

from config.steps import Step
from db.lifecycle.studies import requeue
from db.reading.queries import StudyDetail
from tests.support.clips import LARGE, SMALL, as_study_of_its_own
from tests.support.scps import serving
from tests.support.servers import StoreSCP
from tests.worker.pipeline import TO_REPORT, Pipeline, pipeline_to, ready

pytestmark = pytest.mark.long


def deliveries_of(detail: StudyDetail) -> dict[str, tuple[str, str | None]]:
    assert detail.report is not None
    return {d.destination: (d.state, d.last_answer) for d in detail.report.deliveries}


def requeue_plainly(pipeline: Pipeline, study: str) -> Step:
    with pipeline.context.database.write() as session:
        return requeue(session, study, now=datetime.now(UTC))


@contextmanager
def scp_that_answers(status: int) -> Iterator[int]:
    """A storage SCP that answers every C-STORE with this status: its port."""
    ae = AE(ae_title="STORESCP")
    ae.add_supported_context(Comprehensive3DSRStorage)
    with serving(ae, [(evt.EVT_C_STORE, lambda _: status)]) as port:
        yield port


def test_a_destination_that_takes_such_results_no_more_is_not_sent_what_was_due_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storescp: StoreSCP, nobody: int
) -> None:
    pipeline = pipeline_to(tmp_path, monkeypatch, pacs=nobody, second=storescp.port, second_accepts="UNTRAINED")
    study = ready(pipeline, SMALL)
    pipeline.run(study, TO_REPORT)
    changed = pipeline_to(tmp_path, monkeypatch, pacs=nobody, second=storescp.port, second_accepts="CLINICAL")
    detail = changed.run(study, [Step.DELIVER])
    assert deliveries_of(detail)["second"] == ("CANCELLED", "accepts no results of UNTRAINED models any more")
    assert detail.study.state == "REPORTED"
    assert list(storescp.folder.iterdir()) == []


def test_a_destination_that_was_removed_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storescp: StoreSCP, nobody: int
) -> None:
    pipeline = pipeline_to(tmp_path, monkeypatch, pacs=storescp.port, second=nobody, second_accepts="UNTRAINED")
    study = ready(pipeline, SMALL)
    pipeline.run(study, TO_REPORT)
    site = tmp_path / "site.toml"
    site.write_text(site.read_text().replace('"second"', '"another"'))
    detail = Pipeline.over_again(pipeline).run(study, [Step.DELIVER])
    assert detail.study.state == "DELIVERED"
    assert deliveries_of(detail) == {
        "pacs": ("DELIVERED", "0x0000"),
        "second": ("CANCELLED", "no longer among the configured destinations"),
    }


def test_a_report_that_went_nowhere_is_not_called_delivered_and_a_plain_requeue_sends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storescp: StoreSCP, nobody: int
) -> None:
    pipeline = pipeline_to(tmp_path, monkeypatch, pacs=storescp.port, second=nobody)
    study = ready(pipeline, SMALL)
    pipeline.run(study, TO_REPORT)
    site = tmp_path / "site.toml"
    with_destination = site.read_text()
    site.write_text("")
    without = Pipeline.over_again(pipeline)
    detail = without.run(study, [Step.DELIVER])
    assert (detail.study.state, detail.study.lease_token) == ("REPORTED", None)
    assert "the report stays here" in str(detail.reason)
    journal = len(detail.journal)
    assert len(without.run(study, [Step.DELIVER]).journal) == journal, "nothing is due until somebody asks"
    site.write_text(with_destination)
    again = Pipeline.over_again(pipeline)
    assert requeue_plainly(again, study) is Step.REPORT
    detail = again.run(study, [Step.REPORT, Step.DELIVER])
    assert detail.study.state == "DELIVERED"
    assert len(list(storescp.folder.iterdir())) == 1


def test_a_peer_that_has_the_report_already_counts_as_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nobody: int
) -> None:
    """0111, duplicate SOP instance: its answer to an earlier attempt was lost on the way."""
    with scp_that_answers(0x0111) as port:
        pipeline = pipeline_to(tmp_path, monkeypatch, pacs=port, second=nobody)
        detail = pipeline.run(ready(pipeline, SMALL))
    assert detail.study.state == "DELIVERED"
    assert deliveries_of(detail) == {"pacs": ("DELIVERED", "0x0111 duplicate SOP instance")}


@pytest.mark.parametrize(("status", "state"), [(0xB000, "DELIVERED"), (0xA700, "REPORTED"), (0x0124, "REPORTED")])
def test_a_warning_is_an_acceptance_and_a_refusal_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nobody: int, status: int, state: str
) -> None:
    with scp_that_answers(status) as port:
        pipeline = pipeline_to(tmp_path, monkeypatch, pacs=port, second=nobody)
        detail = pipeline.run(ready(pipeline, SMALL))
    assert detail.study.state == state


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(file.read_bytes()[:-2])])
def test_a_stored_report_that_is_lost_or_changed_is_not_sent_and_can_be_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storescp: StoreSCP, nobody: int, damage: object
) -> None:
    assert callable(damage)
    pipeline = pipeline_to(tmp_path, monkeypatch, pacs=storescp.port, second=nobody)
    study = ready(pipeline, SMALL)
    report = pipeline.run(study, TO_REPORT).report
    assert report is not None
    file = pipeline.context.spool.absolute(report.spool_path)
    whole = file.read_bytes()
    damage(file)
    detail = pipeline.run(study, [Step.DELIVER])
    assert detail.study.state == "FAILED"
    assert f"report {report.sop_instance_uid} is lost or changed" in str(detail.reason)
    assert list(storescp.folder.iterdir()) == []
    with pipeline.context.database.write() as session:
        requeue(session, study, now=datetime.now(UTC), step=Step.REPORT)
    assert pipeline.run(study, [Step.REPORT, Step.DELIVER]).study.state == "DELIVERED"
    assert file.read_bytes() == whole


def test_a_destination_that_takes_it_no_more_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storescp: StoreSCP, nobody: int
) -> None:
    """What was delivered stays delivered, and the study with it."""
    pipeline = pipeline_to(tmp_path, monkeypatch, pacs=storescp.port, second=nobody, second_accepts="UNTRAINED")
    study = ready(pipeline, as_study_of_its_own(LARGE, tmp_path))
    assert pipeline.run(study).study.state == "REPORTED"
    changed = pipeline_to(tmp_path, monkeypatch, pacs=storescp.port, second=nobody, second_accepts="CLINICAL")
    detail = changed.run(study, [Step.DELIVER])
    assert detail.study.state == "DELIVERED"
    assert {name: state for name, (state, _) in deliveries_of(detail).items()} == {
        "pacs": "DELIVERED",
        "second": "CANCELLED",
    }
