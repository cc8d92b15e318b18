"""The report, judged by validators that are not ours and by what a reader could take from it."""

import json
import re
import subprocess
from collections.abc import Callable
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
from config.clinical_tasks import AnyTask
from config.coded_concepts import Modifier
from config.errors import ReportError
from config.labels import ModelLabel
from db.results.runs import (
    LINEAR_PROBE_METHOD,
    ZERO_SHOT_METHOD,
    ClipAnswer,
    ClipEvidence,
    LeftOutClip,
    ModelIdentity,
    Run,
    TaskResult,
    Verdict,
    ViewCall,
)
from dicom_node.header import read_image_header
from dicom_node.report import codes as our_codes
from dicom_node.report.checking.check import check_file
from dicom_node.report.document import build_structured_report
from dicom_node.report.uids import derived_uid
from tests.support.clips import LARGE, as_study_of_its_own
from tests.support.structured_reports import items_of
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

    def graded(*outcomes: str) -> tuple[ClipAnswer, ...]:
        return tuple(ClipAnswer(sop_instance_uid=instance, value=1.0, outcome=outcome) for outcome in outcomes)

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
            TaskResult(
                task_id="mitraclip", verdict=Verdict.UNCALIBRATED, score=0.2, reason="no threshold", clips=clips(0.2)
            ),
            TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=54.5333, spread=4.04, clips=clips(54.5333)),
            TaskResult(task_id="pa_pressure", verdict=Verdict.ABSTAINED, reason="no usable clip"),
            TaskResult(task_id="pacemaker", verdict=Verdict.PRESENT, score=0.31, threshold=0.298, clips=clips(0.31)),
            TaskResult(task_id="tavr", verdict=Verdict.ABSENT, score=0.1, threshold=0.298, clips=clips(0.05, 0.15)),
            TaskResult(
                task_id="mitral_regurgitation",
                verdict=Verdict.CLASSIFIED,
                outcome="moderate",
                score=1.83,
                agreement=0.826,
                method="zero-shot",
                clips=graded("moderate", "severe"),
            ),
            TaskResult(
                task_id="lv_size",
                verdict=Verdict.UNCALIBRATED,
                outcome="mild",
                score=0.9,
                reason="no cut points",
                clips=graded("mild"),
            ),
            TaskResult(
                task_id="impella_position", verdict=Verdict.ABSTAINED, reason="asked only where Impella pump is"
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
    (grade,) = groups["Mitral regurgitation"].get_qualitative_evaluations()
    assert (grade.name.value, grade.value) == ("48724000", codes.SCT.Moderate)
    assert groups["Mitral regurgitation"].get_measurements() == []
    (undetermined,) = groups["Left ventricular size"].get_qualitative_evaluations()
    assert undetermined.value.value == "373068000", "what it is most like is said in words alone"


@pytest.mark.parametrize(
    ("method", "derivation"), [(ZERO_SHOT_METHOD, codes.SCT.Mean), (LINEAR_PROBE_METHOD, None), ("another", None)]
)
def test_a_score_is_called_the_mean_of_the_clips_where_it_is(
    run: Run, catalogue: Catalogue, evidence: Dataset, method: str, derivation: Code | None
) -> None:
    """The probability of a head is that of the mean of the log-odds: of 0.05 and 0.88, for one, 0.38."""
    absent = next(result for result in run.results if result.task_id == "tavr")
    document = build_structured_report(replace(run, results=(replace(absent, method=method),)), catalogue, [evidence])
    (group,) = groups_of(document).values()
    (number,) = group.get_measurements()
    assert number.derivation == derivation


def test_answers_come_first_and_what_has_none_is_short(run: Run, catalogue: Catalogue, evidence: Dataset) -> None:
    document = build_structured_report(run, catalogue, [evidence])
    groups = groups_of(document)
    assert list(groups) == [
        "Left ventricular ejection fraction",
        "Pacemaker or defibrillator lead",
        "Transcatheter aortic valve",
        "Mitral regurgitation",
        "Pulmonary artery systolic pressure",
        "Impella position",
        "Mitral valve clip",
        "Left ventricular size",
    ]
    for name, group in groups.items():
        answered = name in list(groups)[:4]
        assert bool(group.source_images) == answered
        assert bool(group.get_measurements()) == (answered and name != "Mitral regurgitation")
        assert bool(group.finding_sites)
        assert bool(group.get_qualitative_evaluations()) == (name != "Left ventricular ejection fraction")
    texts = texts_of(document)
    assert (
        "Answers: Left ventricular ejection fraction: 54.5 %; Pacemaker or defibrillator lead: present; "
        "Transcatheter aortic valve: absent; Mitral regurgitation: moderate." in texts
    )
    assert "that it is not (2): Mitral valve clip; Left ventricular size." in texts


def test_a_report_of_a_whole_catalogue_without_calibration_stays_short(
    run: Run, catalogue: Catalogue, evidence: Dataset
) -> None:
    """Sixty clips and twenty-eight questions: references only where there is an answer, provenance once."""
    uids = [f"1.2.{number}" for number in range(60)]
    headers = [deepcopy(evidence) for _ in uids]
    for header, uid in zip(headers, uids, strict=True):
        header.SOPInstanceUID = uid
    clips = tuple(ClipAnswer(sop_instance_uid=uid, value=50.0) for uid in uids)
    results = tuple(
        TaskResult(task_id=task.id, verdict=Verdict.MEASURED, value=50.0, clips=clips)
        if task.id == "lvef"
        else TaskResult(task_id=task.id, verdict=Verdict.UNCALIBRATED, reason="no threshold", clips=clips)
        for task in catalogue.tasks
    )
    used = tuple(ClipEvidence(sop_instance_uid=uid, frame_numbers=(1, 2)) for uid in uids)
    document = build_structured_report(replace(run, clips=used, results=results), catalogue, headers)
    assert len([item for item in items_of(document) if "ReferencedSOPSequence" in item]) == 2 * len(uids)
    assert texts_of(document).count(run.model.digest) == 2  # with the answer, and for all that has none


def test_an_answer_refers_to_the_clips_that_it_comes_from_alone(
    run: Run, catalogue: Catalogue, evidence: Dataset
) -> None:
    other = deepcopy(evidence)
    other.SOPInstanceUID = "1.2.3.99"
    both = (*run.clips, replace(run.clips[0], sop_instance_uid="1.2.3.99"))
    groups = groups_of(build_structured_report(replace(run, clips=both), catalogue, [evidence, other]))
    (image,) = groups["Mitral regurgitation"].source_images
    assert image.referenced_sop_instance_uid == evidence.SOPInstanceUID
    unsaid = replace(run, clips=both, results=(replace(run.results[1], clips=()),))
    (group,) = groups_of(build_structured_report(unsaid, catalogue, [evidence, other])).values()
    assert [image.referenced_sop_instance_uid for image in group.source_images] == [
        evidence.SOPInstanceUID,
        "1.2.3.99",
    ]


def test_a_site_that_calibrated_is_told_by_which_calibration(run: Run, catalogue: Catalogue, evidence: Dataset) -> None:
    assert "calibration none of the site" in texts_of(build_structured_report(run, catalogue, [evidence]))
    calibrated = replace(run, calibration_digest="fedcba98" * 8)
    assert f"calibration SHA-256 {'fedcba98' * 8}" in texts_of(
        build_structured_report(calibrated, catalogue, [evidence])
    )


@pytest.mark.parametrize("outcome", ["catastrophic", None])
def test_a_class_that_the_catalogue_does_not_have_is_an_error(
    run: Run, catalogue: Catalogue, evidence: Dataset, outcome: str | None
) -> None:
    result = TaskResult(task_id="lv_size", verdict=Verdict.CLASSIFIED, outcome=outcome)
    with pytest.raises(ReportError, match=f"task lv_size has no class {outcome}"):
        build_structured_report(replace(run, results=(result,)), catalogue, [evidence])


def any_result(task: AnyTask, verdict: Verdict, instance: str) -> TaskResult:
    """An answer of this verdict as a run would give it."""
    outcome = task.classes[-1].id if task.kind == "class" else None
    return TaskResult(
        task_id=task.id,
        verdict=verdict,
        value=50.0 if verdict is Verdict.MEASURED else None,
        score=0.3 if verdict not in (Verdict.MEASURED, Verdict.ABSTAINED) else None,
        threshold=0.2 if verdict in (Verdict.PRESENT, Verdict.ABSENT) else None,
        outcome=None if verdict is Verdict.ABSTAINED else outcome,
        spread=0.5 if task.kind != "class" else None,
        agreement=0.9 if verdict in (Verdict.PRESENT, Verdict.ABSENT, Verdict.CLASSIFIED) else None,
        reason="for a reason" if verdict in (Verdict.UNCALIBRATED, Verdict.ABSTAINED) else None,
        clips=(ClipAnswer(sop_instance_uid=instance, value=0.3, outcome=outcome),),
    )


VERDICTS = {
    "regression": (Verdict.MEASURED, Verdict.ABSTAINED),
    "binary": (Verdict.PRESENT, Verdict.ABSENT, Verdict.UNCALIBRATED, Verdict.ABSTAINED),
    "class": (Verdict.CLASSIFIED, Verdict.UNCALIBRATED, Verdict.ABSTAINED),
}


@pytest.mark.parametrize("verdict", [pytest.param(verdict, id=verdict.lower()) for verdict in Verdict])
def test_every_verdict_on_every_question_of_the_catalogue_is_a_valid_report(
    run: Run, catalogue: Catalogue, evidence: Dataset, write: Callable[[Dataset], Path], verdict: Verdict
) -> None:
    instance = str(evidence.SOPInstanceUID)
    asked = [task for task in catalogue.tasks if verdict in VERDICTS[task.kind]]
    results = tuple(any_result(task, verdict, instance) for task in asked)
    document = build_structured_report(replace(run, results=results), catalogue, [evidence])
    file = write(document)
    judged = said_by("dciodvfy", "-new", file)
    assert judged.splitlines()[1:] == []
    assert "error" not in said_by("dsrdump", file).lower()  # it knows the relationships, which dciodvfy does not
    assert check_file(file).findings == ()
    groups = groups_of(document)
    assert list(groups) == [task.name for task in asked]
    for task in asked:
        values = [evaluation.value for evaluation in groups[task.name].get_qualitative_evaluations()]
        if verdict is Verdict.CLASSIFIED and task.kind == "class":
            assert values == [our_codes.coded(task.classes[-1].concept)]
        elif verdict is Verdict.MEASURED:
            assert values == []
        else:
            assert values == [our_codes.PRESENCE[verdict]]


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
        assert check_file(report).findings == ()
    consistent = said_by("dcentvfy", source, first, second)
    assert "Error" not in consistent, consistent


def test_the_same_run_gives_the_same_bytes_and_another_run_another_object(
    run: Run, catalogue: Catalogue, evidence: Dataset, write: Callable[[Dataset], Path], tmp_path: Path
) -> None:
    first = write(build_structured_report(run, catalogue, [evidence])).read_bytes()
    assert write(build_structured_report(run, catalogue, [evidence])).read_bytes() == first
    other = build_structured_report(replace(run, run_uid="another"), catalogue, [evidence])
    assert other.SOPInstanceUID != pydicom.dcmread(BytesIO(first)).SOPInstanceUID


def test_a_series_holds_the_reports_of_one_equipment(run: Run, catalogue: Catalogue, evidence: Dataset) -> None:
    """PS3.3 section A.1.2.3."""

    def series_of(run: Run) -> str:
        return str(build_structured_report(run, catalogue, [evidence]).SeriesInstanceUID)

    first = series_of(run)
    assert series_of(replace(run, run_uid="another", revision=2)) == first
    other_pack = replace(run, model=replace(run.model, digest="f" * 64))
    assert len({first, series_of(other_pack), series_of(replace(run, software_version="0.2.0"))}) == 3


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
    groups = groups_of(build_structured_report(run, catalogue, [evidence]))
    answered = [group for group in groups.values() if group.source_images]
    assert len(answered) == 4
    for group in answered:
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
    file = write(build_structured_report(run, catalogue, [damaged]))
    judged = said_by("dciodvfy", "-new", file)
    assert "Error" not in judged, judged
    assert check_file(file).findings == ()
    assert damaged.PatientSex == "X", "the evidence itself is left as it is"


def test_a_report_says_when_the_scanner_made_the_images(run: Run, catalogue: Catalogue, evidence: Dataset) -> None:
    evidence.Manufacturer, evidence.AcquisitionDateTime = "Maker", "20240906132944.5"
    document = build_structured_report(run, catalogue, [evidence])
    scanner = document.ContributingEquipmentSequence[0]
    assert scanner.PurposeOfReferenceCodeSequence[0].CodeValue == "109101"
    assert str(scanner.ContributionDateTime) == "20240906132944.5"


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


def modifiers_of(task: AnyTask) -> list[Modifier]:
    of_classes = (
        [modifier for outcome in task.classes for modifier in outcome.modifiers] if task.kind == "class" else []
    )
    return [*task.modifiers, *of_classes]


def test_every_standard_code_means_what_we_say(catalogue: Catalogue) -> None:
    """Against pydicom's copy of the code tables of DICOM PS3.16; a scheme that begins with 99 is our own."""
    ours = {
        (concept.value, concept.scheme): concept.meaning
        for task in catalogue.tasks
        for concept in (
            task.concept,
            task.finding_site,
            *(concept for modifier in modifiers_of(task) for concept in (modifier.name, modifier.value)),
            *([task.unit] if task.kind == "regression" else []),
            *([outcome.concept for outcome in task.classes] if task.kind == "class" else []),
        )
    }
    constants = [value for value in vars(our_codes).values() if isinstance(value, Code)]
    for code in [*constants, *our_codes.PRESENCE.values()]:
        ours[code.value, code.scheme_designator] = code.meaning
    standard = {code: meaning for code, meaning in ours.items() if not code[1].startswith("99")}
    assert len(standard) > 35
    wrong = {
        code: meaning
        for code, meaning in standard.items()
        if meaning.lower() not in _meanings(*code) | {WORDED_ELSEWHERE.get(code)}
    }
    assert wrong == {}


WORDED_ELSEWHERE = {
    ("C0034375", "UMLS"): "qualitative evaluations",
    ("246268007", "SCT"): "position",
    ("49062001", "SCT"): "device",
    ("129236007", "SCT"): "open approach - access",
    ("260507000", "SCT"): "access",
    ("26212005", "SCT"): "replacement of aortic valve",
    ("360058005", "SCT"): "intraventricular pump",
    ("360063009", "SCT"): "prosthetic cardiac annuloplasty ring",
    ("773996000", "SCT"): "transcatheter aortic valve implantation",
}
"""pydicom's tables are those of PS3.16's context groups: the first stands in TID 1500 row 12 alone, the others are
SNOMED's, by their fully specified names without the tag (the value sets of implants and procedures of national FHIR
profiles, and SNOMED's editorial guide, have them)."""


def _meanings(value: str, scheme: str) -> set[str]:
    """Without SNOMED's tag of what kind of concept it is, as "(attribute)"."""
    found = [meanings[value][0].lower() for meanings in concepts[scheme].values() if value in meanings]
    return {re.sub(r" \([a-z ]+\)$", "", meaning) for meaning in found}


def test_a_derived_uid_is_valid_and_keeps_its_parts_apart() -> None:
    uid = derived_uid("series", "1.2", "3")
    assert uid.is_valid
    assert uid == derived_uid("series", "1.2", "3")
    assert uid != derived_uid("series", "1", "2.3")
    assert uid == "2.25.339203487543182896889455493877821275402"  # for ever: sent objects depend on it
