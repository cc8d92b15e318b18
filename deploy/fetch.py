"""Which studies `echoworker fetch` is to fetch, asked of the archive."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from rich.table import Column, Table
from rich.text import Text

from config.errors import ConfigurationError, QueryError, RegistryError
from config.sections.peers import PeerSettings, Role
from config.settings import Settings
from db.identities import PSEUDONYM
from db.lifecycle.studies import identity_of
from db.reading.queries import count_instances
from db.session import Database
from dicom_node.archive.answers import FoundStudy, date_from
from dicom_node.archive.query import KnownStudy, StudyQuery, find_priors, find_studies
from dicom_node.calling import Peer

MANY_PRIORS = 10
"""As many earlier studies as are fetched when nobody says how many."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which studies: one of the fields is given, `until` beside `since`."""

    study: str = ""
    accession: str = field(default="", repr=False)
    patient: str = field(default="", repr=False)
    since: date | None = None
    until: date | None = None
    priors_of: str = ""

    def __post_init__(self) -> None:
        given = [bool(each) for each in (self.study, self.accession, self.patient, self.since, self.priors_of)]
        if sum(given) != 1:
            raise ConfigurationError("fetch: give one of --study, --accession, --patient, --since, --priors-of")
        if self.until is not None and self.since is None:
            raise ConfigurationError("fetch: --until goes with --since")


def archive_named(settings: Settings, name: str) -> PeerSettings:
    """The archive of this name; the only one where none is named.

    Raises
    ------
    ConfigurationError
        No such archive, or several to choose from.
    """
    archives = settings.peers_in(Role.ARCHIVE)
    names = ", ".join(peer.name for peer in archives)
    if not archives:
        raise ConfigurationError('no archive is configured: give a peer "archive" among its roles')
    if not name and len(archives) > 1:
        raise ConfigurationError(f"--from: name one of {names}")
    chosen = [peer for peer in archives if name in ("", peer.name)]
    if not chosen:
        raise ConfigurationError(f"--from {name}: no such archive; there are {names}")
    return chosen[0]


def wanted_studies(archive: Peer, wanted: Wanted, registry: Database, *, limit: int | None) -> Iterator[FoundStudy]:
    """The studies that are wanted, as the archive has them; a range of days is asked for day by day.

    Archives cap the answers of one query, and a day is short enough to be fetched before the next is asked for. With
    a `limit`, no query goes on for more studies than that.

    Raises
    ------
    QueryError
        The archive cannot be asked, or has no such study.
    StudyNotFoundError
        Priors are wanted of a study that the registry does not know.
    """
    if wanted.since is not None:
        last = wanted.until or datetime.now().astimezone().date()
        if last < wanted.since:
            raise QueryError(f"no day lies between {wanted.since} and {last}")
        for number in range((last - wanted.since).days + 1):
            day = wanted.since + timedelta(days=number)
            yield from list(find_studies(archive, StudyQuery(since=day, until=day), at_most=limit))
        return
    if wanted.priors_of:
        known = _known(registry, wanted.priors_of)
        yield from find_priors(archive, known, at_most=MANY_PRIORS if limit is None else limit)
        return
    # A patient has other studies than ours; whoever names one study means that one.
    modality = "US" if wanted.patient else ""
    query = StudyQuery(
        patient_id=wanted.patient,
        accession_number=wanted.accession,
        study_instance_uid=wanted.study,
        modality=modality,
    )
    found = list(find_studies(archive, query, at_most=limit))
    if not found:
        raise QueryError(f"{archive}: has no such study")
    yield from found


def _known(registry: Database, study_instance_uid: str) -> KnownStudy:
    with registry.read() as session:
        identity = identity_of(session, study_instance_uid)
    if identity.patient_id is not None and identity.patient_id.startswith(PSEUDONYM):
        raise RegistryError(
            f"study {study_instance_uid}: the registry has a pseudonym of its patient ([privacy]), by which no archive "
            "can be asked"
        )
    if not identity.patient_id:
        raise RegistryError(f"study {study_instance_uid} names no patient ID: its priors cannot be found")
    return KnownStudy(
        study_instance_uid=study_instance_uid,
        patient_id=identity.patient_id,
        study_date=date_from(identity.study_date or ""),
    )


def found_table(studies: Iterable[FoundStudy], registry: Database) -> Table:
    """What the archive has, beside what the registry has of it."""
    table = Table(Column("Study Instance UID", no_wrap=True), "Date", "Modalities", "Instances", "Here", "Description")
    for study in studies:
        with registry.read() as session:
            here = count_instances(session, study.study_instance_uid)
        table.add_row(
            study.study_instance_uid,
            str(study.study_date or ""),
            Text(" ".join(study.modalities)),
            "" if study.instances is None else str(study.instances),
            str(here),
            Text(study.description),
        )
    return table
