"""How fast a file becomes a clip, against the obvious way: pydicom's pixel_array and Pillow, in the same run.

python -m bench.prepare [FILE]
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import torch
from PIL import Image
from pydicom.data import get_testdata_file

from worker.pixels.clip import read_clip
from worker.pixels.preprocess import central_square
from worker.pixels.regions import choose_region
from worker.pixels.sampling import sampled_indices

ROUNDS = 7


def obvious(path: Path) -> np.ndarray:
    dataset = pydicom.dcmread(path)
    square = central_square(choose_region(dataset).region)
    box = (square.left, square.top, square.right, square.bottom)
    sampled = dataset.pixel_array[sampled_indices(int(dataset.NumberOfFrames))]
    frames = [Image.fromarray(frame).crop(box).resize((224, 224), Image.Resampling.BICUBIC) for frame in sampled]
    return np.stack([np.asarray(frame) for frame in frames])


def milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def main() -> None:
    torch.set_num_threads(1)
    found = sys.argv[1] if len(sys.argv) > 1 else get_testdata_file("color3d_jpeg_baseline.dcm", download=False)
    path = Path(str(found))
    difference = np.abs(read_clip(path).frames.astype(int) - obvious(path).astype(int))
    # In turns, so that a busy moment of the machine falls on both.
    ours, peer = zip(
        *((milliseconds(lambda: read_clip(path)), milliseconds(lambda: obvious(path))) for _ in range(ROUNDS)),
        strict=True,
    )
    print(f"{path.name}: median of {ROUNDS} rounds, one thread")
    print(f"  EchoWorker read_clip         {statistics.median(ours):8.1f} ms")
    print(f"  pydicom pixel_array, Pillow  {statistics.median(peer):8.1f} ms")
    print(f"  ratio                        {statistics.median(peer) / statistics.median(ours):8.1f}")
    print(f"  largest difference           {difference.max():8d} levels of 255")


if __name__ == "__main__":
    main()
