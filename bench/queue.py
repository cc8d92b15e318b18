"""What the pipeline itself costs a study, and what dashboards wait for, with few studies in the registry and with many.

    python -m bench.queue [--waiting 1000 100000] [--studies 200] [--rounds 3]

For each size a registry on PostgreSQL is filled with as many studies that wait for a step as are named, and as many at
rest, with all that belongs to them. Then studies of three instances go the whole way, one after the other, by the
product's own code and over Redis: registered, closed, announced, prepared, scored, reported, delivered. Steps do
nothing but write their rows: clips, a run with an answer to every task, a report, its delivery. The sizes take turns,
so that a slow minute of the machine is everybody's. Then every read is timed, the best of three.

What does not depend on a study is named beside it: the reaper, which beat wakes every few seconds.
"""

import argparse
import statistics
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from bench.queue_reads import documented, milliseconds, reads
from bench.queue_rows import fill
from config.broker import create_celery_app
from config.logs import configure_logs
from config.sections.report_objects import ReportObject
from config.settings import load_settings
from config.steps import Purpose, Step
from db.delivery.deliveries import set_deliveries
from db.delivery.delivering import Answered, due_deliveries, offer, record_answer
from db.delivery.queues import claim_queue, release_queue
from db.lifecycle.announcing import announce_due_steps
from db.lifecycle.studies import close_quiet_studies, register_instance
from db.results.recording import PreparedClip, append_run, current_run, replace_clips
from db.results.reports import add_report
from db.results.runs import Run, TaskResult, Verdict
from db.session import Database
from db.tables.studies import Study
from db.working.leases import Claim
from tests.support import servers
from tests.support.reported import QUIET, instance_of, object_of, run_of
from worker.context import WorkerContext
from worker.reaper import announce_overdue_steps
from worker.runner import run_step
from worker.steps.outcome import Outcome

BAR_MS = 100.0
BAR_LOSS = 0.10
STAGES = ("register", "close and announce", "prepare", "score", "report", "deliver")


@dataclass
class Registry:
    """One size, and what each stage took a study there, in milliseconds."""

    waiting: int
    context: WorkerContext
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    reaper_ms: list[float] = field(default_factory=list)

    @property
    def database(self) -> Database:
        return self.context.database

    def fill(self) -> None:
        self.database.upgrade()
        with self.database.write() as session:
            fill(session, self.waiting, [task.id for task in self.context.catalogue.tasks])
        with self.database.write() as session:
            session.execute(text("SET LOCAL statement_timeout = 0"))
            session.execute(text("ANALYZE"))

    def take_through(self, count: int) -> None:
        """So many new studies, from their instances to the PACS."""
        uids = [f"2.25.{uuid.uuid4().int}" for _ in range(count)]
        with self._timed("register", count):
            self._register(uids)
        with self._timed("close and announce", count):
            with self.database.write() as session:
                close_quiet_studies(session, now=datetime.now(UTC) + 2 * QUIET)
            announce_due_steps(self.database, self.context.broker, self.context.settings)
        with self.database.read() as session:
            ids = list(session.scalars(select(Study.id).where(Study.study_instance_uid.in_(uids))))
        for step, work in ((Step.PREPARE, self._prepare), (Step.SCORE, self._score), (Step.REPORT, self._report)):
            with self._timed(step, count):
                for study_id in ids:
                    run_step(self.context, step, study_id, work)
        with self._timed("deliver", count):
            self._deliver(count)
        began = time.perf_counter()
        announce_overdue_steps(self.context)
        self.reaper_ms.append(1000 * (time.perf_counter() - began))

    @contextmanager
    def _timed(self, stage: str, count: int) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.took[stage].append(1000 * (time.perf_counter() - began) / count)

    def _register(self, uids: list[str]) -> None:
        now = datetime.now(UTC)
        for uid in uids:
            with self.database.write() as session:
                for number in (1, 2, 3):
                    register_instance(session, instance_of(uid, sop=f"{uid}.{number}", at=now), QUIET)

    def _prepare(self, _: WorkerContext, held: Claim) -> Outcome:
        uid = held.study_instance_uid
        clips = [
            PreparedClip(
                sop_instance_uid=f"{uid}.{number}",
                tensor_path=f"tensors/{uid}/{number}",
                frame_numbers=(1, 3, 5, 7),
                preprocessing_profile="fast-1",
            )
            for number in (1, 2, 3)
        ]
        return Outcome(
            record=lambda session, study: replace_clips(session, study_id=study.id, revision=held.revision, clips=clips)
        )

    def _score(self, _: WorkerContext, held: Claim) -> Outcome:
        plain = run_of(held.study_instance_uid, str(uuid.uuid4()), datetime.now(UTC))
        results = tuple(
            TaskResult(task_id=task.id, verdict=Verdict.ABSENT, score=0.2, threshold=0.3)
            for task in self.context.catalogue.tasks
        )
        run = Run(**{**vars(plain), "results": results})
        return Outcome(record=lambda session, study: append_run(session, study_id=study.id, run=run, units={}))

    def _report(self, _: WorkerContext, held: Claim) -> Outcome:
        made = object_of(held.study_instance_uid, ReportObject.SR, revision=held.revision, now=datetime.now(UTC))

        def record(session: Session, study: Study) -> None:
            run = current_run(session, study_id=study.id, study_instance_uid=held.study_instance_uid)
            if run is None:
                raise RuntimeError("it was not scored")
            add_report(session, study_id=study.id, run_uid=run.run_uid, report=made)
            set_deliveries(session, study_id=study.id, wanted={ReportObject.SR: ["pacs"]})

        return Outcome(record=record)

    def _deliver(self, count: int) -> None:
        """As many objects as studies came: those that have waited longest go first."""
        pipeline, done = self.context.settings.pipeline, 0
        while done < count:
            with self.database.write() as session:
                held = claim_queue(
                    session, "pacs", Purpose.DELIVER, owner="bench", now=datetime.now(UTC), lease_s=pipeline.lease_s
                )
            if held is None:
                raise RuntimeError("the queue of the PACS cannot be taken")
            with self.database.read() as session:
                due = due_deliveries(session, "pacs", now=datetime.now(UTC), limit=min(100, count - done))
            for item in due:
                with self.database.write() as session:
                    offer(session, held, item.delivery_id, now=datetime.now(UTC))
                with self.database.write() as session:
                    record_answer(
                        session,
                        held,
                        item.delivery_id,
                        Answered.ACCEPTED,
                        answer="0x0000",
                        now=datetime.now(UTC),
                        pipeline=pipeline,
                    )
            with self.database.write() as session:
                release_queue(session, held, trouble=None, now=datetime.now(UTC), pipeline=pipeline)
            done += len(due)


def say_throughput(registries: list[Registry]) -> bool:
    """The table; whether the largest is fast enough beside the smallest."""
    names = [f"{registry.waiting:,} wait" for registry in registries]
    print(f"| ms a study | {' | '.join(names)} | ratio |\n|---|{'---|' * (len(names) + 1)}")
    for stage in STAGES:
        _say(stage, [statistics.median(registry.took[stage]) for registry in registries])
    sums = [sum(statistics.median(registry.took[stage]) for stage in STAGES) for registry in registries]
    _say("**all**", sums)
    _say("studies a second", [1000 / value for value in sums])
    _say("one pass of the reaper, ms", [statistics.median(registry.reaper_ms) for registry in registries])
    lost = 1 - sums[0] / sums[-1]
    print(
        f"\nthroughput lost: {100 * lost:.1f} %; bar {100 * BAR_LOSS:.0f} %: {'met' if lost < BAR_LOSS else 'missed'}"
    )
    return lost < BAR_LOSS


def _say(name: str, values: list[float]) -> None:
    print(f"| {name} | {' | '.join(f'{value:.2f}' for value in values)} | {values[-1] / values[0]:.2f} |")


def say_reads(registries: list[Registry]) -> bool:
    """The table; whether each is fast enough in the largest registry."""
    columns: list[dict[str, float]] = []
    for registry in registries:
        with registry.database.read() as session:
            study = session.scalars(select(Study).where(Study.state == "DELIVERED").order_by(Study.id).limit(1)).one()
            asked = reads(study.study_instance_uid, study.id) | documented()
        columns.append({name: milliseconds(registry.database, read) for name, read in asked.items()})
    print(f"\n| read, ms | {' | '.join(f'{registry.waiting:,}' for registry in registries)} | |")
    print(f"|---|{'---|' * (len(registries) + 1)}")
    for name in columns[-1]:
        slow = "slow" if columns[-1][name] >= BAR_MS else ""
        print(f"| {name} | {' | '.join(f'{column[name]:.1f}' for column in columns)} | {slow} |")
    slow_ones = [name for name, value in columns[-1].items() if value >= BAR_MS]
    print(f"\nreads of {BAR_MS:g} ms or more: {', '.join(slow_ones) or 'none'}")
    return not slow_ones


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    configure_logs(process="bench", stream=Path("/dev/null").open("w"))  # noqa: SIM115  for as long as it runs
    with tempfile.TemporaryDirectory(prefix="bench-queue-") as scratch:
        folder = Path(scratch)
        for name in ("postgresql", "redis"):
            (folder / name).mkdir()
        with servers.postgresql(folder / "postgresql") as postgresql, servers.redis_server(folder / "redis") as redis:
            registries = []
            for number, waiting in enumerate(options.waiting):
                settings = load_settings(
                    data_dir=folder / str(waiting),
                    database={"url": postgresql.create_database(f"waiting_{waiting}")},
                    broker={"url": redis.url(number)},
                )
                registries.append(Registry(waiting, WorkerContext(settings, create_celery_app(settings))))
                began = time.perf_counter()
                registries[-1].fill()
                print(f"{waiting:,} that wait, and as many at rest: filled in {time.perf_counter() - began:.0f} s")
            for turn in range(options.rounds + 1):
                for registry in registries:
                    registry.take_through(options.studies)
                    if not turn:  # the first round warms up
                        registry.took.clear()
                        registry.reaper_ms.clear()
            fast = [say_throughput(registries), say_reads(registries)]
            for registry in registries:
                registry.database.close()
    raise SystemExit(0 if all(fast) else 1)


if __name__ == "__main__":
    main()
