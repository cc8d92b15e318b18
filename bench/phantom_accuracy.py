"""How right the DEMO model is about unseen phantoms, through the whole chain: DICOM files in, SR values out.

    python -m bench.phantom_accuracy [--pack PACK] [--studies N] [--quick N] [--clips M] [--seed S]

Each study has a seed of its own and comes from the machine that no weights were trained with. It is received,
prepared, scored and reported by the product's own steps, and its numbers are read from the finished report. Then, on
fewer of them, what has to fail: prompts that were shuffled, truths that were shuffled, sectors that are blank. And
where the heat map of a device's prompts lies.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path

from bench.installation import STEPS, Installation
from bench.phantom_figures import Case, print_figures, so_far
from bench.phantom_report import Told, told_by
from bench.phantom_sanity import print_sanity
from bench.phantom_studies import made_ahead
from config.catalogue import load_catalogue
from config.logs import configure_logs
from config.steps import Step
from worker.packs.folder import load_pack
from worker.phantom.study import make_study
from worker.phantom.styles import HELD_OUT_STYLE
from worker.phantom.truth import StudyTruth

FIRST_SEED = 3_000_000
FRAMES = 45
"""Of a clip: as the shortest that `echoworker phantom` makes, to be done in half an hour."""
DEMO_PACK = Path(__file__).parents[1] / "worker/phantom/demo_pack"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is measured."""

    pack: Path
    studies: int
    clips: int
    seed: int


def made(folder: Path, clips: int, seed: int) -> StudyTruth:
    """A study of this seed in a folder of its own."""
    return make_study(folder / str(seed), seed=seed, clips=clips, style=HELD_OUT_STYLE, number_of_frames=FRAMES)


def cases_of(options: Options, folder: Path) -> Iterator[Case]:
    """Each study with what its report says."""
    installation, catalogue = Installation.create(options.pack, folder / "data"), load_catalogue()
    seeds = range(options.seed, options.seed + options.studies)
    for truth in made_ahead(partial(made, folder, options.clips), seeds):
        files = sorted((folder / str(truth.seed)).glob("*.dcm"))
        study = installation.receive_files(files)
        for step in (*STEPS, Step.REPORT):
            installation.run(step, study)
        told: dict[str, Told] = told_by(installation.report(study), catalogue)
        yield Case(truth=truth, told=told)
        shutil.rmtree(folder / str(truth.seed))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, default=DEMO_PACK)
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--quick", type=int, metavar="N", help="so many studies, and fewer of the sanity checks")
    parser.add_argument("--clips", type=int, default=3, help="of each study: the first are apical")
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    given = parser.parse_args()
    options = Options(pack=given.pack, studies=given.quick or given.studies, clips=given.clips, seed=given.seed)
    configure_logs(process="bench", stream=StringIO())
    identity = load_pack(options.pack).identity
    print(f"{identity.name} {identity.version} ({identity.label}), pack {identity.digest[:12]}")
    last = options.seed + options.studies - 1
    print(f"{options.studies} studies of {options.clips} clips, seeds {options.seed} to {last}, {HELD_OUT_STYLE.model}")
    began = time.monotonic()
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases_of(options, Path(folder)):
            cases.append(case)
            if len(cases) % 50 == 0:
                said = f"{len(cases)} studies in {time.monotonic() - began:.0f} s: {so_far(cases)}"
                print(said, file=sys.stderr, flush=True)
    print_figures(cases, load_catalogue())
    print_sanity(options.pack, hearts=min(options.studies, 100), seed=options.seed + 100_000)


if __name__ == "__main__":
    main()
