"""What must not work, and does not: shuffled prompts, shuffled truths, blank sectors. And where heat maps lie.

On hearts of their own seeds, in pictures of the machine that nothing was trained or chosen with.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.phantom_clips import Shown, scan_of, shown_of
from bench.phantom_figures import auc
from config.catalogue import load_catalogue
from config.clinical_tasks import AnyTask, RegressionTask
from worker.echoclip.grad_cam import support_maps
from worker.echoclip.towers import Towers
from worker.echoclip.zero_shot import ClipFrames, binary_scores, cosines, regression_estimates
from worker.packs.folder import load_pack
from worker.phantom.acquisition import PhantomView
from worker.phantom.heart import Device, Heart
from worker.phantom.styles import HELD_OUT_STYLE

FRAMES, SHUFFLES = 8, 20
VIEWS = (PhantomView.APICAL_FOUR_CHAMBER, PhantomView.APICAL_FIVE_CHAMBER)
ASKED_OF = {device: 1 if device is Device.TAVR else 0 for device in Device}
"""Which of the views each device is asked of."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One heart in each of the views."""

    heart: Heart
    views: tuple[Shown, ...]


class Asking:
    """The questions, asked as the product asks them, of frames that were embedded before."""

    def __init__(self, pack: Path) -> None:
        self.towers = Towers(load_pack(pack))
        catalogue = load_catalogue()
        tasks = [catalogue.task(task_id) for task_id in ("lvef", *Device)]
        self.tasks: list[AnyTask] = [task for task in tasks if task is not None]
        self.prompts = self.towers.embed_prompts([text for task in self.tasks for text in task.filled_prompts()])

    def embedded(self, seen: list[Seen], *, is_blank: bool = False) -> list[ClipFrames]:
        """Of each view, the clips of all hearts; with nothing where the sector is, where they are to be blank."""
        frames = []
        for view in range(len(VIEWS)):
            shown = [each.views[view] for each in seen]
            clips = [one.frames * ~one.fan[..., np.newaxis] if is_blank else one.frames for one in shown]
            frames.append(ClipFrames.of(self.towers.embed_clips([torch.from_numpy(clip) for clip in clips])))
        return frames

    def answers(self, frames: list[ClipFrames], prompts: Tensor) -> tuple[Floats, dict[Device, Floats]]:
        """The ejection fraction and the score of each device, of every heart."""
        first, estimates, scores = 0, np.empty(0), {}
        for task in self.tasks:
            own = prompts[first : (first := first + len(task.filled_prompts()))]
            if isinstance(task, RegressionTask):
                found = cosines(frames[0].embeddings, own)
                estimates = regression_estimates(frames[0], found, torch.tensor(task.filled_values())).clips.numpy()
            else:
                of_view = frames[ASKED_OF[Device(task.id)]]
                scores[Device(task.id)] = binary_scores(of_view, cosines(of_view.embeddings, own)).clips.numpy()
        return estimates, scores


def print_sanity(pack: Path, *, hearts: int, seed: int) -> None:
    """All of them."""
    asking, random = Asking(pack), np.random.default_rng(seed)
    seen = [_seen(seed, number) for number in range(hearts)]
    known = [each.heart for each in seen]
    frames = asking.embedded(seen)
    _print("as they are", [_figures(known, *asking.answers(frames, asking.prompts))])
    shuffled = [asking.prompts[random.permutation(len(asking.prompts))] for _ in range(SHUFFLES)]
    _print("prompts shuffled", [_figures(known, *asking.answers(frames, prompts)) for prompts in shuffled])
    answers = asking.answers(frames, asking.prompts)
    others = [[known[number] for number in random.permutation(hearts)] for _ in range(SHUFFLES)]
    _print("truths shuffled", [_figures(other, *answers) for other in others])
    _print("sectors blank", [_figures(known, *asking.answers(asking.embedded(seen, is_blank=True), asking.prompts))])
    _print_heat(asking, seen)


def _seen(seed: int, number: int) -> Seen:
    scans = [scan_of(seed, number, frames=FRAMES, view=view, styles=(HELD_OUT_STYLE,)) for view in VIEWS]
    heart = scans[0].heart
    if heart is None:
        raise RuntimeError("these views show a heart")
    views = tuple(shown_of(scan, heart, scan.acquisition, FRAMES) for scan in scans if scan.acquisition is not None)
    return Seen(heart=heart, views=views)


def _figures(hearts: list[Heart], estimates: Floats, scores: dict[Device, Floats]) -> list[float]:
    """The correlation of the ejection fraction, and the AUC of each device."""
    truth = np.array([heart.ejection_fraction for heart in hearts])
    moves = estimates.std() > 0
    correlation = float(np.corrcoef(truth, estimates)[0, 1]) if moves else 0.0
    areas = [auc(scores[device].tolist(), [device in heart.devices for heart in hearts]) for device in Device]
    return [correlation, *areas]


def _print(what: str, figures: list[list[float]]) -> None:
    mean, spread = np.mean(figures, axis=0), np.std(figures, axis=0)
    told = [
        f"{value:.2f}" + (f" ± {width:.2f}" if len(figures) > 1 else "")
        for value, width in zip(mean, spread, strict=True)
    ]
    areas = ", ".join(f"{device} {area}" for device, area in zip(Device, told[1:], strict=True))
    print(f"{what:18} correlation of the ejection fraction {told[0]}; AUC {areas}")


def _print_heat(asking: Asking, seen: list[Seen]) -> None:
    """The part of the heat that lies on a device, against the part of the picture, and of the sector, that it takes."""
    catalogue = load_catalogue()
    for device in Device:
        task = catalogue.task(device)
        if task is None:
            continue
        prompts = asking.towers.embed_prompts(task.filled_prompts())
        of_picture, of_sector = [], []
        for each in seen:
            # One device alone, so that what is marked is the one that is asked for.
            if each.heart.devices != {device}:
                continue
            shown = each.views[ASKED_OF[device]]
            maps = support_maps(asking.towers, shown.frames, prompts)
            on_device, total = float((maps * shown.devices).sum()), float(maps.sum())
            if total > 0 and shown.devices.any():
                of_picture.append(on_device / total / shown.devices.mean())
                in_sector = float((maps * shown.fan).sum())
                of_sector.append(on_device / max(in_sector, 1e-9) / (shown.devices.sum() / (shown.fan.sum() * FRAMES)))
        if of_picture:
            twice = np.mean(np.array(of_picture) > 2)
            print(
                f"heat on {device:10} {np.mean(of_picture):.1f} times its part of the picture (more than twice in "
                f"{twice:.0%} of {len(of_picture)} hearts), {np.mean(of_sector):.1f} times its part of the sector"
            )


def main() -> None:
    """These checks alone."""
    import argparse  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--hearts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=800_000)
    given = parser.parse_args()
    print_sanity(given.pack, hearts=given.hearts, seed=given.seed)


if __name__ == "__main__":
    main()
