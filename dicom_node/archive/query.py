"""The query SCU: which studies an archive has, by Study Root C-FIND (PS3.4 section C.4.1).

Archives differ in what they match and return. Whatever was asked is therefore asked of each answer again, and what
an archive leaves out of a study's answer is asked for at series level.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from config.errors import DeliveryError, QueryError
from dicom_node.archive.answers import FoundStudy, date_of, study_of, text_of, texts_of, whole_number_of
from dicom_node.archive.statuses import PENDING, QueryRetrieveStatus, named, status_of
from dicom_node.audit.events import query_made
from dicom_node.calling import Peer, association_with
from dicom_node.header import is_valid_uid

CANCEL_TIMEOUT_S = 10.0
"""How long an archive may go on answering after C-CANCEL, which it is free to ignore (PS3.4 section C.4.1.3.1)."""
_NEVER_MATCHED = "*?\\"
"""Wildcards, and the delimiter of several values (PS3.4 section C.2.2.2, PS3.5 section 6.2)."""


STUDY_KEYS = {
    "QueryRetrieveLevel": "STUDY",
    "PatientID": "single value matching, or returned",
    "IssuerOfPatientID": "returned",
    "AccessionNumber": "single value matching, or returned",
    "StudyInstanceUID": "single value matching, or returned",
    "StudyDate": "single value or range matching, or returned",
    "ModalitiesInStudy": "single value matching, or returned",
    "StudyDescription": "returned",
    "NumberOfStudyRelatedInstances": "returned",
}
SERIES_KEYS = {
    "QueryRetrieveLevel": "SERIES",
    "StudyInstanceUID": "unique key",
    "SeriesInstanceUID": "returned",
    "Modality": "returned",
    "NumberOfSeriesRelatedInstances": "returned",
}
"""The keys of our identifiers and what they are for: universal matching, PS3.4 section C.2.2.2.3, where returned."""


@dataclass(frozen=True, kw_only=True)
class StudyQuery:
    """What the studies have in common; all that is given must fit. Never log one: it may name a patient.

    Raises
    ------
    QueryError
        Nothing narrows the query, a UID is malformed, or an identifier has wildcards and would match others.
    """

    patient_id: str = field(default="", repr=False)
    accession_number: str = field(default="", repr=False)
    study_instance_uid: str = ""
    since: date | None = None
    until: date | None = None
    """The last day that is included."""
    modality: str = "US"
    """One that the study must have among others; empty: any."""

    def __post_init__(self) -> None:
        if not any((self.patient_id, self.accession_number, self.study_instance_uid, self.since, self.until)):
            raise QueryError("a query without a patient, accession number, study or date would match the whole archive")
        if self.study_instance_uid and not is_valid_uid(self.study_instance_uid):
            raise QueryError("not a valid Study Instance UID")
        for name, value in (("patient ID", self.patient_id), ("accession number", self.accession_number)):
            if any(character in _NEVER_MATCHED for character in value) or not (value == "" or value.strip()):
                raise QueryError(
                    f"the {name} is blank or has a character (* ? \\) that would match others: give it whole"
                )
        if self.since and self.until and self.until < self.since:
            raise QueryError(f"no day lies between {self.since} and {self.until}")

    def fits(self, answer: Dataset) -> bool:
        """Whether an answer is what was asked for, its modalities aside; an archive may ignore keys."""
        return (
            self.patient_id.strip() in ("", text_of(answer, "PatientID"))
            and self.accession_number.strip() in ("", text_of(answer, "AccessionNumber"))
            and self.study_instance_uid in ("", text_of(answer, "StudyInstanceUID"))
            and self._fits_date(date_of(answer))
        )

    def _fits_date(self, day: date | None) -> bool:
        if day is None:
            return self.since is None and self.until is None
        return (self.since or day) <= day <= (self.until or day)


@dataclass(frozen=True, kw_only=True)
class KnownStudy:
    """A study whose priors are sought. PHI: never logged."""

    study_instance_uid: str
    patient_id: str = field(repr=False)
    issuer_of_patient_id: str = field(default="", repr=False)
    study_date: date | None = None


@dataclass(frozen=True, kw_only=True)
class _Match:
    study: FoundStudy
    issuer_of_patient_id: str = field(repr=False)


def find_studies(peer: Peer, query: StudyQuery, *, at_most: int | None = None) -> Generator[FoundStudy]:
    """The studies that fit, each once, as the archive names them; C-CANCEL after `at_most`, or when closed early.

    Raises
    ------
    QueryError
        The archive is out of reach, accepts no Study Root C-FIND, or ended the query with a failure.
    """
    with _association(peer) as association, closing(_matches(association, peer, query)) as matches:
        for number, match in enumerate(matches, 1):
            yield match.study
            if number == at_most:
                return


def find_priors(peer: Peer, study: KnownStudy, *, at_most: int) -> list[FoundStudy]:
    """Ultrasound studies of the same patient from before that day, newest first; of any day where it is unknown.

    A patient ID is unique only within its issuer (PS3.3 section C.7.1.1). An issuer that we do not know is taken
    from the archive's own answer for `study`; a study without one is taken for the same patient's.

    Raises
    ------
    QueryError
        The archive could not be asked, or it has patients of several issuers under this ID and which is meant is
        unknown.
    """
    with _association(peer) as association:
        matches = list(_matches(association, peer, StudyQuery(patient_id=study.patient_id)))
    own = (match.issuer_of_patient_id for match in matches if _is_same(match, study))
    issuer = study.issuer_of_patient_id or next(own, "")
    if not issuer and len({match.issuer_of_patient_id for match in matches} - {""}) > 1:
        raise QueryError(f"{peer}: has patients of several issuers under the patient ID of {study.study_instance_uid}")
    priors = [
        match.study
        for match in matches
        if not _is_same(match, study)
        and (not issuer or match.issuer_of_patient_id in ("", issuer))
        and _is_earlier(match.study, study.study_date)
    ]
    return sorted(priors, key=lambda prior: prior.study_date or date.min, reverse=True)[:at_most]


def _is_same(match: _Match, study: KnownStudy) -> bool:
    return match.study.study_instance_uid == study.study_instance_uid


def _is_earlier(prior: FoundStudy, than: date | None) -> bool:
    return than is None or (prior.study_date is not None and prior.study_date < than)


@contextmanager
def _association(peer: Peer) -> Iterator[Association]:
    try:
        with association_with(peer, [build_context(StudyRootQueryRetrieveInformationModelFind)]) as association:
            yield association
    except DeliveryError as error:
        raise QueryError(str(error)) from error


def _matches(association: Association, peer: Peer, query: StudyQuery) -> Generator[_Match]:
    seen: set[str] = set()
    incomplete: list[_Match] = []
    with closing(_answers(association, peer, _study_identifier(query))) as answers:
        for answer in answers:
            study = study_of(answer)
            if study is None or study.study_instance_uid in seen or not query.fits(answer):
                continue
            if query.modality and study.modalities and query.modality not in study.modalities:
                continue
            seen.add(study.study_instance_uid)
            match = _Match(study=study, issuer_of_patient_id=text_of(answer, "IssuerOfPatientID"))
            if study.instances is None or not study.modalities:
                incomplete.append(match)  # one request at a time: the archive is still answering this one
            else:
                yield match
    for match in incomplete:
        study = _completed(association, peer, match.study)
        if not query.modality or query.modality in study.modalities:
            yield _Match(study=study, issuer_of_patient_id=match.issuer_of_patient_id)


def _completed(association: Association, peer: Peer, study: FoundStudy) -> FoundStudy:
    """Modalities and number of instances as the study's series have them, where its own answer lacks them."""
    series = list(_answers(association, peer, _series_identifier(study.study_instance_uid)))
    numbers = [whole_number_of(answer, "NumberOfSeriesRelatedInstances") for answer in series]
    known = [number for number in numbers if number is not None]
    counted = sum(known) if known and len(known) == len(numbers) else None
    modalities = dict.fromkeys(name for answer in series for name in texts_of(answer, "Modality"))
    return FoundStudy(
        study_instance_uid=study.study_instance_uid,
        study_date=study.study_date,
        modalities=study.modalities or tuple(modalities),
        instances=counted if study.instances is None else study.instances,
        description=study.description,
    )


def _study_identifier(query: StudyQuery) -> Dataset:
    identifier = Dataset()
    if not (query.patient_id + query.accession_number).isascii():
        identifier.SpecificCharacterSet = "ISO_IR 192"
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.PatientID = query.patient_id.strip()
    identifier.IssuerOfPatientID = ""
    identifier.AccessionNumber = query.accession_number.strip()
    identifier.StudyInstanceUID = query.study_instance_uid
    identifier.StudyDate = _date_range(query.since, query.until)
    identifier.ModalitiesInStudy = query.modality
    identifier.StudyDescription = ""
    identifier.NumberOfStudyRelatedInstances = None
    return identifier


def _series_identifier(study_instance_uid: str) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "SERIES"
    identifier.StudyInstanceUID = study_instance_uid
    identifier.SeriesInstanceUID = ""
    identifier.Modality = ""
    identifier.NumberOfSeriesRelatedInstances = None
    return identifier


def _date_range(since: date | None, until: date | None) -> str:
    """Range matching (PS3.4 section C.2.2.2.5)."""
    if since is None and until is None:
        return ""
    if since == until:
        return f"{since:%Y%m%d}"
    return f"{since:%Y%m%d}-" if until is None else f"{since:%Y%m%d}-{until:%Y%m%d}" if since else f"-{until:%Y%m%d}"


def _answers(association: Association, peer: Peer, identifier: Dataset) -> Generator[Dataset]:
    """The identifiers of one C-FIND's pending responses; cancelled when closed before the last."""
    model = StudyRootQueryRetrieveInformationModelFind
    failure = ""
    try:
        with closing(_responses(association, peer, identifier)) as answers:
            yield from answers
    except QueryError as error:
        failure = str(error)
        raise
    finally:
        peer.tell([query_made(peer.remote, identifier, sop_class_uid=model, failure=failure)])


def _responses(association: Association, peer: Peer, identifier: Dataset) -> Generator[Dataset]:
    try:
        responses = association.send_c_find(identifier, StudyRootQueryRetrieveInformationModelFind)
    except RuntimeError as error:
        raise QueryError(f"{peer}: broke off the association") from error
    ended = False
    try:
        for response, answer in responses:
            status = status_of(response)
            ended = status not in PENDING
            if status is None:
                ours = peer.calling_ae_title
                raise QueryError(f"{peer}: broke off or fell silent during a query: does it let {ours} query?")
            if ended and status != QueryRetrieveStatus.SUCCESS:
                raise QueryError(f"{peer}: the query ended with {named(status)}")
            if not ended and answer is not None:
                yield answer
    finally:
        if not ended:
            _cancel(association, responses)


def _cancel(association: Association, responses: Iterator[tuple[Dataset, Dataset | None]]) -> None:
    """C-CANCEL, and hear the archive out; with one that goes on regardless, the association is aborted."""
    if not association.is_established:
        return
    association.dimse_timeout = CANCEL_TIMEOUT_S
    association.send_c_cancel(1, query_model=StudyRootQueryRetrieveInformationModelFind)
    deadline = time.monotonic() + CANCEL_TIMEOUT_S
    status: int | None = QueryRetrieveStatus.PENDING
    for response, _ in responses:
        status = status_of(response)
        if time.monotonic() > deadline:
            break
    if status in PENDING:
        association.abort()
