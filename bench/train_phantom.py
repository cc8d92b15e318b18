"""Train the DEMO model: a small CLIP, from nothing, on synthetic hearts alone.

    python -m bench.train_phantom --out FOLDER [--clips N] [--minutes M | --steps S] [--seed S] [--resume]

Clips are made once and kept in FOLDER/clips; the model that comes of it lies in FOLDER/pack. Image and text tower are
trained together, in one loop of plain torch on the CPU. The same seed, clips, steps and machine give the same weights;
--minutes finds out how many steps fit, and says so.

For most of the steps pictures learn against anchors, and sentences to lie there (bench.phantom_anchors); then against
each other. Most of the steps see frames of 112 x 112, four times as fast; the last ones see them as the pack will be
used.
"""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from bench.phantom_anchors import Anchors
from bench.phantom_clips import Frames, make_clips, scans_of
from bench.phantom_lessons import Lessons, Truth, weighted
from bench.phantom_model import CLIP, WIDTH, new_model, normalised, tokenize, write_model
from bench.phantom_variations import varied
from config.catalogue import load_catalogue
from worker.echoclip.texts import encode_texts
from worker.phantom.captions import answers, sentences

CLIPS_AT_ONCE, FRAMES_OF_EACH = 12, 4
FRAMES_KEPT = 8
"""Of each clip: one beat. In one step every second of them is seen."""
SMALL, SMALL_STEPS = 112, 0.8
"""The small frames' side, and which part of the steps sees them."""
FULL = 224
ANCHORED_STEPS = 0.7
"""Which part of the steps pictures learn against anchors, and sentences to lie there; then against each other."""
SENTENCES_AT_ONCE = 192
RATE, WARM_UP, LEAST_RATE = 2e-3, 0.03, 0.01
DECAY = 0.05
SAVED_EVERY = 250
TOLD_EVERY = 50
LARGEST_SCALE = math.log(100)


@dataclass(kw_only=True)
class Training:
    """A model that learns, and all that decides what it sees next."""

    model: CLIP
    lessons: Lessons
    tokens: Tensor
    frames: Frames
    truth: Truth
    steps: int
    seed: int
    step: int = 0
    anchors: Anchors = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.anchors = Anchors(self.lessons.sentences, WIDTH)
        named = [*self.model.named_parameters(), *self.lessons.named_parameters(), *self.anchors.named_parameters()]
        spared = ("embedding", "arcs", "alone")
        plain = [p for n, p in named if p.ndim < 2 or any(word in n for word in spared)]
        decaying = [p for n, p in named if p.ndim >= 2 and not any(word in n for word in spared)]
        groups = [{"params": decaying, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98))

    def run(self, checkpoint: Path) -> None:
        """To the last step; what is there is kept from time to time."""
        began = time.monotonic()
        told: dict[str, float] = {}
        for step in range(self.step, self.steps):
            losses = self.learn(step)
            for about, loss in losses.items():
                told[about] = 0.95 * told.get(about, float(loss)) + 0.05 * float(loss)
            if (step + 1) % TOLD_EVERY == 0:
                each = "  ".join(f"{about} {loss:.3f}" for about, loss in told.items())
                scale = float(self.model.logit_scale.detach().exp())
                print(f"{step + 1:6} {time.monotonic() - began:6.0f} s  scale {scale:.1f}  {each}", flush=True)
            if (step + 1) % SAVED_EVERY == 0:
                self.step = step + 1
                self.save(checkpoint)

    def learn(self, step: int) -> dict[str, Tensor]:
        """One step."""
        losses = self.losses(step, SMALL if step < SMALL_STEPS * self.steps else FULL)
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * _rate(step / self.steps)
        self.optimizer.zero_grad(set_to_none=True)
        weighted(losses).backward()
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=LARGEST_SCALE)
        return losses

    def losses(self, step: int, side: int) -> dict[str, Tensor]:
        """Of the clips that this step sees, at this size."""
        random = np.random.default_rng((self.seed, step))  # so that a training that goes on is the one that stopped
        clips = torch.as_tensor(self._clips(step))
        first = int(random.integers(FRAMES_KEPT // FRAMES_OF_EACH))
        seen = torch.from_numpy(self.frames[clips.numpy(), first :: FRAMES_KEPT // FRAMES_OF_EACH])
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        pictures = normalised(varied(seen, side, generator))
        embedded = functional.normalize(self.model.visual(pictures), dim=-1).unflatten(0, (len(clips), FRAMES_OF_EACH))

        def say(indices: Sequence[int]) -> Tensor:
            return functional.normalize(encode_texts(self.model, self.tokens[list(indices)]), dim=-1)

        is_anchored = step < ANCHORED_STEPS * self.steps
        embed = self.anchors if is_anchored else say
        losses = self.lessons.losses(embedded, self.truth.of(clips), embed, self.model.logit_scale.exp(), random)
        if is_anchored:
            some = random.choice(len(self.tokens), SENTENCES_AT_ONCE, replace=False).tolist()
            losses["words"] = 1 - (say(some) * self.anchors(some).detach()).sum(dim=-1).mean()
        return losses

    def _clips(self, step: int) -> npt.NDArray[np.intp]:
        """Every clip once, in an order of its own each time round."""
        a_round = len(self.frames) // CLIPS_AT_ONCE
        order = np.random.default_rng((self.seed, 1, step // a_round)).permutation(len(self.frames))
        at = step % a_round * CLIPS_AT_ONCE
        return np.sort(order[at : at + CLIPS_AT_ONCE])

    def save(self, file: Path) -> None:
        """Keep all that goes on from here."""
        state = {
            "step": self.step,
            "steps": self.steps,
            "model": self.model.state_dict(),
            "lessons": self.lessons.state_dict(),
            "anchors": self.anchors.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(state, file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)

    def resume(self, file: Path) -> None:
        """Go on where it was kept."""
        state = torch.load(file, weights_only=True)
        self.step, self.steps = state["step"], state["steps"]
        self.model.load_state_dict(state["model"])
        self.lessons.load_state_dict(state["lessons"])
        self.anchors.load_state_dict(state["anchors"])
        self.optimizer.load_state_dict(state["optimizer"])

    def seconds_of_a_step(self, side: int) -> float:
        """Measured, without learning anything."""
        times = []
        for _ in range(4):
            began = time.monotonic()
            weighted(self.losses(0, side)).backward()
            times.append(time.monotonic() - began)
        return sorted(times)[1]


def _rate(part: float) -> float:
    if part < WARM_UP:
        return max(part / WARM_UP, 0.01)
    return LEAST_RATE + (1 - LEAST_RATE) * (0.5 + 0.5 * math.cos(math.pi * (part - WARM_UP) / (1 - WARM_UP)))


def prepared(frames: Frames, *, seed: int, clips_seed: int, steps: int) -> Training:
    """A training that has not begun."""
    said = sentences(load_catalogue())
    lessons = Lessons(said)
    known = [
        answers(scan.view, scan.heart) for scan in scans_of(seed=clips_seed, clips=len(frames), frames=FRAMES_KEPT)
    ]
    return Training(
        model=new_model(seed),
        lessons=lessons,
        tokens=tokenize([sentence.text for sentence in said]),
        frames=frames,
        truth=lessons.truth(known),
        steps=steps,
        seed=seed,
    )


def main() -> None:
    """Make clips, train, write the pack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=4000)
    parser.add_argument("--minutes", type=float, default=35)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    frames = make_clips(
        options.out / "clips", seed=options.seed, clips=options.clips, frames=FRAMES_KEPT, processes=options.threads
    )
    training = prepared(frames, seed=options.seed, clips_seed=options.seed, steps=options.steps or 0)
    checkpoint = options.out / "checkpoint.pt"
    if options.resume and checkpoint.exists():
        training.resume(checkpoint)
    if not training.steps:
        small, full = (training.seconds_of_a_step(side) for side in (SMALL, FULL))
        training.steps = int(60 * options.minutes / (SMALL_STEPS * small + (1 - SMALL_STEPS) * full))
        print(f"a step takes {small:.2f} s, with whole frames {full:.2f} s: --steps {training.steps}")
    training.run(checkpoint)
    training.step = training.steps
    training.save(checkpoint)
    (options.out / "pack").mkdir(exist_ok=True)
    write_model(training.model, training.tokens, options.out / "pack")


if __name__ == "__main__":
    main()
