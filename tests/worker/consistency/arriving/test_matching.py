"""A report goes to the one study that it is of, or to none, with a reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.consistency.arriving.matching import Candidate, Match, MatchedBy, Unmatched, match
from worker.consistency.identifiers import Identifier, ReportIdentifiers

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STUDY = Candidate(study_instance_uid="1.2.3.4", accession_number="ACC-1", patient_id="P-1", began_at=NOON)
LATER = replace(STUDY, study_instance_uid="1.2.3.5", began_at=NOON + timedelta(days=2))
OTHERS = replace(STUDY, study_instance_uid="1.2.3.6", patient_id="P-2")


def numbers(*values: str, issuer: str = "") -> tuple[Identifier, ...]:
    return tuple(Identifier(value=value, issuer=issuer) for value in values)


def said(**changes: object) -> ReportIdentifiers:
    return ReportIdentifiers(**changes)  # type: ignore[arg-type]


def test_a_study_instance_uid_decides() -> None:
    report = said(study_instance_uids=("1.2.3.5",), accession_numbers=numbers("ACC-1"))
    assert match(report, [STUDY, LATER]) == Match(study_instance_uid="1.2.3.5", by=MatchedBy.STUDY_INSTANCE_UID)
    away = said(study_instance_uids=("9.9.9",), accession_numbers=numbers("ACC-1"))
    assert match(away, [STUDY]) == Unmatched(reason="the report names a study that is not here")
    both = said(study_instance_uids=("1.2.3.4", "1.2.3.5"))
    assert match(both, [STUDY, LATER]) == Unmatched(reason="the report names several studies that are here")


def test_a_number_of_the_likeliest_field_comes_first() -> None:
    second = replace(LATER, accession_number="ACC-2")
    report = said(accession_numbers=numbers("ACC-2", "ACC-1"))
    assert match(report, [STUDY, second]) == Match(study_instance_uid="1.2.3.5", by=MatchedBy.ACCESSION_NUMBER)
    assert match(said(accession_numbers=numbers("FILLER", "ACC-1")), [STUDY]) == Match(
        study_instance_uid="1.2.3.4", by=MatchedBy.ACCESSION_NUMBER
    )


def test_a_study_of_another_patient_is_never_matched() -> None:
    patient = numbers("P-1")
    by_uid = match(said(study_instance_uids=("1.2.3.6",), patient_ids=patient), [OTHERS])
    assert by_uid == Unmatched(reason="the study that the report names is of another patient")
    by_number = match(said(accession_numbers=numbers("ACC-1"), patient_ids=patient), [OTHERS])
    assert by_number == Unmatched(reason="the study with the accession number of the report is of another patient")
    assert match(said(accession_numbers=numbers("ACC-1"), patient_ids=patient), [OTHERS, STUDY]) == Match(
        study_instance_uid="1.2.3.4", by=MatchedBy.ACCESSION_NUMBER
    )


def test_numbers_of_different_issuers_are_different_numbers() -> None:
    study = replace(STUDY, accession_issuer="HOSP", patient_issuer="HOSP")
    here = said(accession_numbers=numbers("ACC-1", issuer="hosp"), patient_ids=numbers("P-1", issuer="HOSP"))
    assert isinstance(match(here, [study]), Match)
    elsewhere = replace(here, accession_numbers=numbers("ACC-1", issuer="OTHER"))
    assert isinstance(match(elsewhere, [study]), Unmatched)
    # Another issuer's ID of the same patient says nothing against it.
    national = replace(here, patient_ids=numbers("999", issuer="NATIONAL"))
    assert isinstance(match(national, [study]), Match)


def test_of_several_studies_with_one_number_the_nearest_in_time() -> None:
    report = said(accession_numbers=numbers("ACC-1"), observed_at=NOON + timedelta(hours=1))
    assert match(report, [STUDY, LATER]) == Match(study_instance_uid="1.2.3.4", by=MatchedBy.ACCESSION_NUMBER)
    for observed in (None, NOON + timedelta(days=9)):
        unsure = match(replace(report, observed_at=observed), [STUDY, LATER])
        assert unsure == Unmatched(reason="2 studies have the accession number of the report")


def test_the_only_study_of_the_patient_near_the_time() -> None:
    report = said(patient_ids=numbers("P-1"), observed_at=NOON + timedelta(hours=3))
    assert match(report, [STUDY, LATER, OTHERS]) == Match(study_instance_uid="1.2.3.4", by=MatchedBy.PATIENT_AND_TIME)
    assert match(report, [STUDY, LATER], window=timedelta(days=3)) == Unmatched(
        reason="2 studies of this patient are near the time of the report"
    )
    assert match(report, [STUDY], window=timedelta(hours=2)) == Unmatched(
        reason="no study of this patient is near the time of the report"
    )


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (said(), "names no patient"),
        (said(patient_ids=numbers("P-1")), "says no time"),
        (said(patient_ids=numbers("P-9"), observed_at=NOON), "no study of this patient"),
        (said(accession_numbers=numbers("X")), "names no patient"),
    ],
)
def test_why_a_report_has_no_study(report: ReportIdentifiers, reason: str) -> None:
    found = match(report, [STUDY])
    assert isinstance(found, Unmatched)
    assert reason in found.reason


ids = st.sampled_from(["", "P-1", "P-2"])
candidates = st.builds(
    Candidate,
    study_instance_uid=st.sampled_from(["1.2.3.4", "1.2.3.5"]),
    accession_number=st.sampled_from(["", "A", "B"]),
    patient_id=ids,
    began_at=st.sampled_from([None, NOON, NOON + timedelta(days=3)]),
)


@given(
    st.lists(candidates, max_size=4, unique_by=lambda study: study.study_instance_uid),
    st.lists(st.sampled_from(["1.2.3.4", "7.7.7.7"]), max_size=1),
    st.lists(st.sampled_from(["A", "B", " "]), max_size=2),
    ids,
    st.sampled_from([None, NOON]),
)
def test_a_match_shares_something_and_contradicts_nothing(
    studies: list[Candidate], uids: list[str], accession: list[str], patient: str, observed: datetime | None
) -> None:
    report = said(
        study_instance_uids=tuple(uids),
        accession_numbers=numbers(*accession),
        patient_ids=numbers(*filter(None, [patient])),
        observed_at=observed,
    )
    found = match(report, studies)
    if isinstance(found, Unmatched):
        assert found.reason
        assert not any(secret in found.reason for secret in ("P-1", "P-2"))
        return
    study = next(study for study in studies if study.study_instance_uid == found.study_instance_uid)
    assert not patient or not study.patient_id or study.patient_id == patient
    match found.by:
        case MatchedBy.STUDY_INSTANCE_UID:
            assert study.study_instance_uid in uids
        case MatchedBy.ACCESSION_NUMBER:
            assert study.accession_number in accession
        case MatchedBy.PATIENT_AND_TIME:
            assert study.patient_id == patient
            assert study.began_at == observed
