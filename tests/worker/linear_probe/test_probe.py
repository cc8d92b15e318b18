"""A head of a site's own: learns what can be learnt, does not flatter itself on noise, and is a model like others."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

import worker.packs.kinds
from config.calibration import Calibration, TaskCalibration, load_calibration
from config.catalogue import load_catalogue
from config.errors import CalibrationError, ModelPackError
from config.labels import ModelLabel
from config.settings import load_settings
from db.results.runs import LINEAR_PROBE_METHOD, ModelIdentity, TaskResult, Verdict, ViewCall
from tests.support.labelled import CATALOGUE, PROFILE, AxisModel, Labelled, pack_kinds
from worker.calibration.cases import CaseFile, asked_tasks
from worker.calibration.judging import Findings, judge
from worker.calibration.making import Made, calibrate
from worker.calibration.resampling import Groups
from worker.calibration.scored import TaskCases
from worker.calibration.thresholds import ThresholdRule
from worker.linear_probe.fitting import fit
from worker.linear_probe.head import read_head
from worker.linear_probe.making import MadeProbe, make_probe
from worker.linear_probe.model import LinearProbe, load
from worker.linear_probe.packing import label_of
from worker.linear_probe.training import EmbeddedCase, train
from worker.models import EmbeddedClip, StudyModel, Surroundings
from worker.packs.folder import load_pack
from worker.packs.kinds import load_model
from worker.packs.licences import is_accepted

pytestmark = pytest.mark.long

WIDTH = 16
DIRECTION = 5
"""Of the truth: an axis that no task of `AxisModel` reads."""
PROBE = ModelIdentity(name="probe", version="1", family="axis", label=ModelLabel.RESEARCH, digest="c" * 64)


def unit(frames: Tensor) -> Tensor:
    return torch.nn.functional.normalize(frames, dim=1)


def clip(signal: float, generator: torch.Generator, frames: int = 4) -> Tensor:
    """Frames around one place, with a coordinate that tells the truth."""
    noise = 0.6 * torch.randn(1, WIDTH, generator=generator) + 0.2 * torch.randn(frames, WIDTH, generator=generator)
    noise[:, DIRECTION] += signal
    return unit(noise)


def studies(labelled: Labelled, task_id: str, number: int, strength: float, seed: int = 0) -> Labelled:
    """Studies of two clips, two of each patient, whose embeddings tell the truth as strongly as this."""
    generator = torch.Generator().manual_seed(seed)
    for case in range(number):
        kind = (case // 2) % {"device": 2, "grade": 3, "place": 2, "volume": 20}[task_id]
        centre = {"device": 2 * kind - 1, "grade": kind - 1, "place": 2 * kind - 1, "volume": kind / 10 - 1}[task_id]
        clips = [clip(strength * centre, generator) for _ in range(2)]
        truth = 2 * kind + 20 if task_id == "volume" else kind
        labelled.label(labelled.embedded(clips), truth, group=f"P{case // 2}")
    return labelled


def trained(labelled: Labelled, task_id: str, folder: Path | None) -> MadeProbe:
    task = labelled.catalogue.task(task_id)
    assert task is not None
    return make_probe(
        labelled.source,
        task,
        cases=labelled.cases,
        rule=ThresholdRule(),
        name="probe",
        folder=folder,
        packs_dir=labelled.data_dir / "packs",
        software_version="1",
    )


def loaded(labelled: Labelled, folder: Path, calibration: Calibration | None = None) -> LinearProbe:
    head = read_head(folder)
    return LinearProbe(labelled.model, head, PROBE, labelled.catalogue, profile=PROFILE, calibration=calibration)


def shown(*clips: Tensor, view: str | None = None) -> list[EmbeddedClip]:
    call = None if view is None else ViewCall(view=view, name=view, is_heart=True, score=0.3, margin=0.1)
    return [
        EmbeddedClip(sop_instance_uid=f"1.{number}", embeddings=frames, view=call)
        for number, frames in enumerate(clips)
    ]


def result_of(model: StudyModel, clips: list[EmbeddedClip], task_id: str) -> TaskResult:
    return next(result for result in model.answer(clips) if result.task_id == task_id)


@pytest.fixture
def labelled(tmp_path: Path) -> Labelled:
    return Labelled(tmp_path / "data")


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> tuple[Labelled, Path, MadeProbe]:
    """A head for a finding that can be learnt, trained once for the tests that only look at it."""
    folder = tmp_path_factory.mktemp("device")
    labelled = studies(Labelled(folder / "data"), "device", 80, strength=1.0)
    return labelled, folder / "pack", trained(labelled, "device", folder / "pack")


def test_what_can_be_learnt_is_learnt(device: tuple[Labelled, Path, MadeProbe]) -> None:
    labelled, folder, made = device
    area = made.findings.cross_validated["AUC"]
    assert area.value > 0.9
    assert area.low > 0.8
    probe = loaded(labelled, folder)
    generator = torch.Generator().manual_seed(99)
    for sign, verdict in ((1, Verdict.PRESENT), (-1, Verdict.ABSENT)):
        said = result_of(probe, shown(clip(2.0 * sign, generator), clip(2.0 * sign, generator)), "device")
        assert said.verdict is verdict
        assert said.method == "linear probe"


def test_noise_is_not_learnt(labelled: Labelled) -> None:
    device = labelled.catalogue.task("device")
    assert device is not None
    areas = []
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        cases = [
            EmbeddedCase(
                study_instance_uid=f"1.2.{number}",
                group=f"P{number // 2}",
                truth=float(number // 2 % 2),
                clips=(clip(0, generator), clip(0, generator)),
            )
            for number in range(80)
        ]
        read = CaseFile(sha256="0" * 64, cases=(), notes=())
        made = train(device, cases, [], ThresholdRule(), source=labelled.source, read=read, software_version="1")
        areas.append(made.findings.cross_validated["AUC"].value)
    assert np.mean(areas) < 0.6
    assert max(areas) < 0.7


def test_the_score_is_a_probability_that_fits_how_often_it_is_true(
    device: tuple[Labelled, Path, MadeProbe],
) -> None:
    _, _, made = device
    scores, truths = made.findings.cases.scores, made.findings.cases.truths
    assert scores.min() >= 0
    assert scores.max() <= 1
    assert scores.mean() == pytest.approx(truths.mean(), abs=0.03)
    assert ((scores - truths) ** 2).mean() < 0.15


def test_a_report_says_that_no_patient_is_known(labelled: Labelled, tmp_path: Path) -> None:
    """Of two studies of one patient, one may then be trained on and the other judged by."""
    generator = torch.Generator().manual_seed(0)
    for case in range(40):
        labelled.label(labelled.embedded([clip(2 * (case % 2) - 1, generator)]), case % 2)
    warnings = trained(labelled, "device", tmp_path / "pack").findings.warnings
    assert any(warning.startswith("no patient is known") for warning in warnings)


def test_grades_get_cut_points_and_an_answer_in_words(labelled: Labelled, tmp_path: Path) -> None:
    made = trained(studies(labelled, "grade", 90, strength=1.5), "grade", tmp_path / "pack")
    assert made.findings.cross_validated["quadratic weighted kappa"].value > 0.5
    probe = loaded(labelled, tmp_path / "pack")
    generator = torch.Generator().manual_seed(99)
    each = [shown(*[clip(signal, generator) for _ in range(12)]) for signal in (-3, 0, 3)]
    answers = [result_of(probe, clips, "grade") for clips in each]
    assert [answer.outcome for answer in answers] == ["none", "mild", "severe"]
    assert {answer.verdict for answer in answers} == {Verdict.CLASSIFIED}
    scores = [answer.score for answer in answers]
    assert scores == sorted(scores)
    assert answers[2].score == pytest.approx(2, abs=0.4)
    assert answers[0].clips[0].outcome == "none"
    assert answers[0].spread is None


def test_classes_without_an_order_get_the_most_likely(labelled: Labelled, tmp_path: Path) -> None:
    trained(studies(labelled, "place", 60, strength=1.5), "place", tmp_path / "pack")
    generator = torch.Generator().manual_seed(99)
    answer = result_of(loaded(labelled, tmp_path / "pack"), shown(clip(3, generator)), "place")
    assert (answer.verdict, answer.outcome) == (Verdict.CLASSIFIED, "right")
    assert answer.score is not None
    assert 0.5 < answer.score <= 1


@pytest.mark.parametrize(("threshold", "verdict"), [(0.4, Verdict.CLASSIFIED), (0.999, Verdict.ABSTAINED)])
def test_classes_without_an_order_are_answered_where_they_are_likely_enough(
    labelled: Labelled, tmp_path: Path, threshold: float, verdict: Verdict
) -> None:
    trained(studies(labelled, "place", 60, strength=1.5), "place", tmp_path / "pack")
    head = read_head(tmp_path / "pack")
    assert head.description.threshold is not None
    found = replace(head, description=head.description.model_copy(update={"threshold": threshold}))
    probe = LinearProbe(labelled.model, found, PROBE, labelled.catalogue, profile=PROFILE)
    answer = result_of(probe, shown(clip(1.0, torch.Generator().manual_seed(99))), "place")
    assert (answer.verdict, answer.outcome, answer.threshold) == (verdict, "right", threshold)
    if verdict is Verdict.ABSTAINED:
        assert "the most likely class, right, has a probability of 0." in str(answer.reason)
        assert answer.agreement is None
    else:
        assert (answer.reason, answer.agreement) == (None, 1)


def test_a_number_is_measured_and_the_study_takes_the_lower_middle_clip(labelled: Labelled, tmp_path: Path) -> None:
    made = trained(studies(labelled, "volume", 80, strength=2.0), "volume", tmp_path / "pack")
    assert made.findings.apparent["mean absolute error"].value < 6
    assert made.findings.calibration is None
    generator = torch.Generator().manual_seed(99)
    clips = [clip(signal, generator) for signal in (-2, 0, 1, 2)]
    said = result_of(loaded(labelled, tmp_path / "pack"), shown(*clips), "volume")
    values = sorted(answer.value for answer in said.clips)
    assert (said.verdict, said.value) == (Verdict.MEASURED, values[1])
    assert said.spread is not None
    assert (said.score, said.agreement) == (None, None)


def test_a_number_outside_of_what_is_reported_is_not_given(labelled: Labelled, tmp_path: Path) -> None:
    trained(studies(labelled, "volume", 80, strength=2.0), "volume", tmp_path / "pack")
    (labelled.data_dir / "narrow.toml").write_text(CATALOGUE.replace("first = -100, last = 100", "first = 0, last = 1"))
    narrow = load_catalogue(labelled.data_dir / "narrow.toml")
    probe = LinearProbe(labelled.model, read_head(tmp_path / "pack"), PROBE, narrow, profile=PROFILE)
    said = result_of(probe, shown(clip(0, torch.Generator())), "volume")
    assert (said.verdict, said.value) == (Verdict.ABSTAINED, None)
    assert "ml, is outside of 0 to 1, which is what can be reported" in str(said.reason)
    assert len(said.clips) == 1  # what the clip says by itself is kept, as of zero-shot answers


def test_score_spread_and_agreement_are_as_their_definitions_say(device: tuple[Labelled, Path, MadeProbe]) -> None:
    labelled, folder, _ = device
    kept = read_head(folder)
    numbers = load_file(folder / "head.safetensors")
    weights, bias = numbers["weights"].double().numpy(), numbers["bias"].double().numpy()
    generator = torch.Generator().manual_seed(5)
    clips = [clip(0.3, generator, frames=3), clip(-0.2, generator, frames=7)]

    def probability(log_odds: np.ndarray) -> np.ndarray:
        scale = kept.description.answers.probability
        assert scale is not None
        return 1 / (1 + np.exp(-(scale.slope * log_odds + scale.intercept)))

    means = [frames.double().numpy().mean(axis=0) for frames in clips]
    of_clips = np.array([(mean / np.linalg.norm(mean)) @ weights[0] + bias[0] for mean in means])
    of_frames = [probability(frames.double().numpy() @ weights[0] + bias[0]) for frames in clips]
    score = probability(of_clips.mean())
    centre = np.mean([frames.mean() for frames in of_frames])
    spread = np.mean([((frames - centre) ** 2).mean() for frames in of_frames]) ** 0.5
    threshold = kept.description.threshold
    assert threshold is not None
    agreement = np.mean([((frames > threshold) == (score > threshold)).mean() for frames in of_frames])

    said = result_of(loaded(labelled, folder), shown(*clips), "device")
    assert said.threshold == threshold
    assert said.score == pytest.approx(float(score), abs=1e-5)
    assert said.spread == pytest.approx(float(spread), abs=1e-5)
    assert said.agreement == pytest.approx(float(agreement))
    assert [answer.value for answer in said.clips] == pytest.approx(probability(of_clips).tolist(), abs=1e-5)
    backwards = result_of(loaded(labelled, folder), shown(*clips)[::-1], "device")
    assert backwards.score == pytest.approx(said.score, abs=1e-6)


def test_all_other_tasks_are_left_to_the_base(device: tuple[Labelled, Path, MadeProbe]) -> None:
    labelled, folder, _ = device
    probe = loaded(labelled, folder)
    clips = shown(clip(1, torch.Generator()))
    own, others = labelled.model.answer(clips), probe.answer(clips)
    assert [result.task_id for result in others] == [task.id for task in labelled.catalogue.tasks]
    assert others[1:] == own[1:]
    assert others[0] != own[0]
    assert (probe.embedder, probe.image_size) == (labelled.model.embedder, labelled.model.image_size)
    assert probe.identity == PROBE
    assert probe.wording_digest("grade") == labelled.model.wording_digest("grade")
    assert probe.wording_digest("device") != labelled.model.wording_digest("device")


def test_what_is_asked_only_where_the_head_finds_it_goes_by_the_head_and_not_by_the_base(
    device: tuple[Labelled, Path, MadeProbe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled, folder, _ = device
    file = tmp_path / "tasks.toml"
    file.write_text(CATALOGUE.replace('id = "place"', 'id = "place"\nasked_if = "device"'))
    asked_of_base = []

    def base(_pack: object, surroundings: Surroundings) -> StudyModel:
        asked_of_base.extend(task.asked_if for task in surroundings.catalogue.tasks)
        return labelled.model

    monkeypatch.setattr("worker.linear_probe.model.load_model", base)
    settings = load_settings(data_dir=labelled.data_dir)
    surroundings = Surroundings(settings=settings, catalogue=load_catalogue(file), cache=tmp_path)
    probe = load(load_pack(folder), surroundings)
    assert set(asked_of_base) == {None}
    generator = torch.Generator().manual_seed(99)
    present, absent = shown(clip(3, generator)), shown(clip(-3, generator))
    assert result_of(probe, present, "place") == result_of(labelled.model, present, "place")
    place = result_of(probe, absent, "place")
    assert (place.verdict, place.outcome) == (Verdict.ABSTAINED, None)
    assert "asked only where Device is PRESENT; it is ABSENT" in str(place.reason)


def test_nor_is_what_hangs_on_that_in_turn(device: tuple[Labelled, Path, MadeProbe], tmp_path: Path) -> None:
    """The base was asked about the second finding anyhow, and found it; the head says that the first is not there."""
    labelled, folder, _ = device
    second = '[[task]]\nid = "second"\nname = "Second"\nkind = "binary"\nasked_if = "device"\nprompts = ["one more"]\n'
    codes = 'concept = { value = "9", scheme = "99TEST", meaning = "x" }\n'
    site = 'finding_site = { value = "9", scheme = "99TEST", meaning = "x" }\n'
    content = CATALOGUE.replace('id = "place"', 'id = "place"\nasked_if = "second"')
    first, grade, *rest = content.split("[[task]]\n")[1:]
    (tmp_path / "tasks.toml").write_text(
        "".join(f"[[task]]\n{task}" for task in (first, grade)) + second + codes + site
    )
    with (tmp_path / "tasks.toml").open("a") as file:
        file.write("".join(f"[[task]]\n{task}" for task in rest))
    catalogue = load_catalogue(tmp_path / "tasks.toml")

    class Base(AxisModel):
        def answer(self, clips: Sequence[EmbeddedClip]) -> tuple[TaskResult, ...]:
            known = {result.task_id: result for result in labelled.model.answer(clips)}
            known["second"] = TaskResult(task_id="second", verdict=Verdict.PRESENT, score=1.0, threshold=0.5)
            return tuple(known[task.id] for task in catalogue.tasks)

    probe = LinearProbe(Base(catalogue, PROBE), read_head(folder), PROBE, catalogue, profile=PROFILE)
    generator = torch.Generator().manual_seed(99)
    present, absent = shown(clip(3, generator)), shown(clip(-3, generator))
    assert result_of(probe, present, "place") == result_of(labelled.model, present, "place")
    assert result_of(probe, absent, "second").verdict is Verdict.ABSTAINED
    place = result_of(probe, absent, "place")
    assert (place.verdict, place.outcome) == (Verdict.ABSTAINED, None)
    assert "asked only where Second is PRESENT; it is ABSTAINED" in str(place.reason)


def test_a_threshold_below_every_score_is_a_probability_all_the_same(
    labelled: Labelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_present(cases: TaskCases, rule: ThresholdRule, *, source: str) -> Findings:
        found = judge(cases, rule, source=source)
        assert found.calibration is not None
        return replace(found, calibration=found.calibration.model_copy(update={"threshold": -0.02}))

    monkeypatch.setattr("worker.linear_probe.training.judge", all_present)
    made = trained(studies(labelled, "device", 40, strength=1.0), "device", labelled.data_dir / "probe")
    assert read_head(made.pack.folder).description.threshold == 0


def test_without_a_clip_of_its_views_it_abstains(device: tuple[Labelled, Path, MadeProbe]) -> None:
    labelled, folder, _ = device
    kept = read_head(folder)
    of_views = replace(kept.head, answers=kept.head.answers.model_copy(update={"views": ("apical",)}))
    probe = LinearProbe(labelled.model, replace(kept, head=of_views), PROBE, labelled.catalogue, profile=PROFILE)
    frames = clip(1, torch.Generator())
    assert result_of(probe, [], "device").reason == "no usable clip"
    said = result_of(probe, shown(frames, view="subcostal"), "device")
    assert (said.verdict, said.score) == (Verdict.ABSTAINED, None)
    assert said.reason == "no clip shows a view that may answer this: apical; seen: 1 × subcostal"  # noqa: RUF001
    assert result_of(probe, shown(frames, view="apical"), "device").score is not None
    assert result_of(probe, shown(frames), "device").score is not None  # not judged: it may be any view


def test_a_sites_calibration_is_stronger_than_the_heads_threshold(device: tuple[Labelled, Path, MadeProbe]) -> None:
    labelled, folder, _ = device
    probe = loaded(labelled, folder)
    clips = shown(clip(2, torch.Generator().manual_seed(1)))
    assert result_of(probe, clips, "device").verdict is Verdict.PRESENT
    found = TaskCalibration(
        task_id="device",
        prompts_digest=probe.wording_digest("device"),
        rule="f1",
        threshold=0.9999,
        origin="a test",
        cases=1,
        patients=1,
        cases_of={},
        metrics={},
    )
    calibration = Calibration(
        format=1,
        model_name="probe",
        model_digest=PROBE.digest,
        model_label=PROBE.label,
        embedder=probe.embedder,
        preprocessing_profile=PROFILE,
        catalogue_digest=labelled.catalogue.digest,
        software_version="1",
        made_at="2026-11-24T12:00:00Z",  # type: ignore[arg-type]
        truth_sha256="0" * 64,
        tasks=(found,),
        digest="d" * 64,
    )
    calibrated = loaded(labelled, folder, calibration)
    said = result_of(calibrated, clips, "device")
    assert (said.verdict, said.threshold) == (Verdict.ABSENT, 0.9999)
    assert calibrated.calibration_digest == "d" * 64
    others = [replace(one, preprocessing_profile="upstream-1") for one in clips]
    assert result_of(calibrated, others, "device").verdict is Verdict.UNCALIBRATED
    of_upstream = calibration.model_copy(update={"preprocessing_profile": "upstream-1"})
    before_the_setting_changed = loaded(labelled, folder, of_upstream)
    assert result_of(before_the_setting_changed, others, "device").threshold == 0.9999
    assert before_the_setting_changed.calibration_digest == "d" * 64
    of_others = calibration.model_copy(update={"embedder": "9" * 64})
    assert result_of(loaded(labelled, folder, of_others), clips, "device").verdict is Verdict.PRESENT
    assert loaded(labelled, folder, of_others).calibration_digest is None


def test_of_frames_that_were_made_otherwise_than_those_of_its_training_a_head_decides_nothing(
    device: tuple[Labelled, Path, MadeProbe],
) -> None:
    """Its threshold holds for its own frames, as any calibration does; whatever the settings say today."""
    labelled, folder, _ = device
    probe = loaded(labelled, folder)
    usual = shown(clip(2, torch.Generator().manual_seed(1)))
    others = [replace(one, preprocessing_profile="upstream-1") for one in usual]
    said = result_of(probe, others, "device")
    assert (said.verdict, said.threshold, said.agreement) == (Verdict.UNCALIBRATED, None, None)
    assert said.clips[0].agreement is None
    assert said.score == result_of(probe, usual, "device").score
    assert said.reason == f"the calibration was made with frames of profile {PROFILE}"
    assert result_of(probe, [*usual, *others], "device").verdict is Verdict.UNCALIBRATED
    of_today = LinearProbe(labelled.model, read_head(folder), PROBE, labelled.catalogue, profile="upstream-1")
    assert result_of(of_today, usual, "device").verdict is Verdict.UNCALIBRATED
    own = [replace(one, preprocessing_profile=PROFILE) for one in usual]
    assert result_of(of_today, own, "device").verdict is Verdict.PRESENT


def test_nor_does_it_measure_them_or_grade_them(labelled: Labelled, tmp_path: Path) -> None:
    trained(studies(labelled, "volume", 60, strength=2.0), "volume", tmp_path / "volume")
    usual = shown(clip(0, torch.Generator()))
    others = [replace(one, preprocessing_profile="upstream-1") for one in usual]
    volume = result_of(loaded(labelled, tmp_path / "volume"), others, "volume")
    assert (volume.verdict, volume.value, len(volume.clips)) == (Verdict.ABSTAINED, None, 1)
    grades = Labelled(tmp_path / "grades")
    trained(studies(grades, "grade", 90, strength=1.5), "grade", tmp_path / "grade")
    probe = loaded(grades, tmp_path / "grade")
    most_like = result_of(probe, usual, "grade").outcome
    grade = result_of(probe, others, "grade")
    assert (grade.verdict, grade.outcome) == (Verdict.UNCALIBRATED, most_like)


@pytest.mark.parametrize(
    ("base", "label"),
    [
        (ModelLabel.UNTRAINED, ModelLabel.UNTRAINED),
        (ModelLabel.DEMO, ModelLabel.DEMO),
        (ModelLabel.RESEARCH, ModelLabel.RESEARCH),
        (ModelLabel.CLINICAL, ModelLabel.RESEARCH),
    ],
)
def test_a_head_is_trusted_no_more_than_its_base_and_never_as_clinical(base: ModelLabel, label: ModelLabel) -> None:
    assert label_of(replace(PROBE, label=base)) is label


def test_the_pack_names_its_base_and_every_file(device: tuple[Labelled, Path, MadeProbe]) -> None:
    labelled, folder, made = device
    content = (folder / "manifest.json").read_bytes()
    manifest = json.loads(content)
    assert made.pack.identity.digest == hashlib.sha256(content).hexdigest()
    assert (manifest["kind"], manifest["family"]) == ("linear-probe", "axis")
    assert labelled.model.identity.label is ModelLabel.CLINICAL
    assert manifest["label"] == made.pack.identity.label == "RESEARCH"
    assert manifest["base"] == {"name": "Axis", "digest": labelled.model.identity.digest}
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    del files["manifest.json"]
    assert manifest["files"] == files
    training = read_head(folder).description.training
    assert (training.cases, training.patients) == (80, 40)
    assert training.truth_sha256 == hashlib.sha256(labelled.cases.read_bytes()).hexdigest()
    assert "out-of-fold" in made.findings.calibration.origin  # type: ignore[union-attr]


def test_an_installed_pack_is_loaded_by_its_kind_on_the_pack_of_its_base(
    labelled: Labelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.packs.kinds, "entry_points", pack_kinds)
    pack = trained(studies(labelled, "device", 40, strength=1.0), "device", None).pack
    packs = labelled.data_dir / "packs"
    assert pack.folder == packs / f"probe-{pack.identity.digest[:12]}"
    assert sorted(path.name for path in packs.iterdir()) == ["axis", pack.folder.name]
    assert is_accepted(pack)
    surroundings = Surroundings(
        settings=load_settings(data_dir=labelled.data_dir), catalogue=labelled.catalogue, cache=labelled.data_dir
    )
    model = load_model(load_pack(pack.folder), surroundings)
    assert model.identity == pack.identity
    generator = torch.Generator().manual_seed(3)
    clips = shown(clip(3, generator), clip(3, generator))
    assert result_of(model, clips, "device").method == LINEAR_PROBE_METHOD
    assert result_of(model, clips, "grade") == result_of(labelled.model, clips, "grade")


def test_a_head_without_its_base_is_not_loaded(labelled: Labelled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.packs.kinds, "entry_points", pack_kinds)
    pack = trained(studies(labelled, "device", 40, strength=1.0), "device", None).pack
    shutil.rmtree(labelled.base.folder)
    surroundings = Surroundings(
        settings=load_settings(data_dir=labelled.data_dir), catalogue=labelled.catalogue, cache=labelled.data_dir
    )
    with pytest.raises(ModelPackError, match="builds on Axis"):
        load_model(pack, surroundings)


def test_a_head_of_another_model_is_refused(device: tuple[Labelled, Path, MadeProbe]) -> None:
    labelled, folder, _ = device
    other = AxisModel(labelled.catalogue, labelled.base.identity)
    other.embedder = "f" * 64
    with pytest.raises(ModelPackError, match="trained on embeddings of Axis"):
        LinearProbe(other, read_head(folder), PROBE, labelled.catalogue, profile=PROFILE)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('id = "device"', 'id = "apparatus"', "device, which the task catalogue does not have"),
        ('kind = "binary"\nprompts = ["a device"]', 'kind = "regression"\nprompts = ["{value}"]', "train it again"),
    ],
)
def test_a_task_that_is_another_than_it_was_trained_for_is_refused(
    device: tuple[Labelled, Path, MadeProbe], tmp_path: Path, before: str, after: str, said: str
) -> None:
    labelled, folder, _ = device
    if "regression" in after:
        after += '\nvalues = { first = 0, last = 9 }\nunit = { value = "ml", scheme = "UCUM", meaning = "ml" }'
    (tmp_path / "tasks.toml").write_text(CATALOGUE.replace(before, after))
    with pytest.raises(ModelPackError, match=said):
        LinearProbe(labelled.model, read_head(folder), PROBE, load_catalogue(tmp_path / "tasks.toml"), profile=PROFILE)


def test_a_damaged_head_is_one_clear_error(device: tuple[Labelled, Path, MadeProbe], tmp_path: Path) -> None:
    _, folder, _ = device
    description = (folder / "head.json").read_text()
    with pytest.raises(ModelPackError, match="missing or damaged"):
        read_head(tmp_path)
    (tmp_path / "head.json").write_text(description)
    save_file({"weights": torch.zeros(2, 16), "bias": torch.zeros(1)}, tmp_path / "head.safetensors")
    with pytest.raises(ModelPackError, match=r"weights \[1, D\]"):
        read_head(tmp_path)
    save_file({"weights": torch.zeros(1, 16)}, tmp_path / "head.safetensors")
    with pytest.raises(ModelPackError, match="no tensor 'bias'"):
        read_head(tmp_path)
    (tmp_path / "head.json").write_text(description.replace('"threshold"', '"treshold"'))
    with pytest.raises(ModelPackError, match=r"head\.json"):
        read_head(tmp_path)


def test_calibrating_a_head_on_patients_that_it_was_trained_on_is_said_and_written_down(
    labelled: Labelled, tmp_path: Path
) -> None:
    trained(studies(labelled, "device", 40, strength=1.0), "device", tmp_path / "pack")
    source = replace(labelled.source, model=loaded(labelled, tmp_path / "pack"))
    of_training, labelled.lines = labelled.lines, []
    studies(labelled, "device", 40, strength=1.0, seed=1)

    def calibrated(folder: Path) -> tuple[Made, TaskCalibration]:
        tasks = asked_tasks(labelled.catalogue, ["device"])
        made = calibrate(source, tasks, cases=labelled.cases, rule=ThresholdRule(), folder=folder, software_version="1")
        return made, load_calibration(folder / "calibration.json").tasks[0]

    made, written = calibrated(tmp_path / "others")
    assert not [warning for warning in made.findings[0].warnings if "trained" in warning]
    assert written.cases_of_training == 0
    labelled.lines.append(of_training[0])  # of the patient P0, of whom the others have two studies
    made, written = calibrated(tmp_path / "mixed")
    said = "3 of 41 cases are of patients whom the model itself was trained on"
    assert made.findings[0].warnings[0] == f"{said}, so that every figure is too good"
    assert said in (tmp_path / "mixed/report.md").read_text()
    assert written.cases_of_training == 3
    assert written.origin.endswith(f"; {said}")


def test_a_head_names_no_study_that_it_was_trained_on(device: tuple[Labelled, Path, MadeProbe]) -> None:
    labelled, folder, _ = device
    uids = {line.split(",")[0] for line in labelled.lines}
    probe = loaded(labelled, folder)
    assert not [uid for uid in uids if uid in (folder / "head.json").read_text()]
    assert all(probe.was_trained_on(uid, "device") for uid in uids)
    assert not any(probe.was_trained_on(uid, "grade") for uid in uids)  # its base's, which has learnt from no case
    assert not probe.was_trained_on("1.2.3", "device")


def test_too_few_cases_train_nothing(labelled: Labelled, tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="device: 8 cases that are absent with embeddings, of 4 patients"):
        trained(studies(labelled, "device", 16, strength=1.0), "device", tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


def test_a_worker_that_scores_needs_no_library_of_the_training() -> None:
    code = (
        "import sys, worker.linear_probe.model;"
        "print([name for name in ('sklearn', 'matplotlib') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_standardisation_is_part_of_the_numbers(labelled: Labelled) -> None:
    """The folded map gives what scikit-learn's own pipeline gives."""
    generator = np.random.default_rng(0)
    embeddings = generator.normal(3, [1, 10, 0.1], (60, 3))
    truth = embeddings @ [1, 0.1, 5] + generator.normal(size=60)
    volume = labelled.catalogue.task("volume")
    assert volume is not None
    model = fit(volume, embeddings, truth, Groups([str(n) for n in range(60)]))
    reference = make_pipeline(StandardScaler(), Ridge(alpha=model.strength)).fit(embeddings, truth)
    assert model(embeddings)[:, 0] == pytest.approx(reference.predict(embeddings))
