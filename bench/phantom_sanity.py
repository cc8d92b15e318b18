"""What must not work, and does not: shuffled prompts, shuffled truths, blank sectors. What of the ejection fraction is
seen in motion, and what in shape alone. And where heat maps lie.

    python -m bench.phantom_sanity --pack PACK [--hearts N] [--seed S] [--training-machines]

On hearts of their own seeds, in pictures of the machine that no weights were trained with; with --training-machines
in those of the others, for whoever has something to choose.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.phantom_clips import Frames, Scan, Shown, scan_of, shown_of
from bench.phantom_figures import auc
from config.catalogue import load_catalogue
from config.clinical_tasks import AnyTask, RegressionTask
from worker.echoclip.grad_cam import support_maps
from worker.echoclip.towers import Towers
from worker.echoclip.zero_shot import ClipFrames, binary_scores, cosines, regression_estimates
from worker.packs.folder import load_pack
from worker.phantom.acquisition import PhantomView
from worker.phantom.heart import Device, Heart
from worker.phantom.screen_parts import VendorStyle
from worker.phantom.styles import HELD_OUT_STYLE, TRAINING_STYLES

FRAMES, SHUFFLES = 8, 20
VIEWS = (PhantomView.APICAL_FOUR_CHAMBER, PhantomView.APICAL_FIVE_CHAMBER)
ASKED_OF = {device: 1 if device is Device.TAVR else 0 for device in Device}
"""Which of the views each device is asked of."""
LEARNED_FROM = 5400
"""Hearts that the best guess by shape is fitted to: as many as the model saw."""
ANOTHER, MIDDLE = 30.0, 45.0
"""A heart's other ejection fraction is so many points away, on the side of this one."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class View:
    """One of the views of a heart."""

    shown: Shown
    end_diastole: int
    """The frame with the largest ventricle."""

    def frames(self) -> Frames:
        """As they are."""
        return self.shown.frames

    def blank(self) -> Frames:
        """Nothing where the sector is."""
        return self.shown.frames * ~self.shown.fan[..., np.newaxis]

    def standing_still(self) -> Frames:
        """Every frame the one at end diastole."""
        return np.repeat(self.shown.frames[self.end_diastole][np.newaxis], len(self.shown.frames), axis=0)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One heart in each of the views."""

    heart: Heart
    views: tuple[View, ...]
    other: Heart
    """The same with another ejection fraction: as large and as thick at end diastole, in the first view alone."""
    of_other: View


class Asking:
    """The questions, asked as the product asks them, of frames that were embedded before."""

    def __init__(self, pack: Path) -> None:
        self.towers = Towers(load_pack(pack))
        catalogue = load_catalogue()
        tasks = [catalogue.task(task_id) for task_id in ("lvef", *Device)]
        self.tasks: list[AnyTask] = [task for task in tasks if task is not None]
        self.prompts = self.towers.embed_prompts([text for task in self.tasks for text in task.filled_prompts()])

    def embedded(self, seen: list[Seen], shown: Callable[[View], Frames] = View.frames) -> list[ClipFrames]:
        """Of each view, the clips of all hearts."""
        return [self.of_views([each.views[view] for each in seen], shown) for view in range(len(VIEWS))]

    def of_views(self, views: list[View], shown: Callable[[View], Frames] = View.frames) -> ClipFrames:
        """These, whatever they are views of."""
        return ClipFrames.of(self.towers.embed_clips([torch.from_numpy(shown(view)) for view in views]))

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


def print_sanity(pack: Path, *, hearts: int, seed: int, styles: Sequence[VendorStyle] = (HELD_OUT_STYLE,)) -> None:
    """All of them."""
    asking, random = Asking(pack), np.random.default_rng(seed)
    seen = [_seen(seed, number, styles) for number in range(hearts)]
    known = [each.heart for each in seen]
    frames = asking.embedded(seen)
    answers = asking.answers(frames, asking.prompts)
    _print("as they are", [_figures(known, *answers)])
    shuffled = [asking.prompts[random.permutation(len(asking.prompts))] for _ in range(SHUFFLES)]
    _print("prompts shuffled", [_figures(known, *asking.answers(frames, prompts)) for prompts in shuffled])
    others = [[known[number] for number in random.permutation(hearts)] for _ in range(SHUFFLES)]
    _print("truths shuffled", [_figures(other, *answers) for other in others])
    _print("sectors blank", [_figures(known, *asking.answers(asking.embedded(seen, View.blank), asking.prompts))])
    _print_motion(asking, seen, answers[0])
    _print_heat(asking, seen)


def _seen(seed: int, number: int, styles: Sequence[VendorStyle]) -> Seen:
    scans = [scan_of(seed, number, frames=FRAMES, view=view, styles=styles) for view in VIEWS]
    # The generator of a scan goes on while it is shown: the other heart is to be shown with the very same one.
    again = scan_of(seed, number, frames=FRAMES, view=VIEWS[0], styles=styles)
    heart = scans[0].heart
    if heart is None:
        raise RuntimeError("these views show a heart")
    away = -ANOTHER if heart.ejection_fraction > MIDDLE else ANOTHER
    other = replace(heart, ejection_fraction=heart.ejection_fraction + away)
    views = tuple(_view(scan, heart) for scan in scans)
    return Seen(heart=heart, views=views, other=other, of_other=_view(again, other))


def _view(scan: Scan, heart: Heart) -> View:
    acquisition = scan.acquisition
    if acquisition is None:
        raise RuntimeError("these views show a heart")
    volumes = [heart.volume_ml(acquisition.first_phase + frame / FRAMES) for frame in range(FRAMES)]
    return View(shown=shown_of(scan, heart, acquisition, FRAMES), end_diastole=int(np.argmax(volumes)))


def _figures(hearts: list[Heart], estimates: Floats, scores: dict[Device, Floats]) -> list[float]:
    """The correlation of the ejection fraction, and the AUC of each device."""
    areas = [auc(scores[device].tolist(), [device in heart.devices for heart in hearts]) for device in Device]
    return [_correlation(_fractions(hearts), estimates), *areas]


def _fractions(hearts: Sequence[Heart]) -> Floats:
    return np.array([heart.ejection_fraction for heart in hearts])


def _correlation(truth: Floats, estimates: Floats) -> float:
    return float(np.corrcoef(truth, estimates)[0, 1]) if estimates.std() > 0 else 0.0


def _print(what: str, figures: list[list[float]]) -> None:
    mean, spread = np.mean(figures, axis=0), np.std(figures, axis=0)
    told = [
        f"{value:.2f}" + (f" ± {width:.2f}" if len(figures) > 1 else "")
        for value, width in zip(mean, spread, strict=True)
    ]
    areas = ", ".join(f"{device} {area}" for device, area in zip(Device, told[1:], strict=True))
    print(f"{what:18} correlation of the ejection fraction {told[0]}; AUC {areas}")


def _print_motion(asking: Asking, seen: list[Seen], estimates: Floats) -> None:
    """What is left of the ejection fraction without motion, and what another one of the same ventricle changes."""
    truth, others = _fractions([each.heart for each in seen]), _fractions([each.other for each in seen])
    still = asking.answers(asking.embedded(seen, View.standing_still), asking.prompts)[0]
    by_shape = _guessed_by_shape([each.heart for each in seen])
    for what, found in (("as they are", estimates), ("standing still", still), ("best guess by shape", by_shape)):
        off = np.abs(found - truth).mean()
        print(f"{what:18} ejection fraction {off:.1f} points off, correlation {_correlation(truth, found):.2f}")
    first = [asking.of_views([each.of_other for each in seen])] * len(VIEWS)
    moved = (asking.answers(first, asking.prompts)[0] - estimates) / (others - truth)
    print(f"{'the same ventricle':18} with {ANOTHER:.0f} points more or less: {moved.mean():.0%} of them are seen")


def _guessed_by_shape(hearts: Sequence[Heart]) -> Floats:
    """What the shape at end diastole tells, measured exactly: least squares, with squares and products, on others."""
    learned_from = [heart for number in range(LEARNED_FROM) if (heart := scan_of(1, number, frames=1).heart)]
    weights = np.linalg.lstsq(_shapes(learned_from), _fractions(learned_from), rcond=None)[0]
    guessed: Floats = _shapes(hearts) @ weights
    return guessed


def _shapes(hearts: Sequence[Heart]) -> Floats:
    usual = np.array([130.0, 0.55, 0.95])
    sizes = np.array([[heart.end_diastolic_volume_ml, heart.sphericity, heart.wall_cm] for heart in hearts]) / usual
    terms = np.concatenate([np.ones((len(hearts), 1)), sizes], axis=1)
    return (terms[:, :, np.newaxis] * terms[:, np.newaxis, :]).reshape(len(hearts), -1)


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
            shown = each.views[ASKED_OF[device]].shown
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
    parser.add_argument("--seed", type=int, default=3_100_000)
    parser.add_argument("--training-machines", action="store_true")
    given = parser.parse_args()
    styles = TRAINING_STYLES if given.training_machines else (HELD_OUT_STYLE,)
    print_sanity(given.pack, hearts=given.hearts, seed=given.seed, styles=styles)


if __name__ == "__main__":
    main()
