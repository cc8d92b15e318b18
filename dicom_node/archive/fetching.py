"""Fetching many studies: one after the other, at the pace that the archive may be burdened with, and resumable."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from datetime import time as TimeOfDay  # noqa: N812  beside the module `time`
from enum import StrEnum
from typing import Literal

from config.errors import RetrieveError
from config.logs import Event, emit
from config.sections.time_window import TimeWindow
from config.settings import Settings
from db.reading.queries import count_instances
from db.session import Database
from dicom_node.archive.answers import FoundStudy
from dicom_node.archive.retrieve import SubOperations, get_study, move_study
from dicom_node.calling import Peer
from dicom_node.spool import Spool

ARRIVAL_TIMEOUT_S = 60.0
"""How long the registry may take to show a study that an archive says it has sent to our node."""
FAILURES_IN_A_ROW = 5
"""An archive that fails so often fails for a reason that the next study will meet too."""


class Outcome(StrEnum):
    """What became of one study."""

    FETCHED = "fetched"
    THERE = "already here"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """One study's outcome."""

    study: FoundStudy
    outcome: Outcome
    counts: SubOperations = field(default_factory=SubOperations)
    reason: str = ""
    """Why it failed."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast studies are asked for."""

    pause_s: float = 0.0
    window: TimeWindow | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    """Set: the study that is being fetched is the last."""
    look_every_s: float = 15.0
    """How often a closed window is looked at; the clock itself is asked, which may be set or change for summer."""

    def wait_for_window(self, on_closed: Callable[[TimeWindow], None] = lambda _: None) -> bool:
        """Wait until the window is open; False when asked to stop. `on_closed` is told when that means waiting."""
        if self.window is not None and not self.window.contains(_now()):
            on_closed(self.window)
            while not self.window.contains(_now()) and not self.stop.wait(self.look_every_s):
                pass
        return not self.stop.is_set()

    def pause(self) -> None:
        """Leave the archive alone between two studies."""
        self.stop.wait(self.pause_s)


class Fetcher:
    """Fetches studies of one archive into one installation, by C-MOVE or by C-GET."""

    def __init__(self, settings: Settings, database: Database, archive: Peer, *, by: Literal["move", "get"]) -> None:
        self._archive = archive
        self._by = by
        self._database = database
        self._spool = Spool.of(settings)
        self._spool.create()

    def fetch(
        self,
        studies: Iterable[FoundStudy],
        pace: Pace,
        *,
        at_most: int | None = None,
        on_progress: Callable[[FoundStudy, SubOperations], None] = lambda *_: None,
        on_closed: Callable[[TimeWindow], None] = lambda _: None,
    ) -> Iterator[Fetched]:
        """Fetch them in turn; an outcome for each. Those that the registry has whole cost the archive nothing.

        Ends early after `at_most` were asked for, when `pace.stop` is set, and with an error when too many failed in
        a row.

        Raises
        ------
        RetrieveError
            The last few studies all failed; what was fetched before stays.
        QueryError
            The archive could not be asked for more of them.
        """
        asked = failed_in_a_row = 0
        for study in studies:
            if pace.stop.is_set():
                return
            if self._has_all_of(study):
                yield Fetched(study=study, outcome=Outcome.THERE)
                continue
            if asked:
                pace.pause()
            if not pace.wait_for_window(on_closed):
                return
            asked += 1
            fetched = self._fetch_one(study, on_progress)
            yield fetched
            if asked == at_most:
                return
            failed_in_a_row = failed_in_a_row + 1 if fetched.outcome is Outcome.FAILED else 0
            if failed_in_a_row == FAILURES_IN_A_ROW:
                raise RetrieveError(f"{self._archive}: {FAILURES_IN_A_ROW} studies in a row failed: given up")

    def _has_all_of(self, study: FoundStudy) -> bool:
        """An archive that does not count its instances is asked again: the same bytes twice do no harm."""
        return study.instances is not None and self._registered(study) >= study.instances

    def _fetch_one(self, study: FoundStudy, on_progress: Callable[[FoundStudy, SubOperations], None]) -> Fetched:
        counts = SubOperations()
        is_new = self._registered(study) == 0
        try:
            for counts in self._retrieve(study):
                on_progress(study, counts)
            if is_new and self._by == "move":
                self._require_arrival(study)
        except RetrieveError as error:
            emit(Event.STUDY_NOT_FETCHED, study_instance_uid=study.study_instance_uid, reason=str(error))
            return Fetched(study=study, outcome=Outcome.FAILED, counts=counts, reason=str(error))
        emit(Event.STUDY_FETCHED, study_instance_uid=study.study_instance_uid, count=counts.sent)
        return Fetched(study=study, outcome=Outcome.FETCHED, counts=counts)

    def _retrieve(self, study: FoundStudy) -> Iterator[SubOperations]:
        if self._by == "get":
            return get_study(self._archive, study.study_instance_uid, self._spool)
        return move_study(self._archive, study.study_instance_uid)

    def _require_arrival(self, study: FoundStudy) -> None:
        """An archive whose entry for our AE title leads elsewhere reports success all the same."""
        deadline = time.monotonic() + ARRIVAL_TIMEOUT_S
        while not self._registered(study):
            if time.monotonic() > deadline:
                ours = self._archive.calling_ae_title
                raise RetrieveError(
                    f"{self._archive}: study {study.study_instance_uid} was sent, but nothing of it is in the "
                    f"registry: does the archive's entry for {ours} lead to this node?"
                )
            time.sleep(0.2)

    def _registered(self, study: FoundStudy) -> int:
        with self._database.read() as session:
            return count_instances(session, study.study_instance_uid)


def _now() -> TimeOfDay:
    return datetime.now().astimezone().time()
