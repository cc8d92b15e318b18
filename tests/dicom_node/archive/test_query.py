"""Queries as archives answer them: Orthanc, DCMTK's, and scripted ones that do what some in the field do."""

import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pynetdicom.events import Event

from config.errors import QueryError
from dicom_node.archive.answers import date_from, study_of
from dicom_node.archive.query import KnownStudy, StudyQuery, find_priors, find_studies
from dicom_node.calling import Peer
from tests.support.archives import OUR_AE_TITLE, Answers, answer, made_study, peer_of, scripted_archive
from tests.support.servers import DcmQRSCP, Orthanc, dcmqrscp, free_port
from tests.support.waiting import wait_until

PENDING, SUCCESS = 0xFF00, 0x0000


@pytest.fixture(params=["orthanc", "dcmqrscp"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Orthanc | DcmQRSCP]:
    if request.param == "orthanc":
        server = request.getfixturevalue("orthanc")
        server.know(OUR_AE_TITLE, free_port())
        yield server
    else:
        with dcmqrscp(tmp_path, {}) as server:
            yield server


def uids(peer: Peer, query: StudyQuery) -> set[str]:
    return {study.study_instance_uid for study in find_studies(peer, query)}


def finds(peer: Peer, query: StudyQuery, wanted: set[str]) -> None:
    """DCMTK's archive forks for each association: now and then one sees an index that another is just writing."""
    wait_until(lambda: uids(peer, query) == wanted, 10, f"{wanted} to be found by {query}")


def test_real_archives_find_by_every_key(archive: Orthanc | DcmQRSCP, tmp_path: Path) -> None:
    patient = {"PatientID": f"P{tmp_path.name}"[:60], "AccessionNumber": "A1"}
    wanted = made_study(tmp_path / "a", StudyDate="20190301", StudyDescription="TTE", **patient)
    other = made_study(tmp_path / "b", StudyDate="20190401", **(patient | {"AccessionNumber": "A2"}))
    ct = made_study(tmp_path / "c", StudyDate="20190302", Modality="CT", **(patient | {"AccessionNumber": "A3"}))
    archive.keep(*wanted.files, *other.files, *ct.files)
    peer = peer_of(archive)
    mine = patient["PatientID"]
    finds(peer, StudyQuery(patient_id=mine), {wanted.uid, other.uid})
    finds(peer, StudyQuery(patient_id=mine, modality=""), {wanted.uid, other.uid, ct.uid})
    finds(peer, StudyQuery(patient_id=mine, accession_number="A1"), {wanted.uid})
    finds(peer, StudyQuery(study_instance_uid=other.uid), {other.uid})
    finds(peer, StudyQuery(patient_id=mine, since=date(2019, 3, 1), until=date(2019, 3, 31)), {wanted.uid})
    finds(peer, StudyQuery(patient_id=mine, since=date(2019, 3, 15)), {other.uid})
    finds(peer, StudyQuery(patient_id=mine, until=date(2019, 3, 1)), {wanted.uid})
    finds(peer, StudyQuery(patient_id="NOBODY"), set())
    by_uid = StudyQuery(study_instance_uid=wanted.uid)
    (found,) = wait_until(lambda: list(find_studies(peer, by_uid)), 10, "one study to be found by its UID")
    assert (found.study_date, found.modalities) == (date(2019, 3, 1), ("US",))
    if isinstance(archive, Orthanc):  # DCMTK's archive counts no instances and keeps no description
        assert (found.instances, found.description) == (2, "TTE")


def test_priors_are_the_patients_earlier_echo_studies_newest_first(archive: Orthanc | DcmQRSCP, tmp_path: Path) -> None:
    patient = {"PatientID": f"Q{tmp_path.name}"[:60]}
    days = ("20200101", "20220101", "20210101", "20230101", "20240101")
    studies = [made_study(tmp_path / day, instances=1, StudyDate=day, **patient) for day in days]
    ct = made_study(tmp_path / "ct", instances=1, StudyDate="20200601", Modality="CT", **patient)
    archive.keep(*(file for study in (*studies, ct) for file in study.files))
    own = KnownStudy(study_instance_uid=studies[3].uid, patient_id=patient["PatientID"], study_date=date(2023, 1, 1))
    assert [prior.study_date for prior in find_priors(peer_of(archive), own, at_most=2)] == [
        date(2022, 1, 1),
        date(2021, 1, 1),
    ]


def finding(*answers: Dataset, status: int = SUCCESS, series: dict[str, list[Dataset]] | None = None) -> Answers:
    """A C-FIND handler that answers every study query alike, whatever the keys."""

    def on_c_find(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        asked = event.identifier
        at_series = asked.QueryRetrieveLevel == "SERIES"
        for found in (series or {}).get(asked.StudyInstanceUID, []) if at_series else answers:
            yield PENDING, found
        yield (SUCCESS if at_series else status), None

    return on_c_find


def series(modality: str, instances: int | None = None) -> Dataset:
    return answer(
        QueryRetrieveLevel="SERIES",
        Modality=modality,
        NumberOfSeriesRelatedInstances=instances,
        ModalitiesInStudy=None,
        NumberOfStudyRelatedInstances=None,
    )


def test_an_archive_that_ignores_the_keys_finds_nothing_else() -> None:
    wanted = answer(ModalitiesInStudy=["US", "SR"])
    others = (
        answer(ModalitiesInStudy="CT"),
        answer(PatientID="P2"),
        answer(PatientID=None),
        answer(StudyDate="20260603"),
        answer(StudyDate=""),
        answer(StudyInstanceUID="../../escape"),
        answer(StudyInstanceUID=None),
    )
    with scripted_archive(find=finding(*others, wanted, wanted)) as peer:
        query = StudyQuery(patient_id="P1", since=date(2026, 5, 1), until=date(2026, 5, 31))
        (found,) = find_studies(peer, query)
    assert found.study_instance_uid == wanted.StudyInstanceUID
    assert found.modalities == ("US", "SR")


def test_what_an_answer_lacks_is_asked_of_the_series() -> None:
    lacking = {"ModalitiesInStudy": None, "NumberOfStudyRelatedInstances": None}
    echo, ct, uncounted = answer(**lacking), answer(**lacking), answer(**lacking)
    by_study = {
        echo.StudyInstanceUID: [series("US", 40), series("SR", 1)],
        ct.StudyInstanceUID: [series("CT", 900)],
        uncounted.StudyInstanceUID: [series("US", 5), series("US")],
    }
    with scripted_archive(find=finding(echo, ct, uncounted, series=by_study)) as peer:
        found = {study.study_instance_uid: study for study in find_studies(peer, StudyQuery(patient_id="P1"))}
    assert found.keys() == {echo.StudyInstanceUID, uncounted.StudyInstanceUID}
    assert (found[echo.StudyInstanceUID].modalities, found[echo.StudyInstanceUID].instances) == (("US", "SR"), 41)
    assert found[uncounted.StudyInstanceUID].instances is None


@pytest.mark.parametrize("how", ["limit", "closed"])
def test_a_limit_cancels_the_query(how: str) -> None:
    cancelled = threading.Event()

    def on_c_find(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        for _ in range(10):
            yield PENDING, answer()
        wait_until(lambda: event.is_cancelled, 10, "C-CANCEL")
        cancelled.set()
        yield 0xFE00, None

    with scripted_archive(find=on_c_find) as peer:
        if how == "limit":
            assert len(list(find_studies(peer, StudyQuery(patient_id="P1"), at_most=3))) == 3
        else:
            studies = find_studies(peer, StudyQuery(patient_id="P1"))
            assert next(studies).instances == 3
            studies.close()
        wait_until(cancelled.is_set, 5, "the archive to hear of it")


def test_an_archive_that_ignores_the_cancel_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_node.archive.query.CANCEL_TIMEOUT_S", 0.2)
    left = threading.Event()

    def on_c_find(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        while not event.assoc.acse.is_aborted():
            yield PENDING, answer()
            time.sleep(0.01)  # an archive's own pace
        left.set()

    with scripted_archive(find=on_c_find) as peer:
        assert len(list(find_studies(peer, StudyQuery(patient_id="P1"), at_most=2))) == 2
        wait_until(left.is_set, 10, "the association to end")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0xA700, "0xA700 out of resources"),
        (0xA900, "0xA900 identifier does not match SOP class"),
        (0xC123, "0xC123 unable to process"),
        (0x0122, "0x0122 SOP class not supported"),
        (0xFE00, "0xFE00 cancelled"),
    ],
)
def test_a_failure_is_named(status: int, said: str) -> None:
    with scripted_archive(find=finding(answer(), status=status)) as peer, pytest.raises(QueryError, match=said):
        list(find_studies(peer, StudyQuery(patient_id="P1")))


def test_pending_with_unsupported_keys_is_pending() -> None:
    def on_c_find(_: Event) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xFF01, answer()
        yield SUCCESS, None

    with scripted_archive(find=on_c_find) as peer:
        assert len(list(find_studies(peer, StudyQuery(patient_id="P1")))) == 1


def test_an_archive_that_is_away_or_takes_no_query_is_an_error() -> None:
    away = Peer(host="127.0.0.1", port=free_port(), ae_title="AWAY", calling_ae_title="ECHOWORKER")
    with pytest.raises(QueryError, match=r"AWAY at 127\.0\.0\.1:\d+: connection refused"):
        list(find_studies(away, StudyQuery(patient_id="P1")))
    with scripted_archive(move=lambda _: iter(())) as peer, pytest.raises(QueryError, match="accepts none"):
        list(find_studies(peer, StudyQuery(patient_id="P1")))


def test_an_archive_that_aborts_is_an_error() -> None:
    def on_c_find(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        yield PENDING, answer()
        event.assoc.abort()

    with scripted_archive(find=on_c_find) as peer, pytest.raises(QueryError, match="broke off"):
        list(find_studies(peer, StudyQuery(patient_id="P1")))


def test_character_sets_go_both_ways() -> None:
    asked = []

    def on_c_find(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        asked.append((event.identifier.SpecificCharacterSet, event.identifier.PatientID))
        yield PENDING, answer(SpecificCharacterSet="ISO_IR 100", PatientID="Müller-1", StudyDescription="Écho")
        yield PENDING, answer(SpecificCharacterSet="no such set", PatientID="P2")
        yield SUCCESS, None

    with scripted_archive(find=on_c_find) as peer:
        (found,) = find_studies(peer, StudyQuery(patient_id="Müller-1"))
    assert asked == [("ISO_IR 192", "Müller-1")]
    assert found.description == "Écho"


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"patient_id": "*"},
        {"patient_id": "SECRET?"},
        {"patient_id": " "},
        {"accession_number": "SECRET\\B"},
        {"study_instance_uid": "1.2.*"},
        {"since": date(2026, 5, 2), "until": date(2026, 5, 1)},
    ],
)
def test_a_query_that_would_match_others_is_refused_without_quoting_it(keys: dict[str, object]) -> None:
    with pytest.raises(QueryError) as caught:
        StudyQuery(**keys)  # type: ignore[arg-type]
    assert "SECRET" not in str(caught.value)


def test_neither_query_nor_known_study_shows_the_patient() -> None:
    shown = repr(StudyQuery(patient_id="SECRET", accession_number="SECRET"))
    assert "SECRET" not in shown + repr(KnownStudy(study_instance_uid="1.2", patient_id="SECRET"))


KNOWN = KnownStudy(study_instance_uid="1.2.3", patient_id="P1", study_date=date(2026, 5, 3))


def issued(day: str, issuer: str | None, **values: object) -> Dataset:
    return answer(StudyDate=day, IssuerOfPatientID=issuer, **values)


def test_priors_of_another_issuers_patient_are_left_out() -> None:
    own = issued("20260503", "NORTH", StudyInstanceUID="1.2.3")
    answers = (own, issued("20250101", "NORTH"), issued("20240101", "SOUTH"), issued("20230101", None))
    with scripted_archive(find=finding(*answers)) as peer:
        priors = find_priors(peer, KNOWN, at_most=9)
    assert [prior.study_date for prior in priors] == [date(2025, 1, 1), date(2023, 1, 1)]


def test_priors_whose_issuer_cannot_be_told_are_not_guessed() -> None:
    with (
        scripted_archive(find=finding(issued("20250101", "NORTH"), issued("20240101", "SOUTH"))) as peer,
        pytest.raises(QueryError, match="several issuers"),
    ):
        find_priors(peer, KNOWN, at_most=9)


@given(st.dates(), st.booleans())
def test_every_date_is_read_in_both_forms(day: date, with_dots: bool) -> None:
    assert date_from(f"{day:%Y}".zfill(4) + (f".{day:%m.%d}" if with_dots else f"{day:%m%d}")) == day


@given(st.text(max_size=20))
def test_no_text_is_too_odd_to_be_no_date(text: str) -> None:
    assert date_from(text) is None or len(text.strip().replace(".", "")) == 8


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=200))
def test_whatever_an_archive_answers_is_a_study_or_nothing(number: str, day: str, description: str) -> None:
    identifier = Dataset()
    identifier.StudyInstanceUID = "1.2.3"
    identifier.StudyDescription = description
    for tag, vr, value in ((0x00201208, "IS", number), (0x00080020, "DA", day)):
        identifier[tag] = _raw(tag, vr, value)
    study = study_of(identifier)
    assert study is not None
    assert study.description.isprintable()
    assert study.instances is None or study.instances >= 0


def _raw(tag: int, vr: str, value: str) -> RawDataElement:
    content = value.encode()
    return RawDataElement(Tag(tag), vr, len(content), content, 0, False, True)
