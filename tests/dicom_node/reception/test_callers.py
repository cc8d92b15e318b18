"""Who called is told in bounded space, whatever they call themselves and however long the registry is away."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.settings import load_settings
from db.lifecycle.received import ACCEPTED, ELSEWHERE, OTHER_AE_TITLES, Call
from dicom_node.reception.callers import (
    ADDRESSES,
    CALLERS_OF_ONE_ADDRESS,
    OTHER_REASONS,
    CallTally,
)
from dicom_node.reception.receiver import Receiver
from dicom_node.reception.reporting import Callers, published_calls, studies_open_anywhere
from dicom_node.spool import Spool
from tests.support.receivers import associate

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UNKNOWN = "no peer has this calling AE title"


def call(ae_title: str, *, address: str = "10.0.0.1", outcome: str = UNKNOWN, at: int = 0) -> Call:
    moment = NOW + timedelta(seconds=at)
    return Call(ae_title=ae_title, address=address, outcome=outcome, count=1, first_at=moment, last_at=moment)


calls = st.builds(
    call,
    st.sampled_from(["A", "B", OTHER_AE_TITLES]) | st.text("ABC", min_size=1, max_size=4),
    address=st.sampled_from(["10.0.0.1", ELSEWHERE]) | st.integers(0, 300).map(lambda number: f"10.0.1.{number}"),
    outcome=st.sampled_from([ACCEPTED, UNKNOWN, OTHER_REASONS]) | st.text("xyz", max_size=4),
    at=st.integers(0, 100),
)


@settings(deadline=None)
@given(noted=st.lists(calls, max_size=300))
def test_no_call_is_lost_and_none_turns_from_accepted_to_refused(noted: list[Call]) -> None:
    told = CallTally(noted).calls()
    assert sum(call.count for call in told) == len(noted)
    assert sum(call.count for call in told if call.outcome == ACCEPTED) == sum(c.outcome == ACCEPTED for c in noted)
    assert len({(call.ae_title, call.address, call.outcome) for call in told}) == len(told)
    if noted:
        assert min(call.first_at for call in told) == min(call.first_at for call in noted)
        assert max(call.last_at for call in told) == max(call.last_at for call in noted)
    of_address = Counter(call.address for call in told)
    assert all(count <= CALLERS_OF_ONE_ADDRESS + 2 for count in of_address.values())
    assert len(of_address) <= ADDRESSES + 1


def test_the_latest_of_an_address_keep_their_names() -> None:
    tally = CallTally([call("PACS", outcome=ACCEPTED)])
    for number in range(1000):
        tally.add(call(f"T{number}", outcome=f"it calls X{number}, this is ECHOWORKER", at=number))
        tally.add(call("PACS", outcome=ACCEPTED))
    told = {(call.ae_title, call.outcome): call.count for call in tally.calls()}
    assert told["PACS", ACCEPTED] == 1001
    assert ("T999", "it calls X999, this is ECHOWORKER") in told
    assert told[OTHER_AE_TITLES, OTHER_REASONS] == 1000 - (CALLERS_OF_ONE_ADDRESS - 1)
    assert len(told) == CALLERS_OF_ONE_ADDRESS + 1


def test_of_a_flood_from_everywhere_the_latest_addresses_are_kept() -> None:
    tally = CallTally(call("X", address=f"10.0.{number // 250}.{number % 250}") for number in range(1000))
    told = {call.address: call.count for call in tally.calls()}
    assert len(told) == ADDRESSES + 1
    assert told[ELSEWHERE] == 1000 - ADDRESSES
    assert "10.0.3.249" in told


def spool_at(folder: Path) -> Spool:
    spool = Spool(folder / "spool")
    spool.create()
    return spool


def test_while_the_registry_is_away_there_is_one_file_and_no_call_is_lost(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    callers = Callers(spool)
    for number in range(500):
        callers.note(ae_title=f"T{number}", address="10.0.0.1", outcome=UNKNOWN)
        callers.publish()
        callers.publish()
    (file,) = spool.receivers.iterdir()
    said = json.loads(file.read_text())["calls"]
    assert len(said) <= CALLERS_OF_ONE_ADDRESS + 2
    assert sum(item["count"] for item in said) == 500


def taken_by_the_registry(spool: Spool) -> int:
    """How many calls it has now that it had not."""
    count = 0
    for published in published_calls(spool):
        count += sum(call.count for call in published.calls)
        published.file.unlink()
    return count


def test_each_call_is_told_to_the_registry_once_however_it_comes_and_goes(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    callers = Callers(spool)
    noted = told = 0

    def note() -> None:
        nonlocal noted
        noted += 1
        callers.note(ae_title="A", address="10.0.0.1", outcome=UNKNOWN)

    for number in range(30):
        note()
        callers.publish()
        for _ in published_calls(spool):
            note()
            callers.publish()  # while the registry works on it
            break  # and then it goes away: the next look brings it again
        note()
        if number % 2:
            callers.publish()
        if number % 5 == 0:
            told += taken_by_the_registry(spool)
    callers.publish()
    told += taken_by_the_registry(spool)
    callers.publish()
    assert told == noted
    assert list(spool.receivers.iterdir()) == []


def test_what_cannot_be_written_is_told_later(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    callers = Callers(spool)
    away = tmp_path / "away"
    spool.receivers.rename(away)
    for _ in range(3):
        callers.note(ae_title="A", address="10.0.0.1", outcome=UNKNOWN)
        with pytest.raises(FileNotFoundError):
            callers.publish()
    away.rename(spool.receivers)
    callers.publish()
    assert taken_by_the_registry(spool) == 3


def test_invented_ae_titles_leave_one_small_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DATA_DIR": tmp_path, "NODE__PORT": 0, "NODE__UNKNOWN_PEERS": "refuse"}.items():
        monkeypatch.setenv(f"ECHOWORKER_{name}", str(value))
    receiver = Receiver(load_settings())
    receiver.start()
    for number in range(CALLERS_OF_ONE_ADDRESS + 30):
        assert associate(receiver.port, calling=f"INVENTED{number}").is_rejected
    receiver.stop()
    spool = Spool(load_settings().spool_dir)
    assert studies_open_anywhere(spool, now=datetime.now(UTC)) == set()
    (published,) = published_calls(spool)
    assert sum(call.count for call in published.calls) == CALLERS_OF_ONE_ADDRESS + 30
    assert len(published.calls) == CALLERS_OF_ONE_ADDRESS + 1
