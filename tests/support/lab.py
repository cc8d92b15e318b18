"""A small laboratory as rows of the registry, whose every number can be worked out by hand.

Five studies of two machines, around midnight between two months; one model, and a demo model. No pixel, no file.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from db.monitoring.canaries import canary_uid
from db.tables.consistency import DiscordanceRow, ReceivedReport
from db.tables.deliveries import Delivery, Report
from db.tables.pipeline import JournalEntry
from db.tables.runs import CurrentRun, ResultRow, RunRow
from db.tables.studies import Instance, PatientIdentity, Study

PHI = ("4711-X", "Zwölf^Ottilie", "19330224", "ACC-99", "20261031")
"""What of the patient of study 1.2.1 must be seen nowhere."""
OCTOBER = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


def fill(session: Session) -> None:
    """The whole of it."""
    for number, came, sender, state in (
        (1, OCTOBER, "ECHO1", "DELIVERED"),
        (2, NOVEMBER + timedelta(hours=1), "ECHO1", "FAILED"),
        (3, NOVEMBER + timedelta(hours=2), "ECHO1", "DELIVERED"),
        (4, NOVEMBER + timedelta(hours=3), "ECHO1", "SCORED"),
        (5, NOVEMBER, "ECHO2", "DELIVERED"),
    ):
        _study(session, number, came, sender, state)
    session.flush()
    session.add(_instance(1, 2, OCTOBER + timedelta(seconds=30), "ECHO1", size=50, action="store"))
    old = _run(session, 1, "old", OCTOBER + timedelta(minutes=2), lvef=("MEASURED", 10.0), is_current=False)
    last = _run(
        session,
        1,
        "last",
        OCTOBER + timedelta(hours=9),
        lvef=("MEASURED", 60.0),
        pacemaker=("PRESENT", 0.9),
        mr=("CLASSIFIED", 1.0, "mild"),
    )
    second = _run(
        session,
        2,
        "second",
        NOVEMBER,
        lvef=("MEASURED", 40.0),
        pacemaker=("ABSENT", 0.1),
        mr=("CLASSIFIED", 3.0, "severe"),
    )
    third = _run(
        session,
        3,
        "third",
        NOVEMBER,
        lvef=("MEASURED", 50.0),
        pacemaker=("ABSENT", 0.2),
        mr=("ABSTAINED", 0.4, "mild"),
    )
    _run(
        session,
        4,
        "fourth",
        NOVEMBER,
        lvef=("ABSTAINED", None),
        pacemaker=("UNCALIBRATED", 0.2),
        mr=("UNCALIBRATED", 0.7, "mild"),
    )
    _run(session, 5, "fifth", NOVEMBER, label="DEMO", lvef=("MEASURED", 70.0), pacemaker=("PRESENT", 0.8))
    _journal_of_the_first(session)
    _deliveries(session, old, last, second)
    _discordances(session, last, second, third)


def add_canary(session: Session) -> str:
    """A study of our own, scored and delivered on the day of the others; its Study Instance UID."""
    uid = canary_uid(NOVEMBER, 7)
    _study(session, 9, NOVEMBER, "ECHO1", "DELIVERED")
    session.get_one(Study, 9).study_instance_uid = uid
    _run(
        session,
        9,
        "canary",
        NOVEMBER,
        lvef=("MEASURED", 99.0),
        pacemaker=("PRESENT", 0.9),
        mr=("CLASSIFIED", 3.0, "severe"),
    )
    session.add(JournalEntry(study_id=9, revision=1, at=NOVEMBER, state_after="READY", host="h"))
    session.flush()
    return uid


def _study(session: Session, number: int, came: datetime, sender: str, state: str) -> None:
    session.add(
        Study(
            id=number,
            study_instance_uid=f"1.2.{number}",
            state=state,
            state_since=came + timedelta(minutes=10),
            failed_step="deliver" if state == "FAILED" else None,
            reason="PACS: refused" if state == "FAILED" else None,
            created_at=came,
            last_instance_at=came + timedelta(seconds=30),
        )
    )
    session.flush()
    fields = ("patient_id", "patient_name", "birth_date", "accession_number", "study_date")
    session.add(PatientIdentity(study_id=number, **(dict(zip(fields, PHI, strict=True)) if number == 1 else {})))
    session.add(_instance(number, 1, came, sender, size=100))


def _instance(study: int, number: int, at: datetime, sender: str, *, size: int, action: str = "score") -> Instance:
    return Instance(
        study_id=study,
        sop_instance_uid=f"1.2.{study}.1.{number}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.3.1",
        series_instance_uid=f"1.2.{study}.1",
        transfer_syntax_uid="1.2.840.10008.1.2.4.50",
        modality="US",
        spool_path=f"studies/1.2.{study}/{number}.dcm",
        sha256="0" * 64,
        size_bytes=size,
        received_at=at,
        calling_ae_title=sender,
        revision=1,
        action=action,
    )


def _run(
    session: Session,
    study: int,
    uid: str,
    at: datetime,
    *,
    label: str = "RESEARCH",
    is_current: bool = True,
    **answers: tuple[Any, ...],
) -> int:
    run = RunRow(
        run_uid=uid,
        study_id=study,
        revision=1,
        model_name="M",
        model_version="1",
        model_family="f",
        model_label=label,
        model_digest="d" * 64,
        catalogue_digest="c" * 64,
        software_version="0",
        preprocessing_profile="p",
        finished_at=at,
        clips=[{"sop_instance_uid": f"1.2.{study}.1.{number}", "frame_numbers": [1]} for number in (1, 2)],
    )
    session.add(run)
    session.flush()
    for task, (verdict, number, *outcome) in answers.items():
        is_value = task == "lvef"
        session.add(
            ResultRow(
                run_id=run.id,
                task_id=task,
                verdict=verdict,
                value=number if is_value else None,
                unit="%" if is_value and number is not None else None,
                score=None if is_value else number,
                outcome=outcome[0] if outcome else None,
                clips=[],
            )
        )
    if is_current:
        session.add(CurrentRun(study_id=study, run_id=run.id))
    session.flush()
    return run.id


def _journal_of_the_first(session: Session) -> None:
    for before, after, step, seconds in (
        (None, "RECEIVING", None, 0),
        ("RECEIVING", "READY", None, 60),
        ("READY", "READY", "prepare", 70),
        ("READY", "PREPARED", "prepare", 120),
        ("PREPARED", "SCORED", "score", 150),
        ("SCORED", "REPORTED", "report", 180.5),
        ("REPORTED", "DELIVERED", "deliver", 600),
    ):
        session.add(
            JournalEntry(
                study_id=1,
                revision=1,
                at=OCTOBER + timedelta(seconds=seconds),
                step=step,
                state_before=before,
                state_after=after,
                host="h",
                reason="disk full" if before == after else None,
                attempt=1 if step else None,
            )
        )
        session.flush()


def _deliveries(session: Session, old: int, last: int, second: int) -> None:
    built = OCTOBER + timedelta(seconds=180.5)
    for study, run, state, delivered in (
        (1, old, "CANCELLED", None),
        (1, last, "DELIVERED", built + timedelta(seconds=419.5)),
        (2, second, "DEAD", None),
    ):
        session.add(
            Report(
                study_id=study,
                run_id=run,
                sop_instance_uid=f"2.25.{run}",
                sop_class_uid="1.2.3",
                spool_path="reports/x.dcm",
                sha256="0" * 64,
                created_at=built,
                deliveries=[
                    Delivery(
                        destination="PACS",
                        state=state,
                        last_attempt_at=built,
                        last_answer="A900" if state == "DEAD" else None,
                        delivered_at=delivered,
                    )
                ],
            )
        )


def _discordances(session: Session, last: int, second: int, third: int) -> None:
    for study, run, state, superseded in (
        (1, last, "NEW", NOVEMBER),
        (2, second, "NEW", None),
        (3, third, "DISMISSED", None),
    ):
        session.add(
            DiscordanceRow(
                study_id=study,
                run_id=run,
                found_at=NOVEMBER,
                rule="number",
                rules_version="1",
                field="lvef",
                severity="MAJOR",
                confidence=0.9,
                report_id="1.2.9",
                sides=[
                    {"kind": "text-report", "source": "1.2.9", "said": "55 to 60 %", "start": 0, "end": 9, "clips": []},
                    {"kind": "images", "source": "model", "said": "40 %", "start": None, "end": None, "clips": []},
                ],
                state=state,
                superseded_at=superseded,
            )
        )
    session.add(
        ReceivedReport(
            report_id="r" * 64,
            via="hl7",
            received_at=NOVEMBER,
            spool_path="x",
            status="final",
            why_unmatched="no study",
        )
    )
