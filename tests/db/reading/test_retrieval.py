"""What search asks of the registry, on both databases."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from config.labels import ModelLabel
from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import register_instance
from db.reading.retrieval import (
    PatientOfStudy,
    count_unsearchable,
    patients_of,
    received_at,
    searchable_studies,
    views_of,
)
from db.results.embeddings import StoredEmbeddings, record_embeddings
from db.results.recording import PreparedClip, append_run, record_views, replace_clips
from db.results.runs import JudgedClip, ModelIdentity, Run, ViewCall
from db.session import Database
from db.tables.studies import Study
from tests.db.conftest import NOW, QUIET, Receive

KIND = {"embedder": "e" * 64, "preprocessing_profile": "fast-1"}
CALL = ViewCall(view="a4c", name="apical four-chamber", is_heart=True, score=0.3, margin=0.1)


def _register(registry: Database, instance: ReceivedInstance, *, patient: str | None = "1") -> int:
    whose = replace(instance, identity=replace(instance.identity, patient_id=patient))
    with registry.write() as session:
        register_instance(session, whose, QUIET)
        return session.scalars(select(Study.id).where(Study.study_instance_uid == instance.study_instance_uid)).one()


def _embedded(registry: Database, study_id: int, revision: int = 1, **changes: str) -> None:
    stored = StoredEmbeddings(
        study_instance_uid="",
        revision=revision,
        path=f"embeddings/{study_id}/{revision}",
        clips=1,
        frames=1,
        created_at=NOW + timedelta(minutes=revision),
        **{**KIND, **changes},
    )
    with registry.write() as session:
        record_embeddings(session, study_id=study_id, stored=stored)


def _scored(registry: Database, study_id: int, study: str, *clips: PreparedClip) -> None:
    run = Run(
        run_uid=f"run {study_id}",
        study_instance_uid=study,
        revision=1,
        model=ModelIdentity(name="m", version="1", family="f", label=ModelLabel.RESEARCH, digest="0" * 64),
        catalogue_digest="0" * 64,
        software_version="1",
        preprocessing_profile="fast-1",
        finished_at=NOW,
        clips=(),
        results=(),
    )
    with registry.write() as session:
        replace_clips(session, study_id=study_id, revision=1, clips=clips)
        append_run(session, study_id=study_id, run=run, units={})


def _clip(uid: str) -> PreparedClip:
    return PreparedClip(sop_instance_uid=uid, tensor_path=f"tensors/{uid}.npy", preprocessing_profile="fast-1")


def test_of_each_study_the_newest_embeddings_of_this_kind_are_searched(registry: Database, received: Receive) -> None:
    for study in ("1.2.1", "1.2.2", "1.2.3", "1.2.4"):
        number = _register(registry, received(study))
        _embedded(registry, number, embedder="f" * 64)
        if study != "1.2.3":
            _embedded(registry, number)
        if study == "1.2.2":
            _embedded(registry, number, revision=2)
            _embedded(registry, number, revision=3, preprocessing_profile="upstream-1")
    with registry.read() as session:
        found = [(study.study_instance_uid, study.revision) for study in searchable_studies(session, **KIND)]
    assert found == [("1.2.1", 1), ("1.2.2", 2), ("1.2.4", 1)]


def test_the_clips_that_the_gate_left_out_are_named(registry: Database, received: Receive) -> None:
    number = _register(registry, received())
    _embedded(registry, number)
    still = PreparedClip(sop_instance_uid="1.9", skip_reason="a still image")
    _scored(registry, number, "1.2.1", _clip("1.1"), _clip("1.2"), still)
    with registry.write() as session:
        judged = [
            JudgedClip(sop_instance_uid="1.1", call=CALL),
            JudgedClip(sop_instance_uid="1.2", skip_reason="the model sees no heart"),
        ]
        record_views(session, study_id=number, revision=1, clips=judged)
    with registry.read() as session:
        (study,) = searchable_studies(session, **KIND)
        assert study.left_out == {"1.2"}
        assert views_of(session, ["1.2.1", "1.2.404"]) == {("1.2.1", "1.1"): "a4c"}


def test_scored_studies_without_such_embeddings_are_counted(registry: Database, received: Receive) -> None:
    searchable, other_profile, never_embedded, no_clip, not_scored = (
        _register(registry, received(f"1.2.{number}")) for number in range(5)
    )
    for number in (searchable, other_profile, never_embedded):
        _scored(registry, number, "", _clip("1.1"))
    _scored(registry, no_clip, "", PreparedClip(sop_instance_uid="1.1", skip_reason="a still image"))
    _embedded(registry, searchable)
    _embedded(registry, other_profile, preprocessing_profile="upstream-1")
    assert not_scored
    with registry.read() as session:
        assert count_unsearchable(session, **KIND) == 2


def test_patients_are_numbers_and_their_ids_stay_in_the_database(registry: Database, received: Receive) -> None:
    ids = {"1.2.1": "SECRET-7", "1.2.2": "SECRET-7 ", "1.2.3": "SECRET-8", "1.2.4": None, "1.2.5": "  ", "1.2.6": "7"}
    for study, patient in ids.items():
        number = _register(registry, received(study), patient=patient)
        if study != "1.2.6":
            _embedded(registry, number)
            _embedded(registry, number, revision=2)
    with registry.read() as session:
        patients = patients_of(session, **KIND)
    assert patients.keys() == {"1.2.1", "1.2.2", "1.2.3"}
    assert patients["1.2.1"] == patients["1.2.2"] == PatientOfStudy(patient=patients["1.2.1"].patient, studies=2)
    assert patients["1.2.3"].patient != patients["1.2.1"].patient
    assert patients["1.2.3"].studies == 1
    assert "SECRET" not in repr(patients)


def test_more_studies_than_one_query_takes_are_asked_for_in_portions(
    registry: Database, received: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.portions.AT_ONCE", 2)
    times: dict[str, datetime] = {f"1.2.{number}": NOW + timedelta(minutes=number) for number in range(5)}
    for study, at in times.items():
        _register(registry, received(study, at=at))
    with registry.read() as session:
        assert received_at(session, [*times, "1.2.404"]) == times
