"""Five thousand damaged files: each gives a clip or a reason, soon and within bounds; none takes the process along."""

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from config.errors import ClipError
from tests.support.clips import SMALL, region
from tests.support.mutation import mutated
from tests.support.transfer_syntaxes import PROPOSED_BY, clip_in
from tests.support.videos import STREAMS, numbered_clip, video_instance, video_stream
from worker.pixels.clip import read_clip
from worker.pixels.video import CODEC_OF

pytestmark = pytest.mark.long

FILES = 5_200
AT_MOST_S = 10
AT_MOST_BYTES = 1 << 30
PROCESSES = 2


def made_originals(folder: Path) -> Path:
    """A whole clip in each transfer syntax, and a real one."""
    for syntax in PROPOSED_BY:
        if syntax not in CODEC_OF:
            clip_in(syntax, folder)
    frames = numbered_clip(12)
    for number, kind in enumerate(STREAMS):
        everywhere = [region(0, 0, 319, 239)]
        stream = video_stream(kind, frames)
        video_instance(folder / f"video-{number}.dcm", kind, stream, frames, SequenceOfUltrasoundRegions=everywhere)
    (folder / "real.dcm").write_bytes(SMALL.read_bytes())
    for original in folder.iterdir():
        assert len(read_clip(original).frames) >= 8, original.name
    return folder


@pytest.mark.timeout(420)
def test_no_damage_crashes_hangs_or_fills_the_memory(tmp_path: Path) -> None:
    originals = made_originals(tmp_path / "originals")
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.worker.pixels.test_fuzz", originals, str(part)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONFAULTHANDLER": "1"},
        )
        for part in range(PROCESSES)
    ]
    outputs = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * PROCESSES, "\n".join(outputs)[-3000:]
    tallies = [dict(word.split("=") for word in output.splitlines()[-1].split()) for output in outputs]
    assert sum(int(tally["clips"]) + int(tally["reasons"]) for tally in tallies) == FILES
    assert all(int(tally["clips"]) > FILES / 20 for tally in tallies), "the damage must not all be where nobody looks"
    assert all(int(tally["reasons"]) > FILES / 20 for tally in tallies)
    assert max(int(tally["bytes"]) for tally in tallies) < AT_MOST_BYTES


def read_damaged_files(originals: Path, part: int) -> None:
    """What one process does: every damaged file is read; anything else than a clip or a reason ends it."""
    warnings.simplefilter("ignore")  # as in the worker: pydicom's quote the data set
    contents = [file.read_bytes() for file in sorted(originals.glob("*.dcm"))]
    damaged = Path(f"damaged-{part}.dcm")
    clips = reasons = 0
    for seed in range(part, FILES, PROCESSES):
        print("seed", seed, flush=True)  # noqa: T201  the last one before a crash names the file
        damaged.write_bytes(mutated(contents[seed % len(contents)], seed))
        signal.setitimer(signal.ITIMER_PROF, AT_MOST_S)  # of processor time; nothing handles it: it ends the process
        try:
            frames = read_clip(damaged).frames
            assert frames.shape[1:] == (224, 224, 3)
            assert frames.dtype == np.uint8
            clips += 1
        except ClipError as reason:
            assert str(reason)
            reasons += 1
        signal.setitimer(signal.ITIMER_PROF, 0)
    print(f"clips={clips} reasons={reasons} bytes={peak_memory()}")  # noqa: T201


def peak_memory() -> int:
    """Bytes of this program; what getrusage says begins with the peak of the process that started it."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    read_damaged_files(Path(sys.argv[1]), int(sys.argv[2]))
