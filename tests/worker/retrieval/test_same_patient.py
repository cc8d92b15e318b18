import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from config.errors import ConfigurationError, SearchError
from config.labels import ModelLabel
from db.reading.retrieval import PatientOfStudy
from db.results.runs import ModelIdentity
from worker.retrieval import same_patient
from worker.retrieval.library import StudyClips
from worker.retrieval.same_patient import (
    Calibration,
    calibrate,
    calibration_path,
    likeness,
    read_calibration,
    write_calibration,
)

EMBEDDER = "e" * 64
MODEL = ModelIdentity(name="m", version="1", family="f", label=ModelLabel.RESEARCH, digest="0" * 64)


def study(uid: str, *clips: Sequence[float], views: Sequence[str | None] | None = None) -> StudyClips:
    return StudyClips(
        study_instance_uid=uid,
        instances=tuple(f"{uid}.{number}" for number in range(len(clips))),
        vectors=np.array(clips, dtype=np.float32),
        views=tuple(views or [None] * len(clips)),
    )


class People:
    """Patients who look like nobody else in one direction, and like everybody in another."""

    def __init__(self, studies_of_each: Sequence[int], *, own: float = 0.6) -> None:
        self.patients: dict[str, PatientOfStudy] = {}
        self.clips: dict[str, StudyClips] = {}
        self.asked: list[str] = []
        numbers = itertools.count(1)
        for patient, studies in enumerate(studies_of_each):
            face = np.zeros(len(studies_of_each) + 1)
            face[patient], face[-1] = own, (1 - own**2) ** 0.5
            for _ in range(studies):
                uid = f"1.{next(numbers)}"
                self.patients[uid] = PatientOfStudy(patient=patient, studies=studies)
                self.clips[uid] = study(uid, face)

    def clips_of(self, uids: Sequence[str]) -> dict[str, StudyClips]:
        self.asked += uids
        return {uid: self.clips[uid] for uid in uids if uid in self.clips}

    def calibrated(self) -> Calibration:
        return calibrate(
            self.patients,
            self.clips_of,
            model=MODEL,
            embedder=EMBEDDER,
            preprocessing_profile="fast-1",
            software_version="1",
        )


def test_only_clips_of_one_view_are_compared() -> None:
    ours = study("1", [1, 0], [0, 1], views=["a4c", "plax"])
    theirs = study("2", [0.6, 0.8], [0, 1], views=["a4c", "subcostal"])
    alike = likeness(ours, theirs)
    assert alike is not None
    assert (alike.score, alike.pairs, alike.views) == (0.6, 1, ("a4c",))
    assert likeness(study("1", [1, 0], views=["a4c"]), study("2", [1, 0], views=["plax"])) is None


def test_a_calibration_tells_how_alike_pairs_of_different_and_of_one_patient_are() -> None:
    made = People([3] * 10 + [1] * 10).calibrated()
    assert (made.patients, made.patients_with_several_studies) == (20, 10)
    assert len(made.different) == 20 * 19 / 2
    assert len(made.same) == 10 * 3
    assert made.different == pytest.approx([0.64] * 190)
    assert made.same == pytest.approx([1.0] * 30)
    assert made.auc == 1.0
    assert made.share_of_different(0.7) == 0
    assert made.share_of_different(made.different[0]) == 1
    assert made.share_of_same(1.0) == 1


def test_shares_count_what_is_as_alike_or_more() -> None:
    made = People([1] * 20).calibrated().model_copy(update={"different": (0.1, 0.2, 0.2, 0.4), "same": (0.2, 0.5)})
    assert [made.share_of_different(score) for score in (0.0, 0.2, 0.3, 0.5)] == [1, 0.75, 0.25, 0]
    assert [made.share_of_same(score) for score in (0.2, 0.3)] == [1, 0.5]
    assert made.auc == 0.75  # 0.2 beats one of four and ties with two, 0.5 beats all


def test_where_nobody_came_twice_there_is_no_share_of_one_patient() -> None:
    made = People([1] * 20).calibrated()
    assert made.same == ()
    assert (made.auc, made.share_of_same(0.5)) == (None, None)


def test_too_few_patients_give_no_percentage() -> None:
    with pytest.raises(SearchError, match=r"^14 patients .* 91 pairs of different patients .* 100 are needed"):
        People([1] * 14).calibrated()


def test_a_patient_with_very_many_studies_is_a_placeholder() -> None:
    people = People([51, *[2] * 20])
    made = people.calibrated()
    assert (made.placeholder_patient_ids, made.patients) == (1, 20)
    assert not {uid for uid, entry in people.patients.items() if entry.studies == 51} & set(people.asked)


def test_one_patient_with_many_studies_counts_for_no_more_than_some_pairs() -> None:
    assert len(People([30, *[1] * 20]).calibrated().same) == 10


def test_a_study_that_holds_an_instance_of_the_other_is_not_counted() -> None:
    people = People([2] * 20)
    people.clips["1.2"] = StudyClips(
        study_instance_uid="1.2",
        instances=people.clips["1.1"].instances,
        vectors=people.clips["1.1"].vectors,
        views=(None,),
    )
    assert len(people.calibrated().same) == 19


def test_of_very_many_pairs_a_sample_is_taken_which_is_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(same_patient, "MAXIMUM_PAIRS", 120)
    monkeypatch.setattr(same_patient, "PAIRS_AT_ONCE", 7)
    first, second = People([2] * 150), People([2] * 150)
    made = first.calibrated()
    assert (len(made.different), len(made.same)) == (120, 120)
    assert second.calibrated().model_copy(update={"made_at": made.made_at}) == made
    assert first.asked == second.asked


def test_a_calibration_is_kept_and_read_back(tmp_path: Path) -> None:
    path = calibration_path(tmp_path, embedder=EMBEDDER, preprocessing_profile="fast-1")
    assert read_calibration(path, embedder=EMBEDDER) is None
    made = People([2] * 20).calibrated()
    write_calibration(path, made)
    assert read_calibration(path, embedder=EMBEDDER) == made


def test_a_calibration_of_another_model_or_a_damaged_one_is_not_used(tmp_path: Path) -> None:
    path = calibration_path(tmp_path, embedder=EMBEDDER, preprocessing_profile="fast-1")
    write_calibration(path, People([2] * 20).calibrated())
    with pytest.raises(ConfigurationError, match="is of another model; run echoworker same-patient --calibrate again"):
        read_calibration(path, embedder="f" * 64)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ConfigurationError, match="is damaged; run"):
        read_calibration(path, embedder=EMBEDDER)
