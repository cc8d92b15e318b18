"""Are two studies of one patient? How alike they are, and how alike pairs of one and of different patients are here.

Nothing is fitted. A comparison says of how many pairs of this installation's own studies it is more alike; nobody has
published at which likeness one may say "the same". Published: AUC 0.86 across videos (Christensen et al. 2024).
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from config.errors import ConfigurationError, SearchError
from config.labels import ModelLabel
from config.whole_files import write_durably
from db.reading.retrieval import PatientOfStudy
from db.results.runs import ModelIdentity
from worker.retrieval.library import StudyClips
from worker.retrieval.similarity import DECIMALS, best_matches_among, same_view

SEED = 20261125
MAXIMUM_PAIRS = 10_000
"""Of one patient, and of different ones."""
PAIRS_AT_ONCE = 500
"""Whose clips are in memory together."""
PAIRS_OF_ONE_PATIENT = 10
"""More of the same patient would say little that is new, and count much."""
FEWEST_PAIRS = 100
"""Of different patients: fewer give no percentage."""
PLACEHOLDER_STUDIES = 50
"""A patient ID with more studies than this is taken for that of a phantom, of tests, or of the unknown."""

ClipsOf = Callable[[Sequence[str]], Mapping[str, StudyClips]]
"""Study Instance UIDs -> their clips, for those that have any."""


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How alike two studies are, over the pairs of clips that may be compared."""

    score: float
    """`best_matches_among`: a mean of cosines, -1..1."""
    pairs: int
    """Of clips of one view, or not judged."""
    views: tuple[str, ...]
    """Judged views that both have, in alphabetical order."""


class Calibration(BaseModel):
    """How alike this installation's own pairs of studies are, and where the numbers come from. Holds no PHI."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    embedder: str
    preprocessing_profile: str
    model_name: str
    model_version: str
    model_label: ModelLabel
    model_digest: str
    software_version: str
    made_at: AwareDatetime
    seed: int = SEED
    patients: int = Field(ge=0)
    patients_with_several_studies: int = Field(ge=0)
    placeholder_patient_ids: int = Field(ge=0)
    """Left out."""
    different: tuple[float, ...] = Field(min_length=FEWEST_PAIRS)
    """The likeness of each pair of studies of different patients, ascending."""
    same: tuple[float, ...]
    """The likeness of each pair of studies of one patient, ascending; none where nobody came twice."""

    @cached_property
    def auc(self) -> float | None:
        """How often a pair of one patient is more alike than one of different patients; None without such pairs."""
        if not self.same:
            return None
        from scipy.stats import mannwhitneyu  # noqa: PLC0415  half a second

        return float(mannwhitneyu(self.same, self.different).statistic / (len(self.same) * len(self.different)))

    def share_of_different(self, score: float) -> float:
        """0..1: the pairs of different patients that are as alike as this, or more."""
        return _share(self.different, score)

    def share_of_same(self, score: float) -> float | None:
        """0..1: the pairs of one patient that are as alike as this, or more; None without such pairs."""
        return _share(self.same, score) if self.same else None


def likeness(ours: StudyClips, theirs: StudyClips) -> Likeness | None:
    """How alike two studies are; None where they have no view in common."""
    comparable = same_view(ours.views, theirs.views)
    score = best_matches_among(ours.vectors @ theirs.vectors.T, comparable)
    if score is None:
        return None
    views = {view for view in ours.views if view is not None} & {view for view in theirs.views if view is not None}
    return Likeness(score=score, pairs=int(comparable.sum()), views=tuple(sorted(views)))


def calibrate(
    patients: Mapping[str, PatientOfStudy],
    clips_of: ClipsOf,
    *,
    model: ModelIdentity,
    embedder: str,
    preprocessing_profile: str,
    software_version: str,
) -> Calibration:
    """Compare pairs of studies whose patients are known; the same pairs each time for the same studies.

    Pairs that hold one instance twice, as a PACS makes them that splits and merges studies, are not counted.

    Raises
    ------
    SearchError
        There are too few patients.
    """
    known = {uid: entry.patient for uid, entry in patients.items() if entry.studies <= PLACEHOLDER_STUDIES}
    by_patient: dict[int, list[str]] = {}
    for uid, patient in sorted(known.items()):
        by_patient.setdefault(patient, []).append(uid)
    groups = list(by_patient.values())  # in the order of their first studies, not of the patient IDs
    random = np.random.default_rng(SEED)
    different, same = _pairs_of_different(groups, random), _pairs_of_one(groups, random)
    scores = [sorted(_scores(pairs, clips_of)) for pairs in (different, same)]
    if len(scores[0]) < FEWEST_PAIRS:
        raise SearchError(
            f"{len(groups)} patients have embeddings of this model, which gives {len(scores[0])} pairs of different "
            f"patients to compare; {FEWEST_PAIRS} are needed"
        )
    placeholders = {entry.patient for entry in patients.values() if entry.studies > PLACEHOLDER_STUDIES}
    return Calibration(
        embedder=embedder,
        preprocessing_profile=preprocessing_profile,
        model_name=model.name,
        model_version=model.version,
        model_label=model.label,
        model_digest=model.digest,
        software_version=software_version,
        made_at=datetime.now(UTC),
        patients=len(groups),
        patients_with_several_studies=sum(len(group) > 1 for group in groups),
        placeholder_patient_ids=len(placeholders),
        different=tuple(scores[0]),
        same=tuple(scores[1]),
    )


def calibration_path(data_dir: Path, *, embedder: str, preprocessing_profile: str) -> Path:
    """Where the calibration of this model over clips so prepared belongs."""
    return data_dir / "same-patient" / f"{embedder[:16]}-{preprocessing_profile}.json"


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Keep it, in place of an earlier one.

    Raises
    ------
    OSError
        The disk does not take it.
    """
    write_durably(path, (calibration.model_dump_json(indent=1) + "\n").encode())


def read_calibration(path: Path, *, embedder: str) -> Calibration | None:
    """The calibration of this model; None where none was made.

    Raises
    ------
    ConfigurationError
        It cannot be used.
    """
    try:
        calibration = Calibration.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ConfigurationError(f"{path}: is damaged; run echoworker same-patient --calibrate again") from error
    if calibration.embedder != embedder:
        raise ConfigurationError(f"{path}: is of another model; run echoworker same-patient --calibrate again")
    return calibration


Pair = tuple[str, str]


def _pairs_of_different(groups: Sequence[Sequence[str]], random: np.random.Generator) -> list[Pair]:
    """Two patients, and one study of each: every patient counts alike, however often they came."""
    every = len(groups) * (len(groups) - 1) // 2
    if every <= MAXIMUM_PAIRS:
        chosen = set(itertools.combinations(range(len(groups)), 2))
    else:
        chosen = set()
        while len(chosen) < MAXIMUM_PAIRS:
            first, second = sorted(random.choice(len(groups), 2, replace=False).tolist())
            chosen.add((first, second))
    return [(_one(groups[first], random), _one(groups[second], random)) for first, second in sorted(chosen)]


def _pairs_of_one(groups: Sequence[Sequence[str]], random: np.random.Generator) -> list[Pair]:
    pairs = [pair for group in groups for pair in _some(list(itertools.combinations(group, 2)), random)]
    return _some(pairs, random, at_most=MAXIMUM_PAIRS)


def _one(group: Sequence[str], random: np.random.Generator) -> str:
    return group[int(random.integers(len(group)))]


def _some(pairs: list[Pair], random: np.random.Generator, *, at_most: int = PAIRS_OF_ONE_PATIENT) -> list[Pair]:
    if len(pairs) <= at_most:
        return pairs
    return [pairs[at] for at in sorted(random.choice(len(pairs), at_most, replace=False).tolist())]


def _scores(pairs: Sequence[Pair], clips_of: ClipsOf) -> Iterator[float]:
    """How alike the pairs are that can be compared."""
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        some = pairs[start : start + PAIRS_AT_ONCE]
        clips = clips_of(sorted({uid for pair in some for uid in pair}))
        for first, second in some:
            ours, theirs = clips.get(first), clips.get(second)
            if ours is None or theirs is None or set(ours.instances) & set(theirs.instances):
                continue
            alike = likeness(ours, theirs)
            if alike is not None:
                yield alike.score


def _share(ascending: Sequence[float], score: float) -> float:
    as_alike = len(ascending) - int(np.searchsorted(ascending, round(score, DECIMALS), side="left"))
    return as_alike / len(ascending)
