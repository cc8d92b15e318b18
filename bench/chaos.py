"""The whole product while it is killed at random: does every study come to its end once, and does nothing stay behind?

    python -m bench.chaos [--studies 100] [--kills 100] [--seed N] [--folder FOLDER]

Node, beat and a worker for each queue run as processes of their own on PostgreSQL and Redis, as a hospital runs them,
and are started again a second after they have ended, as systemd would. Modalities that send slowly send again what was
not acknowledged. Meanwhile one thing after the other is killed, by SIGKILL where nothing else is said: a receiving
process, the intake, the node, what works on a queue, its supervisor, beat, Redis (which has lost everything when it is
back), PostgreSQL. A PACS counts what it gets. Then everything is stopped in an orderly way, hours pass by the times of
files and rows, and what the product sweeps by itself is swept. Exit status 1 where anything is not as it has to be.

The model is a small one of random weights: this measures no speed.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from bench.chaos_findings import Figures, Registry, figures_of, wrong
from bench.chaos_flow import Modalities, SentStudy, make_studies, pacs
from bench.chaos_kills import Killer
from bench.chaos_services import House
from config.steps import MAINTENANCE_QUEUE, Step
from db.session import Database
from db.states import StudyState
from db.tables.studies import Study
from tests.support.servers import PostgreSQL, Redis, free_port
from worker.echoclip.untrained import make_untrained_pack

SITE = """\
data_dir = "{data}"
[node]
port = {port}
idle_timeout_s = 10
[study]
quiet_period_s = {quiet_s:g}
[model]
pack = "{pack}"
[pipeline]
lease_s = 10
retry_after_s = 1
retry_at_most_s = 20
surroundings_again_after_s = 2
reap_every_s = 2
wake_again_after_s = 20
[database]
url = "{database_url}"
[broker]
url = "{broker_url}"
[[peers]]
name = "pacs"
roles = ["destination"]
host = "127.0.0.1"
port = {pacs_port}
ae_title = "PACS"
accept_models = ["UNTRAINED"]
objects = [{objects}]
"""
PRODUCT = {
    "node": ("node",),
    "worker-prepare": ("worker", "--queues", f"{Step.PREPARE},{Step.REPORT}"),
    "worker-score": ("worker", "--queues", Step.SCORE),
    "worker-deliver": ("worker", "--queues", Step.DELIVER),
    "worker-maintenance": ("worker", "--queues", MAINTENANCE_QUEUE),
    "beat": ("beat",),
}
ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
HOURS_PASS = 3 * 24
"""Until what was left behind is older than the product keeps it."""
SWEPT_WITHIN_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run."""

    studies: int = 100
    kills: int = 100
    seed: int = 20261129
    quiet_s: float = 20.0
    gap_s: float = 2.5
    """On average, between two kills."""
    settles_within_s: float = 600.0
    """After the last kill, without a study that is done meanwhile."""
    objects: tuple[str, ...] = ("sr",)


@dataclass(kw_only=True)
class Outcome:
    """What has become of it."""

    figures: Figures
    killed: Counter[str]
    left: Counter[str]
    """Files of killed processes that were there at the end, by folder, before they were swept."""
    wrong: list[str]
    flow_s: float
    settle_s: float


def run(plan: Plan, folder: Path, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Run it in an empty folder."""
    chance = random.Random(plan.seed)  # noqa: S311
    postgresql, redis, port = PostgreSQL(free_port()), Redis(free_port()), free_port()
    pack = make_untrained_pack(folder / "pack")
    studies = make_studies(folder / "modalities", plan.studies, plan.seed)
    site, data = folder / "site.toml", folder / "data"
    house = House(folder, site, ENVIRONMENT)
    with pacs() as archive, house.servers(postgresql, redis):
        url = postgresql.create_database("chaos")
        site.write_text(
            SITE.format(
                data=data,
                port=port,
                quiet_s=plan.quiet_s,
                pack=pack,
                database_url=url,
                broker_url=redis.url(),
                pacs_port=archive.port,
                objects=", ".join(f'"{kind}"' for kind in plan.objects),
            )
        )
        registry = Database(url)
        _must(house.run("db", "upgrade"))
        house.start_product(PRODUCT)
        house.wait_until_up(port)
        modalities, killer = Modalities(port, studies, plan.seed), Killer(house, redis, chance)
        modalities.start()
        began = time.monotonic()
        _kill_while_it_flows(plan, modalities, killer, chance, say)
        flow_s = time.monotonic() - began
        _settle(plan, registry, studies, data / "spool", say)
        settle_s = time.monotonic() - began - flow_s
        modalities.stop()
        said = [f"{name} ended with {code} when it was stopped" for name, code in house.stop_product().items() if code]
        left = _left_behind(data)
        _let_hours_pass(data, registry)
        said += _sweep(house, data, port)
        with registry.read() as session:
            rows = Registry.read(session)
            figures, found = figures_of(rows, studies, archive), wrong(rows, studies, archive, data)
        registry.close()
    missed = [f"{kind}: {count} could not be killed" for kind, count in killer.missed.items()]
    return Outcome(
        figures=figures,
        killed=killer.done,
        left=left,
        wrong=[*said, *missed, *found],
        flow_s=flow_s,
        settle_s=settle_s,
    )


def _kill_while_it_flows(
    plan: Plan, modalities: Modalities, killer: Killer, chance: random.Random, say: Callable[[str], None]
) -> None:
    """Studies begin evenly between the first kill and the last."""
    begun = 0
    for number, kind in enumerate(killer.plan(plan.kills), start=1):
        due = -(-plan.studies * number // plan.kills)
        modalities.let_go(due - begun)
        begun = due
        time.sleep(chance.uniform(0.2, 2 * plan.gap_s - 0.2))
        killer.kill(kind)
        say(f"kill {number} of {plan.kills}: {kind}")


def _settle(plan: Plan, registry: Database, studies: list[SentStudy], spool: Path, say: Callable[[str], None]) -> None:
    """Wait until all is done, or nothing gets done any more."""
    done, since = -1, time.monotonic()
    while time.monotonic() - since < plan.settles_within_s:
        now_done = _done(registry)
        if now_done != done:
            done, since = now_done, time.monotonic()
            say(f"{done} of {len(studies)} studies are done")
        is_registered = not any((spool / "unregistered").iterdir())
        if done == len(studies) and is_registered and not any(study.missing for study in studies):
            return
        time.sleep(0.5)


def _done(registry: Database) -> int:
    ended = (StudyState.DELIVERED, StudyState.FAILED, StudyState.SKIPPED)
    try:
        with registry.read() as session:
            return session.scalar(select(func.count()).where(Study.state.in_(ended))) or 0
    except SQLAlchemyError:
        return 0


def _left_behind(data: Path) -> Counter[str]:
    """What the killed have left unfinished, by folder: running transfers, prepared clips, files half written."""
    spool = data / "spool"
    found = Counter({name: _files_in(spool / name) for name in ("incoming", "tensors")})
    found["crashes"] = _files_in(data / "crashes")
    found["half written"] = sum(1 for _ in data.rglob(".*.unfinished"))
    return +found


def _files_in(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def _let_hours_pass(data: Path, registry: Database) -> None:
    then = time.time() - HOURS_PASS * 3600
    for path in [*(data / "spool" / "incoming").rglob("*"), *data.rglob(".*.unfinished")]:
        os.utime(path, (then, then))
    with registry.write() as session:
        for study in session.scalars(select(Study)):
            study.last_instance_at -= timedelta(hours=HOURS_PASS)


def _sweep(house: House, data: Path, port: int) -> list[str]:
    """Let the product do what it does by itself every night, and at each start."""
    _must(house.run("retention", "run"))
    house.start_product({name: command for name, command in PRODUCT.items() if name != "beat"})
    house.wait_until_up(port)
    until = time.monotonic() + SWEPT_WITHIN_S
    while _left_behind(data) and time.monotonic() < until:
        time.sleep(0.5)
    # One that was stopped before it listens for signals ends by the signal.
    orderly = (0, -signal.SIGTERM)
    stopped = house.stop_product().items()
    return [f"{name} ended with {code} the second time" for name, code in stopped if code not in orderly]


def _must(ran: subprocess.CompletedProcess[str]) -> None:
    if ran.returncode:
        raise SystemExit(ran.stderr)


def table(plan: Plan, outcome: Outcome) -> str:
    """As docs/resilience.md has it."""
    figures = outcome.figures
    rows: list[tuple[str, object]] = [
        ("studies sent", figures.studies),
        ("DELIVERED", figures.delivered),
        ("instances sent", figures.instances),
        ("acknowledged", figures.acknowledged),
        ("associations that took", figures.associations),
        ("late instances: a study's next revision", figures.reopened),
        ("objects at the PACS", figures.objects),
        ("copies of them that it was sent", figures.copies),
        ("attempts of steps that came to nothing", figures.attempts_lost),
        *[(f"killed: {kind}", count) for kind, count in sorted(outcome.killed.items())],
        ("killed in all", sum(outcome.killed.values())),
        *[(f"left by the killed, and swept: {name}", count) for name, count in sorted(outcome.left.items())],
        ("seconds of killing", f"{outcome.flow_s:.0f}"),
        ("seconds until all was done after", f"{outcome.settle_s:.0f}"),
        ("wrong", len(outcome.wrong)),
    ]
    head = f"seed {plan.seed}, {os.cpu_count()} processors"
    return "\n".join([f"| {head} | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=Plan.studies)
    parser.add_argument("--kills", type=int, default=Plan.kills)
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--gap", type=float, default=Plan.gap_s, help="seconds between two kills, on average")
    parser.add_argument("--objects", default="sr", help="comma-separated: sr, heat-map, pdf")
    parser.add_argument("--folder", type=Path, help="an empty folder that is kept; by default one that goes")
    arguments = parser.parse_args()
    plan = Plan(
        studies=arguments.studies,
        kills=arguments.kills,
        seed=arguments.seed,
        gap_s=arguments.gap,
        objects=tuple(arguments.objects.split(",")),
    )
    with tempfile.TemporaryDirectory(prefix="bench-chaos-") as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(exist_ok=True)
        outcome = run(plan, folder, lambda said: print(said, file=sys.stderr, flush=True))
    print(table(plan, outcome))
    for said in outcome.wrong:
        print(f"WRONG  {said}")
    sys.exit(1 if outcome.wrong else 0)


if __name__ == "__main__":
    main()
