"""Whose study it is, in the registry: plain, encrypted, pseudonymised or not at all; and from one to another."""

import base64
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from config.errors import ConfigurationError, IdentitiesError
from config.sections.privacy import IdentityMode
from config.settings import Settings, load_settings
from db import identity_keeping
from db.consistency.received_reports import Matching, NewReport, Via, add_received_report
from db.consistency.report_matching import matching_key, reports_to_match, studies_after, studies_that_may_match
from db.converting import convert_identities
from db.identities import PSEUDONYM, IdentityField, IdentityKeeper, KeyKind
from db.lifecycle.received import Identity, ReceivedInstance
from db.lifecycle.studies import identity_of, register_instance
from db.reading.scored_cases import patients_of
from db.session import Database
from dicom_node.duties import is_lasting
from tests.db.conftest import NOW, QUIET

KEY = bytes(range(32))
SOMEBODY = Identity(
    patient_id=" 4711-X ",
    patient_name="Zwölf^Ottilie",
    birth_date="19330224",
    accession_number="ACC-99",
    study_date="20261031",
)
KEPT = replace(SOMEBODY, patient_id="4711-X")
Receive = Callable[..., ReceivedInstance]


def keeper(mode: str, key: bytes = KEY) -> IdentityKeeper:
    return IdentityKeeper(IdentityMode(mode), key)


def opened(url: str, mode: str, key: bytes = KEY) -> Database:
    database = Database(url, keeper(mode, key))
    database.upgrade()
    return database


def fill(registry: Database, received: Receive, *studies: str, whose: Identity = SOMEBODY) -> None:
    with registry.write() as session:
        for study in studies:
            register_instance(session, replace(received(study=study), identity=whose), QUIET)


def raw(url: str) -> str:
    """All that lies in the database of identities and of what reports are matched by."""
    engine = create_engine(url)
    with engine.connect() as connection:
        tables = ("patient_identities", "received_report_keys")
        rows = [connection.execute(text(f"SELECT * FROM {table}")).all() for table in tables]  # noqa: S608
    engine.dispose()
    return repr(rows)


def seen_in(url: str) -> set[str]:
    """What of the identity can be read there without a key."""
    said = raw(url)
    return {value.strip() for value in vars(SOMEBODY).values() if value.strip() in said}


def test_encrypted_says_nothing_without_the_key_and_everything_with_it(registry_url: str, received: Receive) -> None:
    registry = opened(registry_url, "encrypted")
    fill(registry, received, "1.2.1", "1.2.2")
    with registry.read() as session:
        assert identity_of(session, "1.2.1") == KEPT
    assert seen_in(registry_url) == set()


def test_pseudonymised_can_be_read_by_nobody_but_for_the_day(registry_url: str, received: Receive) -> None:
    registry = opened(registry_url, "pseudonymised")
    fill(registry, received, "1.2.1")
    with registry.read() as session:
        kept = identity_of(session, "1.2.1")
    assert seen_in(registry_url) == set()
    assert kept.study_date == "20261031"
    names = (kept.patient_id, kept.patient_name, kept.birth_date, kept.accession_number)
    assert all(name is not None and name.startswith(PSEUDONYM) for name in names)


def test_empty_knows_nothing(registry_url: str, received: Receive) -> None:
    registry = opened(registry_url, "empty")
    fill(registry, received, "1.2.1")
    with registry.read() as session:
        assert set(vars(identity_of(session, "1.2.1")).values()) == {None}


@pytest.mark.parametrize("mode", ["plain", "encrypted", "pseudonymised"])
def test_studies_of_a_patient_find_each_other_and_the_reports_of_theirs(
    tmp_path: Path, received: Receive, mode: str
) -> None:
    registry = opened(f"sqlite:///{tmp_path}/r.sqlite3", mode)
    fill(registry, received, "1.2.1", "1.2.2")
    fill(registry, received, "1.2.3", whose=replace(SOMEBODY, patient_id="4712", accession_number="ACC-100"))
    add_report(registry, 1, KeyKind.PATIENT, "4711-X")
    add_report(registry, 2, KeyKind.ACCESSION_NUMBER, " ACC-100 ")
    add_report(registry, 3, KeyKind.STUDY, "1.2.3")
    add_report(registry, 4, KeyKind.PATIENT, "4713")
    with registry.read() as session:
        of_patient = studies_that_may_match(
            session, study_instance_uids=[], accession_numbers=[], patient_ids=["4711-X "]
        )
        by_number = studies_that_may_match(
            session, study_instance_uids=[], accession_numbers=["ACC-100"], patient_ids=[]
        )
        patients = patients_of(session, ["1.2.1", "1.2.2", "1.2.3"])
        matched = [
            reports_to_match(session, study.matching_keys(), also_matched_by="x")
            for study in studies_after(session, 0, but_for=())
        ]
    assert {study.study_instance_uid for study in of_patient} == {"1.2.1", "1.2.2"}
    assert [study.study_instance_uid for study in by_number] == ["1.2.3"]
    assert patients["1.2.1"] == patients["1.2.2"] != patients["1.2.3"]
    assert matched == [[1], [1], [2, 3]]


def add_report(registry: Database, number: int, kind: KeyKind, value: str) -> None:
    report = NewReport(
        report_id=f"{number:064}",
        via=Via.HL7,
        received_at=NOW,
        spool_path=f"x/{number}",
        place=0,
        status="final",
        order_key=None,
        keys=[matching_key(kind, value)],
    )
    with registry.write() as session:
        add_received_report(session, report, Matching(why_not="none"), now=NOW)


def test_the_same_value_looks_another_in_each_column_and_by_each_key() -> None:
    kept = [keeper("encrypted").kept(field, "19330224") for field in IdentityField]
    kept += [
        keeper(mode, bytes(32)).kept(IdentityField.BIRTH_DATE, "19330224") for mode in ("encrypted", "pseudonymised")
    ]
    kept.append(keeper("pseudonymised").kept(IdentityField.BIRTH_DATE, "19330224"))
    assert len(set(kept)) == len(kept)


@pytest.mark.parametrize(
    ("mode", "key"),
    [("plain", KEY), ("empty", KEY), ("pseudonymised", KEY), ("encrypted", bytes(32))],
    ids=["plain", "empty", "pseudonymised", "another-key"],
)
def test_with_other_settings_nothing_is_read_or_written(
    tmp_path: Path, received: Receive, mode: str, key: bytes
) -> None:
    url = f"sqlite:///{tmp_path}/r.sqlite3"
    fill(opened(url, "encrypted"), received, "1.2.1")
    before = raw(url)
    other = Database(url, keeper(mode, key))
    with pytest.raises(IdentitiesError, match="kept as encrypted") as refused:
        fill(other, received, "1.2.2")
    with pytest.raises(IdentitiesError, match="kept as encrypted"), other.read():
        pass
    assert raw(url) == before
    assert not is_lasting(refused.value), "what was received waits until the setting is right"


def test_a_registry_from_before_is_plain(tmp_path: Path, received: Receive) -> None:
    url = f"sqlite:///{tmp_path}/r.sqlite3"
    Database(url).upgrade("0013")
    with sqlite3.connect(tmp_path / "r.sqlite3") as old:
        old.execute(
            "INSERT INTO studies (id, study_instance_uid, revision, state, state_since, created_at, last_instance_at, "
            "attempts) VALUES (1, '1.2.9', 1, 'SCORED', '2026-01-01', '2026-01-01', '2026-01-01', 0)"
        )
        old.execute("INSERT INTO patient_identities (study_id, patient_id, birth_date) VALUES (1, ' 4711 ', '  ')")
    with pytest.raises(IdentitiesError, match="kept as plain"), opened(url, "encrypted").read():
        pass
    with Database(url).read() as session:
        kept = identity_of(session, "1.2.9")
    assert (kept.patient_id, kept.birth_date) == ("4711", None)


@pytest.fixture
def site(registry_url: str, tmp_path: Path) -> Callable[[str], Settings]:
    def settings(mode: str, key: bytes = KEY) -> Settings:
        file = tmp_path / f"{key[:1].hex()}.key"
        file.write_text(base64.b64encode(key).decode())
        needs_key = IdentityMode(mode).needs_key
        privacy = {"patient_identities": mode, "key_file": str(file) if needs_key else "", "key": ""}
        return load_settings(data_dir=tmp_path, database={"url": registry_url}, privacy=privacy)

    return settings


def test_a_filled_registry_is_converted_and_goes_on_where_it_was_interrupted(
    registry_url: str,
    tmp_path: Path,
    site: Callable[..., Settings],
    received: Receive,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(identity_keeping, "AT_ONCE", 2)
    studies = [f"1.2.{number}" for number in range(1, 6)]
    plain = opened(registry_url, "plain")
    fill(plain, received, *studies)
    add_report(plain, 1, KeyKind.PATIENT, "4711-X")
    add_report(plain, 2, KeyKind.STUDY, "1.2.3")

    encrypted = Database.of(site("encrypted"))
    with encrypted.converting() as session:
        assert identity_keeping.convert_portion(session, keeper("plain"), keeper("encrypted")) == 2
    for mode in ("plain", "encrypted"):
        with pytest.raises(IdentitiesError, match="being converted"), Database.of(site(mode)).read():
            pass
    with pytest.raises(IdentitiesError, match="conversion to encrypted has begun"):
        convert_identities(site("pseudonymised"))
    assert convert_identities(site("encrypted")) == ("plain", 3)
    assert convert_identities(site("encrypted")) == (None, 0)
    assert seen_in(registry_url) == set()
    if registry_url.startswith("sqlite"):
        encrypted.close()
        plain.close()
        files = [path.read_bytes() for path in tmp_path.glob("registry.sqlite3*")]
        assert not [file for file in files if b"4711-X" in file], "what a row said before is still in its file"
    with encrypted.read() as session:
        assert [identity_of(session, study) for study in studies] == [KEPT] * 5
        matched = [
            reports_to_match(session, study.matching_keys(), also_matched_by="x")
            for study in studies_after(session, 0, but_for=())
        ]
    assert matched == [[1], [1], [1, 2], [1], [1]]

    other = bytes(reversed(KEY))
    with pytest.raises(IdentitiesError, match="--former-key-file"):
        convert_identities(site("encrypted", other))
    former = Path(site("encrypted").privacy.key_file)
    assert convert_identities(site("encrypted", other), former) == ("encrypted", 5)
    assert convert_identities(site("plain"), Path(site("encrypted", other).privacy.key_file)) == ("encrypted", 5)
    with plain.read() as session:
        assert identity_of(session, "1.2.5") == KEPT

    convert_identities(site("pseudonymised"))
    with pytest.raises(IdentitiesError, match="pseudonyms cannot be read"):
        convert_identities(site("plain"))
    assert convert_identities(site("empty"))[0] == "pseudonymised"
    with Database.of(site("empty")).read() as session:
        assert set(vars(identity_of(session, "1.2.1")).values()) == {None}


@pytest.mark.parametrize(
    ("privacy", "said"),
    [
        ({"patient_identities": "encrypted"}, "needs key_file"),
        ({"patient_identities": "encrypted", "key": "c2hvcnQ="}, "has 5 bytes and not 32"),
        ({"patient_identities": "pseudonymised", "key": "%%%"}, "is not base64"),
        ({"patient_identities": "encrypted", "key_file": "/nowhere/key"}, "cannot be read"),
    ],
)
def test_without_a_key_that_is_one_nothing_is_opened(tmp_path: Path, privacy: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Database.of(load_settings(data_dir=tmp_path, privacy={"key": "", "key_file": "", **privacy}))


def test_the_key_is_shown_nowhere(tmp_path: Path) -> None:
    key = base64.b64encode(KEY).decode()
    privacy = {"patient_identities": "encrypted", "key": key, "key_file": ""}
    settings = load_settings(data_dir=tmp_path, privacy=privacy)
    assert key not in f"{settings!r} {settings}"
    assert Database.of(settings)
