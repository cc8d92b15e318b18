"""How fast a clip comes out of a file, against the ways that people take, side by side in one run.

    python -m bench.decode [ROUNDS]

Over the real clips of pydicom, pydicom-data and deid-data and a made one (80 frames of 600 x 800, JPEG Baseline); the
frames that we sample, cropped and resized alike:

    pixel_array  pydicom decodes all frames, with each of its decoders that is installed; Pillow's bicubic filter
    iter_pixels  pydicom decodes the sampled frames alone, with each likewise; Pillow's bicubic filter
    EchoWorker   worker.pixels.clip.read_clip

pydicom's other decoders are found when they are on the path: python-gdcm, pylibjpeg with pylibjpeg-libjpeg. Then two
threads over clips against one, and by how much one clip raises the memory of a process.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import torch
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder, iter_pixels
from pydicom.uid import JPEGBaseline8Bit

from tests.support.clips import LARGE, SMALL, made_clip, region
from tests.support.real_clips import AFFINITI, EPIQ, TERASON, real_file
from worker.pixels.clip import Clip, read_clip
from worker.pixels.profiles import central_square

ROUNDS = 7
CLIPS_FOR_THREADS = 24
REAL = (SMALL.name, LARGE.name, AFFINITI, EPIQ, TERASON)
MEMORY = """
import re, sys, torch
from pathlib import Path
from worker.pixels.clip import read_clip

def megabytes(what):
    return int(re.search(what + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

torch.set_num_threads(1)
read_clip(Path(sys.argv[1]))
Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten: Linux, proc(5)
before = megabytes("VmRSS")
clip = read_clip(Path(sys.argv[2]))
print(megabytes("VmHWM") - before)
"""

Frames = npt.NDArray[np.uint8]


def synthetic_clip(file: Path) -> Path:
    """80 frames of 600 x 800: a fan of speckle that moves, about 50 KB of JPEG each."""
    random = np.random.default_rng(0)
    speckle = random.normal(110, 45, (75, 100)).clip(0, 255).astype(np.uint8)
    speckle = np.asarray(Image.fromarray(speckle).resize((800, 600), Image.Resampling.BICUBIC))
    row, column = np.mgrid[0:600, 0:800]
    fan = (np.hypot(row, column - 400) < 560) & (np.abs(column - 400) < row * 0.8)
    streams = []
    for frame in range(80):
        grain = random.integers(0, 25, (600, 800), np.uint8)
        grey = np.where(fan, np.minimum(np.roll(speckle, frame, 0), 230) + grain, 0).astype(np.uint8)
        streams.append(imagecodecs.jpeg8_encode(np.repeat(grey[..., None], 3, 2), level=72, subsampling="422"))
    made_clip(file, np.zeros((80, 1, 1, 3), np.uint8), "RGB", SequenceOfUltrasoundRegions=[region(80, 0, 719, 559)])
    dataset = pydicom.dcmread(file)
    dataset.Rows, dataset.Columns, dataset.PhotometricInterpretation = 600, 800, "YBR_FULL_422"
    dataset.FrameTime, dataset.FrameIncrementPointer = "33.3", 0x00181063
    dataset.add_new("PixelData", "OB", encapsulate(streams, has_bot=False))
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(file)
    return file


def all_frames(file: Path, clip: Clip, plugin: str) -> Frames:
    dataset = pydicom.dcmread(file)
    if plugin:
        dataset.pixel_array_options(decoding_plugin=plugin)
    pixels = dataset.pixel_array
    return _resized([pixels[number - 1] for number in clip.frame_numbers], clip)


def sampled_frames(file: Path, clip: Clip, plugin: str) -> Frames:
    indices = [number - 1 for number in clip.frame_numbers]
    return _resized(list(iter_pixels(file, indices=indices, decoding_plugin=plugin)), clip)


def _resized(pictures: list[Frames], clip: Clip) -> Frames:
    square = central_square(clip.region)
    box = (square.left, square.top, square.right, square.bottom)
    frames = [Image.fromarray(picture).convert("RGB").crop(box) for picture in pictures]
    return np.stack([np.asarray(frame.resize((224, 224), Image.Resampling.BICUBIC)) for frame in frames])


def milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def compare(file: Path, rounds: int) -> None:
    """One clip by every way, in turns, so that a busy moment of the machine falls on all."""
    clip = read_clip(file)
    syntax = pydicom.dcmread(file, stop_before_pixels=True).file_meta.TransferSyntaxUID
    plugins = list(get_decoder(syntax).available_plugins) if syntax.is_compressed else [""]
    ways: dict[str, Callable[[], object]] = {"EchoWorker": lambda: read_clip(file)}
    for plugin in plugins:
        ways[f"pixel_array {plugin}"] = lambda plugin=plugin: all_frames(file, clip, plugin)
        ways[f"iter_pixels {plugin}"] = lambda plugin=plugin: sampled_frames(file, clip, plugin)
    difference = np.abs(all_frames(file, clip, plugins[0]).astype(int) - clip.frames).max()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            taken[name].append(milliseconds(work))
    ours = statistics.median(taken["EchoWorker"])
    size = f"{clip.number_of_frames} x {clip.rows} x {clip.columns}"
    print(f"\n{file.name}: {syntax.name}, {size}, {len(clip.frames)} frames sampled")
    for name, times in taken.items():
        median = statistics.median(times)
        print(f"  {name:24} {median:8.1f} ms  (least {min(times):8.1f})  {median / ours:6.1f} x")
    print(f"  largest difference       {difference:8d} levels of 255")


def threads(file: Path, rounds: int) -> None:
    """Clips in a pool of two threads against the same clips one after the other."""
    gains = []
    for _ in range(rounds):
        alone = milliseconds(lambda: [read_clip(file) for _ in range(CLIPS_FOR_THREADS)])
        with ThreadPoolExecutor(2) as pool:
            both = milliseconds(lambda: list(pool.map(read_clip, [file] * CLIPS_FOR_THREADS)))
        gains.append(alone / both)
    print(f"\n2 threads over clips: {statistics.median(gains):.2f} x of one (best {max(gains):.2f})")


def memory(warm_up: Path, file: Path) -> None:
    """By how much the first clip of this size raises the peak of a process that has read another."""
    run = subprocess.run([sys.executable, "-c", MEMORY, warm_up, file], capture_output=True, text=True, check=True)
    print(f"memory growth for one clip: {float(run.stdout):.0f} MB")


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        synthetic = synthetic_clip(Path(folder) / "synthetic.dcm")
        clips = [*(real_file(name, Path(folder)) for name in REAL), synthetic]
        for file in clips:
            compare(file, rounds)
        threads(synthetic, rounds)
        memory(clips[0], synthetic)


if __name__ == "__main__":
    main()
