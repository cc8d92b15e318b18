"""What an archive has of a day, and we have not: a modality that does not know us, a study that got lost on the way.

An archive is asked for the ultrasound studies of each day (C-FIND). What it has of a study beyond what came to us, and
beyond what we have made and sent there, is an incomplete study.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase

from config.errors import EchoWorkerError, QueryError
from config.logs import Event, emit
from config.sections.peers import PeerSettings, Role
from config.settings import Settings
from db.monitoring.reconciliations import instances_and_objects, record_reconciliation
from db.session import Database
from db.tables.monitoring import Reconciliation
from dicom_node.archive.answers import FoundStudy
from dicom_node.archive.fetching import Fetcher, Outcome, Pace
from dicom_node.archive.query import StudyQuery, find_studies
from dicom_node.calling import called_peer


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The studies of a day that an archive has and that should be here."""

    found: tuple[FoundStudy, ...]
    missing: tuple[FoundStudy, ...]
    incomplete: tuple[FoundStudy, ...]


def reconcile(
    settings: Settings,
    database: Database,
    archive: PeerSettings,
    *,
    last_day: date,
    days: int,
    fetch: bool,
    stop: threading.Event | None = None,
) -> Iterator[Reconciliation]:
    """Look at each of the days up to `last_day`, the earliest first; write down, and give, what was found.

    With `fetch`, what is missing or incomplete is then fetched. An archive that cannot be asked, and a study that
    cannot be fetched, are written down as well, and end nothing; what was missing before stays so.

    Raises
    ------
    ConfigurationError
        The archive is to be called by TLS, and our certificate cannot be used.
    SQLAlchemyError
        The registry is away.
    """
    stop = stop or threading.Event()
    for back in range(days - 1, -1, -1):
        if stop.is_set():
            return
        row = _look(settings, database, archive, last_day - timedelta(days=back), fetch=fetch, stop=stop)
        with database.write() as session:
            record_reconciliation(session, row)
        say = Event.STUDIES_MISSING if row.missing or row.incomplete or row.trouble else Event.RECONCILED
        emit(say, destination=archive.name, count=len(row.missing), reason=row.trouble or f"studies of {row.day}")
        yield row


def archives(settings: Settings) -> tuple[PeerSettings, ...]:
    """The peers that can be asked."""
    return settings.peers_in(Role.ARCHIVE)


def compare(settings: Settings, database: Database, archive: PeerSettings, day: date) -> Compared:
    """What the archive has of a day, beside what we have of it.

    Raises
    ------
    QueryError
        The archive cannot be asked.
    """
    globs = [glob.casefold() for glob in settings.monitoring.reconcile.study_descriptions]
    query = StudyQuery(since=day, until=day)
    found = tuple(
        study
        for study in find_studies(called_peer(settings, archive), query)
        if not globs or any(fnmatchcase(study.description.casefold(), glob) for glob in globs)
    )
    by_message = [receiver.name for receiver in settings.messages]
    with database.read() as session:
        here = instances_and_objects(session, [study.study_instance_uid for study in found], besides=by_message)
    return Compared(
        found=found,
        missing=tuple(study for study in found if here.get(study.study_instance_uid, (0, 0))[0] == 0),
        incomplete=tuple(study for study in found if _is_incomplete(study, here.get(study.study_instance_uid))),
    )


def _is_incomplete(study: FoundStudy, here: tuple[int, int] | None) -> bool:
    return here is not None and here[0] > 0 and study.instances is not None and sum(here) < study.instances


def _look(
    settings: Settings, database: Database, archive: PeerSettings, day: date, *, fetch: bool, stop: threading.Event
) -> Reconciliation:
    row = Reconciliation(
        archive=archive.name, day=day, looked_at=datetime.now(UTC), found=0, missing=[], incomplete=[], fetched=0
    )
    try:
        compared = compare(settings, database, archive, day)
    except QueryError as error:
        row.trouble = str(error)
        with database.read() as session:
            # What is known to be missing is missing still: an archive that does not answer resolves nothing.
            if (former := session.get(Reconciliation, (archive.name, day))) is not None:
                row.found, row.missing, row.incomplete = former.found, former.missing, former.incomplete
        return row
    fetched: set[str] = set()
    if fetch:
        wanted = (*compared.missing, *compared.incomplete)
        fetched, row.trouble = _fetch(settings, database, archive, wanted, stop)
    row.found, row.fetched = len(compared.found), len(fetched)
    row.missing = [uid for study in compared.missing if (uid := study.study_instance_uid) not in fetched]
    row.incomplete = [uid for study in compared.incomplete if (uid := study.study_instance_uid) not in fetched]
    return row


def _fetch(
    settings: Settings,
    database: Database,
    archive: PeerSettings,
    wanted: tuple[FoundStudy, ...],
    stop: threading.Event,
) -> tuple[set[str], str | None]:
    """The studies that came, and why one did not."""
    came: set[str] = set()
    trouble: str | None = None
    fetcher = Fetcher(settings, database, called_peer(settings, archive), by=archive.retrieve)
    try:
        for fetched in fetcher.fetch(wanted, Pace(stop=stop)):
            if fetched.outcome is Outcome.FAILED:
                trouble = fetched.reason
            else:
                came.add(fetched.study.study_instance_uid)
    except EchoWorkerError as error:  # too many failed in a row: what came stays
        trouble = str(error)
    return came, trouble
