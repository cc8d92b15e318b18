"""Deciding anew, by hand: a wrong rule costs nothing but the time until somebody sees it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.errors import StudyNotFoundError
from config.sections.rules import Decision
from config.steps import Step
from db.delivery.forwards import add_forwards
from db.lifecycle.studies import requeue
from db.states import DeliveryState, StudyState
from db.tables.peers import Forward
from db.tables.studies import Instance, Study


def instances_of(session: Session, study_instance_uid: str) -> list[Instance]:
    """The instances of a study, as they were registered.

    Raises
    ------
    StudyNotFoundError
        No study has this UID.
    """
    study_id = session.scalar(select(Study.id).where(Study.study_instance_uid == study_instance_uid))
    if study_id is None:
        raise StudyNotFoundError(f"study {study_instance_uid} is not in the registry")
    return list(session.scalars(select(Instance).where(Instance.study_id == study_id).order_by(Instance.id)))


def apply_decisions(
    session: Session, study_instance_uid: str, decisions: Mapping[str, Decision], *, now: datetime
) -> bool:
    """Put these decisions, by SOP Instance UID, in the place of earlier ones; whether the study is prepared again.

    It is when other instances of it are to be scored than before. What was forwarded stays so; what is due for a peer
    that is no longer named is given up, and what was given up for one that is named is due once more.

    Raises
    ------
    StudyNotFoundError
        No study has this UID.
    """
    # The study first, as registration does: the two wait for each other, and not in a circle.
    study = session.scalar(select(Study).where(Study.study_instance_uid == study_instance_uid).with_for_update())
    others_to_score = False
    instances = instances_of(session, study_instance_uid)
    if study is not None and decisions:
        lane = min(decision.lane for decision in decisions.values())
        is_of_all = all(instance.sop_instance_uid in decisions for instance in instances)
        study.lane = lane if is_of_all else min(lane, study.lane)
    for instance in instances:
        decision = decisions.get(instance.sop_instance_uid)
        if decision is None:
            continue
        others_to_score = others_to_score or instance.action != decision.action
        instance.action, instance.rule = decision.action, decision.rule
        add_forwards(
            session,
            study_id=instance.study_id,
            sop_instance_uid=instance.sop_instance_uid,
            peers=decision.forward_to,
        )
        _forward_only_to(session, instance.id, decision.forward_to)
    if others_to_score and study is not None and study.state != StudyState.RECEIVING:
        requeue(session, study_instance_uid, now=now, step=Step.PREPARE)
        return True
    return False


def _forward_only_to(session: Session, instance_id: int, peers: Sequence[str]) -> None:
    of_instance = select(Forward).where(Forward.instance_id == instance_id)
    for forward in session.scalars(of_instance.where(Forward.state != DeliveryState.DELIVERED)):
        if forward.peer not in peers:
            forward.state, forward.last_answer = DeliveryState.CANCELLED, "the rules name this peer no more"
        elif forward.state == DeliveryState.CANCELLED:
            forward.state, forward.attempts, forward.next_attempt_at = DeliveryState.DUE, 0, None
