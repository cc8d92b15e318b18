"""Heat map and page beside a report, judged by validators that are not ours and by what a reader takes from them."""

import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pypdfium2
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from config.catalogue import Catalogue, load_catalogue
from config.labels import ModelLabel
from config.languages import Language
from config.sections.report_objects import ReportObject
from db.results.runs import ClipAnswer, ClipEvidence, Run, TaskResult, Verdict
from dicom_node.header import read_header, read_image_header
from dicom_node.report import encapsulated, heat_map
from dicom_node.report.checking.check import check_file
from dicom_node.report.companions import file_of, object_uid
from dicom_node.report.document import build_structured_report
from dicom_node.report.encapsulated import build_encapsulated_pdf
from dicom_node.report.heat_map import HeatMapFrames, build_heat_map
from dicom_node.report.page import PageContent, build_page
from dicom_node.report.page_parts import Strip, Trend
from dicom_node.report.words import words_of
from tests.support.clips import LARGE, as_study_of_its_own
from tests.support.results import run_of, runs_of_every_answer
from tests.support.structured_reports import items_of
from tests.support.tools import require_tool

NOTHING = PageContent(strip=None, why_no_strip="nothing_decided", trend=None)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return as_study_of_its_own(
        LARGE, tmp_path, PatientName="Doe^Jane", PatientID="4711", PatientBirthDate="19600203",
        StudyDate="20260501", AccessionNumber="A-77",
    )  # fmt: skip


@pytest.fixture
def evidence(source: Path) -> Dataset:
    return read_image_header(source)


@pytest.fixture
def run(evidence: Dataset, catalogue: Catalogue) -> Run:
    return of_study(
        run_of(
            catalogue,
            (
                TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=54.53, spread=4.0),
                TaskResult(task_id="pacemaker", verdict=Verdict.PRESENT, score=0.31, threshold=0.298, agreement=0.8),
                TaskResult(task_id="tavr", verdict=Verdict.UNCALIBRATED, reason="no threshold"),
                TaskResult(task_id="pa_pressure", verdict=Verdict.ABSTAINED, reason="no usable clip"),
            ),
        ),
        evidence,
    )


def of_study(run: Run, evidence: Dataset) -> Run:
    """The run as one of this study, whose only clip gave all its answers."""
    instance = str(evidence.SOPInstanceUID)
    return replace(
        run,
        study_instance_uid=str(evidence.StudyInstanceUID),
        clips=(ClipEvidence(sop_instance_uid=instance, frame_numbers=(1, 4, 7)),),
        results=tuple(
            replace(r, clips=tuple(ClipAnswer(**{**vars(c), "sop_instance_uid": instance}) for c in r.clips))
            for r in run.results
        ),
    )


def frames_of(evidence: Dataset) -> HeatMapFrames:
    rng = np.random.default_rng(1)
    return HeatMapFrames(
        pictures=rng.integers(0, 255, (3, 64, 96, 3), np.uint8),
        times_ms=(0.0, 100.0, 200.0),
        sop_instance_uid=str(evidence.SOPInstanceUID),
        frame_numbers=(1, 4, 7),
        said="Cardiac pacemaker: present",
    )


def strip() -> Strip:
    pictures = np.full((6, 80, 80, 3), 90, np.uint8)
    return Strip(said="Present", plain=pictures, heated=pictures // 2, captions=("frame 1, 0 ms",) * 6)


def trend() -> Trend:
    points = ((date(2023, 4, 1), 61.4), (date(2024, 11, 3), 58.2))
    return Trend(name="Ejection fraction", unit="%", points=points, this=(date(2026, 5, 1), 54.5))


def written(folder: Path, made: Dataset, content: bytes) -> Path:
    file = folder / f"{made.SOPInstanceUID}.dcm"
    file.write_bytes(content)
    return file


def said_by(tool: str, *arguments: str | Path) -> str:
    command = [require_tool(tool), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")  # in any character set
    return run.stdout + run.stderr


def text_of(page: bytes) -> str:
    document = pypdfium2.PdfDocument(page)
    assert len(document) == 1
    text: str = document[0].get_textpage().get_text_range()
    return " ".join(text.split())


def test_a_patient_id_as_long_as_any_lies_upon_nothing_else(run: Run, catalogue: Catalogue, evidence: Dataset) -> None:
    evidence.PatientID, evidence.PatientBirthDate = "W" * 64, "19600203"
    page = build_page(run, catalogue, [evidence], NOTHING, words_of(Language.ENGLISH, catalogue))
    text = pypdfium2.PdfDocument(page)[0].get_textpage()

    def at(said: str) -> tuple[float, float]:
        """Its left and right edge."""
        first, count = text.search(said).get_next()
        return text.get_charbox(first)[0], text.get_charbox(first + count - 1)[2]

    assert at("W" * 64)[1] < at("1960-02-03")[0]


def test_who_gave_out_the_numbers_is_named_as_in_the_report(run: Run, catalogue: Catalogue, evidence: Dataset) -> None:
    """An archive of several hospitals files an object by these."""
    issuer = Dataset()
    issuer.UniversalEntityID, issuer.UniversalEntityIDType = "1.2.3", "ISO"
    evidence.IssuerOfPatientIDQualifiersSequence = evidence.IssuerOfAccessionNumberSequence = [issuer]
    report = build_structured_report(run, catalogue, [evidence])
    picture = build_heat_map(run, [evidence], frames_of(evidence))
    page = build_encapsulated_pdf(run, [evidence], b"%PDF", [(report.SOPClassUID, report.SOPInstanceUID)])
    for made in (report, picture, page):
        assert made.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == "1.2.3"
        assert made.IssuerOfAccessionNumberSequence[0].UniversalEntityID == "1.2.3"


@pytest.mark.parametrize("language", Language)
def test_every_object_is_valid_by_itself_and_consistent_with_its_sources(
    run: Run, catalogue: Catalogue, evidence: Dataset, source: Path, tmp_path: Path, language: Language
) -> None:
    words = words_of(language, catalogue)
    document = build_structured_report(run, catalogue, [evidence], language=language, illustrated="pacemaker")
    report = tmp_path / "report.dcm"
    document.save_as(report, enforce_file_format=True)
    picture = build_heat_map(run, [evidence], frames_of(evidence), words)
    heat = written(tmp_path, picture, file_of(picture, heat_map.TRANSFER_SYNTAX))
    page = build_page(run, catalogue, [evidence], PageContent(strip=strip(), why_no_strip="", trend=trend()), words)
    made_from = [(document.SOPClassUID, document.SOPInstanceUID), (picture.SOPClassUID, picture.SOPInstanceUID)]
    wrapped = build_encapsulated_pdf(run, [evidence], page, made_from, words)
    pdf = written(tmp_path, wrapped, file_of(wrapped, encapsulated.TRANSFER_SYNTAX))
    for file in (heat, pdf):
        judged = said_by("dciodvfy", "-new", file)
        assert len(judged.splitlines()) == 1, judged  # the name of the IOD, and no error or warning
        assert read_header(file).is_our_report
    assert "Error" not in said_by("dciodvfy", "-new", report)
    assert check_file(report).findings == ()
    assert "error" not in said_by("dsrdump", report).lower()
    consistent = said_by("dcentvfy", source, report, heat, pdf)
    assert "Error" not in consistent, consistent


def test_the_report_refers_to_the_heat_map_in_the_group_of_its_answer_and_lists_it_as_evidence(
    run: Run, catalogue: Catalogue, evidence: Dataset, tmp_path: Path
) -> None:
    picture = build_heat_map(run, [evidence], frames_of(evidence))
    document = build_structured_report(run, catalogue, [evidence], illustrated="pacemaker")
    file = tmp_path / "report.dcm"
    document.save_as(file, enforce_file_format=True)
    read = highdicom.sr.srread(file)
    assert picture.SOPInstanceUID in {instance for _, _, instance, _ in read.get_evidence()}
    assert picture.SeriesInstanceUID in {series for _, series in read.get_evidence_series()}
    (group,) = [
        group
        for group in read.content.get_image_measurement_groups()
        if group.tracking_identifier == catalogue.task("pacemaker").name  # type: ignore[union-attr]
    ]
    assert [each.value for each in group.get_qualitative_evaluations()] == [codes.SCT.Present]
    referring = [
        item
        for item in items_of(read)
        if item.ValueType == "IMAGE"
        and item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == picture.SOPInstanceUID
    ]
    assert len(referring) == 1
    assert referring[0] in list(group[0].ContentSequence)


def test_a_report_without_a_heat_map_is_what_it_was_before_there_were_any(
    run: Run, catalogue: Catalogue, evidence: Dataset
) -> None:
    document = build_structured_report(run, catalogue, [evidence])
    assert object_uid(run, ReportObject.HEAT_MAP, Language.ENGLISH) not in document.to_json()


def test_a_heat_map_plays_as_fast_as_the_clip_and_names_the_frames_that_it_shows(run: Run, evidence: Dataset) -> None:
    made = build_heat_map(run, [evidence], frames_of(evidence))
    assert made.NumberOfFrames == 3
    assert float(made.FrameTime) == 100.0
    (source,) = made.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == evidence.SOPInstanceUID
    assert list(source.ReferencedFrameNumber) == [1, 4, 7]
    assert (made.BurnedInAnnotation, made.LossyImageCompression) == ("YES", "01")
    assert "RESEARCH" in made.SeriesDescription


def test_the_pictures_come_back_in_their_order(run: Run, evidence: Dataset, tmp_path: Path) -> None:
    shades = np.stack([np.full((32, 32, 3), shade, np.uint8) for shade in (10, 120, 240)])
    made = build_heat_map(run, [evidence], replace(frames_of(evidence), pictures=shades))
    read = pydicom.dcmread(written(tmp_path, made, file_of(made, heat_map.TRANSFER_SYNTAX))).pixel_array
    assert read.shape[:3] == (3, 32, 32)
    assert [round(float(frame[..., 0].mean()), -1) for frame in read] == [10, 120, 240]


def test_the_same_run_gives_the_same_bytes_and_another_run_another_object(
    run: Run, catalogue: Catalogue, evidence: Dataset
) -> None:
    def both(run: Run) -> tuple[Dataset, bytes, Dataset, bytes]:
        picture = build_heat_map(run, [evidence], frames_of(evidence))
        shown = PageContent(strip=strip(), why_no_strip="", trend=trend())
        page = build_page(run, catalogue, [evidence], shown, words_of(Language.ENGLISH, catalogue))
        wrapped = build_encapsulated_pdf(run, [evidence], page, [])
        return (
            picture, file_of(picture, heat_map.TRANSFER_SYNTAX),
            wrapped, file_of(wrapped, encapsulated.TRANSFER_SYNTAX),
        )  # fmt: skip

    first, again, other = both(run), both(run), both(replace(run, run_uid="another"))
    assert (first[1], first[3]) == (again[1], again[3])
    assert first[0].SOPInstanceUID != other[0].SOPInstanceUID
    assert first[2].SOPInstanceUID != other[2].SOPInstanceUID


@pytest.mark.parametrize("label", ModelLabel)
@pytest.mark.parametrize("language", [Language.ENGLISH, Language.GERMAN])
def test_the_page_says_whose_study_it_is_what_was_answered_and_what_it_may_be_used_for(
    run: Run, catalogue: Catalogue, evidence: Dataset, label: ModelLabel, language: Language
) -> None:
    words = words_of(language, catalogue)
    run = replace(run, model=replace(run.model, label=label))
    shown = PageContent(strip=strip(), why_no_strip="", trend=trend())
    text = text_of(build_page(run, catalogue, [evidence], shown, words))
    for said in ("Doe, Jane", "4711", "1960-02-03", "2026-05-01", "A-77", run.model.digest):
        assert said in text, said
    for said in (words.say("picture.not_for_diagnosis"), words.say(f"limits.{label}"), label):
        assert " ".join(said.split()) in text, said
    assert words.number(54.53, ".1f") in text
    assert words.number(61.4, ".1f") in text
    assert "2024-11-03" in text
    for task_id in ("lvef", "pacemaker", "tavr", "pa_pressure"):
        task = catalogue.task(task_id)
        assert task is not None
        assert words.task(task) in text


@pytest.mark.parametrize("language", Language)
def test_every_answer_of_every_task_fits_one_page(catalogue: Catalogue, evidence: Dataset, language: Language) -> None:
    words = words_of(language, catalogue)
    shown = PageContent(strip=strip(), why_no_strip="", trend=trend())
    for run in runs_of_every_answer(catalogue):
        text = text_of(build_page(of_study(run, evidence), catalogue, [evidence], shown, words))
        assert words.say("page.made_with") in text


def test_the_page_says_why_it_shows_no_frames_and_no_earlier_studies(
    run: Run, catalogue: Catalogue, evidence: Dataset
) -> None:
    text = text_of(build_page(run, catalogue, [evidence], NOTHING, words_of(Language.ENGLISH, catalogue)))
    assert "No heat map: no finding is present, and nothing was measured or classified." in text
    assert "none of this patient with a comparable measurement is known here" in text


def area_of_name(page: bytes) -> np.ndarray:
    """What pdfium draws between the heading of the patient's name and the line below it, grey, 300 to the inch."""
    picture = pypdfium2.PdfDocument(page)[0].render(scale=300 / 72, grayscale=True).to_numpy()
    points = 300 / 72
    top = (20 + 6 + 0.6) * 72 / 25.4
    return picture[int(top * points) : int((top + 5.2 * 72 / 25.4) * points), int(40 * points) : int(230 * points)]


def named(name: str, run: Run, catalogue: Catalogue, evidence: Dataset, language: Language) -> bytes:
    evidence.SpecificCharacterSet = "ISO_IR 192"
    evidence.PatientName = name
    return build_page(run, catalogue, [evidence], NOTHING, words_of(language, catalogue))


@pytest.mark.parametrize("language", [Language.ENGLISH, Language.CHINESE])
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Čapek^Jiří", "Čapek, Jiří"),
        ("Wałęsa^Łucja", "Wałęsa, Łucja"),
        ("Nguyễn^Thị Hằng", "Nguyễn, Thị Hằng"),
        ("Чайка^Яна", "Чайка, Яна"),
        ("Διονυσιος^Άννα", "Διονυσιος, Άννα"),
        ("Yamada^Tarou=山田^太郎", "Yamada, Tarou"),
        ("山田^太郎", "see"),
        ("김희중", "see"),
        ("قباني^لنزار", "see"),
    ],
)
def test_a_name_in_any_letters_is_drawn_without_fonts_of_the_viewer_or_said_to_be_elsewhere(
    run: Run, catalogue: Catalogue, evidence: Dataset, name: str, shown: str, language: Language
) -> None:
    page = named(name, run, catalogue, evidence, language)
    drawn = area_of_name(page) < 128
    assert drawn.any(axis=0).sum() > 60, "the area of the name is blank"
    said, text = words_of(language, catalogue), text_of(page)
    elsewhere = said if language is not Language.CHINESE else words_of(Language.ENGLISH, catalogue)
    assert ("see_header" if shown == "see" else shown) in text.replace(elsewhere.say("page.see_header"), "see_header")
    assert (elsewhere.say("page.see_header") in text) == (shown == "see" or "=" in name)
    assert page == named(name, run, catalogue, evidence, language)


def test_each_letter_of_a_name_is_drawn_and_not_its_neighbour_alone(
    run: Run, catalogue: Catalogue, evidence: Dataset
) -> None:
    def drawn(name: str) -> np.ndarray:
        return area_of_name(named(name, run, catalogue, evidence, Language.ENGLISH)) < 128

    with_caron, without, plain = drawn("Čapek^Jiří"), drawn("apek^Ji í"), drawn("Capek^Jiri")
    assert with_caron.sum() > 1.1 * without.sum()
    assert with_caron.sum() > plain.sum()


def test_a_name_in_ideograms_is_on_the_page(run: Run, catalogue: Catalogue, evidence: Dataset) -> None:
    evidence.SpecificCharacterSet = "ISO_IR 192"
    evidence.PatientName = "Wang^XiaoDong=王^小东"
    text = text_of(build_page(run, catalogue, [evidence], NOTHING, words_of(Language.CHINESE, catalogue)))
    assert "Wang, XiaoDong" in text
    assert "王小东" in text
