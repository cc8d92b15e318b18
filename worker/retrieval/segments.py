"""A segment of the index: studies with the embeddings of their clips, in a folder that never changes once it is there.

    <segment>/studies.npy    one record for each study: its UID, what it was made from, and its rows
    <segment>/instances.npy  the SOP Instance UID of each row
    <segment>/vectors.npy    float16 [N, D], one row for each clip, those of a study one after the other

The folder appears whole, by renaming. What is read of it is one block at a time, mapped and let go again: the index may
be many times larger than the memory.
"""

import os
import shutil
import uuid
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from config.whole_files import sync, unfinished_name

BLOCK_ROWS = 16384
"""16 MiB of 512 halves; twice that as float32."""
UID_BYTES = 64
INSTANCE = np.dtype(f"S{UID_BYTES}")
STUDY = np.dtype([("uid", f"S{UID_BYTES}"), ("stamp", "S16"), ("first", "<i8"), ("rows", "<i8")])
"""`stamp` says what the rows were made from; that of a study which is gone is empty."""

Vectors = npt.NDArray[np.float32]
"""[N, D], each of length 1, or 0 where a clip has none."""


class DamagedIndexError(Exception):
    """A file of the index is missing or not what it was: never shown, since the index is then made again."""


@dataclass(frozen=True, kw_only=True)
class IndexedStudy:
    """A study as it goes into a segment."""

    uid: str
    stamp: str
    instances: tuple[str, ...] = ()
    vectors: npt.NDArray[np.float16] | None = None
    """[rows, D]; None without rows."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some studies of a segment and all of their rows, in memory."""

    segment: "Segment"
    first_row: int
    studies: npt.NDArray[np.void]
    """Records of STUDY: those that have rows, in the order of these."""
    entries: npt.NDArray[np.int64]
    """Where these records are in `segment.studies`."""
    vectors: Vectors

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """The first row of each study within `vectors`."""
        return np.asarray(self.studies["first"] - self.first_row, dtype=np.int64)


class Segment:
    """An open segment; what it maps stays readable though another process removes the folder."""

    def __init__(self, folder: Path, *, dimension: int) -> None:
        """Open, and look whether all is there.

        Raises
        ------
        DamagedIndexError
            A file is missing, cut off, or does not fit the others.
        """
        self.name = folder.name
        try:
            # Mapped, all of them: that looks at the size of a file before it believes the header.
            self.studies: npt.NDArray[np.void] = np.array(np.lib.format.open_memmap(folder / "studies.npy", "r"))
            self._instances = np.lib.format.open_memmap(folder / "instances.npy", mode="r")
            vectors = np.lib.format.open_memmap(folder / "vectors.npy", mode="r")
            self._file = (folder / "vectors.npy").open("rb")
            weakref.finalize(self, self._file.close)
        except (OSError, ValueError, EOFError) as error:
            raise DamagedIndexError(f"segment {self.name}: {type(error).__name__}") from error
        self._begin = int(vectors.offset)
        self.rows, self.dimension = len(vectors), dimension
        fits = (
            self.studies.dtype == STUDY
            and self._instances.dtype == INSTANCE
            and self._instances.shape == (self.rows,)
            and vectors.dtype == np.float16
            and vectors.shape == (self.rows, dimension)
            and _contiguous(self.studies, self.rows)
        )
        if not fits:
            raise DamagedIndexError(f"segment {self.name}: its files do not fit each other")

    def blocks(self, *, block_rows: int = BLOCK_ROWS) -> Iterator[Block]:
        """All studies that have rows, as many at a time as fit into `block_rows`; at least one."""
        entries = np.flatnonzero(self.studies["rows"] > 0)
        ends = (self.studies["first"] + self.studies["rows"])[entries]
        start = 0
        while start < len(entries):
            first_row = int(self.studies["first"][entries[start]])
            stop = max(start + 1, int(np.searchsorted(ends, first_row + block_rows, side="right")))
            yield Block(
                segment=self,
                first_row=first_row,
                studies=self.studies[entries[start:stop]],
                entries=entries[start:stop],
                vectors=self.vectors(first_row, int(ends[stop - 1])),
            )
            start = stop

    def vectors(self, first: int, stop: int) -> Vectors:
        """These rows, read from the disk."""
        return self.halves(first, stop).astype(np.float32)

    def halves(self, first: int, stop: int) -> npt.NDArray[np.float16]:
        """The same as they are kept. Mapped each time anew: pages of a lasting map would count as our memory."""
        if first == stop:
            return np.empty((0, self.dimension), np.float16)
        offset = self._begin + first * self.dimension * 2
        return np.memmap(self._file, dtype=np.float16, mode="r", offset=offset, shape=(stop - first, self.dimension))

    def instances(self, first: int, stop: int) -> tuple[str, ...]:
        """The SOP Instance UIDs of these rows."""
        return tuple(uid.decode("ascii") for uid in self.raw_instances(first, stop))

    def raw_instances(self, first: int, stop: int) -> npt.NDArray[np.bytes_]:
        """The same as they are kept: S64."""
        return np.asarray(self._instances[first:stop])


def write_segment(root: Path, studies: Sequence[IndexedStudy], *, dimension: int) -> str:
    """Write these studies as a segment; its name.

    Raises
    ------
    OSError
        The disk does not take it; nothing is left of it.
    """
    rows = np.array([len(study.instances) for study in studies], dtype=np.int64)
    table = np.zeros(len(studies), dtype=STUDY)
    table["uid"] = [study.uid.encode("ascii") for study in studies]
    table["stamp"] = [study.stamp.encode("ascii") for study in studies]
    table["first"], table["rows"] = np.cumsum(rows) - rows, rows
    instances = [uid.encode("ascii") for study in studies for uid in study.instances]
    vectors = (study.vectors for study in studies if study.vectors is not None)
    return _write(root, table, [np.array(instances, dtype=INSTANCE)], vectors, dimension)


def merge_segments(root: Path, kept: Sequence[tuple[Segment, npt.NDArray[np.int64]]], *, dimension: int) -> str:
    """Write these entries of these segments as one segment, a block at a time; its name.

    Raises
    ------
    OSError
        The disk does not take it; nothing is left of it.
    """
    table = np.concatenate([np.empty(0, STUDY), *(segment.studies[entries] for segment, entries in kept)])
    table["first"] = np.cumsum(table["rows"]) - table["rows"]
    stretches = [
        (segment, start, min(start + BLOCK_ROWS, stop))
        for segment, entries in kept
        for first, stop in _runs(segment.studies[entries])
        for start in range(first, stop, BLOCK_ROWS)
    ]
    instances = (segment.raw_instances(first, stop) for segment, first, stop in stretches)
    vectors = (segment.halves(first, stop) for segment, first, stop in stretches)
    return _write(root, table, instances, vectors, dimension)


def _write(
    root: Path,
    table: npt.NDArray[np.void],
    instances: Iterable[npt.NDArray[np.bytes_]],
    vectors: Iterable[npt.NDArray[np.float16]],
    dimension: int,
) -> str:
    folder = root / uuid.uuid4().hex
    unfinished = unfinished_name(folder)
    unfinished.mkdir(parents=True)
    rows = int(table["rows"].sum())
    try:
        np.save(unfinished / "studies.npy", table)
        _save(unfinished / "instances.npy", instances, INSTANCE, (rows,))
        _save(unfinished / "vectors.npy", vectors, np.dtype(np.float16), (rows, dimension))
        for file_name in ("studies.npy", "instances.npy", "vectors.npy"):
            sync(unfinished / file_name)
        os.rename(unfinished, folder)  # noqa: PTH104
        sync(root)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder.name


def _save(
    path: Path, parts: Iterable[npt.NDArray[np.generic]], dtype: np.dtype[np.generic], shape: tuple[int, ...]
) -> None:
    """An array of these parts, one after the other, that need not be in memory together."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype=dtype).tobytes())


def _contiguous(studies: npt.NDArray[np.void], rows: int) -> bool:
    expected = np.cumsum(studies["rows"]) - studies["rows"]
    return bool((studies["rows"] >= 0).all() and (studies["first"] == expected).all() and studies["rows"].sum() == rows)


def _runs(studies: npt.NDArray[np.void]) -> Iterator[tuple[int, int]]:
    """The rows of these studies, in order, as few stretches as they make."""
    first = stop = 0
    for begin, rows in zip(studies["first"].tolist(), studies["rows"].tolist(), strict=True):
        if begin != stop and rows:
            if first < stop:
                yield first, stop
            first = stop = begin
        stop += rows
    if first < stop:
        yield first, stop
