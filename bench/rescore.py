"""How fast results are answered anew from kept embeddings, the whole way: files, answers, rows in PostgreSQL.

    python -m bench.rescore --database postgresql+psycopg://... [--clips N ...] [--per-study N] [--inference]

For each number of clips a spool of as many kept embeddings of 16 frames is made (random directions, EchoCLIP's 512
numbers each, in the product's own files, one for each study), with studies, clips and current runs in the registry;
then the product's own batch is worked on: the whole catalogue, a new run with all its results for each study, what
changes. Printed: seconds, clips per second, the processor time, and the most memory that the process has had; with
--inference also what the image tower of EchoCLIP's size takes for such frames here, and how many times faster answers
from what is kept are. Making the spool is not counted; nor is deciding, which moves pointers alone.

The model has no towers: nothing is embedded. Its prompts are random directions, as many as the catalogue has; every
clip may answer every task, which is the most that there can be to do.
"""

import argparse
import resource
import tempfile
import time
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch
from sqlalchemy import insert
from torch import Tensor

from config.broker import create_celery_app
from config.labels import ModelLabel
from config.logs import configure_logs
from config.settings import load_settings
from db.rescoring.batches import create_batch
from db.rescoring.outdated import Wanted
from db.rescoring.rescored import outcomes_of
from db.results.runs import ModelIdentity
from db.states import RescoredState, StudyState
from db.tables.pictures import Clip, StudyEmbeddings
from db.tables.runs import CurrentRun, ResultRow, RunRow
from db.tables.studies import Study
from worker.context import WorkerContext
from worker.echoclip.model import EchoClipModel
from worker.echoclip.torchvision_compat import make_torchvision_importable
from worker.echoclip.towers import FRAMES_AT_ONCE, Towers
from worker.echoclip.untrained import make_untrained_pack
from worker.embeddings import ClipEmbeddings, embeddings_path, write_embeddings
from worker.packs.folder import load_pack
from worker.rescoring.target import Scorers, target_of
from worker.rescoring.working import Rescorer
from worker.study_scoring import Scorer
from worker.views import ViewGate

make_torchvision_importable()
import open_clip  # noqa: E402  needs torchvision to be importable

WIDTH = 512
FRAMES = 16
EMBEDDER = "b" * 64
STUDIES_AT_ONCE = 500
SHARED = 64
"""Different contents of files; a study has one of them. Each is a file of its own, and read as such."""


class NoTowers:
    """Prompts as directions that belong to their texts; frames are not embedded."""

    def embed_prompts(self, prompts: Sequence[str]) -> Tensor:
        """float32 [P, 512]."""
        seeds = [torch.Generator().manual_seed(zlib.crc32(prompt.encode())) for prompt in prompts]
        directions = torch.stack([torch.randn(WIDTH, generator=seed) for seed in seeds])
        return torch.nn.functional.normalize(directions, dim=1)

    def embed_clips(self, clips: Sequence[Tensor]) -> list[Tensor]:
        """Never asked."""
        raise NotImplementedError


class BenchContext(WorkerContext):
    """A worker whose model has no towers."""

    @property
    def scorer(self) -> Scorer:
        """Made once."""
        if not hasattr(self, "_made"):
            towers = NoTowers()
            identity = ModelIdentity(
                name="bench", version="1", family="bench", label=ModelLabel.UNTRAINED, digest="1" * 64
            )
            model = EchoClipModel(
                towers,
                towers.embed_prompts,
                identity=identity,
                embedder=EMBEDDER,
                catalogue=self.catalogue,
                profile="fast-1",
            )
            self._made = Scorer(model=model, gate=ViewGate(not_judged="a benchmark"))
        return self._made


def fill(context: BenchContext, clips: int, per_study: int) -> int:
    """Studies at rest, with what is kept of them and a run by a former model; how many."""
    generator = torch.Generator().manual_seed(0)
    contents = [
        torch.nn.functional.normalize(torch.randn(per_study, FRAMES, WIDTH, generator=generator), dim=-1)
        for _ in range(SHARED)
    ]
    studies = clips // per_study
    for start in range(0, studies, STUDIES_AT_ONCE):
        _fill_some(context, range(start + 1, min(start + STUDIES_AT_ONCE, studies) + 1), contents)
    return studies


def _fill_some(context: BenchContext, numbers: range, contents: Sequence[Tensor]) -> None:
    now = datetime.now(UTC)
    frame_numbers = tuple(range(1, FRAMES + 1))
    rows: dict[type, list[dict[str, object]]] = {
        table: [] for table in (Study, Clip, StudyEmbeddings, RunRow, ResultRow, CurrentRun)
    }
    for number in numbers:
        uid, embedded = f"1.2.826.9.{number}", contents[number % SHARED]
        uids = [f"{uid}.{place}" for place in range(1, len(embedded) + 1)]
        path = embeddings_path(context.spool.root, embedder=EMBEDDER, study_instance_uid=uid, revision=1)
        kept = [
            ClipEmbeddings(sop_instance_uid=sop, frame_numbers=frame_numbers, frames=frames)
            for sop, frames in zip(uids, embedded, strict=True)
        ]
        write_embeddings(path, kept, embedder=EMBEDDER, profile="fast-1")
        rows[Study].append(
            {
                "id": number,
                "study_instance_uid": uid,
                "revision": 1,
                "attempts": 0,
                "state": StudyState.DELIVERED,
                "state_since": now,
                "created_at": now,
                "last_instance_at": now,
            }
        )
        rows[Clip] += [
            {
                "study_id": number,
                "revision": 1,
                "sop_instance_uid": sop,
                "tensor_path": f"tensors/{sop}.npy",
                "frame_numbers": list(frame_numbers),
                "preprocessing_profile": "fast-1",
                "notes": [],
            }
            for sop in uids
        ]
        rows[StudyEmbeddings].append(
            {
                "study_id": number,
                "revision": 1,
                "embedder": EMBEDDER,
                "preprocessing_profile": "fast-1",
                "path": context.spool.relative(path),
                "clips": len(uids),
                "frames": len(uids) * FRAMES,
                "created_at": now,
            }
        )
        rows[RunRow].append(
            {
                "id": number,
                "run_uid": f"00000000-0000-0000-0000-{number:012}",
                "study_id": number,
                "revision": 1,
                "model_name": "former",
                "model_version": "0",
                "model_family": "bench",
                "model_label": "UNTRAINED",
                "model_digest": "0" * 64,
                "catalogue_digest": context.catalogue.digest,
                "software_version": "0",
                "preprocessing_profile": "fast-1",
                "finished_at": now,
                "clips": [],
            }
        )
        rows[ResultRow] += [
            {"run_id": number, "task_id": task.id, "verdict": "UNCALIBRATED", "score": 0.0, "clips": []}
            for task in context.catalogue.tasks
        ]
        rows[CurrentRun].append({"study_id": number, "run_id": number})
    with context.database.write() as session:
        for table, of_table in rows.items():
            session.execute(insert(table), of_table)
        if session.get_bind().dialect.name == "postgresql":
            # Rows that were given their ids: the sequences go on behind them.
            for name in ("studies", "runs"):
                session.connection().exec_driver_sql(
                    f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))"  # noqa: S608
                )


def inference(folder: Path) -> float:
    """Clips per second that the image tower embeds here, by itself: the best of three batches."""
    architecture = open_clip.get_model_config("convnext_base")
    towers = Towers(load_pack(make_untrained_pack(folder, architecture=architecture)))
    frames = torch.randint(0, 256, (max(FRAMES, FRAMES_AT_ONCE[towers.device.type]), 224, 224, 3), dtype=torch.uint8)
    best = min(_seconds_of(towers, frames) for _ in range(3))
    return len(frames) / FRAMES / best


def _seconds_of(towers: Towers, frames: Tensor) -> float:
    started = time.perf_counter()
    towers.embed_frames(frames)
    return time.perf_counter() - started


def bench(url: str, clips: int, per_study: int, portion: int) -> float:
    """One batch; clips per second."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(data_dir=Path(folder), database={"url": url}, rescore={"portion": portion})
        context = BenchContext(settings, create_celery_app(settings))
        context.database.upgrade()
        context.spool.create()
        studies = fill(context, clips, per_study)
        target = target_of(context.scorer, context.catalogue, "")
        with context.database.write() as session:
            batch_id = create_batch(session, target, Wanted(), started_by="command", now=datetime.now(UTC))
        rescorer = Rescorer(context=context, scorers=Scorers(context), is_asked_to_stop=lambda: False)
        started, processor = time.perf_counter(), time.process_time()
        said = rescorer.work(batch_id)
        seconds, used = time.perf_counter() - started, time.process_time() - processor
        with context.database.read() as session:
            counts = outcomes_of(session, batch_id or 0)
        if counts != {RescoredState.SCORED: studies}:
            raise RuntimeError(f"not all studies were answered ({said}): {counts}")
        context.database.close()
    answered = studies * per_study
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate, of_each = answered / seconds, 1000 * seconds / answered
    print(f"{answered:9} clips of {FRAMES} frames, {per_study} a study: {seconds:8.1f} s, {rate:8.0f} clips/s")
    print(f"{'':9} {of_each:.3f} ms a clip; processor {used:.1f} s; at most {memory:.0f} MiB")
    return answered / seconds


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", required=True, help="of an empty database, one for each number of clips: {clips}")
    parser.add_argument("--clips", type=int, nargs="+", default=[2000])
    parser.add_argument("--per-study", type=int, default=10)
    parser.add_argument("--portion", type=int, default=64)
    parser.add_argument("--inference", action="store_true")
    options = parser.parse_args()
    configure_logs(process="bench")
    rates = [
        bench(options.database.format(clips=clips), clips, options.per_study, options.portion)
        for clips in options.clips
    ]
    if options.inference:
        with tempfile.TemporaryDirectory() as folder:
            embedded = inference(Path(folder) / "pack")
        print(
            f"the image tower embeds {embedded:.2f} clips/s: from what is kept {rates[-1] / embedded:.0f} times faster"
        )


if __name__ == "__main__":
    main()
