"""A linear probe from end to end: file of cases -> kept embeddings -> trained head -> model pack."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from config.clinical_tasks import AnyTask
from config.errors import ConfigurationError
from config.whole_files import unfinished_name
from worker.calibration.cases import read_cases
from worker.calibration.judging import Findings
from worker.calibration.making import provenance
from worker.calibration.scored import Source
from worker.calibration.thresholds import ThresholdRule
from worker.linear_probe.packing import write_pack
from worker.linear_probe.training import embedded_cases, train
from worker.packs.folder import ModelPack, load_pack
from worker.packs.importing import install_pack
from worker.packs.installed import slug
from worker.packs.licences import accept, terms_of


@dataclass(frozen=True, kw_only=True)
class MadeProbe:
    """What the training gave."""

    pack: ModelPack
    findings: Findings
    notes: tuple[str, ...]


def make_probe(
    source: Source,
    task: AnyTask,
    *,
    cases: Path,
    rule: ThresholdRule,
    name: str,
    folder: Path | None,
    packs_dir: Path,
    software_version: str,
) -> MadeProbe:
    """Train the head of a task and write its pack: into the folder, or without one among the installed packs.

    Raises
    ------
    CalibrationError
        The cases are wrong, or too few.
    ConfigurationError
        The folder holds something already.
    ModelPackError
        The pack cannot be installed, as where its base is not.
    OSError
        The disk does not take it.
    """
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty: name a new folder for the pack")
    read = read_cases(cases, [task])
    embedded, unanswered = embedded_cases(source, task, read.cases)
    trained = train(task, embedded, unanswered, rule, source=source, read=read, software_version=software_version)
    base = source.model.identity
    facts = provenance(source, read, rule, software_version)
    if folder is not None:
        write_pack(folder, trained, base=base, name=name, facts=facts, notes=read.notes)
        pack = load_pack(folder)
    else:
        making = unfinished_name(packs_dir / slug(name))
        try:
            write_pack(making, trained, base=base, name=name, facts=facts, notes=read.notes)
            # Who makes a head has nothing to accept; the terms of its base were accepted with that.
            pack = install_pack(making, packs_dir, accept(terms_of(load_pack(making))))
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return MadeProbe(pack=pack, findings=trained.findings, notes=read.notes)
