"""Train the DEMO model: a small CLIP, from nothing, on synthetic hearts alone.

    python -m bench.train_phantom --out FOLDER [--clips N] [--steps S] [--seed S] [--precision P] [--resume]

Clips are made once and kept in FOLDER/clips; the model that comes of it lies in FOLDER/pack. First the image tower
learns what is true of a clip, then the text tower where each sentence lies (bench.phantom_meanings); both in plain
torch on the CPU. The same seed, clips, steps, precision and machine give the same weights. With --resume a training
that was stopped goes on as the one that it was.
"""

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from bench.phantom_clips import Frames, make_clips, scans_of
from bench.phantom_meanings import MOMENT, Meanings, Truth, weighted
from bench.phantom_model import CLIP, SIDE, WIDTH, new_model, normalised, tokenize, write_model
from bench.phantom_moments import Moments, truth_of_frames
from bench.phantom_variations import varied
from config.catalogue import load_catalogue
from worker.echoclip.precision import Precision, chosen_precision
from worker.echoclip.texts import encode_texts
from worker.phantom.captions import answers, sentences

CLIPS, STEPS = 5400, 3800
"""What two cores do within an hour, with some minutes to spare (docs/model-card.md)."""
CLIPS_AT_ONCE, FRAMES = 8, 8
"""In one step, and of each clip: one beat, so that where a frame's peak lies can depend on when in it that was."""
RATE, WARM_UP = 2e-3, 40
DECAY = 0.05
WORD_STEPS, SENTENCES_AT_ONCE, WORD_RATE = 1500, 192, 2e-3
SAVED_EVERY = 250
TOLD_EVERY = 100


@dataclass(kw_only=True)
class Training:
    """An image tower that learns, and all that decides what it sees next."""

    model: CLIP
    meanings: Meanings
    moments: Moments
    frames: Frames
    truth: Truth
    truth_of_frames: Tensor
    """[N, T, 3], as `bench.phantom_moments` has it."""
    steps: int
    seed: int
    precision: torch.dtype
    """Of the image tower's trunk: float32 or bfloat16."""
    step: int = 0
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        towers = (self.model.visual, self.meanings, self.moments)
        learning = [*(p for tower in towers for p in tower.parameters()), self.model.logit_scale]
        decaying = [p for p in learning if p.ndim >= 2]
        plain = [p for p in learning if p.ndim < 2]
        groups = [{"params": decaying, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))

    def run(self, checkpoint: Path) -> None:
        """To the last step; what is there is kept from time to time."""
        began = time.monotonic()
        told: dict[str, float] = {}
        for step in range(self.step, self.steps):
            losses = self._learn(step)
            for about, loss in losses.items():
                told[about] = 0.97 * told.get(about, float(loss)) + 0.03 * float(loss)
            if (step + 1) % TOLD_EVERY == 0:
                each = "  ".join(f"{about} {loss:.3f}" for about, loss in told.items())
                print(f"{step + 1:6} {time.monotonic() - began:6.0f} s  {each}", flush=True)
            if (step + 1) % SAVED_EVERY == 0 or step + 1 == self.steps:
                self.step = step + 1
                self._save(checkpoint)

    def _learn(self, step: int) -> dict[str, Tensor]:
        losses = self._losses(step)
        _step(self.optimizer, weighted(losses), RATE, step, self.steps)
        return {about: loss.detach() for about, loss in losses.items()}

    def _losses(self, step: int) -> dict[str, Tensor]:
        """Of the clips that this step sees."""
        random = np.random.default_rng((self.seed, step))  # so that a training that goes on is the one that stopped
        clips = self._clips(step)
        seen, which = torch.from_numpy(self.frames[clips]), torch.as_tensor(clips)
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        pictures = normalised(varied(seen, SIDE, generator))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision is torch.bfloat16):
            features = self.model.visual.trunk(pictures)
            embedded = self.model.visual.head(features)
        embedded = functional.normalize(embedded.float(), dim=-1).unflatten(0, seen.shape[:2])
        losses = self.meanings.losses(embedded, self.truth.of(which), self.model.logit_scale.exp())
        moments = self.moments.loss(features.float().unflatten(0, seen.shape[:2]), self.truth_of_frames[which])
        return losses | {MOMENT: moments}

    def _clips(self, step: int) -> npt.NDArray[np.intp]:
        """Every clip once, in an order of its own each time round."""
        a_round = len(self.frames) // CLIPS_AT_ONCE
        order = np.random.default_rng((self.seed, 1, step // a_round)).permutation(len(self.frames))
        at = step % a_round * CLIPS_AT_ONCE
        return np.sort(order[at : at + CLIPS_AT_ONCE])

    def _save(self, file: Path) -> None:
        state = {
            "step": self.step,
            "made_of": self._made_of,
            "model": self.model.state_dict(),
            "meanings": self.meanings.state_dict(),
            "moments": self.moments.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(state, file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)

    def resume(self, file: Path) -> None:
        """Go on where it was kept.

        Raises
        ------
        ValueError
            Another training was kept there.
        """
        state = torch.load(file, weights_only=True)
        if state["made_of"] != self._made_of:
            raise ValueError(f"{file} is of {state['made_of']}, and this training of {self._made_of}")
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.meanings.load_state_dict(state["meanings"])
        self.moments.load_state_dict(state["moments"])
        self.optimizer.load_state_dict(state["optimizer"])

    @property
    def _made_of(self) -> dict[str, int | str]:
        """All that decides the weights that come of it, on one machine."""
        return {
            "seed": self.seed,
            "clips": len(self.frames),
            "steps": self.steps,
            "precision": str(self.precision).removeprefix("torch."),
        }


def teach_words(model: CLIP, meanings: Meanings, tokens: Tensor, *, seed: int) -> None:
    """The text tower learns where each sentence lies; what the image tower knows stays as it is."""
    tower = [p for name, p in model.named_parameters() if not name.startswith("visual.") and name != "logit_scale"]
    optimizer = torch.optim.AdamW(tower, weight_decay=0.0, betas=(0.9, 0.98))
    generator = torch.Generator().manual_seed(seed)
    for step in range(WORD_STEPS):
        some = torch.randperm(len(tokens), generator=generator)[:SENTENCES_AT_ONCE]
        said = functional.normalize(encode_texts(model, tokens[some]), dim=-1)
        apart = (said - meanings.of_sentences[some]).square().sum(dim=-1)
        _step(optimizer, apart.mean(), WORD_RATE, step, WORD_STEPS)
        if (step + 1) % TOLD_EVERY == 0:
            print(f"{step + 1:6} sentences are {float(apart.detach().sqrt().mean()):.3f} away", flush=True)


def _step(optimizer: torch.optim.Optimizer, loss: Tensor, rate: float, step: int, steps: int) -> None:
    """Learn, at a rate that rises for a while and then falls to nothing."""
    for group in optimizer.param_groups:
        group["lr"] = rate * min((step + 1) / WARM_UP, 1 - step / steps)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 1.0)
    optimizer.step()


def prepared(frames: Frames, *, seed: int, steps: int, precision: torch.dtype) -> Training:
    """A training that has not begun, with the clips of this seed."""
    meanings = Meanings(sentences(load_catalogue()), WIDTH, seed)
    scans = scans_of(seed=seed, clips=len(frames), frames=FRAMES)
    model = new_model(seed)
    return Training(
        model=model,
        meanings=meanings,
        moments=Moments(model.visual.trunk.num_features),
        frames=frames,
        truth=meanings.truth([answers(scan.view, scan.heart) for scan in scans]),
        truth_of_frames=truth_of_frames(scans, FRAMES),
        steps=steps,
        seed=seed,
        precision=precision,
    )


def main() -> None:
    """Make clips, train, write the pack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=CLIPS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", choices=get_args(Precision), default="auto", help="auto: whichever is faster")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    began = time.monotonic()
    torch.set_num_threads(options.threads)
    frames = make_clips(
        options.out / "clips", seed=options.seed, clips=options.clips, frames=FRAMES, processes=options.threads
    )
    precision = chosen_precision(options.precision, torch.device("cpu"))
    print(f"{len(frames)} clips, {options.steps} steps in {precision}")
    training = prepared(frames, seed=options.seed, steps=options.steps, precision=precision)
    checkpoint = options.out / "checkpoint.pt"
    if options.resume and checkpoint.exists():
        training.resume(checkpoint)
    training.run(checkpoint)
    tokens = tokenize([sentence.text for sentence in sentences(load_catalogue())])
    teach_words(training.model, training.meanings, tokens, seed=options.seed)
    (options.out / "pack").mkdir(exist_ok=True)
    write_model(training.model, tokens, options.out / "pack")
    print(f"{(time.monotonic() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
