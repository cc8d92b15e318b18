"""Earlier measurements of a patient: whose, of which models, and the same answer whenever it is asked."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from config.catalogue import load_catalogue
from config.sections.privacy import IdentityMode
from db.identities import IdentityKeeper
from db.lifecycle.received import Identity, ReceivedInstance
from db.lifecycle.studies import register_instance
from db.reading.priors import PLACEHOLDER_STUDIES, EarlierValue, earlier_values, last_run_before
from db.rescoring.rescored import append_runs_beside, counts_since
from db.results.recording import append_run
from db.results.runs import TaskResult, Verdict
from db.session import Database
from db.tables.rescoring import RescoredStudy, Rescoring
from db.tables.studies import Study
from tests.support.results import run_of
from worker.consistency.checking import earlier_found

CATALOGUE = load_catalogue()
KEY = bytes(range(32))
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
Scored = Callable[..., int]


@pytest.fixture(
    params=[
        ("sqlite", IdentityMode.PLAIN),
        ("postgresql", IdentityMode.PLAIN),
        ("sqlite", IdentityMode.ENCRYPTED),
        ("sqlite", IdentityMode.PSEUDONYMISED),
    ],
    ids="-".join,
)
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """However identities are kept, earlier studies of a patient are found."""
    kind, mode = request.param
    url = f"sqlite:///{tmp_path}/registry.sqlite3"
    if kind == "postgresql":
        url = request.getfixturevalue("postgresql_server").create_database(f"priors_{uuid.uuid4().hex}")
    database = Database(url, IdentityKeeper(mode, KEY))
    database.upgrade()
    yield database
    database.close()


def scored(
    registry: Database,
    received: Callable[..., ReceivedInstance],
    *,
    study: str,
    on: str | None,
    value: float | None,
    patient: str | None = "4711",
    born: str | None = "19600203",
    name: str | None = None,
    at: datetime = NOON,
    **model: str,
) -> int:
    """A study of this day with one run that measured this; its number."""
    identity = Identity(patient_id=patient, patient_name=name, birth_date=born, accession_number=None, study_date=on)
    verdict = Verdict.ABSTAINED if value is None else Verdict.MEASURED
    run = run_of(CATALOGUE, (TaskResult(task_id="lvef", verdict=verdict, value=value),), run_uid=str(uuid.uuid4()))
    run = replace(run, study_instance_uid=study, finished_at=at, model=replace(run.model, **model))
    with registry.write() as session:
        instance = replace(received(study=study), identity=identity, received_at=at - timedelta(minutes=5))
        register_instance(session, instance, timedelta(seconds=30))
        study_id = session.scalars(select(Study.id).where(Study.study_instance_uid == study)).one()
        append_run(session, study_id=study_id, run=run, units={})
    return study_id


def asked(registry: Database, study_id: int, *, until: datetime = NOON) -> list[EarlierValue]:
    model = run_of(CATALOGUE, ()).model
    with registry.read() as session:
        return earlier_values(session, study_id=study_id, task_id="lvef", model=model, until=until)


def test_what_was_adopted_counts_from_its_adoption_on_for_both_studies(
    registry: Database, received: Callable[..., ReceivedInstance]
) -> None:
    before = scored(registry, received, study="1.2.1", on="20250601", value=52.0)
    this = scored(registry, received, study="1.2.2", on="20260601", value=45.0)
    anew, adopted_at = NOON + timedelta(days=1), NOON + timedelta(days=2)
    made = [
        replace(run_of(CATALOGUE, (TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=value),)),
                run_uid=str(uuid.uuid4()), finished_at=anew + timedelta(minutes=late))
        for value, late in ((60.0, 1), (44.0, 0))
    ]  # fmt: skip
    with registry.write() as session:
        session.add(Rescoring(id=1, kind="rescore", state="ADOPTED", paused=False, started_by="beat", created_at=anew,
                              state_since=anew, pack="", model_name="", model_version="", model_label="",
                              model_digest="", embedder="", catalogue_digest=""))  # fmt: skip
        session.flush()
        for study_id, run in zip((before, this), made, strict=True):
            (run_id,) = append_runs_beside(session, [(study_id, run)], {})
            session.add(RescoredStudy(rescoring_id=1, study_id=study_id, run_id=run_id, state="ADOPTED",
                                      is_canary=False, adopted_at=adopted_at))  # fmt: skip
    with registry.read() as session:
        until = counts_since(session, made[1])
    assert until == adopted_at
    assert [one.value for one in asked(registry, this, until=until)] == [60.0]
    compared_with = earlier_found(registry, study_id=this, run=made[1])
    assert compared_with is not None
    assert compared_with.number("lvef") == 60.0
    with registry.read() as session:
        assert counts_since(session, replace(made[1], run_uid="never adopted")) == made[1].finished_at


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
    scored(registry, received, study="1.2.2", on="20230102", value=61.0, born=None)
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
    scored(registry, received, study="1.2.3", on="20240602", value=33.0, at=NOON + timedelta(days=1), born="19990101")
    assert asked(registry, this) == before


def test_an_id_that_stands_for_many_is_nobodys(registry: Database, received: Callable[..., ReceivedInstance]) -> None:
    for number in range(PLACEHOLDER_STUDIES):
        scored(registry, received, study=f"1.2.3.{number + 1}", on="20230601", value=61.0)
    this = scored(registry, received, study="1.2.9", on="20260501", value=45.0)
    assert asked(registry, this) == []


@pytest.mark.parametrize(
    ("this_one", "other"),
    [
        ({"name": "Smith^Ann", "born": None}, {"name": "Jones^Bob", "born": None}),
        ({"name": "Smith^Ann", "born": None}, {"name": "Smith^Ann", "born": None}),
        ({"name": "Smith^Ann", "born": ""}, {"name": "Smith^Ann", "born": ""}),
        ({"name": "Smith^Ann"}, {"name": "Smith^Ann", "born": None}),
        ({"name": "Smith^Ann"}, {"name": "Jones^Ann"}),
        ({"name": "Smith^Ann"}, {"name": "Smith^Ann", "born": "19990101"}),
        ({"name": "Yamada^Taro=山田^太郎"}, {"name": "Yamada^Taro=山口^太郎"}),
        ({"name": "Yamada^Taro"}, {"name": "=山田^太郎"}),
        ({"name": "Yamada^Taro=山田^太郎"}, {"name": "山田^太郎"}),
    ],
)
def test_the_values_of_another_person_are_nobodys_trend(
    registry: Database,
    received: Callable[..., ReceivedInstance],
    this_one: dict[str, str | None],
    other: dict[str, str | None],
) -> None:
    scored(registry, received, study="1.2.1", on="20230601", value=61.0, patient="UNKNOWN", **other)
    this = scored(registry, received, study="1.2.2", on="20260501", value=45.0, patient="UNKNOWN", **this_one)
    assert asked(registry, this) == []
    model = run_of(CATALOGUE, ()).model
    with registry.read() as session:
        assert last_run_before(session, study_id=this, model=model, until=NOON) is None


@pytest.mark.parametrize(
    ("this_one", "other"),
    [
        ("Müller^Ann", "MÜLLER^Anna^^Dr"),
        ("O'Neil-Smith^Ann", "ONEIL SMITH^A"),
        ("Yamada^Taro=山田^太郎", "YAMADA^TARO"),
        ("Smith^Ann", ""),
        (None, "Smith^Ann"),
    ],
)
def test_one_person_whose_name_is_written_in_two_ways_has_a_trend(
    registry: Database, received: Callable[..., ReceivedInstance], this_one: str | None, other: str | None
) -> None:
    scored(registry, received, study="1.2.1", on="20230601", value=61.0, name=other)
    this = scored(registry, received, study="1.2.2", on="20260501", value=45.0, name=this_one)
    assert asked(registry, this) == [EarlierValue(study_date="20230601", value=61.0)]


@pytest.mark.parametrize("third", [{"name": "Jones^Bob"}, {"born": "19990101"}])
def test_an_id_that_two_people_share_gives_neither_a_trend(
    registry: Database, received: Callable[..., ReceivedInstance], third: dict[str, str]
) -> None:
    scored(registry, received, study="1.2.1", on="20230601", value=61.0, name="Smith^Ann")
    scored(registry, received, study="1.2.2", on="20270601", value=61.0, **third)  # a later day, received before
    this = scored(registry, received, study="1.2.3", on="20260501", value=45.0, name="Smith^Ann")
    assert asked(registry, this) == []
