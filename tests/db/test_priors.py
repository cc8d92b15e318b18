"""Earlier measurements of a patient: whose, of which models, and the same answer whenever it is asked."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from config.catalogue import load_catalogue
from db.priors import PLACEHOLDER_STUDIES, EarlierValue, earlier_values
from db.received import Identity, ReceivedInstance
from db.results import append_run
from db.runs import TaskResult, Verdict
from db.schema import Study
from db.session import Database
from db.studies import register_instance
from tests.support.results import run_of

CATALOGUE = load_catalogue()
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
Scored = Callable[..., int]


def scored(
    registry: Database,
    received: Callable[..., ReceivedInstance],
    *,
    study: str,
    on: str | None,
    value: float | None,
    patient: str | None = "4711",
    born: str | None = "19600203",
    at: datetime = NOON,
    **model: str,
) -> int:
    """A study of this day with one run that measured this; its number."""
    identity = Identity(patient_id=patient, patient_name=None, birth_date=born, accession_number=None, study_date=on)
    verdict = Verdict.ABSTAINED if value is None else Verdict.MEASURED
    run = run_of(CATALOGUE, (TaskResult(task_id="lvef", verdict=verdict, value=value),), run_uid=str(uuid.uuid4()))
    run = replace(run, study_instance_uid=study, finished_at=at, model=replace(run.model, **model))
    with registry.write() as session:
        register_instance(session, replace(received(study=study), identity=identity), timedelta(seconds=30))
        study_id = session.scalars(select(Study.id).where(Study.study_instance_uid == study)).one()
        append_run(session, study_id=study_id, run=run, units={})
    return study_id


def asked(registry: Database, study_id: int, *, until: datetime = NOON) -> list[EarlierValue]:
    model = run_of(CATALOGUE, ()).model
    with registry.read() as session:
        return earlier_values(session, study_id=study_id, task_id="lvef", model=model, until=until)


def test_earlier_studies_of_the_patient_come_in_the_order_of_their_dates(
    registry: Database, received: Callable[..., ReceivedInstance]
) -> None:
    scored(registry, received, study="1.2.2", on="20250601", value=52.0)
    scored(registry, received, study="1.2.1", on="20230601", value=61.0, patient=" 4711 ")
    scored(registry, received, study="1.2.3", on="20270101", value=30.0)  # a later one
    this = scored(registry, received, study="1.2.4", on="20260501", value=45.0)
    assert asked(registry, this) == [
        EarlierValue(study_date="20230601", value=61.0),
        EarlierValue(study_date="20250601", value=52.0),
    ]


def test_other_patients_other_models_and_studies_without_a_measurement_are_left_out(
    registry: Database, received: Callable[..., ReceivedInstance]
) -> None:
    scored(registry, received, study="1.2.1", on="20230101", value=61.0, patient="4712")
    scored(registry, received, study="1.2.2", on="20230102", value=61.0, born="19990101")
    scored(registry, received, study="1.2.3", on="20230103", value=61.0, family="another")
    scored(registry, received, study="1.2.4", on="20230104", value=61.0, label="DEMO")
    scored(registry, received, study="1.2.5", on="20230105", value=None)
    scored(registry, received, study="1.2.6", on=None, value=61.0)
    this = scored(registry, received, study="1.2.9", on="20260501", value=45.0)
    assert asked(registry, this) == []
    nobody = scored(registry, received, study="1.2.10", on="20260501", value=45.0, patient=None)
    assert asked(registry, nobody) == []


def test_what_is_scored_afterwards_does_not_change_the_answer(
    registry: Database, received: Callable[..., ReceivedInstance]
) -> None:
    scored(registry, received, study="1.2.1", on="20230601", value=61.0, at=NOON - timedelta(days=3))
    scored(registry, received, study="1.2.1", on="20230601", value=60.0, at=NOON - timedelta(days=2))
    this = scored(registry, received, study="1.2.9", on="20260501", value=45.0)
    before = asked(registry, this)
    assert before == [EarlierValue(study_date="20230601", value=60.0)]
    scored(registry, received, study="1.2.1", on="20230601", value=33.0, at=NOON + timedelta(days=1))
    scored(registry, received, study="1.2.2", on="20240601", value=33.0, at=NOON + timedelta(days=1))
    assert asked(registry, this) == before


def test_an_id_that_stands_for_many_is_nobodys(registry: Database, received: Callable[..., ReceivedInstance]) -> None:
    for number in range(PLACEHOLDER_STUDIES):
        scored(registry, received, study=f"1.2.3.{number + 1}", on="20230601", value=61.0)
    this = scored(registry, received, study="1.2.9", on="20260501", value=45.0)
    assert asked(registry, this) == []
