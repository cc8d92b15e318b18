"""The real system through the two nights of a year that have another length: what is due at a time of day is done once.

The clock is a quick one: beat, its workers and the node see a night of hours pass in minutes.
"""

import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import func, select

from config.logs import Event
from config.sections.canary import is_canary
from config.sections.keep import KeptKind
from db.monitoring.canaries import canary_set_out_at
from db.states import BatchState
from db.tables.rescoring import RescoredStudy, Rescoring
from db.tables.retention import RetentionRemoval
from db.tables.runs import RunRow
from db.tables.studies import Study
from tests.support.clips import SMALL, as_study_of_its_own, study_of
from tests.support.clocks import QuickClock
from tests.support.installation import Installation
from tests.support.servers import Orthanc, Redis, free_port
from tests.support.waiting import wait_until
from worker.echoclip.untrained import make_untrained_pack

ZONE = "Europe/Berlin"
TIMES_AS_FAST = 40
SITE = """
[consistency]
enabled = false
[keep]
pixels_days = 1
window = "02:30-05:00"
[rescore]
enabled = true
window = "01:00-02:30"
canary = 0
adopt = "automatic"
adopt_at_most_changed = 1.0
[rescore.report_again]
values = {{ lvef = 0.0 }}
[canary]
every_minutes = 60
within_s = 3500
[monitoring]
port = {port}
[monitoring.reconcile]
at = "02:15"
fetch = true
[[peers]]
name = "archive"
roles = ["archive"]
host = "127.0.0.1"
port = {archive_port}
ae_title = "ORTHANC"
retrieve = "get"
[[alerts]]
name = "on call"
kind = "command"
command = ["{python}", "-c", "import sys; print(sys.stdin.read(), file=open(sys.argv[1], 'a'))", "{alerts}"]
"""
FOR_A_QUICK_CLOCK = {
    "ECHOWORKER_STUDY__QUIET_PERIOD_S": "30",
    "ECHOWORKER_PIPELINE__LEASE_S": "3600",
    "ECHOWORKER_PIPELINE__RETRY_AFTER_S": "60",
    "ECHOWORKER_PIPELINE__REAP_EVERY_S": "120",
}
"""A lease of a minute would be over in a second or two of ours."""
ABOUT_AN_HOUR = timedelta(minutes=55), timedelta(minutes=100)
"""What the processor takes longer for is long by a quick clock: here a minute of ours; and behind a canary that was
slow to set out the next one comes sooner, as that is due by when it was begun."""
pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(1200)]


@pytest.fixture
def installation(tmp_path: Path, orthanc: Orthanc, redis_server: Redis) -> Installation:
    """On SQLite: PostgreSQL has a clock of its own, which stays, and retention goes by the earlier of both."""
    redis_server.flush()
    made = Installation(tmp_path, orthanc, broker_url=redis_server.url())
    with made.site.open("a") as site:
        port, alerts = free_port(), tmp_path / "alerts"
        site.write(SITE.format(port=port, archive_port=orthanc.port, python=sys.executable, alerts=alerts))
    orthanc.know("ECHOWORKER", made.port)
    return made


def is_adopted(installation: Installation) -> bool:
    with installation.registry.read() as session:
        return session.scalar(select(Rescoring.state)) == BatchState.ADOPTED


def assert_all_was_answered_anew_once(installation: Installation, studies: list[str], missed: str) -> None:
    with installation.registry.read() as session:
        (batch,) = session.scalars(select(Rescoring))
        answered = session.scalars(select(RescoredStudy)).all()
        assert [study.scored_from for study in answered] == ["pixels"] * len(studies), batch.reason
        assert all(study.adopted_at for study in answered)
        of_each = select(Study.study_instance_uid, func.count(RunRow.id)).join(RunRow).group_by(Study.id)
        runs = {uid: count for uid, count in session.execute(of_each).all() if not is_canary(uid)}
        assert runs == dict.fromkeys(studies, 2) | {missed: 1}, "one of each model; of what came by night, of one"
        gone = session.scalars(select(RetentionRemoval.study_id).where(RetentionRemoval.kind == KeptKind.PIXELS))
        assert set(gone) == {study.study_id for study in answered}


def assert_canaries_set_out_each_hour(installation: Installation, until: datetime) -> None:
    with installation.registry.read() as session:
        uids = session.scalars(select(Study.study_instance_uid).order_by(Study.id))
        set_out = [canary_set_out_at(uid) for uid in uids if is_canary(uid)]
    pauses = [later - earlier for earlier, later in pairwise([*set_out, until])]
    assert len(pauses) > 1
    least, most = ABOUT_AN_HOUR
    assert [str(pause) for pause in pauses[:-1] if not least <= pause <= most] == []
    assert pauses[-1] <= most


def assert_the_archive_was_asked_once(installation: Installation, day: str, due: datetime) -> None:
    asked = [event for event in installation.events() if event.get("reason") == f"studies of {day}"]
    assert [event["event"] for event in asked] == [Event.RECONCILED]
    assert datetime.fromisoformat(asked[0]["timestamp"]) >= due
    assert [event["event"] for event in installation.events()].count(Event.STUDY_FETCHED) == 1


@pytest.mark.parametrize(
    ("day_before", "night", "due"),
    [
        # 02:15, for which the archive is to be asked, is left out: it is 03:15 then.
        ("2027-03-27", "2027-03-28", datetime(2027, 3, 28, 1, 15, tzinfo=UTC)),
        # It comes twice: the first is it.
        ("2027-10-30", "2027-10-31", datetime(2027, 10, 31, 0, 15, tzinfo=UTC)),
    ],
    ids=["23 hours", "25 hours"],
)
def test_what_is_due_at_a_time_of_day_is_done_once(
    installation: Installation, orthanc: Orthanc, tmp_path: Path, day_before: str, night: str, due: datetime
) -> None:
    files = [as_study_of_its_own(SMALL, tmp_path / "outside") for _ in range(3)]
    studies = [study_of(file) for file in files]
    missed = as_study_of_its_own(SMALL, tmp_path / "archived", StudyDate=day_before.replace("-", ""))
    orthanc.keep(missed)
    evening = QuickClock(tmp_path, f"{day_before} 00:10", ZONE)
    with installation.up(environment=evening.environment | {"ECHOWORKER_CANARY__EVERY_MINUTES": "0"}):
        assert installation.command("send", *files).returncode == 0
        for study in studies:
            installation.wait_for(study, "DELIVERED")

    alerts = tmp_path / "alerts"
    clock = QuickClock(tmp_path, f"{night} 00:50", ZONE)
    another_model = {"ECHOWORKER_MODEL__PACK": str(make_untrained_pack(tmp_path / "another", seed=2))}
    with installation.up(environment=clock.environment | FOR_A_QUICK_CLOCK | another_model):
        clock.pass_until(f"{night} 01:30", times_as_fast=TIMES_AS_FAST)
        wait_until(lambda: is_adopted(installation), 300, "the studies to be answered anew")  # while the clock is slow
        alerts.unlink(missing_ok=True)  # that nothing went on for a day
        clock.pass_until(f"{night} 04:30", times_as_fast=TIMES_AS_FAST)

    assert not alerts.exists() or not alerts.read_text()
    assert_all_was_answered_anew_once(installation, studies, study_of(missed))
    assert_canaries_set_out_each_hour(installation, clock.now())
    assert_the_archive_was_asked_once(installation, night, due)
    assert [len(orthanc.reports_of(study)) for study in [*studies, study_of(missed)]] == [2, 2, 2, 1]
