"""A report in each language: the sentences change, and nothing that another program reads does."""

import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from string import Formatter

import highdicom
import pytest
from pydicom.dataset import Dataset

from config.catalogue import Catalogue, load_catalogue
from config.clinical_tasks import AnyTask
from config.languages import Language
from db.results.runs import Run
from dicom_node.header import read_image_header
from dicom_node.report.content import report_content
from dicom_node.report.document import build_structured_report
from dicom_node.report.sources import report_sources
from dicom_node.report.words import Words, words_of
from tests.support.clips import LARGE, as_study_of_its_own
from tests.support.every_answer import run_of_everything
from tests.support.structured_reports import items_of
from tests.support.tools import said_by

OTHERS = [language for language in Language if language is not Language.ENGLISH]
CODES = {"en": "en-US", "de": "de-DE", "fr": "fr-FR", "es": "es-ES", "zh": "zh-CN"}
SENTENCES = {"121106", "111002"}
"""Comment and Algorithm Parameters: what we write for people."""
IDENTIFIERS = {"112039", "111001", "111003", "121013", "121014", "121015", "121016"}
"""Tracking Identifier; the algorithm's name and version; the observer's name, maker, model and serial number."""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return as_study_of_its_own(LARGE, tmp_path, PatientName="Doe^Jane")


@pytest.fixture
def evidence(source: Path) -> Dataset:
    return read_image_header(source)


@pytest.fixture
def run(evidence: Dataset, catalogue: Catalogue) -> Run:
    return run_of_everything(evidence, catalogue)


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
    judged = said_by("dciodvfy", "-new", file).splitlines()[1:]
    assert judged == []
    assert "Error" not in said_by("dcentvfy", source, file)
    dump = said_by("dsrdump", file)
    assert "error" not in dump.lower(), dump
    assert CODES[language] in said_by("dsrdump", "+Pc", file)
