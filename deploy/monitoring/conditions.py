"""What is wrong with the installation at this moment, as those on call are told: no PHI, no UIDs, and what to do."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from config.errors import BucketAwayError, ConfigurationError, SpoolAwayError, SpoolFullError
from config.sections.monitoring import AlertCause
from config.settings import Settings
from config.steps import Purpose, Step
from db.monitoring.alerts import Condition
from db.monitoring.canaries import CAME_THROUGH
from db.monitoring.figures import Figures, read_figures
from db.monitoring.tallies import BACKUP, BEAT
from db.states import DeliveryState, StudyState
from db.tables.studies import Study
from deploy.monitoring.known import known_peers
from deploy.monitoring.working_time import WorkingTime
from dicom_node.expiry import expiry_of
from dicom_node.findings import Level, found_by
from dicom_node.services import broker
from dicom_node.spool import Spool

SILENT_FOR_S = 300.0
"""Or ten times as long as beat takes, where that is more: then it stands still."""


def conditions_without_registry(settings: Settings, *, host: str, now: datetime) -> Iterator[Condition]:
    """What can be seen with the registry away too, of this host (`db.monitoring.alerts.OF_A_HOST`)."""
    found = found_by("broker", broker, settings)
    if found.level is not Level.OK:
        said = f"broker {found.said}: steps wait for the reaper"
        yield Condition(cause=AlertCause.BROKER_AWAY, subject=host, said=said)
    spool = Spool.of(settings)
    try:
        spool.require_there()
        spool.require_room()
        if spool.bucket is not None:
            spool.bucket.require_answer()
    except (BucketAwayError, ConfigurationError) as error:
        yield Condition(cause=AlertCause.SPOOL_LOW, subject=host, said=f"{error}: what is received waits on this host")
    except (SpoolAwayError, SpoolFullError) as error:
        yield Condition(cause=AlertCause.SPOOL_LOW, subject=host, said=f"{error}: the node answers A700")
    except OSError as error:
        why = error.strerror or type(error).__name__
        yield Condition(cause=AlertCause.SPOOL_LOW, subject=host, said=f"the spool cannot be looked at: {why}")
    files = {"tls.certificate": settings.tls.certificate if settings.tls.enabled else ""}
    files["dashboard.certificate"] = settings.dashboard.certificate if settings.dashboard.port else ""
    yield from _certificates({setting: file for setting, file in files.items() if file}, settings, host, now)


def conditions_of_registry(settings: Settings, session: Session, *, now: datetime) -> Iterator[Condition]:
    """What the registry says.

    Raises
    ------
    SQLAlchemyError
        It is away.
    """
    figures = read_figures(session, now=now)
    yield from _stands_still(settings, figures, now)
    yield from _dead_letters(figures)
    yield from _failed(session)
    yield from _circuits(settings, figures)
    yield from _nothing_received(settings, figures, now)
    for grouping, count in figures.drifted.items():
        said = f"{count} kinds of answers are distributed otherwise than before ({grouping}): echoworker drift"
        yield Condition(cause=AlertCause.DRIFT, subject=grouping, said=said)
    yield from _missing(figures)
    yield from _canary(settings, figures, now)
    yield from _no_backup(settings, figures, now)


def _missing(figures: Figures) -> Iterator[Condition]:
    """Also where an archive could not be asked: nobody knows then what is missing."""
    for archive in sorted(figures.missing_studies):
        counts = (
            (figures.missing_studies[archive], "studies of the last days that it has never came here"),
            (figures.incomplete_studies.get(archive, 0), "came in part"),
            (figures.archive_troubles.get(archive, 0), "days it could not be asked of, or not all be fetched"),
        )
        if wrong := ", ".join(f"{count} {what}" for count, what in counts if count):
            said = f"{archive}: {wrong}: echoworker reconcile --show --days 8"
            yield Condition(cause=AlertCause.STUDIES_MISSING, subject=archive, said=said)


def _canary(settings: Settings, figures: Figures, now: datetime) -> Iterator[Condition]:
    """Until the next one comes through."""
    canary, wanted = figures.canary, settings.canary
    if canary is None or not wanted.every_minutes:
        return
    came_through = figures.heartbeats.get(CAME_THROUGH)
    if canary.failed_at is not None and (came_through is None or came_through < canary.failed_at):
        last = f"the last one is {canary.state}" if canary.state else "the registry has nothing of the last one"
        said = f"a canary has not come through in {wanted.within_s:g} s; {last}: echoworker canary sends another"
        yield Condition(cause=AlertCause.CANARY, said=said)
    elif now - canary.set_out_at > timedelta(minutes=2 * wanted.every_minutes):
        said = f"no canary was sent since {canary.set_out_at:%Y-%m-%d %H:%M} UTC: do beat and a worker of deliver run?"
        yield Condition(cause=AlertCause.CANARY, said=said, told_after=timedelta(minutes=5))


def _no_backup(settings: Settings, figures: Figures, now: datetime) -> Iterator[Condition]:
    """Of an installation that makes them: whoever backs up by other means is not told."""
    last = figures.heartbeats.get(BACKUP)
    if last is not None and settings.monitoring.alerting.lacks_a_backup(last, now=now):
        said = (
            f"the last backup ended at {last:%Y-%m-%d %H:%M} UTC: does its timer run, what does echoworker backup say?"
        )
        yield Condition(cause=AlertCause.NO_BACKUP, said=said)


def _certificates(files: Mapping[str, str], settings: Settings, host: str, now: datetime) -> Iterator[Condition]:
    """One condition of all of them: by host and cause there is one."""
    within = timedelta(days=settings.monitoring.alerting.certificate_expires_within_days)
    said = []
    for setting, file in files.items():
        try:
            expires = expiry_of(file)
        except ConfigurationError as error:
            said.append(f"{setting}: {error}")
            continue
        if expires - now <= within:
            put = "put a new one in its place (docs/operations.md)"
            said.append(f"{setting} is valid until {expires:%Y-%m-%d}: {put}")
    if said:
        yield Condition(cause=AlertCause.CERTIFICATE_EXPIRES, subject=host, said="; ".join(said))


def _stands_still(settings: Settings, figures: Figures, now: datetime) -> Iterator[Condition]:
    last = figures.heartbeats.get(BEAT)
    patience_s = max(SILENT_FOR_S, 10 * settings.pipeline.reap_every_s)
    if last is not None and now - last > timedelta(seconds=patience_s):
        said = f"no sign of life since {last:%Y-%m-%d %H:%M} UTC: do beat, the broker and a worker for maintenance run?"
        yield Condition(cause=AlertCause.STANDS_STILL, said=said)


def _dead_letters(figures: Figures) -> Iterator[Condition]:
    dead = {name: count for (name, state), count in figures.deliveries.items() if state == DeliveryState.DEAD}
    for name, count in sorted(dead.items()):
        said = f"{count} objects were refused for good by {name}: echoworker deliveries dead"
        yield Condition(cause=AlertCause.DEAD_LETTER, subject=name, said=said)


def _failed(session: Session) -> Iterator[Condition]:
    """But for those whose delivery failed: these are dead letters."""
    failed = select(Study.failed_step, func.count()).where(Study.state == StudyState.FAILED)
    for step, count in session.execute(failed.group_by(Study.failed_step).order_by(Study.failed_step)):
        if step != Step.DELIVER:
            said = f"{count} studies FAILED at {step}: echoworker studies --state failed, then echoworker requeue"
            yield Condition(cause=AlertCause.STUDY_FAILED, subject=step or "", said=said)


def _circuits(settings: Settings, figures: Figures) -> Iterator[Condition]:
    known = known_peers(settings)
    for (purpose, peer), until in sorted(figures.pauses.items()):
        if until is not None and peer in known:
            does = "nothing is delivered to" if purpose is Purpose.DELIVER else "nothing is forwarded to"
            yield Condition(
                cause=AlertCause.CIRCUIT_OPEN,
                subject=f"{purpose} {peer}",
                said=f"{does} {peer}, which is in trouble: echoworker deliveries, echoworker rules, echoworker doctor",
                told_after=timedelta(seconds=settings.monitoring.alerting.circuit_open_for_s),
            )


def _nothing_received(settings: Settings, figures: Figures, now: datetime) -> Iterator[Condition]:
    """Said, and taken back, in working hours alone."""
    alerting = settings.monitoring.alerting
    hours = alerting.nothing_received_for_h
    if not hours or figures.last_instance_at is None:
        return
    working = WorkingTime.parse(alerting.working_hours, alerting.working_days)
    waited = working.between(figures.last_instance_at, now)
    if waited >= timedelta(hours=hours):
        said = (
            f"no instance has come for {waited.total_seconds() / 3600:.1f} working hours: do the senders reach the "
            "node? echoworker callers lists who tried"
        )
        yield Condition(cause=AlertCause.NOTHING_RECEIVED, said=said)
