"""Which of these reports is a study's? The candidates, read from files, in the order of their likeness to its clips."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from config.errors import ConfigurationError
from worker.retrieval.similarity import DECIMALS

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Candidate(BaseModel):
    """A report that may belong to a study."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # an export of reports has more columns than concern us

    id: Text
    text: Text


@dataclass(frozen=True, kw_only=True)
class RankedReport:
    """A candidate in its place."""

    rank: int
    """Counts from 1; of several that are equally like the study the last place, for all of them."""
    id: str
    score: float
    """The highest cosine of a clip of the study with this report."""
    clip: int
    """Which of the study's clips that is."""


def read_candidates(source: Path) -> list[Candidate]:
    """Reports out of a folder of .txt files, whose names are their ids, or out of lines {"id": ..., "text": ...}.

    Raises
    ------
    ConfigurationError
        There are none, one cannot be read or is empty, or two have one id; the message quotes no text.
    """
    try:
        candidates = list(_of_folder(source) if source.is_dir() else _of_lines(source))
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"--reports {source}: is not UTF-8 text") from error
    ids = [candidate.id for candidate in candidates]
    if not ids:
        raise ConfigurationError(f"--reports {source}: holds no reports (.txt files, or lines of JSON)")
    if len(set(ids)) != len(ids):
        raise ConfigurationError(f"--reports {source}: two reports have the same id")
    return candidates


def ranked_reports(
    clips: npt.NDArray[np.float32], reports: npt.NDArray[np.float32], ids: Sequence[str]
) -> list[RankedReport]:
    """The reports [N, D] in the order of their likeness to a study of clips [Q, D]; ties in the order of their ids."""
    cosines = reports @ clips.T
    scores = np.round(cosines.max(axis=1).astype(np.float64), DECIMALS)
    ascending = np.sort(scores)
    ranks = len(scores) - np.searchsorted(ascending, scores, side="left")
    order = sorted(range(len(ids)), key=lambda at: (-scores[at], ids[at]))
    return [
        RankedReport(rank=int(ranks[at]), id=ids[at], score=float(scores[at]), clip=int(cosines[at].argmax()))
        for at in order
    ]


def _of_folder(folder: Path) -> Iterator[Candidate]:
    for file in sorted(folder.glob("*.txt")):
        yield _candidate({"id": file.stem, "text": file.read_text(encoding="utf-8")}, str(file))


def _of_lines(file: Path) -> Iterator[Candidate]:
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if line.strip():
            where = f"{file} line {number}"
            try:
                yield _candidate(json.loads(line), where)
            except json.JSONDecodeError as error:
                raise ConfigurationError(f"--reports {where}: is not JSON") from error


def _candidate(content: object, where: str) -> Candidate:
    try:
        return Candidate.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(str(part) for part in fault["loc"]) or "report"
        raise ConfigurationError(f"--reports {where}: {field}: {fault['msg']}") from error
