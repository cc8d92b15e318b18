"""How the installation is doing, in numbers: what is asked every few seconds, of a registry of any size.

Each question is answered from an index, or from rows that still wait; none reads all that ever was done.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from config.steps import Purpose, Step
from db.delivery.queues import queues_of
from db.monitoring.canaries import FAILED as CANARY_FAILED
from db.monitoring.canaries import NOT_SENT as CANARY_NOT_SENT
from db.monitoring.canaries import SENT as CANARY_SENT
from db.monitoring.canaries import is_a_canary, last_canary
from db.monitoring.drift import LOOKED_ON, last_drift
from db.monitoring.nightly import BEGUN
from db.monitoring.reconciliations import reconciliations
from db.monitoring.tallies import TallyKind, heartbeats, tallies
from db.reading.queries import count_by_state
from db.reading.queue_summaries import oldest_by_lane
from db.states import LEASED_STEPS, DeliveryState, StudyState
from db.tables.deliveries import Delivery, Report
from db.tables.peers import Forward
from db.tables.runs import CurrentRun, RunRow
from db.tables.studies import Study

MISSED_FOR = timedelta(days=7)
"""A study of longer ago that never came is not missed any more."""
CLOSE = "close"
"""As if it were a step: a study that has fallen quiet is to be closed, by the intake."""


@dataclass(frozen=True, kw_only=True)
class LastModel:
    """The model whose result became current last."""

    name: str
    version: str
    label: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class LastCanary:
    """What is known of the last one."""

    set_out_at: datetime
    failed_at: datetime | None
    """When one was last found not to have come through."""
    state: str | None
    """None where the registry does not have it."""
    stages: Mapping[str, float]
    """Seconds of each stage that has ended."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What the registry says at one moment; no PHI, and no UIDs."""

    associations: Mapping[str, int]
    """So far, by `accepted` and `refused`."""
    instances: Mapping[str, int]
    """So far, by the status that they were answered with."""
    studies: Mapping[str, int]
    """By state."""
    waiting_since: Mapping[str, datetime]
    """Of each step that something waits for, `CLOSE` included: since when the oldest does."""
    deliveries: Mapping[tuple[str, str], int]
    """By destination and state."""
    forwards: Mapping[str, int]
    """By peer: of those that are due."""
    pauses: Mapping[tuple[Purpose, str], datetime | None]
    """Of each queue of a peer: until when nothing is sent; None while it is sent to."""
    heartbeats: Mapping[str, datetime]
    model: LastModel | None
    last_instance_at: datetime | None
    """Of somebody's study: a canary is none."""
    missing_studies: Mapping[str, int]
    """By archive: what it has of the last days, by Study Date, that never came here."""
    incomplete_studies: Mapping[str, int]
    """By archive: what of the last days it has more of than came here."""
    archive_troubles: Mapping[str, int]
    """By archive: of how many of the last days it could not be asked, or not all be fetched."""
    canary: LastCanary | None
    """None where none was ever sent."""
    drifted: Mapping[str, int]
    """By scanner (`device`), sender, or `all`: how many kinds of answers have drifted, by the last look."""


def read_figures(session: Session, *, now: datetime) -> Figures:
    """Ask for all of it."""
    looks = reconciliations(session, since=(now - MISSED_FOR).date())
    signs_of_life = heartbeats(session)
    return Figures(
        associations=tallies(session, TallyKind.ASSOCIATION),
        instances=tallies(session, TallyKind.INSTANCE),
        studies=count_by_state(session),
        waiting_since=_waiting_since(session, now),
        deliveries=_deliveries(session),
        forwards=_forwards(session),
        pauses={
            (purpose, peer): queue.next_attempt_at if queue.last_answer else None
            for purpose in Purpose
            for peer, queue in queues_of(session, purpose).items()
        },
        heartbeats={
            name: at
            for name, at in signs_of_life.items()
            if not name.endswith(BEGUN) and name not in (LOOKED_ON, CANARY_FAILED, CANARY_NOT_SENT)
        },
        model=last_model(session),
        last_instance_at=last_sent_to_us_at(session),
        missing_studies=_by_archive((row.archive, len(row.missing)) for row in looks),
        incomplete_studies=_by_archive((row.archive, len(row.incomplete)) for row in looks),
        archive_troubles=_by_archive((row.archive, int(row.trouble is not None)) for row in looks),
        canary=_last_canary(session, signs_of_life),
        drifted=Counter(row.grouping for row in last_drift(session) if row.has_drifted),
    )


def _waiting_since(session: Session, now: datetime) -> dict[str, datetime]:
    since: dict[str, datetime] = {}
    for leased in LEASED_STEPS:
        if found := [at for at in session.execute(select(*oldest_by_lane(leased))).one() if at is not None]:
            since[leased] = min(found)
    quiet = (Study.state == StudyState.RECEIVING) & (Study.quiet_at <= now)
    to_be_closed = session.scalar(select(func.min(Study.quiet_at)).where(quiet))
    # A report without a destination waits for nobody.
    due = select(func.min(Report.created_at)).join(Delivery).where(Delivery.state == DeliveryState.DUE)
    for step, first in ((CLOSE, to_be_closed), (Step.DELIVER, session.scalar(due))):
        if first is not None:
            since[step] = first
    return since


def _deliveries(session: Session) -> dict[tuple[str, str], int]:
    by = (Delivery.state, Delivery.destination)
    return {(name, state): count for state, name, count in session.execute(select(*by, func.count()).group_by(*by))}


def _forwards(session: Session) -> dict[str, int]:
    """Not of those that are done: there is one for every instance."""
    due = select(Forward.peer, func.count()).where(Forward.state == DeliveryState.DUE).group_by(Forward.peer)
    return dict(session.execute(due).all())


def _by_archive(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for archive, count in counts:
        sums[archive] += count
    return dict(sums)


def last_sent_to_us_at(session: Session) -> datetime | None:
    """When the last instance came, but for those of canaries, which we send ourselves."""
    came = select(Study.last_instance_at).where(~is_a_canary()).order_by(Study.last_instance_at.desc())
    return session.scalar(came.limit(1))


def _last_canary(session: Session, signs_of_life: Mapping[str, datetime]) -> LastCanary | None:
    sent = signs_of_life.get(CANARY_SENT)
    if sent is None:
        return None
    last = last_canary(session, since=sent, sent_on=True)
    return LastCanary(
        set_out_at=sent,
        failed_at=signs_of_life.get(CANARY_FAILED),
        state=None if last is None else last.state.value,
        stages={} if last is None else last.stages,
    )


def last_model(session: Session) -> LastModel | None:
    """The model that answers now; None where nothing was scored yet."""
    columns = (RunRow.model_name, RunRow.model_version, RunRow.model_label, RunRow.model_digest)
    # A shadow, and a batch of re-scoring that is not adopted, have scored too: beside what is current.
    current = select(*columns).join(CurrentRun, CurrentRun.run_id == RunRow.id)
    last = session.execute(current.order_by(CurrentRun.run_id.desc()).limit(1)).first()
    if last is None:
        return None
    name, version, label, digest = last
    return LastModel(name=name, version=version, label=label, digest=digest)
