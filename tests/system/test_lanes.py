"""A STAT study overtakes what waits, whichever broker carries the messages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import load_settings
from config.steps import Step
from db.lifecycle.announcing import announce_due_steps
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.rabbitmq import rabbitmq
from tests.support.scripted_steps import scripted_worker
from tests.support.secure_redis import secure_redis
from tests.support.waiting import wait_until
from tests.worker.pipeline import Pipeline, ready

pytestmark = [pytest.mark.long, pytest.mark.system]

SITE = """\
data_dir = "{data}"
{broker}
[[rules]]
name = "emergency"
station_name = ["ED*"]
priority = "stat"
"""
IN_ORDER = """
from pathlib import Path
from worker.steps.outcome import Outcome

def prepare(context, held):
    with (Path(__file__).parent / "order").open("a") as order:
        order.write(held.study_instance_uid + chr(10))
    return Outcome(record=lambda *_: None)
"""


@pytest.fixture(params=["filesystem", "redis over TLS", "rabbitmq"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "filesystem":
        yield ""
        return
    (tmp_path / "broker").mkdir()
    if request.param == "rabbitmq":
        with rabbitmq(tmp_path / "broker") as server:
            yield f'[broker]\nurl = "{server.url}"\n{server.files}'
        return
    with secure_redis(tmp_path / "broker") as server:
        yield server.settings()


def test_a_stat_study_that_comes_last_is_worked_on_first(
    broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(data=tmp_path / "data", broker=broker))
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    pipeline = Pipeline.create(load_settings())
    context = pipeline.context
    routine = []
    for number in range(3):
        routine.append(ready(pipeline, as_study_of_its_own(SMALL, tmp_path / str(number), StationName="LAB1")))
        assert announce_due_steps(context.database, context.broker, context.settings) == 1
    stat = ready(pipeline, as_study_of_its_own(SMALL, tmp_path / "stat", StationName="ED-2"))
    assert announce_due_steps(context.database, context.broker, context.settings) == 1
    with scripted_worker(tmp_path, site, IN_ORDER, {Step.PREPARE: "prepare"}):
        everything = [stat, *routine]
        wait_until(
            lambda: all(pipeline.detail(uid).study.state == "PREPARED" for uid in everything),
            90,
            f"all to be prepared; see {tmp_path}/worker.log",
        )
    assert (tmp_path / "scripts" / "order").read_text().split() == everything, "each once, and the STAT one first"
