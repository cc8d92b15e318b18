"""The same run gives the same bytes on a machine in any time zone, and says which zone its time is in."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pydicom
import pypdfium2
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from config.catalogue import load_catalogue
from config.labels import ModelLabel
from db.results.runs import Run, TaskResult, Verdict
from dicom_node.report import encapsulated, heat_map
from dicom_node.report.companions import file_of
from dicom_node.report.document import build_structured_report
from dicom_node.report.encapsulated import build_encapsulated_pdf
from dicom_node.report.heat_map import HeatMapFrames, build_heat_map
from dicom_node.report.page import PageContent, build_page
from dicom_node.report.words import ENGLISH
from dicom_node.time_zones import zone_named
from tests.support.clocks import machine_in
from tests.support.results import INSTANCE, run_of
from tests.support.tools import said_by

CATALOGUE = load_catalogue()
VERIFIERS = ("dciodvfy", "/usr/bin/dciodvfy")
"""Of this year, and Debian's."""


@pytest.fixture
def run() -> Run:
    ended = datetime(2026, 11, 24, 22, 30, 5, 250_000, tzinfo=UTC)
    results = (TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=54.53),)
    return replace(run_of(CATALOGUE, results, label=ModelLabel.RESEARCH), finished_at=ended)


def source(**attributes: str) -> Dataset:
    made = deepcopy(INSTANCE)
    made.PatientName = "Doe^Jane"
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def objects_of(run: Run, evidence: Dataset) -> dict[str, bytes]:
    """The file of each kind of object."""
    report = BytesIO()
    build_structured_report(run, CATALOGUE, [evidence]).save_as(report, enforce_file_format=True)
    frames = HeatMapFrames(
        pictures=np.full((2, 32, 32, 3), 90, np.uint8), times_ms=(0.0, 50.0),
        sop_instance_uid=str(evidence.SOPInstanceUID), frame_numbers=(1, 3), said="Ejection fraction: 54.5 %",
    )  # fmt: skip
    heat = build_heat_map(run, [evidence], frames)
    nothing = PageContent(strip=None, why_no_strip="nothing_decided", trend=None)
    page = build_page(run, CATALOGUE, [evidence], nothing, ENGLISH)
    wrapped = build_encapsulated_pdf(run, [evidence], page, [(heat.SOPClassUID, heat.SOPInstanceUID)])
    return {
        "report": report.getvalue(),
        "heat map": file_of(heat, heat_map.TRANSFER_SYNTAX),
        "page": file_of(wrapped, encapsulated.TRANSFER_SYNTAX),
    }


@pytest.mark.parametrize("offset", [{}, {"TimezoneOffsetFromUTC": "+0200"}], ids=["no-zone", "images-name-a-zone"])
def test_the_bytes_do_not_depend_on_the_time_zone_of_the_machine(
    run: Run, tmp_path: Path, offset: dict[str, str]
) -> None:
    evidence = source(**offset)
    with machine_in("UTC"):
        built = objects_of(run, evidence)
    with machine_in("Asia/Tokyo"):
        assert objects_of(run, evidence) == built
    for name, content in built.items():
        file = tmp_path / f"{name}.dcm"
        file.write_bytes(content)
        for verifier in VERIFIERS:
            said = said_by(verifier, "-new", file).splitlines()
            assert not [line for line in said if "Error" in line or "Warning" in line], said


@pytest.mark.parametrize(
    ("offset", "date", "time", "in_words"),
    [
        ("+0200", "20261125", "003005.250000", "2026-11-25 00:30 UTC+02:00"),
        ("-0330", "20261124", "190005.250000", "2026-11-24 19:00 UTC-03:30"),
        ("+0000", "20261124", "223005.250000", "2026-11-24 22:30 UTC"),
    ],
)
def test_objects_are_dated_in_the_zone_that_the_images_name_and_name_it(
    run: Run, offset: str, date: str, time: str, in_words: str
) -> None:
    for content in objects_of(run, source(TimezoneOffsetFromUTC=offset)).values():
        made = pydicom.dcmread(BytesIO(content))
        assert made.TimezoneOffsetFromUTC == offset
        assert (made.ContentDate, made.ContentTime) == (date, time)
        assert (made.InstanceCreationDate, made.InstanceCreationTime) == (date, time)
        if made.SOPClassUID == EncapsulatedPDFStorage:
            assert in_words in words_on(made)


@pytest.mark.parametrize("offset", ["", "Berlin", "+2500", "+02"])
def test_without_a_zone_of_the_images_it_is_the_sites_and_no_offset_is_claimed_for_the_studys_own_time(
    run: Run, offset: str
) -> None:
    in_berlin = replace(run, finished_at=run.finished_at.astimezone(ZoneInfo("Europe/Berlin")))
    for content in objects_of(in_berlin, source(TimezoneOffsetFromUTC=offset)).values():
        made = pydicom.dcmread(BytesIO(content))
        assert "TimezoneOffsetFromUTC" not in made
        assert (made.ContentDate, made.ContentTime) == ("20261124", "233005.250000")
        if made.SOPClassUID == EncapsulatedPDFStorage:
            assert "2026-11-24 23:30 UTC+01:00" in words_on(made)
        if made.Modality == "SR":  # this one can say it without a word on the others
            assert made.ContributingEquipmentSequence[-1].ContributionDateTime == "20261124233005.250000+0100"


def words_on(page: Dataset) -> str:
    document = pypdfium2.PdfDocument(page.EncapsulatedDocument[: page.EncapsulatedDocumentLength])
    return " ".join(document[0].get_textpage().get_text_range().split())


@pytest.mark.parametrize("said", ["", "0200", "+2", "+1500", "+0260", "CET", "+02:00"])
def test_what_is_no_offset_names_no_zone(said: str) -> None:
    assert zone_named(said) is None
