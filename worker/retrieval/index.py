"""The clips of every study in a form that can be searched, made from the kept embeddings and brought up to date.

    index.json    {"format": 1, "segments": [[name, D], ...]}, from the oldest to the newest
    <segment>/    see worker.retrieval.segments
    lock          held by whoever brings it up to date; so that one process does, and others wait

A study is what the newest segment with its name says, and gone where that has no stamp. Segments are merged so that
each is at least twice as large as all newer ones together: there are few, and a row is seldom written again.
"""

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from config.errors import DamagedFileError
from config.whole_files import sweep_unfinished, write_whole
from worker.retrieval.segments import (
    BLOCK_ROWS,
    Block,
    DamagedIndexError,
    IndexedStudy,
    Segment,
    Vectors,
    merge_segments,
    write_segment,
)

MANIFEST = "index.json"
FORMAT = 1
ROWS_AT_ONCE = 65536
"""Of new studies in memory: 64 MiB of 512 halves. What an update has written so far is not lost when it is killed."""
DEAD_SHARE = 0.25
"""Of rows that are no study's any more; beyond, all is written anew."""

Clips = Sequence[tuple[str, npt.NDArray[np.float32]]]
"""SOP Instance UID and embedding [D] of each clip."""


@dataclass(frozen=True, kw_only=True)
class WantedStudy:
    """A study as it should be in the index."""

    stamp: str
    """At most 16 characters of ASCII; another one: the study's rows are made again."""
    load: Callable[[], Clips]
    """Its clips; DamagedFileError where they cannot be had."""


@dataclass(frozen=True, kw_only=True)
class Update:
    """What was done to an index."""

    written: int = 0
    """Studies that are new, or were replaced."""
    removed: int = 0
    unreadable: tuple[str, ...] = ()
    """Study Instance UIDs of those that should be in it, and cannot be had."""
    made_again: bool = False
    """It was damaged."""


class Index:
    """An open index; a later update does not change it."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = tuple(segments)
        self._live: dict[str, tuple[int, int]] = {}
        """UID -> which segment, and which of its entries."""
        for number, segment in enumerate(segments):
            gone = segment.studies["stamp"] == b""
            for entry, (uid, is_gone) in enumerate(zip(segment.studies["uid"].tolist(), gone.tolist(), strict=True)):
                if is_gone:
                    self._live.pop(uid.decode("ascii"), None)
                else:
                    self._live[uid.decode("ascii")] = (number, entry)
        self.live = [np.zeros(len(segment.studies), dtype=bool) for segment in segments]
        """Of each segment, which entries are studies as they are now."""
        for number, entry in self._live.values():
            self.live[number][entry] = True

    @property
    def stamps(self) -> dict[str, str]:
        """Study Instance UID -> what its rows were made from."""
        kept = [segment.studies["stamp"].tolist() for segment in self.segments]
        return {uid: kept[number][entry].decode("ascii") for uid, (number, entry) in self._live.items()}

    @property
    def studies(self) -> int:
        """How many studies there are."""
        return len(self._live)

    @property
    def clips(self) -> int:
        """How many clips they have together."""
        shown = zip(self.segments, self.live, strict=True)
        return sum(int(segment.studies["rows"][live].sum()) for segment, live in shown)

    @property
    def dead_rows(self) -> int:
        """Rows that are no study's any more."""
        return sum(segment.rows for segment in self.segments) - self.clips

    def blocks(self, *, block_rows: int = BLOCK_ROWS) -> Iterator[tuple[Block, npt.NDArray[np.bool_]]]:
        """All rows, a block at a time, and which studies of the block are there to be found."""
        for segment, live in zip(self.segments, self.live, strict=True):
            if live.any():
                for block in segment.blocks(block_rows=block_rows):
                    yield block, live[block.entries]

    def of_study(self, study_instance_uid: str) -> tuple[tuple[str, ...], Vectors] | None:
        """The SOP Instance UIDs and embeddings [rows, D] of a study's clips; None when it is not in the index."""
        where = self._live.get(study_instance_uid)
        if where is None:
            return None
        segment, record = self.segments[where[0]], self.segments[where[0]].studies[where[1]]
        first, stop = int(record["first"]), int(record["first"] + record["rows"])
        return segment.instances(first, stop), segment.vectors(first, stop)

    def __contains__(self, study_instance_uid: object) -> bool:
        return study_instance_uid in self._live


def updated_index(root: Path, wanted: Callable[[], Mapping[str, WantedStudy]]) -> tuple[Index, Update]:
    """Bring the index at `root` up to what `wanted` says once the lock is held, and open it; made where there is none.

    Raises
    ------
    OSError
        The disk does not take it; the index stays as it was.
    """
    root.mkdir(parents=True, exist_ok=True)
    with _only_one(root):
        sweep_unfinished(root)
        studies = wanted()
        try:
            return _update(root, studies, made_again=False)
        except DamagedIndexError:
            _remove(root, all_but=())
            (root / MANIFEST).unlink(missing_ok=True)
            return _update(root, studies, made_again=True)


def _update(root: Path, wanted: Mapping[str, WantedStudy], *, made_again: bool) -> tuple[Index, Update]:
    segments = _open(root)
    stamps = Index(segments).stamps
    changed = {uid: study for uid, study in wanted.items() if stamps.get(uid) != study.stamp}
    gone = [IndexedStudy(uid=uid, stamp="") for uid in stamps if uid not in wanted]
    unreadable: list[str] = []
    written = 0
    for some in _portions(changed, unreadable, _dimension(segments)):
        segments = _append(root, segments, some)
        written += len(some)
    # What cannot be read any more is not found by what it was before.
    gone += [IndexedStudy(uid=uid, stamp="") for uid in unreadable if uid in stamps]
    if gone:
        segments = _append(root, segments, gone)
    if written or gone:
        segments = _merged(root, segments)
    _remove(root, all_but=[segment.name for segment in segments])
    return Index(segments), Update(
        written=written,
        removed=len(gone),
        unreadable=tuple(unreadable),
        made_again=made_again,
    )


def _portions(
    changed: Mapping[str, WantedStudy], unreadable: list[str], dimension: int | None
) -> Iterator[list[IndexedStudy]]:
    """The changed studies with their clips, as many at a time as fit into the memory; what cannot be had is noted."""
    some: list[IndexedStudy] = []
    rows = 0
    for uid, study in changed.items():
        try:
            clips = study.load()
        except DamagedFileError:
            unreadable.append(uid)
            continue
        dimension = dimension or (len(clips[0][1]) if clips else None)
        if any(embedding.shape != (dimension,) for _, embedding in clips):
            unreadable.append(uid)
            continue
        vectors = np.stack([embedding for _, embedding in clips]).astype(np.float16) if clips else None
        instances = tuple(instance for instance, _ in clips)
        some.append(IndexedStudy(uid=uid, stamp=study.stamp, instances=instances, vectors=vectors))
        rows += len(clips)
        if rows >= ROWS_AT_ONCE:
            yield some
            some, rows = [], 0
    if some:
        yield some


def _dimension(segments: Sequence[Segment]) -> int | None:
    return next((segment.dimension for segment in segments if segment.rows), None)


def _append(root: Path, segments: list[Segment], studies: Sequence[IndexedStudy]) -> list[Segment]:
    """The segments with a new one of these studies, on the disk as well."""
    shapes = (study.vectors.shape[1] for study in studies if study.vectors is not None)
    dimension = _dimension(segments) or next(shapes, 0)
    name = write_segment(root, studies, dimension=dimension)
    return _with(root, segments, name, dimension)


def _merged(root: Path, segments: list[Segment]) -> list[Segment]:
    """The segments with the newer ones merged, or all: so that there are few, which hold little that is dead."""
    first = _first_to_merge(segments)
    if first is None:
        return segments
    kept = []
    for segment, live in zip(segments[first:], Index(segments).live[first:], strict=True):
        # Where an older segment remains, what is gone must go on to hide what that has.
        hiding = segment.studies["stamp"] == b""
        kept.append((segment, np.flatnonzero(live | hiding if first > 0 else live)))
    dimension = _dimension(segments) or 0
    name = merge_segments(root, kept, dimension=dimension)
    return _with(root, segments[:first], name, dimension)


def _with(root: Path, segments: list[Segment], name: str, dimension: int) -> list[Segment]:
    after = [*segments, Segment(root / name, dimension=dimension)]
    named = [[segment.name, segment.dimension] for segment in after]
    write_whole(root / MANIFEST, json.dumps({"format": FORMAT, "segments": named}).encode())
    return after


def _first_to_merge(segments: Sequence[Segment]) -> int | None:
    """The first of the newer segments that are to become one; None where there is nothing to gain."""
    if Index(segments).dead_rows > DEAD_SHARE * sum(segment.rows for segment in segments):
        return 0
    sizes = [_size(segment) for segment in segments]
    return next((at for at, size in enumerate(sizes) if size < 2 * sum(sizes[at + 1 :])), None)


def _size(segment: Segment) -> int:
    """Rows, and studies as well: one that is gone, or has no clip, takes no row and is carried along all the same."""
    return segment.rows + len(segment.studies)


def _open(root: Path) -> list[Segment]:
    try:
        manifest = json.loads((root / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT:
            raise DamagedIndexError("another format")
        return [Segment(root / str(name), dimension=int(size)) for name, size in manifest["segments"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedIndexError(MANIFEST) from error


def _remove(root: Path, *, all_but: Sequence[str]) -> None:
    """Remove the segments that the index no longer names; who has them open keeps them."""
    for folder in root.iterdir():
        if folder.is_dir() and folder.name not in all_but:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _only_one(root: Path) -> Iterator[None]:
    with (root / "lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
