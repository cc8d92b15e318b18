"""Each report is registered once and finds its study, whichever of the two comes first; later ones take its place."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import OperationalError

from config.settings import load_settings
from db.consistency.received_reports import BY_HAND, Via, match_by_hand, received_reports_of
from db.tables.consistency import DueCheck, ReceivedReport
from db.tables.studies import Study
from tests.support.incoming_reports import STUDY, Hospital, oru
from worker.consistency.arriving import report_intake
from worker.consistency.arriving.kept_reports import KeptReport, keep_report, wait_again
from worker.consistency.arriving.received import read_received
from worker.consistency.arriving.registering import Registering
from worker.consistency.arriving.report_intake import ReportIntake
from worker.consistency.documents.kinds import ReportKind
from worker.consistency.reading import ReportReader

pytestmark = pytest.mark.long

OTHER = "1.2.826.0.1.3680043.8.498.77.2"


however_identities_are_kept = pytest.mark.parametrize(
    "hospital", ["plain", "encrypted", "pseudonymised"], indirect=True
)


@pytest.fixture
def hospital(tmp_path: Path, request: pytest.FixtureRequest) -> Hospital:
    mode = getattr(request, "param", "plain")
    key = "" if mode == "plain" else base64.b64encode(bytes(32)).decode()
    privacy = {"patient_identities": mode, "key": key, "key_file": ""}
    return Hospital(load_settings(data_dir=tmp_path / "data", privacy=privacy))


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The studies that were checked again, in order."""
    studies: list[int] = []
    monkeypatch.setattr(report_intake, "resolve_name", lambda _: lambda _context, study_id: studies.append(study_id))
    return studies


def comes(hospital: Hospital, content: bytes, **said: str) -> None:
    """A report is kept, and the worker looks once."""
    kind = ReportKind.HL7 if content.startswith(b"MSH") else ReportKind.TEXT
    keep_report(hospital.spool, KeptReport(content=content, kind=kind, via=Via.FOLDER, **said))
    hospital.intake.work_once()


def counting(hospital: Hospital, study_id: int) -> list[str]:
    """The texts of the reports of a study that count."""
    with hospital.context.database.read() as session:
        return [
            read_received(hospital.spool, row, ReportReader()).text for row in received_reports_of(session, study_id)
        ]


def test_a_report_that_comes_after_its_study_is_matched_at_once(hospital: Hospital) -> None:
    hospital.receive_study()
    comes(hospital, oru())
    (report,) = hospital.reports()
    assert (report.study_instance_uid, report.matched_by, report.via) == (STUDY, "accession number", "folder")
    assert report.status == "final"
    assert hospital.waiting == []


@however_identities_are_kept
def test_a_report_that_comes_before_its_study_waits_for_it(hospital: Hospital) -> None:
    comes(hospital, oru())
    (report,) = hospital.reports(unmatched_only=True)
    assert report.why_unmatched == "no study of this patient, and none with an accession number of the report, is here"
    hospital.receive_study(OTHER, accession="ACC-78", patient="another")
    hospital.intake.work_once()
    assert hospital.reports(unmatched_only=True)
    hospital.receive_study()
    hospital.intake.work_once()
    (report,) = hospital.reports()
    assert (report.study_instance_uid, report.why_unmatched) == (STUDY, None)


def test_what_waited_is_matched_by_a_worker_that_starts_later(hospital: Hospital) -> None:
    comes(hospital, oru())
    hospital.receive_study()
    report_intake.ReportIntake(hospital.context).work_once()
    assert [report.study_instance_uid for report in hospital.reports()] == [STUDY]


@however_identities_are_kept
def test_a_better_match_takes_the_place_of_patient_and_time(hospital: Hospital, checked: list[int]) -> None:
    earlier = hospital.report_study(OTHER, accession=None)
    comes(hospital, oru())
    assert [report.matched_by for report in hospital.reports()] == ["patient and time"]
    later = hospital.report_study()
    hospital.intake.work_once()
    assert [(r.study_instance_uid, r.matched_by) for r in hospital.reports()] == [(STUDY, "accession number")]
    assert checked == [earlier, earlier, later]


@however_identities_are_kept
def test_the_study_of_another_patient_is_never_taken(hospital: Hospital) -> None:
    hospital.receive_study(patient="another")
    comes(hospital, oru())
    (report,) = hospital.reports(unmatched_only=True)
    assert report.why_unmatched == "the study with the accession number of the report is of another patient"


def test_the_same_message_twice_is_one_report(hospital: Hospital) -> None:
    """As when the sender was not told in time, or the process was killed between keeping and acknowledging."""
    hospital.receive_study()
    comes(hospital, oru())
    comes(hospital, oru())
    assert len(hospital.reports()) == 1
    assert len(list((hospital.spool.received_reports / "kept").glob("??/*"))) == 1


def test_a_worker_that_dies_after_the_commit_registers_nothing_twice(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def died(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == "inbox":
            raise OSError("killed")
        unlink(path, missing_ok)

    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", died)
        comes(hospital, oru())
    assert (len(hospital.waiting), len(hospital.reports())) == (1, 1)
    hospital.intake.work_once()
    assert (len(hospital.waiting), len(hospital.reports())) == (0, 1)


def test_each_result_of_a_message_is_a_report(hospital: Hospital) -> None:
    study = hospital.receive_study()
    comes(hospital, oru(orders=2))
    assert len({report.report_id for report in hospital.reports()}) == 2
    assert len(counting(hospital, study)) == 2


def test_a_corrected_result_takes_the_place_of_the_earlier_one(hospital: Hospital, checked: list[int]) -> None:
    study = hospital.report_study()
    comes(hospital, oru("EF 55 %.", status="P"))
    comes(hospital, oru("EF 35 %.", status="C", control_id="MSG2"))
    comes(hospital, oru("EF 55 %.", status="P"))  # the engine repeats its queue
    first, second = hospital.reports()
    assert first.superseded_by == second.id
    assert counting(hospital, study) == ["Findings: EF 35 %."]
    assert checked == [study, study]


def test_a_result_that_is_taken_back_leaves_none(hospital: Hospital, checked: list[int]) -> None:
    study = hospital.report_study()
    comes(hospital, oru())
    comes(hospital, oru(status="X", control_id="MSG2"))
    assert counting(hospital, study) == []
    assert checked == [study, study]


@however_identities_are_kept
def test_results_of_other_orders_patients_and_services_stand_beside(hospital: Hospital) -> None:
    comes(hospital, oru())
    comes(hospital, oru(filler="FILLER-2", control_id="MSG2"))
    comes(hospital, oru(patient="another", control_id="MSG3"))
    comes(hospital, oru(filler="", control_id="MSG4"))
    assert [report.superseded_by for report in hospital.reports()] == [None] * 4


def test_a_study_with_results_is_checked_and_one_on_its_way_is_not(hospital: Hospital, checked: list[int]) -> None:
    hospital.receive_study(OTHER, accession="ACC-78")
    comes(hospital, oru(accession="ACC-78"))
    assert checked == []
    study = hospital.report_study()
    comes(hospital, oru(filler="FILLER-2", control_id="MSG2"))
    assert checked == [study]
    hospital.intake.work_once()
    assert checked == [study]


def test_a_report_that_came_while_the_report_step_ran_is_checked_afterwards(
    hospital: Hospital, checked: list[int]
) -> None:
    study = hospital.report_study()
    with hospital.context.database.write() as session:
        session.execute(update(Study).values(state="SCORED"))
    comes(hospital, oru())
    assert checked == []
    with hospital.context.database.write() as session:
        session.execute(update(Study).values(state="REPORTED"))
    hospital.intake.work_once()
    assert checked == [study]


def test_a_check_that_fails_is_put_off(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("GEHEIM")

    monkeypatch.setattr(report_intake, "resolve_name", lambda _: fails)
    hospital.report_study()
    comes(hospital, oru())
    with hospital.context.database.read() as session:
        due_at = session.scalars(select(DueCheck.due_at)).one()
    assert due_at > datetime.now(UTC) + timedelta(minutes=9)


def test_a_registry_that_goes_away_keeps_the_reports_waiting(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("", None, Exception())

    with monkeypatch.context() as gone:
        gone.setattr("worker.consistency.arriving.registering.add_received_report", away)
        comes(hospital, oru())
    assert (len(hospital.waiting), hospital.reports()) == (1, [])
    hospital.intake.work_once()
    assert (hospital.waiting, len(hospital.reports())) == ([], 1)


def test_a_damaged_file_holds_up_no_other(hospital: Hospital) -> None:
    inbox = hospital.spool.received_reports / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "0.report").write_bytes(b"no line of JSON")
    comes(hospital, oru())
    assert len(hospital.reports()) == 1
    assert [path.name for path in hospital.spool.damaged.iterdir()] == ["inbox-0.report"]


def test_a_message_without_a_result_is_listed(hospital: Hospital) -> None:
    comes(hospital, b"\r".join(line for line in oru().split(b"\r") if not line.startswith(b"OB")))
    assert [report.why_unmatched for report in hospital.reports()] == ["the HL7 message has no result in it (OBR)"]


def test_the_same_text_about_two_studies_is_two_reports(hospital: Hospital) -> None:
    hospital.receive_study()
    hospital.receive_study(OTHER, accession="ACC-78")
    comes(hospital, b"Normal study.", accession_number="ACC-77")
    comes(hospital, b"Normal study.", study_instance_uid=OTHER)
    assert [report.study_instance_uid for report in hospital.reports()] == [STUDY, OTHER]


def test_a_text_of_the_folder_is_the_next_version_of_that_under_the_same_name(hospital: Hospital) -> None:
    study = hospital.receive_study()
    comes(hospital, b"EF 55 %.", accession_number="ACC-77")
    comes(hospital, b"EF 35 %.", accession_number="ACC-77")
    comes(hospital, b"EF 40 %.", study_instance_uid=STUDY)
    assert counting(hospital, study) == ["EF 35 %.", "EF 40 %."]


def test_what_somebody_matched_stays_and_its_correction_follows(hospital: Hospital, checked: list[int]) -> None:
    study = hospital.report_study(OTHER, accession="ACC-1", patient="another")
    comes(hospital, oru())
    with hospital.context.database.write() as session:
        match_by_hand(session, hospital.reports()[0].id, OTHER, now=datetime.now(UTC))
    hospital.receive_study()
    hospital.intake.work_once()
    assert [(r.study_instance_uid, r.matched_by) for r in hospital.reports()] == [(OTHER, BY_HAND)]
    assert checked == [study]


def test_a_correction_of_what_somebody_matched_is_of_that_study(hospital: Hospital) -> None:
    hospital.receive_study(OTHER, accession="ACC-1", patient="another")
    comes(hospital, oru())
    with hospital.context.database.write() as session:
        match_by_hand(session, hospital.reports()[0].id, OTHER, now=datetime.now(UTC))
    comes(hospital, oru("EF 35 %.", status="C", control_id="MSG2"))
    assert [report.study_instance_uid for report in hospital.reports()] == [OTHER, OTHER]


def test_a_registry_that_is_lost_is_made_anew_from_the_spool(hospital: Hospital) -> None:
    comes(hospital, oru(status="P"))
    comes(hospital, oru(status="F", control_id="MSG2"))
    before = [(report.report_id, report.status, report.received_at) for report in hospital.reports()]
    with hospital.context.database.write() as session:
        for row in session.scalars(select(ReceivedReport)):
            session.delete(row)
    assert wait_again(hospital.spool) == 2
    hospital.intake.work_once()
    after = hospital.reports()
    assert [(report.report_id, report.status, report.received_at) for report in after] == before
    assert after[0].superseded_by == after[1].id


def test_what_somebody_matched_is_so_in_a_registry_that_is_made_anew(hospital: Hospital) -> None:
    """Whichever comes back first; and though the report itself names a study that is here."""
    hospital.receive_study(OTHER, accession="ACC-1", patient="another")
    comes(hospital, oru())
    by_hand = Registering.of(hospital.settings, hospital.spool, hospital.context.database)
    by_hand.match_by_hand(hospital.reports()[0].id, OTHER)
    comes(hospital, oru("EF 35 %.", status="C", control_id="MSG2"))
    comes(hospital, oru("EF 60 %.", filler="FILLER-2", control_id="MSG3"))
    with hospital.context.database.write() as session:
        session.execute(delete(ReceivedReport))
        session.execute(delete(Study))
    hospital.intake = ReportIntake(hospital.context)
    hospital.receive_study()
    assert wait_again(hospital.spool) == 3
    hospital.intake.work_once()
    *given, third = hospital.reports()
    assert {report.why_unmatched for report in given} == {f"somebody has given it to study {OTHER}, which is not here"}
    assert third.study_instance_uid == STUDY
    study = hospital.receive_study(OTHER, accession="ACC-1", patient="another")
    hospital.intake.work_once()
    assert counting(hospital, study) == ["Findings: EF 35 %."]
    assert hospital.reports()[1].matched_by == BY_HAND
    # A word that somebody says later replaces the one before, here as well.
    by_hand.match_by_hand(hospital.reports()[1].id, STUDY)
    kept = [file.read_text() for file in hospital.spool.received_reports.glob("kept/??/*.matched")]
    assert sorted(kept) == [f'{{"0": "{STUDY}"}}', f'{{"0": "{OTHER}"}}']


def test_a_damaged_word_on_whose_study_it_is_costs_no_report(hospital: Hospital) -> None:
    comes(hospital, oru())
    (kept,) = hospital.spool.received_reports.glob("kept/??/*")
    kept.with_suffix(".matched").write_text("{")
    with hospital.context.database.write() as session:
        session.execute(delete(ReceivedReport))
    wait_again(hospital.spool)
    hospital.intake.work_once()
    assert len(hospital.reports()) == 1
    assert [file.suffix for file in hospital.spool.damaged.iterdir()] == [".matched"]


def test_disabled_nothing_is_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__ENABLED", "false")
    hospital = Hospital(load_settings(data_dir=tmp_path / "data"))
    comes(hospital, oru())
    assert (len(hospital.waiting), hospital.reports()) == (1, [])
