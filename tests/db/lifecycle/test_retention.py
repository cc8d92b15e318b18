"""Of which studies something may be removed, on both databases; and holds."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from config.errors import RegistryError, StudyNotFoundError
from config.sections.keep import KeptKind
from config.sections.pipeline import PipelineSettings
from config.steps import Step
from db.delivery.forwards import add_forwards
from db.lifecycle.holds import hold_study, holds, release_study
from db.lifecycle.retention import (
    begin_removing_pixels,
    end_removal,
    files_still_to_go,
    locked_if_it_may_go,
    removals,
    studies_to_clear,
)
from db.lifecycle.studies import Registration, register_instance, requeue
from db.reading.queries import instances_after, known_sop_instance_uids
from db.results.embeddings import StoredEmbeddings, record_embeddings
from db.session import Database
from db.states import BatchKind, BatchState, DeliveryState, RescoredState, StudyState
from db.tables.deliveries import Delivery
from db.tables.peers import Forward
from db.tables.rescoring import RescoredStudy, Rescoring
from db.tables.studies import Instance, Study
from tests.support.reported import QUIET, instance_of, reported

UID = "1.2.1"
AGE = timedelta(days=30)


@pytest.fixture
def study_id(registry: Database, pipeline: PipelineSettings, now: datetime) -> int:
    """A study that is delivered, with one image and embeddings of it."""
    number = reported(registry, pipeline, instance_of(UID, sop=f"{UID}.1.1", at=now), to=["pacs"], now=now)
    stored = StoredEmbeddings(
        study_instance_uid=UID,
        revision=1,
        embedder="e" * 64,
        preprocessing_profile="p",
        path="embeddings/1",
        clips=1,
        frames=1,
        created_at=now,
    )
    with registry.write() as session:
        session.execute(update(Delivery).values(state=DeliveryState.DELIVERED))
        session.execute(update(Study).values(state=StudyState.DELIVERED))
        record_embeddings(session, study_id=number, stored=stored)
    return number


def cleared(registry: Database, kind: KeptKind, before: datetime) -> list[str]:
    with registry.write() as session:
        found = studies_to_clear(session, kind, before=before, limit=10)
        for study in found:
            assert locked_if_it_may_go(session, study.study_id, kind, before=before)
        return [study.study_instance_uid for study in found]


@pytest.mark.parametrize("kind", [KeptKind.PIXELS, KeptKind.EMBEDDINGS])
def test_what_is_at_rest_goes_once_its_last_instance_is_older_than_its_time(
    registry: Database, study_id: int, now: datetime, kind: KeptKind
) -> None:
    assert cleared(registry, kind, before=now) == []
    assert cleared(registry, kind, before=now + timedelta(seconds=1)) == [UID]
    with registry.read() as session:
        later = studies_to_clear(session, kind, before=now + AGE, after=study_id, limit=10)
    assert later == []


def _in_state(state: StudyState) -> Callable[[Session, datetime], object]:
    return lambda session, _: session.execute(update(Study).values(state=state))


def _forwarded(session: Session, _now: datetime) -> None:
    add_forwards(
        session, study_id=session.scalars(select(Study.id)).one(), sop_instance_uid=f"{UID}.1.1", peers=["lab"]
    )


def _rescored(state: RescoredState) -> Callable[[Session, datetime], object]:
    def put_into_a_batch(session: Session, now: datetime) -> None:
        batch = Rescoring(
            kind=BatchKind.RESCORE,
            state=BatchState.RUNNING,
            paused=False,
            started_by="beat",
            created_at=now,
            state_since=now,
            pack="",
            model_name="m",
            model_version="1",
            model_label="RESEARCH",
            model_digest="0" * 64,
            embedder="e" * 64,
            catalogue_digest="0" * 64,
        )
        session.add(batch)
        session.flush()
        number = session.scalars(select(Study.id)).one()
        session.add(RescoredStudy(rescoring_id=batch.id, study_id=number, state=state, is_canary=False))

    return put_into_a_batch


WHAT_KEEPS_IT: dict[str, Callable[[Session, datetime], object]] = {
    **{state.value: _in_state(state) for state in StudyState if state not in ("DELIVERED", "REPORTED", "SKIPPED")},
    "a delivery is due": lambda session, _: session.execute(update(Delivery).values(state=DeliveryState.DUE)),
    "a destination has not committed": lambda session, _: session.execute(
        update(Delivery).values(state=DeliveryState.SENT)
    ),
    "a forward is due": _forwarded,
    "it is held": lambda session, now: hold_study(session, UID, by="k.meyer", reason="trial", now=now),
    "a re-scoring is to answer it": _rescored(RescoredState.DUE),
    "a re-scoring reads its pixels": _rescored(RescoredState.READING),
    "an instance came since": lambda session, now: session.execute(update(Instance).values(received_at=now + AGE)),
}


@pytest.mark.parametrize("why", WHAT_KEEPS_IT)
def test_nothing_goes_while(registry: Database, study_id: int, now: datetime, why: str) -> None:
    with registry.write() as session:
        WHAT_KEEPS_IT[why](session, now)
    for kind in KeptKind:
        assert cleared(registry, kind, before=now + AGE) == []
        with registry.write() as session:
            assert not locked_if_it_may_go(session, study_id, kind, before=now + AGE)


def test_a_forward_that_is_done_keeps_nothing(registry: Database, study_id: int, now: datetime) -> None:
    with registry.write() as session:
        _forwarded(session, now)
        session.execute(update(Forward).values(state=DeliveryState.DELIVERED))
    assert cleared(registry, KeptKind.PIXELS, before=now + AGE) == [UID]


@pytest.mark.parametrize(
    "sop_class_uid", ["1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.5.1.4.1.1.88.59"]
)
def test_documents_are_no_pixels(registry: Database, study_id: int, now: datetime, sop_class_uid: str) -> None:
    with registry.write() as session:
        session.execute(update(Instance).values(sop_class_uid=sop_class_uid))
    assert cleared(registry, KeptKind.PIXELS, before=now + AGE) == []


def test_removed_pixels_are_neither_lost_nor_unknown_and_come_back_when_they_are_sent_again(
    registry: Database, study_id: int, now: datetime
) -> None:
    then = now + AGE
    with registry.write() as session:
        begin_removing_pixels(session, study_id, now=then)
    with registry.write() as session:
        assert instances_after(session, 0, limit=10) == []
        assert known_sop_instance_uids(session, UID) == {f"{UID}.1.1"}, "its file is there, and is to go"
        (removal,) = removals(session, unfinished=True, limit=10)
        (file,) = files_still_to_go(session, removal)
        assert (removal.files, removal.size_bytes, file.sop_instance_uid) == (1, 1, f"{UID}.1.1")
        end_removal(session, removal, now=then)
    with registry.write() as session:
        assert removals(session, unfinished=True, limit=10) == []
        assert known_sop_instance_uids(session, UID) == set(), "what lies there by now was sent since"
        with pytest.raises(RegistryError, match=r"the pixels of 1 instances were removed on 2026-12-24"):
            requeue(session, UID, now=then, step=Step.PREPARE)
    again = instance_of(UID, sop=f"{UID}.1.1", at=then)
    for expected in (Registration.BROUGHT_BACK, Registration.KNOWN):
        with registry.write() as session:
            assert register_instance(session, again, QUIET) is expected
    with registry.read() as session:
        assert len(instances_after(session, 0, limit=10)) == 1
        assert session.scalars(select(Study.state)).one() == StudyState.DELIVERED
    assert cleared(registry, KeptKind.PIXELS, before=then) == [], "its time begins anew"
    with registry.write() as session:
        requeue(session, UID, now=then, step=Step.PREPARE)


def test_a_study_is_held_once_by_whom_and_why_and_released(registry: Database, study_id: int, now: datetime) -> None:
    with registry.write() as session:
        hold_study(session, UID, by="k.meyer", reason="trial 7", now=now)
    with (
        registry.write() as session,
        pytest.raises(RegistryError, match=r"is held already: by k\.meyer since .*trial 7"),
    ):
        hold_study(session, UID, by="another", reason="me too", now=now)
    with registry.write() as session:
        release_study(session, UID, by="another", now=now + AGE)
    with registry.write() as session:
        with pytest.raises(RegistryError, match="is not held"):
            release_study(session, UID, by="another", now=now)
        with pytest.raises(StudyNotFoundError):
            hold_study(session, "1.2.999", by="k.meyer", reason="trial", now=now)
        assert holds(session, limit=10) == []
        (former,) = holds(session, former_too=True, limit=10)
    assert (former.held_by, former.reason, former.released_by, former.released_at) == (
        "k.meyer", "trial 7", "another", now + AGE,
    )  # fmt: skip
    assert cleared(registry, KeptKind.PIXELS, before=now + AGE) == [UID]
