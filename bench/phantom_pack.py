"""From trained weights to the pack `phantom-demo`: thresholds, chosen on phantoms of their own, and a manifest.

    python -m bench.phantom_pack --weights FOLDER --out PACK [--hearts N] [--seed S]

The validation hearts have seeds of their own, and the machines of the training; what a model is finally judged with,
other seeds and a machine that no weights were trained with, is not touched here (bench.phantom_accuracy).
"""

import argparse
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from multiprocessing import Pool
from pathlib import Path

import torch

from bench.phantom_clips import Frames, Scan, frames_of, scan_of
from config.calibration import CALIBRATION_FILE
from config.catalogue import load_catalogue
from config.clinical_tasks import AnyTask, BinaryTask, ClassTask
from config.errors import CalibrationError
from config.labels import ModelLabel
from config.settings import load_settings
from db.results.runs import TaskResult, Verdict
from worker.calibration.judging import Findings, judge
from worker.calibration.making import calibration_of
from worker.calibration.scored import ScoredCase, TaskCases
from worker.calibration.thresholds import ThresholdRule
from worker.loading import load_scorer
from worker.packs.manifest import CONFIGURATION, WEIGHTS, write_manifest
from worker.phantom.captions import LEAD_TASKS, SEEN_IN
from worker.phantom.heart import Device, Heart
from worker.phantom.study import WANTED
from worker.pixels.profiles import FAST
from worker.study_scoring import ClipToJudge, Scorer

HEARTS, SEED = 300, 20_000
FRAMES = 8
"""Of a clip, evenly over a beat: half of what the profile samples, for half the time."""
LENGTHS = (2, 3, 3, 5, 10)
"""How many clips a study may have; they show the views that a study of so many clips has first."""
DECIDED = (*LEAD_TASKS, Device.TAVR, Device.MITRACLIP, Device.IMPELLA, "lv_size", "rv_size", "la_size", "ra_size")
"""The tasks that get a threshold or cut points."""

Study = list[tuple[Scan, Frames]]


def study_of(seed: int, number: int) -> Study:
    """The clips of one validation heart."""
    views = WANTED[: LENGTHS[number % len(LENGTHS)]]
    scans = [scan_of(seed, number, frames=FRAMES, view=view, repeat=repeat) for repeat, view in enumerate(views)]
    return [(scan, frames_of(scan, FRAMES)) for scan in scans]


def truth_of(task: AnyTask, heart: Heart) -> float:
    """Of a heart, whatever is seen of it: as a case of a calibration has it."""
    if isinstance(task, ClassTask):
        return float([outcome.id for outcome in task.classes].index(str(getattr(heart, task.id))))
    if isinstance(task, BinaryTask):
        return float((Device.PACEMAKER if task.id in LEAD_TASKS else Device(task.id)) in heart.devices)
    return float({"lvef": heart.ejection_fraction, "pa_pressure": heart.pa_pressure}[task.id])


def scorer_of(pack: Path, data: Path) -> Scorer:
    """The product's, with this pack."""
    settings = load_settings(data_dir=data)
    chosen = settings.model.model_copy(update={"pack": str(pack)})
    return load_scorer(settings.model_copy(update={"model": chosen}), load_catalogue())


def results_of(scorer: Scorer, study: Study) -> Mapping[str, TaskResult]:
    """What the product says of a study, by the id of the task."""
    embedded = scorer.model.embed([frames for _, frames in study])
    clips = [
        ClipToJudge(sop_instance_uid=f"1.{number}", embeddings=embeddings)
        for number, embeddings in enumerate(embedded, 1)
    ]
    return {result.task_id: result for result in scorer.answer(clips).results}


def findings_of(
    tasks: Sequence[AnyTask],
    hearts: Sequence[Heart],
    results: Sequence[Mapping[str, TaskResult]],
    *,
    source: str,
) -> list[Findings]:
    """Thresholds, and what they are worth; what an estimate is worth. A task with too few cases goes without."""
    found = []
    for task in tasks:
        scored = tuple(
            ScoredCase(
                study_instance_uid=f"1.{number}", group=str(number), truth=truth_of(task, heart), score=float(score)
            )
            for number, (heart, result) in enumerate(zip(hearts, results, strict=True))
            if (score := _number(result[task.id])) is not None
        )
        cases = TaskCases(task=task, wording_digest=task.wording_digest(), scored=scored)
        try:
            found.append(judge(cases, ThresholdRule(), source=source))
        except CalibrationError as error:
            print(f"{task.id:18} {len(scored):4} cases  no threshold: {error}")
    return found


def _number(result: TaskResult) -> float | None:
    if result.verdict is Verdict.ABSTAINED:
        return None
    return result.value if result.score is None else result.score


def make_pack(weights: Path, folder: Path, *, hearts: int, seed: int, processes: int) -> list[Findings]:
    """Write the pack at `folder`; what validation found."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CALIBRATION_FILE).unlink(missing_ok=True)
    for name in (CONFIGURATION, WEIGHTS):
        shutil.copyfile(weights / name, folder / name)
    _sign(folder)
    with Pool(processes) as pool:
        studies = pool.map(partial(study_of, seed), range(hearts), 4)
    catalogue, source = load_catalogue(), f"phantoms, seeds {seed}/0 to {seed}/{hearts - 1}"
    tasks = [task for task in catalogue.tasks if task.id in DECIDED or task.id in SEEN_IN]
    with tempfile.TemporaryDirectory() as data:
        scorer = scorer_of(folder, Path(data))
        results = [results_of(scorer, study) for study in studies]
    known = [heart for study in studies if (heart := study[0][0].heart) is not None]
    findings = findings_of(tasks, known, results, source=source)
    calibration = calibration_of(
        findings,
        scorer.model,
        profile=FAST.name,
        catalogue_digest=catalogue.digest,
        truth_sha256=_digest_of_truth(tasks, known),
        software_version=version("echoworker"),
    )
    if calibration is not None:
        (folder / CALIBRATION_FILE).write_bytes(calibration.content())
    _sign(folder)
    return findings


def _digest_of_truth(tasks: Sequence[AnyTask], hearts: Sequence[Heart]) -> str:
    truth = {task.id: [truth_of(task, heart) for heart in hearts] for task in tasks}
    return hashlib.sha256(json.dumps(truth, sort_keys=True).encode()).hexdigest()


def _sign(folder: Path) -> None:
    write_manifest(
        folder,
        name="phantom-demo",
        version="2",
        family="phantom-demo",
        label=ModelLabel.DEMO,
        licence="Apache-2.0",
    )


def main() -> None:
    """Make the pack and say what validation found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hearts", type=int, default=HEARTS)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    processes = torch.get_num_threads()
    for found in make_pack(options.weights, options.out, hearts=options.hearts, seed=options.seed, processes=processes):
        metrics = found.cross_validated or found.apparent
        told = ", ".join(f"{name} {metric.value:.3f}" for name, metric in metrics.items())
        print(f"{found.cases.task.id:18} {len(found.cases.scored):4} cases  {told}")


if __name__ == "__main__":
    main()
