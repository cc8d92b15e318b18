"""The answers of a model to a catalogue of every kind of task, against the definitions in plain Python."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from config.catalogue import Catalogue, load_catalogue
from config.labels import ModelLabel
from db.results.runs import ModelIdentity, TaskResult, Verdict, ViewCall
from tests.support import zero_shot_reference as reference
from tests.support.zero_shot_reference import unit_vectors
from worker.echoclip.model import EchoClipModel, frames_at_once
from worker.models import EmbeddedClip

WIDTH = 8
SCALE = 20.0
EMBEDDER, DIGEST = "e" * 64, "d" * 64
CODES = """
concept = { value = "%s", scheme = "99TEST", meaning = "Concept" }
finding_site = { value = "80891009", scheme = "SCT", meaning = "Heart" }
"""


def _class(class_id: str, *prompts: str) -> str:
    concept = f'{{ value = "{class_id.upper()}", scheme = "99TEST", meaning = "{class_id}" }}'
    return f'{{ id = "{class_id}", name = "{class_id}", prompts = {list(prompts)}, concept = {concept} }}'


SIZES = ", ".join([_class("small", "a small one"), _class("middling", "a middling one", "so so"), _class("big", "big")])
SIDES = ", ".join([_class("left", "to the left", "left"), _class("right", "to the right")])
FAMILY = 'model_family = "tested", wording = "catalogue", origin = "made up"'
CATALOGUE = f"""
[[task]]
id = "volume"
name = "Volume"
kind = "regression"
prompts = ["it holds {{value}} ml", "volume {{value}}"]
values = {{ first = 1, last = 40 }}
unit = {{ value = "ml", scheme = "UCUM", meaning = "millilitre" }}
{CODES % 1}
[[task]]
id = "seen"
name = "Thing"
kind = "binary"
prompts = ["a thing is seen", "there is a thing"]
thresholds = [{{ value = 0.05, {FAMILY} }}]
{CODES % 2}
[[task]]
id = "unknown"
name = "Unknown thing"
kind = "binary"
prompts = ["an unknown thing"]
{CODES % 3}
[[task]]
id = "size"
name = "Size"
kind = "class"
classes = [{SIZES}]
cut_points = [{{ values = [0.8, 1.2], {FAMILY} }}]
{CODES % 4}
[[task]]
id = "grade"
name = "Grade"
kind = "class"
classes = [{SIZES}]
{CODES % 5}
[[task]]
id = "side"
name = "Side"
kind = "class"
ordered = false
classes = [{SIDES}]
asked_if = "seen"
{CODES % 6}
[[task]]
id = "narrow"
name = "Narrow"
kind = "binary"
prompts = ["narrow"]
views = ["long_axis", "short_axis"]
{CODES % 7}

[[view]]
id = "long_axis"
name = "long-axis view"
heart = true
prompts = ["the long axis"]

[[view]]
id = "short_axis"
name = "short-axis view"
heart = true
prompts = ["the short axis"]

[[view]]
id = "top"
name = "view from the top"
heart = true
prompts = ["from the top"]

[[view]]
id = "page"
name = "page of text"
heart = false
prompts = ["a page"]
"""


class TextTower:
    """Every text has a direction of its own, at random."""

    def __call__(self, texts: Sequence[str]) -> Tensor:
        return torch.tensor([self.vector(text) for text in texts])

    @staticmethod
    def vector(text: str) -> list[float]:
        (vector,) = unit_vectors(1, int.from_bytes(text.encode()) % 2**32, WIDTH)
        return vector


class NoFrames:
    def embed_clips(self, clips: Sequence[Tensor]) -> list[Tensor]:
        raise AssertionError("nothing is embedded here")


@dataclass(frozen=True, kw_only=True)
class Decision:
    threshold: float | None = None
    cut_points: tuple[float, ...] | None = None
    origin: str = "made up"


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """As `config.calibration.Calibration` behaves."""

    tasks: dict[str, Decision]
    digest: str = DIGEST
    embedder: str = EMBEDDER
    preprocessing_profile: str = "fast-1"
    prompts: dict[str, str] = field(default_factory=dict)

    def task(self, task_id: str) -> Decision | None:
        return self.tasks.get(task_id)

    def why_not(self, task_id: str, *, embedder: str, prompts_digest: str, profile: str) -> str | None:
        if embedder != self.embedder:
            return "the calibration was made with another model"
        if profile != self.preprocessing_profile:
            return "the calibration was made with other frames"
        if prompts_digest != self.prompts.get(task_id, prompts_digest):
            return "the calibration was made with other prompts"
        return None


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    file = tmp_path_factory.mktemp("catalogue") / "tasks.toml"
    file.write_text(CATALOGUE)
    return load_catalogue(file)


def model_of(
    catalogue: Catalogue, site: Calibrated | None = None, pack: Calibrated | None = None, *, family: str = "tested"
) -> EchoClipModel:
    return EchoClipModel(
        NoFrames(),
        TextTower(),
        identity=ModelIdentity(name="Tested", version="1", family=family, label=ModelLabel.RESEARCH, digest=DIGEST),
        embedder=EMBEDDER,
        catalogue=catalogue,
        profile="fast-1",
        logit_scale=SCALE,
        site_calibration=site,
        pack_calibration=pack,
    )


def clip(
    frames: list[list[float]], uid: str = "1.1", view: str | None = None, heart: bool | None = True
) -> EmbeddedClip:
    call = view and ViewCall(view=view, name=f"the {view}", is_heart=heart, score=0.3, margin=0.1)
    return EmbeddedClip(sop_instance_uid=uid, embeddings=torch.tensor(frames), view=call or None)


def clips_of(lengths: list[int], seed: int) -> list[list[list[float]]]:
    return [unit_vectors(length, seed + number, WIDTH) for number, length in enumerate(lengths)]


def answers(model: EchoClipModel, *clips: EmbeddedClip) -> dict[str, TaskResult]:
    return {result.task_id: result for result in model.answer(clips)}


def prompts_of(catalogue: Catalogue, task_id: str) -> list[list[float]]:
    task = catalogue.task(task_id)
    assert task is not None
    return [TextTower.vector(prompt) for prompt in task.filled_prompts()]


def classes_of(catalogue: Catalogue, task_id: str) -> list[list[list[float]]]:
    task = catalogue.task(task_id)
    return [[TextTower.vector(prompt) for prompt in outcome.prompts] for outcome in task.classes]  # type: ignore[union-attr]


STUDIES = given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5), seed=st.integers(0, 2**31))
BRIEFLY = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@BRIEFLY
@STUDIES
def test_a_regression_is_the_lower_median_of_its_clips_with_the_spread_of_single_frames(
    catalogue: Catalogue, lengths: list[int], seed: int
) -> None:
    study, prompts = clips_of(lengths, seed), prompts_of(catalogue, "volume")
    values = [*range(1, 41)] * 2
    result = answers(model_of(catalogue), *map(clip, study))["volume"]
    of_clips = [reference.estimate(frames, prompts, values) for frames in study]
    alone = [[reference.estimate([frame], prompts, values) for frame in frames] for frames in study]
    assert (result.verdict, result.method, result.agreement) == (Verdict.MEASURED, "zero-shot", None)
    assert result.value == pytest.approx(reference.lower_median(of_clips), abs=1e-9)
    assert result.spread == pytest.approx(reference.spread(alone), abs=1e-9)
    assert [answer.value for answer in result.clips] == pytest.approx(of_clips, abs=1e-9)
    assert [answer.spread for answer in result.clips] == pytest.approx([reference.spread([a]) for a in alone], abs=1e-9)


@BRIEFLY
@STUDIES
def test_a_finding_is_the_mean_of_its_clips_with_spread_and_the_share_of_frames_on_its_side(
    catalogue: Catalogue, lengths: list[int], seed: int
) -> None:
    study, prompts = clips_of(lengths, seed), prompts_of(catalogue, "seen")
    result = answers(model_of(catalogue), *map(clip, study))["seen"]
    alone = [[reference.score([frame], prompts) for frame in frames] for frames in study]
    score = reference.mean([reference.mean(frames) for frames in alone])
    assert result.score == pytest.approx(score, abs=1e-12)
    assert result.verdict is (Verdict.PRESENT if score > 0.05 else Verdict.ABSENT)
    assert result.threshold == 0.05
    assert result.spread == pytest.approx(reference.spread(alone), abs=1e-12)
    sides = [[(one > 0.05) == (score > 0.05) for one in frames] for frames in alone]
    assert result.agreement == pytest.approx(reference.share(sides), abs=1e-12)
    for answer, frames in zip(result.clips, alone, strict=True):
        assert answer.value == pytest.approx(reference.mean(frames), abs=1e-12)
        own = [(one > 0.05) == (reference.mean(frames) > 0.05) for one in frames]
        assert answer.agreement == pytest.approx(reference.share([own]), abs=1e-12)


@BRIEFLY
@STUDIES
def test_classes_in_order_are_cut_by_severity_and_without_cut_points_are_those_most_like(
    catalogue: Catalogue, lengths: list[int], seed: int
) -> None:
    study, classes = clips_of(lengths, seed), classes_of(catalogue, "size")
    found = answers(model_of(catalogue), *map(clip, study))
    alone = [[reference.severity(frame, classes, SCALE) for frame in frames] for frames in study]
    score = reference.mean([reference.mean(frames) for frames in alone])

    def cut(severity: float) -> int:
        return (severity > 0.8) + (severity > 1.2)

    size = found["size"]
    names = ["small", "middling", "big"]
    assert size.verdict is Verdict.CLASSIFIED
    assert size.score == pytest.approx(score, abs=1e-9)
    assert size.outcome == names[cut(score)]
    assert size.agreement == pytest.approx(
        reference.share([[cut(one) == cut(score) for one in frames] for frames in alone]), abs=1e-9
    )
    assert [answer.outcome for answer in size.clips] == [names[cut(reference.mean(frames))] for frames in alone]
    assert size.spread is None

    grade = found["grade"]
    near = [reference.mean([reference.score(frames, of) for frames in study]) for of in classes]
    most_like = near.index(max(near))
    assert grade.verdict is Verdict.UNCALIBRATED
    assert grade.outcome == names[most_like]
    assert grade.score == pytest.approx(score, abs=1e-9)
    assert grade.agreement == pytest.approx(
        reference.share([[reference.nearest([f], classes) == most_like for f in frames] for frames in study]), abs=1e-9
    )
    assert [answer.outcome for answer in grade.clips] == [names[reference.nearest(frames, classes)] for frames in study]
    assert "no cut points were made with Tested and these prompts" in str(grade.reason)


@BRIEFLY
@STUDIES
def test_the_order_of_clips_changes_no_answer_at_all(catalogue: Catalogue, lengths: list[int], seed: int) -> None:
    study = [clip(frames, uid=f"1.{number}") for number, frames in enumerate(clips_of(lengths, seed))]
    model = model_of(catalogue)
    one, other = answers(model, *study), answers(model, *reversed(study))
    for task_id, result in one.items():
        turned = other[task_id]
        assert vars(turned) == {**vars(result), "clips": tuple(reversed(result.clips))}


def test_a_long_clip_weighs_no_more_than_a_short_one(catalogue: Catalogue) -> None:
    (prompt,) = prompts_of(catalogue, "unknown")
    away = [-coordinate for coordinate in prompt]
    result = answers(model_of(catalogue), clip([prompt]), clip([away] * 99))["unknown"]
    assert result.score == pytest.approx(0, abs=1e-6)
    assert result.spread == pytest.approx(1, abs=1e-6)


def side_of(catalogue: Catalogue, lead: float | None, *frames: list[float]) -> TaskResult:
    decided = {"seen": Decision(threshold=-1.0)} | ({} if lead is None else {"side": Decision(threshold=lead)})
    return answers(model_of(catalogue, Calibrated(tasks=decided)), clip(list(frames)))["side"]


def test_classes_without_order_are_most_like_one_and_its_lead_is_the_score(catalogue: Catalogue) -> None:
    left, right = TextTower.vector("to the left"), TextTower.vector("to the right")
    side = side_of(catalogue, None, right, right)
    assert (side.verdict, side.outcome, side.agreement) == (Verdict.UNCALIBRATED, "right", 1)
    assert side.score == pytest.approx(1 - reference.cosine(left, right), abs=1e-6)
    assert [(answer.outcome, answer.value) for answer in side.clips] == [("right", pytest.approx(side.score))]
    assert "no smallest lead was made with Tested and these prompts" in str(side.reason)


def test_a_calibrated_class_without_order_is_an_answer_where_it_leads_by_enough(catalogue: Catalogue) -> None:
    right = TextTower.vector("to the right")
    score = side_of(catalogue, None, right).score
    assert score is not None
    side = side_of(catalogue, score - 0.01, right)
    assert (side.verdict, side.outcome, side.agreement, side.reason) == (Verdict.CLASSIFIED, "right", 1, None)
    assert (side.score, side.threshold) == (score, score - 0.01)

    close = side_of(catalogue, score, right)
    assert (close.verdict, close.score, close.threshold, close.agreement) == (Verdict.ABSTAINED, score, score, None)
    assert f"leads the next by {score:.4f}: more than {score:.4f} is needed" in str(close.reason)


def test_of_two_classes_that_are_equally_near_none_is_an_answer(catalogue: Catalogue) -> None:
    assert side_of(catalogue, -0.1, [0.0] * WIDTH).verdict is Verdict.ABSTAINED


def test_of_classes_that_are_equally_near_the_first_is_taken(catalogue: Catalogue) -> None:
    grade = answers(model_of(catalogue), clip([[0.0] * WIDTH]))["grade"]
    assert grade.outcome == "small"
    assert grade.score == pytest.approx(1)  # in the middle of 0, 1, 2


@pytest.mark.parametrize(("threshold", "asked"), [(-1.0, True), (1.0, False)])
def test_a_question_that_depends_on_a_finding_is_asked_where_that_is_present(
    catalogue: Catalogue, threshold: float, asked: bool
) -> None:
    model = model_of(catalogue, Calibrated(tasks={"seen": Decision(threshold=threshold)}))
    side = answers(model, clip(unit_vectors(3, 1)))["side"]
    assert (side.verdict is not Verdict.ABSTAINED) is asked
    if not asked:
        assert side.reason == "asked only where Thing is PRESENT; it is ABSENT"
        assert side.clips == ()


def test_what_is_uncalibrated_is_not_present(catalogue: Catalogue) -> None:
    side = answers(model_of(catalogue, family="another"), clip(unit_vectors(3, 1)))["side"]
    assert (side.verdict, side.reason) == (
        Verdict.ABSTAINED,
        "asked only where Thing is PRESENT; it is UNCALIBRATED",
    )


def test_only_clips_whose_view_may_answer_do(catalogue: Catalogue) -> None:
    frames = clips_of([2, 3, 4, 5, 6], 1)
    study = [
        clip(frames[0], "1.0", "long_axis"),
        clip(frames[1], "1.1", "top"),
        clip(frames[2], "1.2", "short_axis"),
        clip(frames[3], "1.3"),  # not judged
        clip(frames[4], "1.4", "page", heart=None),  # in doubt
    ]
    found = answers(model_of(catalogue), *study)
    assert [answer.sop_instance_uid for answer in found["narrow"].clips] == ["1.0", "1.2", "1.3", "1.4"]
    scores = [reference.score(frames[n], prompts_of(catalogue, "narrow")) for n in (0, 2, 3, 4)]
    assert found["narrow"].score == pytest.approx(reference.mean(scores), abs=1e-12)
    assert len(found["unknown"].clips) == 5


def test_without_a_clip_of_its_views_a_task_abstains_and_says_what_was_seen(catalogue: Catalogue) -> None:
    found = answers(model_of(catalogue), *(clip(unit_vectors(2, n), f"1.{n}", "top") for n in range(3)))
    assert (found["narrow"].verdict, found["narrow"].clips) == (Verdict.ABSTAINED, ())
    assert found["narrow"].reason == (
        "no clip shows a view that may answer this: long-axis view, short-axis view; seen: 3 × the top"  # noqa: RUF001
    )
    assert found["unknown"].verdict is Verdict.UNCALIBRATED


def test_an_estimate_that_is_not_reportable_is_withheld_and_its_clips_kept(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    narrow = CATALOGUE.replace("values = { first = 1", "reportable = { first = 41, last = 50 }\nvalues = { first = 1")
    (tmp_path / "tasks.toml").write_text(narrow.replace("last = 40 }", "last = 41 }"))
    study = clips_of([3, 4], 5)
    volume = answers(model_of(load_catalogue(tmp_path / "tasks.toml")), *map(clip, study))["volume"]
    assert (volume.verdict, volume.value) == (Verdict.ABSTAINED, None)
    assert "ml, is outside of 41 to 50" in str(volume.reason)
    assert len(volume.clips) == 2


def test_a_study_without_clips_is_asked_nothing(catalogue: Catalogue) -> None:
    found = model_of(catalogue).answer([])
    assert [result.task_id for result in found] == [task.id for task in catalogue.tasks]
    assert {(result.verdict, result.reason) for result in found} == {(Verdict.ABSTAINED, "no usable clip")}


def test_the_sites_calibration_is_stronger_than_the_packs_and_that_than_the_catalogue(catalogue: Catalogue) -> None:
    site = Calibrated(tasks={"seen": Decision(threshold=0.7), "grade": Decision(cut_points=(0.1, 0.2))})
    pack = Calibrated(tasks={"seen": Decision(threshold=0.6), "unknown": Decision(threshold=0.5)}, digest="f" * 64)
    model = model_of(catalogue, site, pack)
    found = answers(model, clip(unit_vectors(3, 1)))
    assert (found["seen"].threshold, found["unknown"].threshold) == (0.7, 0.5)
    assert found["grade"].verdict is Verdict.CLASSIFIED
    assert model.calibration_digest == DIGEST
    assert model_of(catalogue).calibration_digest is None
    assert model_of(catalogue, None, pack).calibration_digest is None  # the pack's own digest stands for it


@pytest.mark.parametrize(
    ("calibration", "why"),
    [
        (Calibrated(tasks={"unknown": Decision(threshold=0.1)}, embedder="0" * 64), "another model"),
        (Calibrated(tasks={"unknown": Decision(threshold=0.1)}, prompts={"unknown": "0" * 64}), "other prompts"),
        (Calibrated(tasks={"unknown": Decision(cut_points=(0.1,))}), "do not fit"),
    ],
)
def test_a_calibration_that_does_not_hold_is_not_used_and_the_answer_says_why(
    catalogue: Catalogue, calibration: Calibrated, why: str
) -> None:
    model = model_of(catalogue, calibration)
    unknown = answers(model, clip(unit_vectors(3, 1)))["unknown"]
    assert (unknown.verdict, unknown.threshold) == (Verdict.UNCALIBRATED, None)
    assert "no threshold was made with Tested and these prompts; " in str(unknown.reason)
    assert why in str(unknown.reason)
    assert model.calibration_digest is None


@pytest.mark.parametrize("task_id", ["grade", "volume"])
def test_a_threshold_for_what_has_none_is_not_used(catalogue: Catalogue, task_id: str) -> None:
    model = model_of(catalogue, Calibrated(tasks={task_id: Decision(threshold=0.1)}))
    result = answers(model, clip(unit_vectors(3, 1)))[task_id]
    assert result.threshold is None
    assert result.verdict in (Verdict.UNCALIBRATED, Verdict.MEASURED)
    assert model.calibration_digest is None


def test_frames_of_another_profile_are_not_judged_by_the_calibration_of_todays(catalogue: Catalogue) -> None:
    model = model_of(catalogue, Calibrated(tasks={"unknown": Decision(threshold=0.1)}))
    today = clip(unit_vectors(3, 1))
    before = EmbeddedClip(sop_instance_uid="1.1", embeddings=today.embeddings, preprocessing_profile="upstream-1")
    assert answers(model, today)["unknown"].threshold == 0.1
    assert answers(model, before)["unknown"].verdict is Verdict.UNCALIBRATED


def test_a_calibration_of_frames_from_before_the_setting_was_changed_decides_them_and_is_named(
    catalogue: Catalogue,
) -> None:
    """The name is one for all studies: were it of each run, those of other frames would be outdated for ever."""
    calibration = Calibrated(tasks={"unknown": Decision(threshold=0.1)}, preprocessing_profile="upstream-1")
    model = model_of(catalogue, calibration)
    today = clip(unit_vectors(3, 1))
    assert answers(model, replace(today, preprocessing_profile="upstream-1"))["unknown"].threshold == 0.1
    assert model.calibration_digest == DIGEST
    unknown = answers(model, today)["unknown"]
    assert (unknown.verdict, unknown.threshold) == (Verdict.UNCALIBRATED, None)
    assert "other frames" in str(unknown.reason)


def test_a_threshold_of_the_catalogue_that_was_measured_with_other_frames_decides_and_the_answer_says_so(
    tmp_path: Path,
) -> None:
    of_upstream = CATALOGUE.replace(FAMILY, f'{FAMILY}, preprocessing = "upstream-1"')
    (tmp_path / "tasks.toml").write_text(of_upstream)
    model = model_of(load_catalogue(tmp_path / "tasks.toml"))
    fast = clip(unit_vectors(3, 1))
    upstream = EmbeddedClip(sop_instance_uid="1.1", embeddings=fast.embeddings, preprocessing_profile="upstream-1")
    said, as_measured = answers(model, fast), answers(model, upstream)
    but = "measured with another preprocessing (upstream-1) than these clips have (fast-1)"
    assert said["seen"].reason == f"the threshold was {but}"
    assert said["size"].reason == f"the cut points were {but}"
    for task_id, verdicts in {"seen": {Verdict.PRESENT, Verdict.ABSENT}, "size": {Verdict.CLASSIFIED}}.items():
        assert said[task_id].verdict in verdicts
        assert replace(said[task_id], reason=None) == as_measured[task_id]


def test_the_wording_digest_is_that_of_prompts_values_and_classes(catalogue: Catalogue, tmp_path: Path) -> None:
    digests = {task.id: model_of(catalogue).wording_digest(task.id) for task in catalogue.tasks}
    assert digests["size"] == digests["grade"]  # they ask the same
    changes = {
        "volume": ("volume {value}", "a volume of {value}"),
        "seen": ("a thing is seen", "one thing is seen"),
        "side": ("to the left", "on the left"),
    }
    for task_id, (before, after) in changes.items():
        (tmp_path / "tasks.toml").write_text(CATALOGUE.replace(before, after))
        changed = model_of(load_catalogue(tmp_path / "tasks.toml"))
        assert [t for t, digest in digests.items() if changed.wording_digest(t) != digest] == [task_id]


def test_studies_are_taken_along_where_a_gpu_has_room_for_them() -> None:
    assert frames_at_once(torch.device("cpu")) == 1
    assert frames_at_once(torch.device("cuda")) >= 64
