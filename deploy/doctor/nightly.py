"""What goes on by itself, and who is told: batches of re-scoring, nightly duties, the page for probes, alerts."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from config.settings import Settings
from db.monitoring.canaries import CAME_THROUGH, FAILED, SENT
from db.monitoring.reconciliations import reconciliations
from db.monitoring.tallies import BACKUP, heartbeats
from db.rescoring.batches import OVER, stands_still
from db.states import BatchKind, BatchState
from db.tables.monitoring import AlertRow
from db.tables.rescoring import Rescoring
from db.tables.studies import Study
from dicom_node.findings import Doubt, FaultError
from dicom_node.services import asked, require_listener
from worker.packs.active import named_folder

NOT_DONE_FOR = timedelta(hours=36)
"""What is done once a day has been left out by then."""
TROUBLE_OF = timedelta(days=7)


def rescoring(settings: Settings) -> str:
    """Whether a batch waits for somebody, and whether the pack of the shadow is there."""
    pack = settings.rescore.shadow_pack
    if pack and not named_folder(settings, pack).is_dir():
        raise FaultError(f"no folder {pack} (rescore.shadow_pack): install the pack, or name another")
    batches = asked(settings, lambda session: [_waits_for(batch) for batch in session.scalars(_batches_not_over())])
    if waiting := [said for said in batches or [] if said]:
        raise Doubt(f"{'; '.join(waiting)}: echoworker rescore show NUMBER, then continue, resume, adopt or discard")
    return f"{len(batches or [])} batches under way, none waits for anybody"


def nightly_duties(settings: Settings) -> str:
    """Whether what is due once a day was done, and how the archives answered."""
    wanted = {"reconciliation": settings.monitoring.reconcile.at, "drift": settings.monitoring.drift.at}
    on = [duty for duty, at in wanted.items() if at]
    if left := asked(settings, lambda session: _left_out(session, on, datetime.now(UTC))):
        raise Doubt("; ".join(left))
    done = asked(settings, heartbeats) or {}
    said = [f"{duty}: {'done' if duty in done else 'the first is to come'}" for duty in on]
    return ", ".join(said) or "none (monitoring.reconcile.at, monitoring.drift.at)"


def backup(settings: Settings) -> str:
    """When `echoworker backup` last made one; whether that is too long ago, where it ever did."""
    alerting, last = settings.monitoring.alerting, (asked(settings, heartbeats) or {}).get(BACKUP)
    if last is None:
        return "echoworker backup has made none of this installation"
    said = f"the last one ended at {last:%Y-%m-%d %H:%M} UTC"
    if alerting.lacks_a_backup(last, now=datetime.now(UTC)):
        raise Doubt(
            f"{said}, more than {alerting.no_backup_for_days} days ago: does its timer run, what does echoworker "
            "backup say? Where none is to be made by itself, monitoring.alerting.no_backup_for_days = 0"
        )
    return said


def canary(settings: Settings) -> str:
    """Whether the last synthetic study came through, and whether they are sent as they should be."""
    every = timedelta(minutes=settings.canary.every_minutes)
    at = asked(settings, heartbeats) or {}
    came_through, failed, sent = (at.get(name) for name in (CAME_THROUGH, FAILED, SENT))
    if failed is not None and (came_through is None or came_through < failed):
        raise Doubt(f"one did not come through at {failed:%Y-%m-%d %H:%M} UTC: echoworker canary says why")
    if every and sent is not None and datetime.now(UTC) - sent > 2 * every:
        raise Doubt(f"none was sent since {sent:%Y-%m-%d %H:%M} UTC: do echoworker beat and a worker of deliver run?")
    if came_through is None:
        return "none was sent" if not every else "the first one is to be sent"
    return f"the last one came through at {came_through:%Y-%m-%d %H:%M} UTC"


def monitoring_page(settings: Settings) -> str:
    """Whether metrics and probes are answered."""
    host, port = settings.monitoring.host, settings.monitoring.port
    if not port:
        return "none (monitoring.port)"
    require_listener(host, port, start_it=" (monitoring.port): start it with echoworker up, or node")
    return f"listens on {host}:{port}"


def alert_receivers(settings: Settings) -> str:
    """Whether they can be told."""
    not_told = select(AlertRow.receiver).where(AlertRow.attempts > 0).distinct().order_by(AlertRow.receiver)
    if names := asked(settings, lambda session: list(session.scalars(not_told))):
        raise Doubt(f"{', '.join(names)} could not be told of what is wrong: the log of echoworker node says why")
    return f"{len(settings.alerts)} receivers ([[alerts]]), none waits to be told again"


def _batches_not_over() -> Select[Rescoring]:
    return select(Rescoring).where(Rescoring.state.not_in(OVER)).order_by(Rescoring.id)


def _waits_for(batch: Rescoring) -> str | None:
    if stands_still(batch):
        return f"batch {batch.id} stands still: {batch.reason}"
    if batch.state == BatchState.CANARY:
        return f"the canary of batch {batch.id} is answered"
    # Answers of a shadow are never adopted: they are there to be looked at.
    if batch.state == BatchState.SCORED and batch.kind != BatchKind.SHADOW:
        return f"batch {batch.id} is answered, and neither adopted nor discarded"
    return None


def _left_out(session: Session, duties: list[str], now: datetime) -> list[str]:
    done, since = heartbeats(session), now - NOT_DONE_FOR
    first = session.scalar(select(Study.created_at).order_by(Study.id).limit(1))
    is_new = first is None or first > since
    left = [
        f"{duty} was last done {f'{at:%Y-%m-%d %H:%M} UTC' if at else 'never'}: do beat and the workers run, does "
        "their log say why not?"
        for duty in duties
        if (at := done.get(duty)) is None or at < since
        if at is not None or not is_new
    ]
    looks = reconciliations(session, since=(now - TROUBLE_OF).date())
    if archives := sorted({look.archive for look in looks if look.trouble is not None}):
        left.append(f"not all could be asked or fetched of {', '.join(archives)}: echoworker reconcile --show --days 8")
    return left
