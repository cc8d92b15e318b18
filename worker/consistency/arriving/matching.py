"""Whose study a report is of. Rather no study than a wrong one: what is not certain stays unmatched, with its reason.

1. A Study Instance UID decides: the report is of that study, or of none that is here.
2. An accession number, of the likeliest field first; where both sides say who gave it out, that must agree. Of several
   studies with this number, the one within the window of time.
3. The patient and the time: the only study of this patient within the window.

A study of another patient is never matched: not by its UID, and not by its number, which another hospital may have
given out, too. Patient IDs are compared where both sides have one and do not name different issuers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from worker.consistency.identifiers import Identifier, ReportIdentifiers

WINDOW = timedelta(hours=24)
"""Between the study and the time of observation that the report names; OBR-7 may be that of the order."""


class MatchedBy(StrEnum):
    """What decided."""

    STUDY_INSTANCE_UID = "Study Instance UID"
    ACCESSION_NUMBER = "accession number"
    PATIENT_AND_TIME = "patient and time"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A study that is here, with what the registry knows of whose it is."""

    study_instance_uid: str
    accession_number: str = field(default="", repr=False)
    accession_issuer: str = field(default="", repr=False)
    patient_id: str = field(default="", repr=False)
    patient_issuer: str = field(default="", repr=False)
    began_at: datetime | None = None
    """Aware: Study Date and Time."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """The study that the report is of."""

    study_instance_uid: str
    by: MatchedBy


@dataclass(frozen=True, kw_only=True)
class Unmatched:
    """No study, and why; free of PHI."""

    reason: str


def match(
    report: ReportIdentifiers, candidates: Sequence[Candidate], *, window: timedelta = WINDOW
) -> Match | Unmatched:
    """Find the one study that a report is of, among those that share anything with it.

    Parameters
    ----------
    report
        What the report says.
    candidates
        Every study that is here with one of its UIDs, numbers or patient IDs; others do no harm.
    window
        The most that study and report may lie apart where the time has to decide.
    """
    if report.study_instance_uids:
        return _by_uid(report, candidates)
    if (found := _by_accession_number(report, candidates, window)) is not None:
        return found
    return _by_patient_and_time(report, candidates, window)


def _by_uid(report: ReportIdentifiers, candidates: Sequence[Candidate]) -> Match | Unmatched:
    named = [study for study in candidates if study.study_instance_uid in report.study_instance_uids]
    if not named:
        return Unmatched(reason="the report names a study that is not here")
    if len({study.study_instance_uid for study in named}) > 1:
        return Unmatched(reason="the report names several studies that are here")
    if same_patient(report, named[0]) is False:
        return Unmatched(reason="the study that the report names is of another patient")
    return Match(study_instance_uid=named[0].study_instance_uid, by=MatchedBy.STUDY_INSTANCE_UID)


def _by_accession_number(
    report: ReportIdentifiers, candidates: Sequence[Candidate], window: timedelta
) -> Match | Unmatched | None:
    """None where no study of this patient has any of the numbers."""
    for number in report.accession_numbers:
        named = [
            study for study in candidates if _same_number(number, study) and same_patient(report, study) is not False
        ]
        if len(named) > 1:
            near = [study for study in named if _is_near(report, study, window)]
            if len(near) != 1:
                return Unmatched(reason=f"{len(named)} studies have the accession number of the report")
            named = near
        if named:
            return Match(study_instance_uid=named[0].study_instance_uid, by=MatchedBy.ACCESSION_NUMBER)
    return None


def _by_patient_and_time(
    report: ReportIdentifiers, candidates: Sequence[Candidate], window: timedelta
) -> Match | Unmatched:
    if any(_same_number(number, study) for number in report.accession_numbers for study in candidates):
        return Unmatched(reason="the study with the accession number of the report is of another patient")
    if not report.patient_ids:
        return Unmatched(reason="no study has an accession number of the report, which names no patient")
    of_patient = [study for study in candidates if same_patient(report, study)]
    if not of_patient:
        return Unmatched(reason="no study of this patient, and none with an accession number of the report, is here")
    if report.observed_at is None:
        return Unmatched(reason="no study has an accession number of the report, which says no time")
    near = [study for study in of_patient if _is_near(report, study, window)]
    if len(near) == 1:
        return Match(study_instance_uid=near[0].study_instance_uid, by=MatchedBy.PATIENT_AND_TIME)
    if near:
        return Unmatched(reason=f"{len(near)} studies of this patient are near the time of the report")
    return Unmatched(reason="no study of this patient is near the time of the report")


def same_patient(report: ReportIdentifiers, study: Candidate) -> bool | None:
    """Whether the report is of the study's patient; None where that cannot be told."""
    if not study.patient_id.strip():
        return None
    comparable = [said for said in report.patient_ids if _may_be_compared(said.issuer, study.patient_issuer)]
    if not comparable:
        return None
    return any(said.value.strip() == study.patient_id.strip() for said in comparable)


def _same_number(number: Identifier, study: Candidate) -> bool:
    return (
        bool(number.value.strip())
        and number.value.strip() == study.accession_number.strip()
        and _may_be_compared(number.issuer, study.accession_issuer)
    )


def _may_be_compared(one: str, other: str) -> bool:
    return not one or not other or one.casefold() == other.casefold()


def _is_near(report: ReportIdentifiers, study: Candidate, window: timedelta) -> bool:
    if report.observed_at is None or study.began_at is None:
        return False
    return abs(report.observed_at - study.began_at) <= window
