"""How many planted contradictions are found, and how much else, through the whole chain: DICOM files in, rows out.

    python -m bench.phantom_consistency [--pack PACK] [--studies N] [--quick N] [--truthful N] [--seed S] [--rules FILE]

Each study has a seed of its own, and comes from the machine that no weights were trained with. Its machine's
report and its reader's text are received with its clips; one of the two says something that is not true of its heart.
The product's own steps receive, prepare, score and report it. A planted contradiction counts as found where a
discordance is about its question; a discordance about a question that nothing untrue was said of counts as false.
`--truthful` adds studies whose reports say nothing but the truth.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path

from bench.installation import STEPS, Installation
from bench.phantom_accuracy import DEMO_PACK, FRAMES
from bench.phantom_studies import made_ahead
from config.logs import configure_logs
from config.steps import Step
from db.consistency.discordance_review import list_discordances
from db.consistency.discordances import Discordance
from db.reading.queries import study_detail
from db.results.runs import Verdict
from worker.consistency.comparing.rules import BUNDLED_RULES, load_rules
from worker.packs.folder import load_pack
from worker.phantom.study import make_study
from worker.phantom.styles import HELD_OUT_STYLE
from worker.phantom.truth import StudyKind, StudyTruth

FIRST_SEED = 4_000_000
SILENT = (Verdict.ABSTAINED, Verdict.UNCALIBRATED)
CLIPS = 3
"""Of each study; the first are apical."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """One study, and what was found in it."""

    truth: StudyTruth
    found: tuple[Discordance, ...]
    answered: frozenset[str]
    """The questions that the model gave an answer to."""

    @property
    def planted(self) -> dict[str, str]:
        """What kind of untruth was said of which question."""
        return {contradiction.task: contradiction.kind for contradiction in self.truth.contradictions}

    @property
    def missed(self) -> dict[str, str]:
        """Of `planted`, what no discordance is about."""
        fields = {discordance.field for discordance in self.found}
        return {task: kind for task, kind in self.planted.items() if task not in fields}

    @property
    def false(self) -> tuple[Discordance, ...]:
        """Discordances about questions that nothing untrue was said of; one for each question."""
        by_field = {discordance.field: discordance for discordance in self.found}
        return tuple(one for field, one in by_field.items() if field not in self.planted)


def checked_studies(pack: Path, folder: Path, seeds: range, kind: StudyKind) -> Iterator[Checked]:
    """Each study with what the product found."""
    installation = Installation.create(pack, folder / "data")
    for truth in made_ahead(partial(made, folder, kind), seeds):
        study = installation.receive_files(sorted((folder / str(truth.seed)).glob("*.dcm")))
        for step in (*STEPS, Step.REPORT):
            installation.run(step, study)
        with installation.context.database.read() as session:
            listed = list_discordances(session, study_instance_uid=study)
            run = study_detail(session, study).run
        yield Checked(
            truth=truth,
            found=tuple(each.found for each in listed),
            answered=frozenset(r.task_id for r in run.results if r.verdict not in SILENT) if run else frozenset(),
        )
        shutil.rmtree(folder / str(truth.seed))


def made(folder: Path, kind: StudyKind, seed: int) -> StudyTruth:
    """A study of this seed in a folder of its own."""
    return make_study(
        folder / str(seed), seed=seed, clips=CLIPS, style=HELD_OUT_STYLE, kind=kind, number_of_frames=FRAMES
    )


def print_found(studies: list[Checked]) -> None:
    """Recall by kind, precision, and what was missed or false."""
    planted, missed = Counter[str](), Counter[str]()
    for study in studies:
        planted.update(study.planted.values())
        missed.update(study.missed.values())
    for kind, count in sorted(planted.items()):
        print(f"{kind:12} {count - missed[kind]:4} of {count:4} found")
    found, false = planted.total() - missed.total(), sum(len(study.false) for study in studies)
    if planted:
        print(f"recall    {found / planted.total():.3f} ({found} of {planted.total()})")
        unanswered = sum(task not in study.answered for study in studies for task in study.missed)
        print(f"          {unanswered} of the missed are about questions that the model does not answer")
    if found + false:
        print(f"precision {found / (found + false):.3f} ({false} false in {len(studies)} studies)")
    for study in studies:
        for contradiction in study.truth.contradictions:
            if contradiction.task in study.missed:
                print(f"missed, seed {study.truth.seed}: {contradiction.kind} {contradiction.task} "
                      f"said {contradiction.said} in {contradiction.said_in}, true {contradiction.true}")  # fmt: skip
    for study in studies:
        for one in study.false:
            print(f"false, seed {study.truth.seed}: {one.rule} {one.field}: {one.sides[0].said} | {one.sides[1].said}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, default=DEMO_PACK)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--quick", type=int, metavar="N", help="so many studies")
    parser.add_argument("--truthful", type=int, default=0, metavar="N", help="and so many that say the truth alone")
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    parser.add_argument("--rules", type=Path, default=BUNDLED_RULES)
    given = parser.parse_args()
    configure_logs(process="bench", stream=StringIO())
    os.environ["ECHOWORKER_CONSISTENCY__RULES"] = str(given.rules)
    identity, studies = load_pack(given.pack).identity, given.quick or given.studies
    print(f"{identity.name} {identity.version} ({identity.label}), rules {load_rules(given.rules).version}")
    first = given.seed
    for kind, count in ((StudyKind.CONTRADICTED, studies), (StudyKind.ORDINARY, given.truthful)):
        if not count:
            continue
        seeds, began, done = range(first, first + count), time.monotonic(), []
        first += count
        print(f"{count} {kind} studies of {CLIPS} clips, seeds {seeds[0]} to {seeds[-1]}, {HELD_OUT_STYLE.model}")
        with tempfile.TemporaryDirectory() as folder:
            for study in checked_studies(given.pack, Path(folder), seeds, kind):
                done.append(study)
                print(f"{len(done)} studies in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        print_found(done)


if __name__ == "__main__":
    main()
