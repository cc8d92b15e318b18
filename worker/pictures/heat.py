"""Where a run's model looked in the clip that decided: computed where the model is, kept in the spool, drawn later.

    spool/heat/<Study Instance UID>/<run>.npz

The maps are kept a quarter as fine as the frames in each direction: they are interpolated from far fewer places, so
that nothing is lost. A run that has none keeps the reason in the same place.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from config.errors import DamagedFileError
from config.whole_files import write_durably

FORMAT = 1
EDGE = 56
"""Rows and columns of a map as it is kept."""


class WhyNoHeat(StrEnum):
    """Why a run has no heat map; each has its words in the table `no_heat_map` of every language."""

    NOTHING_DECIDED = "nothing_decided"
    MODEL_CANNOT = "model_cannot"
    FRAMES_GONE = "frames_gone"
    NO_SUPPORT = "no_support"
    FAILED = "failed"
    DAMAGED = "damaged"
    NOT_KEPT = "not_kept"
    """The run was scored when no destination took pictures, or by an earlier version."""


@dataclass(frozen=True, kw_only=True)
class Heat:
    """The heat maps of one clip for one answer, and all that drawing them takes."""

    task_id: str
    sop_instance_uid: str
    frame_numbers: tuple[int, ...]
    """Counted from 1: of each map the frame of the instance."""
    frame_times_ms: tuple[float, ...]
    """When each was taken, in milliseconds from the instance's first frame."""
    region: tuple[int, int, int, int]
    """Left, top, right, bottom of the tissue in the instance's pictures, in pixels, the last two exclusive: what lies
    outside may name the patient."""
    seen: tuple[int, int, int, int]
    """The part of the picture that the model saw, and that the maps lie over; likewise."""
    maps: npt.NDArray[np.float32]
    """[T, EDGE, EDGE], 0..1 on one scale for the clip."""


def heat_path(spool: Path, *, study_instance_uid: str, run_uid: str) -> Path:
    """Where the heat maps of a run belong."""
    return spool / "heat" / study_instance_uid / f"{run_uid}.npz"


def write_heat(path: Path, heat: Heat | WhyNoHeat) -> None:
    """Keep it; the file appears whole.

    Raises
    ------
    OSError
        The disk does not take it.
    """
    facts: dict[str, object] = {"why": heat.value} if isinstance(heat, WhyNoHeat) else asdict(heat)
    maps = np.asarray(facts.pop("maps", ()), np.float16)
    described = np.frombuffer(json.dumps({"format": FORMAT, **facts}).encode(), np.uint8)
    file = BytesIO()
    np.savez_compressed(file, facts=described, maps=maps)
    write_durably(path, file.getvalue())


def read_heat(path: Path) -> Heat | WhyNoHeat:
    """What was kept of a run; `NOT_KEPT` where nothing was.

    Raises
    ------
    DamagedFileError
        The file is damaged.
    OSError
        The disk does not give it.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            facts = json.loads(file["facts"].tobytes())
            if "why" in facts:
                return WhyNoHeat(facts["why"])
            del facts["format"]
            listed: dict[str, Any] = {n: tuple(f) if isinstance(f, list) else f for n, f in facts.items()}
            return Heat(maps=file["maps"].astype(np.float32), **listed)
    except FileNotFoundError:
        return WhyNoHeat.NOT_KEPT
    except (BadZipFile, KeyError, TypeError, ValueError, EOFError) as error:
        raise DamagedFileError(f"the heat maps of run {path.stem} are damaged: they are left out") from error
