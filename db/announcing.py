"""Putting due work on the broker: after a step, when a study falls quiet, and by the reaper, all the same way."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from celery import Celery

from config.broker import enqueue, enqueue_for_peer
from config.settings import Settings
from config.steps import Purpose
from db.delivering import take_delivery_announcements
from db.forwards import take_forward_announcements
from db.leases import forget_announcements, take_announcements
from db.queues import forget_queue_announcements
from db.session import Database


def announce_due_steps(database: Database, broker: Celery, settings: Settings, *, study_id: int | None = None) -> int:
    """Announce every due step that no message is known for, of one study or of all; how many were announced.

    A message that cannot be sent, or that a broker loses, is announced again later: the registry is the truth.
    """
    with database.write() as session:
        due = take_announcements(
            session,
            now=datetime.now(UTC),
            wake_again_after_s=settings.pipeline.wake_again_after_s,
            study_id=study_id,
        )
    for sent, (number, step) in enumerate(due):
        if not enqueue(broker, step, number):
            # The broker is away, and each message would wait for it as long: the others wait in the registry.
            with database.write() as session:
                forget_announcements(session, [number for number, _ in due[sent:]])
            return sent
    return len(due)


def announce_due_forwards(database: Database, broker: Celery, settings: Settings) -> int:
    """Announce every peer that instances wait for and no message is known for; how many were announced."""
    return _announce_peers(database, broker, settings, Purpose.FORWARD, take_forward_announcements)


def announce_due_deliveries(
    database: Database, broker: Celery, settings: Settings, *, study_id: int | None = None
) -> int:
    """Announce every destination that results, of one study or of all, wait for and no message is known for; how many
    were announced.
    """
    take = partial(take_delivery_announcements, study_id=study_id)
    return _announce_peers(database, broker, settings, Purpose.DELIVER, take)


def _announce_peers(
    database: Database, broker: Celery, settings: Settings, purpose: Purpose, take: Callable[..., list[str]]
) -> int:
    with database.write() as session:
        peers = take(session, now=datetime.now(UTC), wake_again_after_s=settings.pipeline.wake_again_after_s)
    for sent, peer in enumerate(peers):
        if not enqueue_for_peer(broker, purpose, peer):
            with database.write() as session:
                forget_queue_announcements(session, purpose, peers[sent:])
            return sent
    return len(peers)
