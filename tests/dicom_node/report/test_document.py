"""The report, judged by validators that are not ours and by what a reader could take from it."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import highdicom
import pydicom
import pytest
from highdicom.sr import ComprehensiveSR
from pydicom.dataset import Dataset
from pydicom.sr._concepts_dict import concepts
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from config.catalogue import Catalogue, load_catalogue
from config.errors import ReportError
from config.labels import ModelLabel
from db.runs import ClipAnswer, ClipEvidence, LeftOutClip, ModelIdentity, Run, TaskResult, Verdict, ViewCall
from dicom_node.header import read_image_header
from dicom_node.report import codes as our_codes
from dicom_node.report.document import build_structured_report
from dicom_node.report.uids import derived_uid
from tests.support.clips import LARGE, as_study_of_its_own
from tests.support.tools import require_tool

RETIRED_MULTIFRAME = "1.2.840.10008.5.1.4.1.1.3"
APICAL = ViewCall(view="a4c", name="apical four-chamber view", is_heart=True, score=0.3, margin=0.1)
ABDOMEN = ViewCall(view="abdomen", name="abdomen", is_heart=False, score=0.3, margin=0.1)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    # The name of the real file has one component, which dciodvfy warns of; that is the machine's, not ours.
    return as_study_of_its_own(LARGE, tmp_path, PatientName="Doe^Jane")


@pytest.fixture
def evidence(source: Path) -> Dataset:
    return read_image_header(source)


@pytest.fixture
def run(evidence: Dataset, catalogue: Catalogue) -> Run:
    """One answer of each kind."""
    instance = str(evidence.SOPInstanceUID)

    def clips(*values: float) -> tuple[ClipAnswer, ...]:
        return tuple(ClipAnswer(sop_instance_uid=instance, value=value) for value in values)

    return Run(
        run_uid="0b6a0f0e-6f8b-4b57-8b52-0a4e35fcb75b",
        study_instance_uid=str(evidence.StudyInstanceUID),
        revision=1,
        model=ModelIdentity(
            name="Some model", version="3", family="some", label=ModelLabel.RESEARCH, digest="0123456789abcdef" * 4
        ),
        catalogue_digest=catalogue.digest,
        software_version="0.1.0",
        preprocessing_profile="fast-1",
        finished_at=datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
        clips=(ClipEvidence(sop_instance_uid=instance, frame_numbers=(1, 3, 5), view=APICAL),),
        left_out=(
            LeftOutClip(sop_instance_uid="1.2.3.1", reason="a still image"),
            LeftOutClip(sop_instance_uid="1.2.3.2", reason="the model sees no heart: most like abdomen", view=ABDOMEN),
            LeftOutClip(sop_instance_uid="1.2.3.3", reason="a still image"),
        ),
        view_gate="skip: prompts, margin 0.05",
        results=(
            TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=54.5333, clips=clips(54.5333)),
            TaskResult(task_id="pa_pressure", verdict=Verdict.ABSTAINED, reason="no usable clip"),
            TaskResult(task_id="pacemaker", verdict=Verdict.PRESENT, score=0.31, threshold=0.298, clips=clips(0.31)),
            TaskResult(task_id="tavr", verdict=Verdict.ABSENT, score=0.1, threshold=0.298, clips=clips(0.05, 0.15)),
            TaskResult(
                task_id="mitraclip", verdict=Verdict.UNCALIBRATED, score=0.2, reason="no threshold", clips=clips(0.2)
            ),
        ),
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Dataset], Path]:
    def write(document: Dataset) -> Path:
        file = tmp_path / f"{document.SOPInstanceUID}.dcm"
        document.save_as(file, enforce_file_format=True)
        return file

    return write


def said_by(tool: str, *arguments: str | Path) -> str:
    run = subprocess.run([require_tool(tool), *arguments], capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def groups_of(document: Dataset) -> dict[str, highdicom.sr.MeasurementsAndQualitativeEvaluations]:
    """Read back by highdicom from the bytes, as another program would."""
    file = BytesIO()
    document.save_as(file, enforce_file_format=True)
    file.seek(0)
    groups = highdicom.sr.srread(file).content.get_image_measurement_groups()
    return {group.tracking_identifier: group for group in groups}


def items_of(document: Dataset) -> Iterator[Dataset]:
    for item in document.get("ContentSequence", []):
        yield item
        yield from items_of(item)


def test_the_answers_can_be_read_back(run: Run, catalogue: Catalogue, evidence: Dataset) -> None:
    groups = groups_of(build_structured_report(run, catalogue, [evidence]))
    (ejection,) = groups["Left ventricular ejection fraction"].get_measurements()
    assert (ejection.name.value, ejection.value, ejection.unit) == ("18043-0", 54.5, codes.UCUM.Percent)
    assert groups["Left ventricular ejection fraction"].finding_sites[0].value.meaning == "Left ventricle"
    present = groups["Pacemaker or defibrillator lead"].get_qualitative_evaluations()
    assert [(p.name.meaning, p.value) for p in present] == [("Cardiac pacemaker lead", codes.SCT.Present)]
    (absent,) = groups["Transcatheter aortic valve"].get_qualitative_evaluations()
    assert absent.value.value == "272519000"
    (undetermined,) = groups["Mitral valve clip"].get_qualitative_evaluations()
    assert undetermined.value.value == "373068000"


def test_what_was_not_answered_is_never_a_number_and_says_why(
    run: Run, catalogue: Catalogue, evidence: Dataset
) -> None:
    document = build_structured_report(run, catalogue, [evidence])
    group = groups_of(document)["Pulmonary artery systolic pressure"]
    assert group.get_measurements() == []
    (evaluation,) = group.get_qualitative_evaluations()
    assert evaluation.value.meaning == "Undetermined"
    texts = [item.TextValue for item in items_of(document) if item.ValueType == "TEXT"]
    assert "Not answered: no usable clip." in texts


@pytest.mark.parametrize("sop_class", [highdicom.sr.Comprehensive3DSR, ComprehensiveSR])
def test_the_validators_find_no_error(
    run: Run,
    catalogue: Catalogue,
    evidence: Dataset,
    source: Path,
    write: Callable[[Dataset], Path],
    sop_class: type[ComprehensiveSR],
) -> None:
    first = write(build_structured_report(run, catalogue, [evidence], sop_class=sop_class))
    later = replace(run, run_uid="9d5f2c0c-2f6e-4f2b-bb0c-8f5a5a0b1f11", revision=2)
    predecessor = read_image_header(first)
    second = write(build_structured_report(later, catalogue, [evidence], sop_class=sop_class, predecessor=predecessor))
    for report in (first, second):
        judged = said_by("dciodvfy", "-new", report)
        assert "Error" not in judged, judged
        dump = said_by("dsrdump", report)
        assert "error" not in dump.lower(), dump
        assert "Left Ventricular Ejection Fraction" in dump
    consistent = said_by("dcentvfy", source, first, second)
    assert "Error" not in consistent, consistent


def test_the_same_run_gives_the_same_bytes_and_another_run_another_object(
    run: Run, catalogue: Catalogue, evidence: Dataset, write: Callable[[Dataset], Path], tmp_path: Path
) -> None:
    first = write(build_structured_report(run, catalogue, [evidence])).read_bytes()
    assert write(build_structured_report(run, catalogue, [evidence])).read_bytes() == first
    other = build_structured_report(replace(run, run_uid="another"), catalogue, [evidence])
    assert other.SOPInstanceUID != pydicom.dcmread(BytesIO(first)).SOPInstanceUID


@pytest.mark.parametrize("label", ModelLabel)
def test_every_report_says_what_model_made_it_where_a_viewer_shows_it(
    run: Run, catalogue: Catalogue, evidence: Dataset, label: ModelLabel
) -> None:
    document = build_structured_report(replace(run, model=replace(run.model, label=label)), catalogue, [evidence])
    assert label in document.SeriesDescription
    assert len(document.SeriesDescription) <= 64
    assert ("not for clinical use" in document.SeriesDescription) == (label is not ModelLabel.CLINICAL)
    texts = " ".join(str(item.TextValue) for item in items_of(document) if item.ValueType == "TEXT")
    assert f"({label})" in texts
    if label is not ModelLabel.CLINICAL:
        assert re.search("NOT FOR CLINICAL USE|RESEARCH USE ONLY", texts)


def texts_of(document: Dataset) -> str:
    return "\n".join(str(item.TextValue) for item in items_of(document) if item.ValueType == "TEXT")


def test_what_was_left_out_is_listed_with_the_reasons(run: Run, catalogue: Catalogue, evidence: Dataset) -> None:
    said = "Left out, 3 of 4 instances: a still image (2); the model sees no heart: most like abdomen (1)."
    assert said in texts_of(build_structured_report(run, catalogue, [evidence])).splitlines()
    everything = build_structured_report(replace(run, left_out=()), catalogue, [evidence])
    assert "Left out" not in texts_of(everything)


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (APICAL, "apical four-chamber view (1)"),
        (replace(ABDOMEN, is_heart=None), "abdomen, in doubt (1)"),
        (ABDOMEN, "abdomen, no heart (1)"),
    ],
)
def test_the_views_are_named_as_what_nobody_has_calibrated(
    run: Run, catalogue: Catalogue, evidence: Dataset, view: ViewCall, said: str
) -> None:
    seen = replace(run, clips=(replace(run.clips[0], view=view),))
    texts = texts_of(build_structured_report(seen, catalogue, [evidence]))
    assert f"Views of the clips used, as the model sees them: {said}." in texts
    assert "the model itself named the view of each clip, which nobody has calibrated" in texts


def test_a_report_without_a_judgement_of_the_views_says_so(run: Run, catalogue: Catalogue, evidence: Dataset) -> None:
    unjudged = replace(run, clips=(replace(run.clips[0], view=None),), view_gate="not judged: untrained model")
    document = build_structured_report(unjudged, catalogue, [evidence])
    assert "no check of the view was made" in texts_of(document)
    assert "Views of the clips" not in texts_of(document)
    assert "view gate not judged: untrained model" in json.dumps(document.to_json_dict())


def test_no_person_is_said_to_have_verified_it(run: Run, catalogue: Catalogue, evidence: Dataset) -> None:
    document = build_structured_report(run, catalogue, [evidence])
    flags = (document.CompletionFlag, document.VerificationFlag, document.PreliminaryFlag)
    assert flags == ("COMPLETE", "UNVERIFIED", "PRELIMINARY")


def test_the_source_frames_are_named(run: Run, catalogue: Catalogue, evidence: Dataset) -> None:
    for group in groups_of(build_structured_report(run, catalogue, [evidence])).values():
        (image,) = group.source_images
        assert image.referenced_sop_instance_uid == evidence.SOPInstanceUID
        assert image.referenced_frame_numbers == [1, 3, 5]


def test_images_that_lack_or_garble_what_an_sr_needs_are_reported_on_all_the_same(
    run: Run, catalogue: Catalogue, evidence: Dataset, write: Callable[[Dataset], Path]
) -> None:
    damaged = deepcopy(evidence)
    damaged.PatientSex, damaged.StudyDate, damaged.StudyTime = "X", "2016-05-03x", "noon"
    for keyword in ("AccessionNumber", "StudyID", "ReferringPhysicianName", "PatientBirthDate", "Manufacturer"):
        if keyword in damaged:
            delattr(damaged, keyword)
    judged = said_by("dciodvfy", "-new", write(build_structured_report(run, catalogue, [damaged])))
    assert "Error" not in judged, judged
    assert damaged.PatientSex == "X", "the evidence itself is left as it is"


def test_an_instance_of_a_retired_class_is_referenced_by_the_class_it_has(
    run: Run, catalogue: Catalogue, evidence: Dataset
) -> None:
    retired = deepcopy(evidence)
    retired.SOPClassUID = RETIRED_MULTIFRAME
    document = json.dumps(build_structured_report(run, catalogue, [retired]).to_json_dict())
    assert f'"{RETIRED_MULTIFRAME}"' in document
    assert f'"{evidence.SOPClassUID}"' not in document


def test_a_task_that_the_catalogue_does_not_have_is_an_error(run: Run, catalogue: Catalogue, evidence: Dataset) -> None:
    unknown = replace(run, results=(TaskResult(task_id="unheard", verdict=Verdict.ABSTAINED, reason="x"),))
    with pytest.raises(ReportError, match="task unheard, which the catalogue does not have"):
        build_structured_report(unknown, catalogue, [evidence])


def test_every_standard_code_means_what_we_say(catalogue: Catalogue) -> None:
    """Against pydicom's copy of the code tables of DICOM PS3.16; a scheme that begins with 99 is our own."""
    ours = {
        (concept.value, concept.scheme): concept.meaning
        for task in catalogue.tasks
        for concept in (task.concept, task.finding_site, *([task.unit] if task.kind == "regression" else []))
    }
    constants = [value for value in vars(our_codes).values() if isinstance(value, Code)]
    for code in [*constants, *our_codes.PRESENCE.values()]:
        ours[code.value, code.scheme_designator] = code.meaning
    standard = {code: meaning for code, meaning in ours.items() if not code[1].startswith("99")}
    assert len(standard) > 15
    wrong = {
        code: meaning
        for code, meaning in standard.items()
        if meaning.lower() not in _meanings(*code) | WORDED_ELSEWHERE
    }
    assert wrong == {}


WORDED_ELSEWHERE = {"qualitative evaluations"}
"""TID 1500 row 12 alone uses it; pydicom's tables are those of the context groups."""


def _meanings(value: str, scheme: str) -> set[str]:
    return {meanings[value][0].lower() for meanings in concepts[scheme].values() if value in meanings}


def test_a_derived_uid_is_valid_and_keeps_its_parts_apart() -> None:
    uid = derived_uid("series", "1.2", "3")
    assert uid.is_valid
    assert uid == derived_uid("series", "1.2", "3")
    assert uid != derived_uid("series", "1", "2.3")
    assert uid == "2.25.339203487543182896889455493877821275402"  # for ever: sent objects depend on it
