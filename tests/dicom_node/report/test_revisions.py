"""Several revisions of a study's objects side by side, before validators that compare them with one another."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from config.catalogue import Catalogue, load_catalogue
from config.clinical_tasks import ClassTask
from config.languages import Language
from db.results.runs import Run, Verdict
from dicom_node.header import read_image_header
from dicom_node.report import encapsulated, heat_map
from dicom_node.report.companions import file_of
from dicom_node.report.document import build_structured_report
from dicom_node.report.encapsulated import build_encapsulated_pdf
from dicom_node.report.heat_map import HeatMapFrames, build_heat_map
from dicom_node.report.page import PageContent, build_page
from dicom_node.report.words import words_of
from tests.support.clips import LARGE, as_study_of_its_own
from tests.support.every_answer import run_of_everything
from tests.support.tools import said_by

NOTHING = PageContent(strip=None, why_no_strip="nothing_decided", trend=None)
SHOWN = (Verdict.PRESENT, Verdict.MEASURED, Verdict.CLASSIFIED)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_study_of_its_own(LARGE, tmp_path_factory.mktemp("source"), PatientName="Doe^Jane")


def built(
    run: Run, catalogue: Catalogue, evidence: Dataset, language: Language, shown: Verdict, before: Path | None, to: Path
) -> list[Path]:
    """Report, heat map and page of a run, in this order; the heat map is of an answer of this kind."""
    words, to = words_of(language, catalogue), to / str(run.revision)
    to.mkdir()
    result = next(result for result in run.results if result.verdict is shown)
    task = catalogue.task(result.task_id)
    assert task is not None
    assert isinstance(task, ClassTask) == (shown is Verdict.CLASSIFIED)
    report = build_structured_report(
        run, catalogue, [evidence], language=language, illustrated=task.id,
        predecessor=None if before is None else read_image_header(before),
    )  # fmt: skip
    frames = HeatMapFrames(
        pictures=np.full((3, 32, 32, 3), 90, np.uint8), times_ms=(0.0, 40.0, 80.0), frame_numbers=(1, 3, 5),
        sop_instance_uid=str(evidence.SOPInstanceUID), said=words.task(task),
    )  # fmt: skip
    picture = build_heat_map(run, [evidence], frames, words)
    page = build_page(run, catalogue, [evidence], NOTHING, words)
    wrapped = build_encapsulated_pdf(run, [evidence], page, [(report.SOPClassUID, report.SOPInstanceUID)], words)
    files = [to / name for name in ("report.dcm", "heat.dcm", "page.dcm")]
    report.save_as(files[0], enforce_file_format=True)
    files[1].write_bytes(file_of(picture, heat_map.TRANSFER_SYNTAX))
    files[2].write_bytes(file_of(wrapped, encapsulated.TRANSFER_SYNTAX))
    return files


@pytest.mark.parametrize("shown", SHOWN)
@pytest.mark.parametrize("language", Language)
def test_two_revisions_of_all_objects_agree_with_each_other_and_with_their_sources(
    source: Path, catalogue: Catalogue, tmp_path: Path, language: Language, shown: Verdict
) -> None:
    evidence = read_image_header(source)
    first = run_of_everything(evidence, catalogue)
    later = run_of_everything(evidence, catalogue, revision=2)
    upgraded = replace(
        later,
        finished_at=first.finished_at + timedelta(days=2, hours=3),
        software_version="0.2.0",
        model=replace(later.model, version="4", digest="fedcba9876543210" * 4),
    )
    files = built(first, catalogue, evidence, language, shown, None, tmp_path)
    files += built(upgraded, catalogue, evidence, language, shown, files[0], tmp_path)
    for tool in ("", "/usr/bin/"):  # that of the wheel, and Debian's
        if tool and shutil.which(f"{tool}dcentvfy") is None:
            said_by(f"{tool}dcentvfy")  # skipped on a user's machine, and fails in CI
        assert "Error" not in (said := said_by(f"{tool}dcentvfy", source, *files)), said
        for file in files:
            judged = said_by(f"{tool}dciodvfy", "-new", file).splitlines()
            faults = [line for line in judged if "Error" in line or "Warning" in line]
            assert faults == []
