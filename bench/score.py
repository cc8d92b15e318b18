"""How fast a study is scored: the image tower against the machine, and the worker against the image tower.

    python -m bench.score [tower] [load] [study] [--clips N] [--rounds N] [--folder PACK] [--processor-time]

All three parts where none is named. The model is open_clip's ConvNeXt-Base, EchoCLIP's size, with random weights; it
is made in a temporary folder, or at --folder, where the next run finds it.

    tower  frames per second, and the share of what a plain matrix multiplication reaches in the same numbers; with the
           tower as timm runs it beside ours. On the CPU, and on a GPU where there is one.
    load   seconds until the model is loaded, and until a fresh process has the first clip's results in the registry:
           with an empty data folder, and with one that has been scored in before
    study  the steps prepare and score of one study, from the spool's files to the registry's rows, against the forward
           pass of the same frames

Everything takes turns within one run, and of the rounds the best counts: other work on the machine then falls on all
alike, and ratios hold where seconds do not. Where the machine is too busy even for that, --processor-time takes one
thread and the time that the process has a processor; waiting for the disk is then not counted.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.installation import STEPS, Installation
from config.logs import configure_logs
from config.steps import Step
from worker.echoclip.torchvision_compat import make_torchvision_importable
from worker.echoclip.towers import FRAMES_AT_ONCE, Towers
from worker.echoclip.untrained import make_untrained_pack
from worker.echoclip.weights import load_model
from worker.packs.folder import load_pack

make_torchvision_importable()
import open_clip  # noqa: E402  needs torchvision to be importable

PARTS = ("tower", "load", "study")
EDGE = {"cpu": 3072, "cuda": 8192}
"""Of the square matrices of the plain multiplication."""
FRAMES_OF_A_CLIP = 16
"""What timm's tower is given at once: a clip, as before towers filled batches of a size of their own."""
TURNS = 5
"""Of the towers in each round: short pieces find the quiet moments of a busy machine."""

clock: Callable[[], float] = time.perf_counter


def seconds(work: Callable[[], object]) -> float:
    started = clock()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - started


def best_of(rounds: int, works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The least seconds of each, in turns, after one turn that does not count."""
    for work in works.values():
        work()
    turns = [{name: seconds(work) for name, work in works.items()} for _ in range(rounds)]
    return {name: min(turn[name] for turn in turns) for name in works}


def bench_tower(folder: Path, rounds: int) -> None:
    """Ours and timm's, in both precisions, on every device that there is."""
    for device in ("cpu", "cuda")[: 1 + torch.cuda.is_available()]:
        for precision in ("float32", "bfloat16"):
            _compare_towers(folder, device, precision, rounds)


@torch.inference_mode()
def _compare_towers(folder: Path, device: str, precision: str, rounds: int) -> None:
    towers = Towers(load_pack(folder), device=device, precision=precision)
    square = torch.randn(EDGE[device], EDGE[device], device=device, dtype=towers.precision)
    images = torch.randn(FRAMES_OF_A_CLIP, 3, 224, 224, device=device, dtype=towers.precision)
    batches = 1 if device == "cpu" else 16  # a GPU's batches overlap
    frames = torch.randint(0, 256, (batches * FRAMES_AT_ONCE[device], 224, 224, 3), dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter:
        towers.model.encode_image(images[:1])
    gigaflop = counter.get_total_flops() / 1e9
    best = best_of(
        TURNS * rounds,
        {
            "multiplication": lambda: square @ square,
            "timm": lambda: towers.model.encode_image(images),
            "ours": lambda: towers.embed_frames(frames),
        },
    )
    rate = 2 * EDGE[device] ** 3 / 1e9 / best["multiplication"]
    chosen = ", what auto takes" if Towers(load_pack(folder), device=device).precision == towers.precision else ""
    print(f"\n{device} {precision}{chosen}: {EDGE[device]}^3 multiplication {rate:.0f} GFLOP/s, {gigaflop:.1f} a frame")
    for name, count in (("timm", len(images)), ("ours", len(frames))):
        speed = count / best[name]
        print(f"  {name:5} {speed:8.2f} frames/s {gigaflop * speed:8.0f} GFLOP/s  share {gigaflop * speed / rate:6.3f}")


def bench_load(folder: Path, rounds: int) -> None:
    """The model alone in this process, then fresh processes from their start to the first rows."""
    pack, cpu = load_pack(folder), torch.device("cpu")
    best = best_of(
        rounds,
        {
            "open_clip.create_model": lambda: open_clip.create_model(f"local-dir:{folder}", require_pretrained=True),
            "load_model": lambda: load_model(pack, device=cpu, precision=torch.float32),
            "Towers, ready to embed": lambda: Towers(pack, device="cpu"),
            "SHA-256 of the pack": lambda: load_pack(folder),
        },
    )
    print(
        f"\nload, {(folder / 'open_clip_model.safetensors').stat().st_size / 1e6:.0f} MB of weights in the page cache"
    )
    for name, least in best.items():
        print(f"  {name:28} {least:6.2f} s")
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as data:
            for state in ("empty data folder", "scored before"):
                command = [sys.executable, "-m", "bench.score", "first-result", "--folder", folder, "--data", data]
                command += ["--processor-time"] if clock is time.process_time else []
                started = time.perf_counter()
                run = subprocess.run(command, capture_output=True, text=True, check=True)
                print(f"  process, {state:18} {time.perf_counter() - started:6.2f} s: {run.stdout.strip()}")


def first_result(folder: Path, data: Path) -> None:
    """A process that has just started scores two studies of one clip; what the first costs more is the loading."""
    installation = Installation.create(folder, data)
    first, second = (installation.receive(clips=1) for _ in range(2))
    prepared, loaded_and_scored = (seconds(lambda step=step: installation.run(step, first)) for step in STEPS)
    _, scored = (seconds(lambda step=step: installation.run(step, second)) for step in STEPS)
    print(
        f"prepare {prepared:.2f} s, score {loaded_and_scored:.2f} s, of it the clip {scored:.2f} s, "
        f"model and prompts {loaded_and_scored - scored:.2f} s"
    )


def bench_study(folder: Path, clips: int, rounds: int) -> None:
    """One study after another, each between two forward passes of its frames."""
    towers = Towers(load_pack(folder))
    with tempfile.TemporaryDirectory() as data:
        installation = Installation.create(folder, Path(data))
        first = installation.receive(clips=1)  # with it the model is loaded, and the prompts are embedded
        for step in STEPS:
            installation.run(step, first)
        print(f"\nstudy of {clips} clips, {towers.device.type}, {towers.precision}")
        for _ in range(rounds):
            study = installation.receive(clips=clips)
            prepared = seconds(lambda study=study: installation.run(Step.PREPARE, study))
            frames = installation.prepared_frames(study)
            before = seconds(lambda frames=frames: towers.embed_clips(frames))
            scored = seconds(lambda study=study: installation.run(Step.SCORE, study))
            after = seconds(lambda frames=frames: towers.embed_clips(frames))
            forward = (before + after) / 2
            print(
                f"  {sum(map(len, frames))} frames: forward {forward:6.2f} s "
                f"({before:.2f}, {after:.2f}), score {scored:6.2f} s = {scored / forward:.3f}, "
                f"prepare {prepared:5.2f} s, both {(prepared + scored) / forward:.3f}"
            )


def base_pack(folder: Path) -> Path:
    """ConvNeXt-Base and a text tower of twelve layers, as a pack of random weights."""

    if not folder.exists():
        make_untrained_pack(folder, architecture=open_clip.get_model_config("convnext_base"))
    return folder


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="See the head of this file.")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "first-result", []], metavar="part")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="of the pack; made there where it is missing")
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    configure_logs(process="bench", stream=StringIO())
    if options.processor_time:
        _count_processor_time()
    with tempfile.TemporaryDirectory() as temporary:
        folder = base_pack(options.folder or Path(temporary) / "base")
        if "first-result" in options.parts:
            first_result(folder, options.data)
            return
        print(f"{_processor()}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
        if "tower" in options.parts or not options.parts:
            bench_tower(folder, options.rounds)
        if "load" in options.parts or not options.parts:
            bench_load(folder, options.rounds)
        if "study" in options.parts or not options.parts:
            bench_study(folder, options.clips, options.rounds)
        print(f"\nload at the end {os.getloadavg()[0]:.1f}")


def _count_processor_time() -> None:
    global clock  # noqa: PLW0603
    clock = time.process_time
    torch.set_num_threads(1)  # several wait for each other by spinning, which is no work


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown processor")


if __name__ == "__main__":
    main()
