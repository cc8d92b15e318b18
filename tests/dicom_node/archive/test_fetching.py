"""Fetching many studies: what is passed over, the pace, the window, and when it is given up."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.events import Event

from config.errors import ConfigurationError, RetrieveError
from config.sections.time_window import TimeWindow
from config.settings import Settings, load_settings
from db.lifecycle.studies import register_instance
from db.session import Database
from dicom_node.archive import fetching
from dicom_node.archive.answers import FoundStudy
from dicom_node.archive.fetching import Fetcher, Outcome, Pace
from dicom_node.calling import Peer
from dicom_node.intake import received_instance
from dicom_node.spool import Spool
from tests.support.archives import OUR_AE_TITLE, destination, made_study, peer_of, scripted_archive
from tests.support.servers import Orthanc, free_port
from tests.support.waiting import wait_until


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)  # a C-GET moves it; put it back
    return load_settings(data_dir=tmp_path / "data")


@pytest.fixture
def registry(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database_url)
    database.upgrade()
    yield database
    database.close()


def register_all(settings: Settings, registry: Database) -> None:
    """As the node's intake does with what lies in the spool."""
    spool = Spool(settings.spool_dir)
    for waiting in list(spool.unregistered()):
        with registry.write() as session:
            register_instance(session, received_instance(spool, waiting), timedelta(seconds=30))
        waiting.unlink()


def found(uid: str, instances: int | None) -> FoundStudy:
    return FoundStudy(study_instance_uid=uid, study_date=None, modalities=("US",), instances=instances, description="")


def test_what_is_here_whole_is_passed_over_and_the_rest_goes_on(
    orthanc: Orthanc, settings: Settings, registry: Database, tmp_path: Path
) -> None:
    orthanc.know(OUR_AE_TITLE, free_port())
    studies = [made_study(tmp_path / "outside", instances=2) for _ in range(4)]
    orthanc.keep(*(file for study in studies for file in study.files))
    wanted = [found(study.uid, 2) for study in studies]

    def run(at_most: int | None) -> list[Outcome]:
        fetcher = Fetcher(settings, registry, peer_of(orthanc), by="get")
        outcomes = [fetched.outcome for fetched in fetcher.fetch(wanted, Pace(), at_most=at_most)]
        register_all(settings, registry)
        return outcomes

    assert run(2) == [Outcome.FETCHED] * 2
    assert run(1) == [Outcome.THERE] * 2 + [Outcome.FETCHED]
    wanted[0] = found(studies[0].uid, 3)  # it grew in the archive since
    wanted[1] = found(studies[1].uid, None)  # the archive does not count
    assert run(None) == [Outcome.FETCHED, Outcome.FETCHED, Outcome.THERE, Outcome.FETCHED]


def test_a_study_that_fails_holds_up_no_other(
    orthanc: Orthanc, settings: Settings, registry: Database, tmp_path: Path
) -> None:
    orthanc.know(OUR_AE_TITLE, free_port())
    kept, vanished = (made_study(tmp_path / "outside") for _ in range(2))
    orthanc.keep(*kept.files, *vanished.files)
    orthanc.forget(vanished.uid)
    fetcher = Fetcher(settings, registry, peer_of(orthanc), by="get")
    failed, fetched = fetcher.fetch([found(vanished.uid, 2), found(kept.uid, 2)], Pace())
    assert (failed.outcome, fetched.outcome, fetched.counts.sent) == (Outcome.FAILED, Outcome.FETCHED, 2)
    assert vanished.uid in failed.reason


def test_many_failures_in_a_row_end_it(settings: Settings, registry: Database) -> None:
    away = Peer(host="127.0.0.1", port=free_port(), ae_title="AWAY", calling_ae_title=OUR_AE_TITLE)
    fetcher = Fetcher(settings, registry, away, by="move")
    outcomes = []
    with pytest.raises(RetrieveError, match="5 studies in a row failed"):
        for fetched in fetcher.fetch([found(f"1.2.{number}", 1) for number in range(20)], Pace()):
            outcomes.append(fetched.outcome)
    assert outcomes == [Outcome.FAILED] * 5


def test_a_study_that_was_moved_to_another_node_is_not_taken_for_fetched(
    orthanc: Orthanc, settings: Settings, registry: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "ARRIVAL_TIMEOUT_S", 0.5)
    study = made_study(tmp_path / "outside")
    orthanc.keep(*study.files)
    with destination() as elsewhere:
        orthanc.know(OUR_AE_TITLE, elsewhere.port)
        (fetched,) = Fetcher(settings, registry, peer_of(orthanc), by="move").fetch([found(study.uid, 2)], Pace())
        assert len(elsewhere.received) == 2
    assert fetched.outcome is Outcome.FAILED
    assert "does the archive's entry for ECHOWORKER lead to this node?" in fetched.reason


def test_the_pause_lies_between_studies_and_a_stop_ends_it(settings: Settings, registry: Database) -> None:
    asked: list[datetime] = []

    def on_get(_: Event) -> Iterator[int]:
        asked.append(datetime.now(UTC))
        yield 0

    pace = Pace(pause_s=0.4)
    with scripted_archive(get=on_get) as peer:
        outcomes = Fetcher(settings, registry, peer, by="get").fetch([found(f"1.2.{n}", 1) for n in range(9)], pace)
        next(outcomes)
        next(outcomes)
        pace.stop.set()
        assert list(outcomes) == []
    assert len(asked) == 2
    assert asked[1] - asked[0] >= timedelta(seconds=0.4)


def test_a_closed_window_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [time(21, 59)]
    monkeypatch.setattr(fetching, "_now", lambda: clock[0])
    pace = Pace(window=TimeWindow.parse("22:00-06:00"), look_every_s=0.01)
    closed: list[TimeWindow] = []
    waiting, opened = _in_thread(lambda: pace.wait_for_window(closed.append))
    wait_until(lambda: closed, 5, "the wait to be said")
    assert waiting.is_alive()
    clock[0] = time(22, 0)
    waiting.join(5)
    assert opened == [True]
    clock[0] = time(6, 0)
    waiting, opened = _in_thread(pace.wait_for_window)
    pace.stop.set()
    waiting.join(5)
    assert opened == [False]


def _in_thread(work: Callable[[], bool]) -> tuple[threading.Thread, list[bool]]:
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    return thread, results


MINUTES = st.integers(0, 24 * 60 - 1)


@given(MINUTES, MINUTES.filter(bool), MINUTES)
def test_a_window_is_open_for_its_length_from_its_opening(opens: int, length: int, moment: int) -> None:
    closes = (opens + length) % (24 * 60)
    text = f"{opens // 60:02}:{opens % 60:02}-{closes // 60:02}:{closes % 60:02}"
    window = TimeWindow.parse(text)
    since_opening = (moment - opens) % (24 * 60)
    assert window.contains(time(moment // 60, moment % 60)) == (since_opening < length)


@pytest.mark.parametrize("text", ["", "22-6", "22:00", "22:00-24:00", "22:00-22:00", "a-b", "22:00-06:00-07:00"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{text}: "):
        TimeWindow.parse(text)
