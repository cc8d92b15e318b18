"""A report in each language: the sentences change, and nothing that another program reads does."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from string import Formatter

import highdicom
import pydicom
import pytest
from pydicom.charset import python_encoding
from pydicom.dataset import Dataset

from config.catalogue import Catalogue, load_catalogue
from config.clinical_tasks import AnyTask, ClassTask
from config.labels import ModelLabel
from config.languages import Language
from config.reasons import Named, Reason, ReasonKind
from db.runs import ClipAnswer, ClipEvidence, LeftOutClip, ModelIdentity, Run, TaskResult, Verdict, ViewCall
from dicom_node.header import read_image_header
from dicom_node.report.content import report_content
from dicom_node.report.document import build_structured_report
from dicom_node.report.sources import report_sources
from dicom_node.report.words import Words, words_of
from tests.support.clips import LARGE, as_study_of_its_own
from tests.support.tools import require_tool

OTHERS = [language for language in Language if language is not Language.ENGLISH]
CODES = {"en": "en-US", "de": "de-DE", "fr": "fr-FR", "es": "es-ES", "zh": "zh-CN"}
SENTENCES = {"121106", "111002"}
"""Comment and Algorithm Parameters: what we write for people."""
IDENTIFIERS = {"112039", "111001", "111003", "121013", "121014", "121015", "121016"}
"""Tracking Identifier; the algorithm's name and version; the observer's name, maker, model and serial number."""
KINDS = {
    "regression": (Verdict.MEASURED, Verdict.ABSTAINED),
    "binary": (Verdict.PRESENT, Verdict.ABSENT, Verdict.UNCALIBRATED, Verdict.ABSTAINED),
    "class": (Verdict.CLASSIFIED, Verdict.UNCALIBRATED, Verdict.ABSTAINED),
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return as_study_of_its_own(LARGE, tmp_path, PatientName="Doe^Jane")


@pytest.fixture
def evidence(source: Path) -> Dataset:
    return read_image_header(source)


def reason_for(verdict: Verdict) -> Reason | None:
    not_asked = Reason(
        ReasonKind.NOT_ASKED, task=Named("task", "tavr", "x"), verdict=Named("verdict", Verdict.ABSENT, "ABSENT")
    )
    reasons = {
        Verdict.ABSTAINED: not_asked,
        Verdict.UNCALIBRATED: Reason(ReasonKind.NO_CUT_POINTS, model="m"),
        Verdict.PRESENT: Reason(ReasonKind.THRESHOLD_OF_OTHER_FRAMES, measured_with="m", profile="m"),
    }
    return reasons.get(verdict)


def result_of(task: AnyTask, verdict: Verdict, instance: str) -> TaskResult:
    outcome = task.classes[1].id if isinstance(task, ClassTask) else None
    return TaskResult(
        task_id=task.id,
        verdict=verdict,
        value=50.25 if verdict is Verdict.MEASURED else None,
        score=None if verdict in (Verdict.MEASURED, Verdict.ABSTAINED) else 0.3125,
        threshold=0.25 if verdict in (Verdict.PRESENT, Verdict.ABSENT) else None,
        outcome=None if verdict is Verdict.ABSTAINED else outcome,
        spread=None if isinstance(task, ClassTask) else 0.5,
        agreement=0.9 if verdict in (Verdict.PRESENT, Verdict.CLASSIFIED) else None,
        reason=reason_for(verdict),
        method="m",
        clips=tuple(ClipAnswer(sop_instance_uid=instance, value=value, outcome=outcome) for value in (0.25, 0.75)),
    )


@pytest.fixture
def run(evidence: Dataset, catalogue: Catalogue) -> Run:
    """Every question, its verdicts in turn; no word in it but those that a report has to say in its language."""
    instance = str(evidence.SOPInstanceUID)
    doubtful = ViewCall(view="abdomen", name="x", is_heart=None, score=0.3, margin=0.1)
    return Run(
        run_uid="0b6a0f0e-6f8b-4b57-8b52-0a4e35fcb75b",
        study_instance_uid=str(evidence.StudyInstanceUID),
        revision=1,
        model=ModelIdentity(name="m", version="3", family="m", label=ModelLabel.DEMO, digest="0123456789abcdef" * 4),
        catalogue_digest=catalogue.digest,
        calibration_digest="f" * 64,
        software_version="0.1.0",
        preprocessing_profile="m",
        finished_at=datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
        clips=(ClipEvidence(sop_instance_uid=instance, frame_numbers=(1, 3, 5), view=doubtful),),
        left_out=(
            LeftOutClip(sop_instance_uid="1.2.3.1", reason=Reason(ReasonKind.TOO_SHORT, frames=3, needed=8)),
            LeftOutClip(
                sop_instance_uid="1.2.3.2", reason=Reason(ReasonKind.NO_HEART, view=Named("view", "lung", "x"))
            ),
        ),
        view_gate="m",
        results=tuple(
            result_of(task, KINDS[task.kind][place % len(KINDS[task.kind])], instance)
            for place, task in enumerate(catalogue.tasks)
        ),
    )


def items_of(document: Dataset) -> Iterator[Dataset]:
    for item in document.get("ContentSequence", []):
        yield item
        yield from items_of(item)


def texts_of(document: Dataset) -> list[tuple[str, str]]:
    return [
        (item.ConceptNameCodeSequence[0].CodeValue, str(item.TextValue))
        for item in items_of(document)
        if item.ValueType == "TEXT"
    ]


def without_words(words: Words, catalogue: Catalogue) -> Words:
    """The language without its every sentence and name: what is filled in is left, and what is no part of it."""
    bare = {
        key: " ".join(f"{{{name}:{spec}}}" for _, name, spec, _ in Formatter().parse(text) if name)
        for key, text in words.texts.items()
    }
    unnamed = {words.language: "·"}

    def nameless(task: AnyTask) -> AnyTask:
        classes = [c.model_copy(update={"names": unnamed}) for c in getattr(task, "classes", ())]
        return task.model_copy(update={"names": unnamed, **({"classes": tuple(classes)} if classes else {})})

    tasks = tuple(nameless(task) for task in catalogue.tasks)
    views = tuple(view.model_copy(update={"names": unnamed}) for view in catalogue.views)
    return replace(words, texts=bare, catalogue=catalogue.model_copy(update={"tasks": tasks, "views": views}))


def test_whatever_is_written_for_people_comes_from_the_file_of_the_language(
    run: Run, catalogue: Catalogue, evidence: Dataset
) -> None:
    """Without the language's own words nothing is left but numbers, units and what identifies something."""
    bare = without_words(words_of(Language.GERMAN, catalogue), catalogue)
    assert bare.catalogue is not None
    content = report_content(run, bare.catalogue, report_sources([evidence]), bare)
    said = texts_of(content[0])
    assert {concept for concept, _ in said} == SENTENCES | IDENTIFIERS
    identities = [run.run_uid, run.model.digest, run.catalogue_digest, "f" * 64, run.model.label, "m 3", "mmHg"]
    left = set()
    for concept, text in said:
        if concept in SENTENCES:
            rest = text
            for known in identities:
                rest = rest.replace(known, "")
            left |= {word.lower() for word in re.findall(r"[^\W\d_]+", rest)}
    assert left == {"m"}


def read_back(document: Dataset) -> dict[str, tuple[object, ...]]:
    """What another program takes from the bytes: by Tracking Identifier, numbers and codes."""
    file = BytesIO()
    document.save_as(file, enforce_file_format=True)
    file.seek(0)
    return {
        group.tracking_identifier: (
            [(m.name, m.value, m.unit) for m in group.get_measurements()],
            [(e.name, e.value) for e in group.get_qualitative_evaluations()],
            [site.value for site in group.finding_sites],
        )
        for group in highdicom.sr.srread(file).content.get_image_measurement_groups()
    }


@pytest.mark.parametrize("language", OTHERS)
def test_other_programs_read_the_same_whatever_the_language(
    run: Run, catalogue: Catalogue, evidence: Dataset, language: Language
) -> None:
    english = build_structured_report(run, catalogue, [evidence])
    document = build_structured_report(run, catalogue, [evidence], language=language)
    assert read_back(document) == read_back(english)
    assert set(read_back(document)) == {task.name for task in catalogue.tasks}
    (said,) = [
        item.ConceptCodeSequence[0]
        for item in items_of(document)
        if item.ConceptNameCodeSequence[0].CodeValue == "121049"
    ]
    assert (said.CodingSchemeDesignator, said.CodeValue) == ("RFC5646", CODES[language])
    meanings = [str(e.value) for e in document.iterall() if e.keyword == "CodeMeaning"]
    assert all(meaning.isascii() for meaning in meanings), "meanings of codes stay in English"
    different = {text for concept, text in texts_of(document) if concept in SENTENCES}
    assert not different & {text for concept, text in texts_of(english) if concept in SENTENCES}
    assert document.SOPInstanceUID != english.SOPInstanceUID, "other bytes are another object"
    assert document.SeriesInstanceUID != english.SeriesInstanceUID, "a series has one description"


@pytest.mark.parametrize("language", Language)
def test_the_validators_take_every_language(
    run: Run, catalogue: Catalogue, evidence: Dataset, source: Path, tmp_path: Path, language: Language
) -> None:
    file = tmp_path / f"{language}.dcm"
    document = build_structured_report(run, catalogue, [evidence], language=language)
    document.save_as(file, enforce_file_format=True)
    expected = ("99ECHOWORKER", "DeviceUID")  # our own scheme, and what IHE AIR asks for in Contributing Equipment
    judged = said_by("dciodvfy", "-new", file).splitlines()[1:]
    assert [line for line in judged if not any(word in line for word in expected)] == []
    assert "Error" not in said_by("dcentvfy", source, file)
    dump = said_by("dsrdump", file)
    assert "error" not in dump.lower(), dump
    assert CODES[language] in said_by("dsrdump", "+Pc", file)


def said_by(tool: str, *arguments: str | Path) -> str:
    run = subprocess.run([require_tool(tool), *arguments], capture_output=True, check=False)
    return (run.stdout + run.stderr).decode(errors="replace")


@pytest.mark.parametrize("language", Language)
def test_the_character_set_holds_every_sentence(
    run: Run, catalogue: Catalogue, evidence: Dataset, language: Language
) -> None:
    file = BytesIO()
    document = build_structured_report(run, catalogue, [evidence], language=language)
    document.save_as(file, enforce_file_format=True)
    read = pydicom.dcmread(BytesIO(file.getvalue()))
    assert texts_of(read) == texts_of(document)
    assert read.SeriesDescription == document.SeriesDescription
    assert str(read.PatientName) == "Doe^Jane"
    fits = all(_fits(text, python_encoding[evidence.SpecificCharacterSet]) for _, text in texts_of(document))
    assert read.SpecificCharacterSet == (evidence.SpecificCharacterSet if fits else "ISO_IR 192")
    assert fits == (language is not Language.CHINESE and not any("œ" in text for _, text in texts_of(document)))


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize("language", Language)
def test_the_same_run_in_the_same_language_is_the_same_object(
    run: Run, catalogue: Catalogue, evidence: Dataset, language: Language
) -> None:
    files = [BytesIO(), BytesIO()]
    for file in files:
        build_structured_report(run, catalogue, [evidence], language=language).save_as(file, enforce_file_format=True)
    assert files[0].getvalue() == files[1].getvalue()


def test_a_group_that_is_read_alone_says_what_was_asked_and_answered_in_its_language(
    run: Run, catalogue: Catalogue, evidence: Dataset
) -> None:
    """Its codes do so in English alone."""
    document = build_structured_report(run, catalogue, [evidence], language=Language.GERMAN)
    comments = [text for concept, text in texts_of(document) if concept == "121106"]
    warning = "MODELL DEMO, NICHT FÜR DEN KLINISCHEN GEBRAUCH."
    for begins in ("Linksventrikuläre Ejektionsfraktion: 50,2\u00a0%. Median", "Mitralklappeninsuffizienz: "):
        assert any(text.startswith(f"{warning} {begins}") for text in comments)
