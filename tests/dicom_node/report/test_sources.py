"""What comes from the images into the report, however the machines in the field write it."""

import re
import subprocess
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import Tag

from config.catalogue import Catalogue, load_catalogue
from config.errors import ReportError
from config.labels import ModelLabel
from db.results.runs import ClipAnswer, ClipEvidence, ModelIdentity, Run, TaskResult, Verdict
from dicom_node.header import read_image_header
from dicom_node.report.checking.check import check_file
from dicom_node.report.document import build_structured_report
from tests.support.clips import LARGE, SMALL, as_study_of_its_own
from tests.support.tools import require_tool

Build = Callable[..., Dataset]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
def source(tmp_path: Path) -> FileDataset:
    return read_image_header(as_study_of_its_own(LARGE, tmp_path, PatientName="Doe^Jane"))


@pytest.fixture
def build(catalogue: Catalogue, tmp_path: Path) -> Build:
    """Build a report of these headers, hold dciodvfy to it, and read it back from its bytes."""

    def build(*headers: Dataset, model: str = "Some model") -> Dataset:
        run = run_over(catalogue, *headers)
        run = replace(run, model=replace(run.model, name=model))
        file = tmp_path / "report.dcm"
        build_structured_report(run, catalogue, headers).save_as(file, enforce_file_format=True)
        judged = subprocess.run([require_tool("dciodvfy"), "-new", file], capture_output=True, text=True, check=False)
        assert "Error" not in judged.stdout + judged.stderr, judged.stdout + judged.stderr
        assert check_file(file).findings == ()
        return pydicom.dcmread(file)

    return build


def run_over(catalogue: Catalogue, *headers: Dataset) -> Run:
    uids = [str(header.SOPInstanceUID) for header in headers]
    return Run(
        run_uid="0b6a0f0e-6f8b-4b57-8b52-0a4e35fcb75b",
        study_instance_uid=str(headers[0].StudyInstanceUID),
        revision=1,
        model=ModelIdentity(name="Some model", version="3", family="some", label=ModelLabel.RESEARCH, digest="0" * 64),
        catalogue_digest=catalogue.digest,
        software_version="0.1.0",
        preprocessing_profile="fast-1",
        finished_at=datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
        clips=tuple(ClipEvidence(sop_instance_uid=uid, frame_numbers=(1, 3)) for uid in uids),
        results=(
            TaskResult(
                task_id="lvef",
                verdict=Verdict.MEASURED,
                value=54.5,
                clips=tuple(ClipAnswer(sop_instance_uid=uid, value=54.5) for uid in uids),
            ),
        ),
    )


def as_read_from_a_file(header: FileDataset, character_set: str | list[str] | None, name: bytes) -> FileDataset:
    """The header with a patient's name of these very bytes, undecoded as from a disk."""
    placeholder = "X" * len(name)
    written = deepcopy(header)
    written.PatientName = placeholder
    if "SpecificCharacterSet" in written:
        del written.SpecificCharacterSet
    if character_set is not None:
        with pydicom.config.disable_value_validation():
            written.SpecificCharacterSet = character_set
    file = BytesIO()
    written.save_as(file, enforce_file_format=True)
    return pydicom.dcmread(BytesIO(file.getvalue().replace(placeholder.encode(), name)))


KANJI = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"  # PS3.5 annex H.3.1
HANGUL = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"  # PS3.5 annex I.2


@pytest.mark.parametrize(
    ("character_set", "written", "read"),
    [
        (["", "ISO 2022 IR 87"], KANJI, "Yamada^Tarou=山田^太郎"),
        (["", "ISO 2022 IR 149"], HANGUL, "Hong^Gildong=洪^吉洞"),
        (["", "ISO 2022 IR 87"], "山田　太郎".encode("iso2022_jp"), "山田　太郎"),
        ("ISO_IR 100", b"O\x92Brien^Pat", ""),  # Windows' apostrophe: a control character here
        ("GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小东".encode(), "Wang^XiaoDong=王^小东"),
        ("ISO_IR 100", "Müller^Jörg".encode("latin-1"), "Müller^Jörg"),
        ("ISO_IR 144", "Иванов^Иван".encode("iso8859-5"), "Иванов^Иван"),
        ("ISO 2022 IR 100", "Müller^Jörg".encode("latin-1"), "Müller^Jörg"),
        ("ISO_IR 6", b"Doe^Jane", "Doe^Jane"),
        ("", b"Doe^Jane", "Doe^Jane"),
        ("", "Müller^Jörg".encode("latin-1"), "Müller^Jörg"),
        (None, "Müller^Jörg".encode("latin-1"), "Müller^Jörg"),
        ("ISO_IR 999", "Müller^Jörg".encode("latin-1"), "Müller^Jörg"),
        (["ISO_IR 999", "NONSENSE"], b"Doe^Jane", "Doe^Jane"),
    ],
)
def test_a_name_keeps_its_letters_in_every_character_set(
    build: Build, source: FileDataset, character_set: str | list[str] | None, written: bytes, read: str
) -> None:
    document = build(as_read_from_a_file(source, character_set, written))
    assert str(document.PatientName) == read


def test_a_character_set_of_one_byte_is_left_as_the_images_have_it(build: Build, source: FileDataset) -> None:
    """An old PACS may know no other."""
    document = build(as_read_from_a_file(source, "ISO_IR 100", "Müller^Jörg".encode("latin-1")))
    assert document.SpecificCharacterSet == "ISO_IR 100"


def test_what_we_write_ourselves_need_not_fit_the_character_set_of_the_images(
    build: Build, source: FileDataset
) -> None:
    document = build(as_read_from_a_file(source, "ISO_IR 100", "Müller^Jörg".encode("latin-1")), model="Модель")
    assert str(document.PatientName) == "Müller^Jörg"
    assert "Модель" in str(document)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("AccessionNumber", "A" * 17),
        ("AccessionNumber", ["1", "2"]),
        ("StudyID", "S" * 17),
        ("StudyID", ["1", "2"]),
        ("PatientName", ["Doe^Jane", "Roe^Jane"]),
        ("PatientName", "D" * 65),
        ("ReferringPhysicianName", "D" * 65),
        ("ReferringPhysicianName", ["Doe^Jane", "Roe^Jane"]),
        ("StudyDate", "20261399"),
        ("PatientBirthDate", "unknown"),
        ("PatientBirthDate", ["19700101", "19700102"]),
        ("PatientSex", ["M", "F"]),
    ],
)
def test_what_an_sr_cannot_carry_as_it_is_is_empty_in_it(
    build: Build, source: FileDataset, keyword: str, value: object
) -> None:
    with pydicom.config.disable_value_validation():
        setattr(source, keyword, value)
        document = build(source)
    assert keyword in document
    assert not document[keyword].value


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientAge", b"about 60"),
        ("PatientWeight", b"heavy"),
        ("StudyDescription", b"D" * 65),
        ("StudyDescription", b"one\\two"),
        ("IssuerOfPatientID", b"two\nlines"),
    ],
)
def test_what_an_sr_may_do_without_is_left_out_of_it(
    build: Build, source: FileDataset, keyword: str, value: bytes
) -> None:
    put_bytes(source, keyword, value)
    assert keyword not in build(source)


def test_the_patient_id_is_kept_to_its_64th_character(build: Build, source: FileDataset) -> None:
    source.PatientID = "P" * 64
    assert build(source).PatientID == "P" * 64


@pytest.mark.parametrize("patient_id", ["P" * 65, ["17", "18"]])
def test_a_patient_id_that_no_sr_can_carry_is_an_error_and_is_not_quoted(
    source: FileDataset, catalogue: Catalogue, patient_id: object
) -> None:
    """Emptied or cut, the report would be filed under nobody, or under somebody else."""
    with pydicom.config.disable_value_validation():
        source.PatientID = patient_id
    with pytest.raises(ReportError, match="Patient ID") as refused:
        build_structured_report(run_over(catalogue, source), catalogue, [source])
    assert not re.search("17|18|PPP", str(refused.value).replace(str(source.StudyInstanceUID), ""))


def test_images_of_two_patients_in_one_study_are_not_reported_on(source: FileDataset, catalogue: Catalogue) -> None:
    other = another_of(source)
    source.PatientID, other.PatientID = "PAT-A", "PAT-B"
    with pytest.raises(ReportError, match="more than one Patient ID") as refused:
        build_structured_report(run_over(catalogue, source, other), catalogue, [source, other])
    assert "PAT-" not in str(refused.value)


def test_an_image_that_names_no_patient_takes_the_one_of_the_others(build: Build, source: FileDataset) -> None:
    nameless = another_of(source)
    nameless.PatientID, source.PatientID = "", "PAT-A"
    assert build(nameless, source).PatientID == "PAT-A"


def test_an_image_without_modality_is_ultrasound_by_its_class(build: Build, source: FileDataset) -> None:
    del source.Modality
    assert "Ultrasound" in str(build(source))


def test_an_image_that_cannot_be_referenced_is_left_out_of_the_references(
    build: Build, source: FileDataset, catalogue: Catalogue
) -> None:
    homeless = another_of(source)
    del homeless.SeriesInstanceUID
    document = str(build(source, homeless))
    assert str(source.SOPInstanceUID) in document
    assert str(homeless.SOPInstanceUID) not in document
    with pytest.raises(ReportError, match="Series Instance UID"):
        build_structured_report(run_over(catalogue, homeless), catalogue, [homeless])


ANY_ATTRIBUTE = [
    "PatientName", "AccessionNumber", "StudyDate", "StudyTime", "PatientSex", "PatientAge", "PatientSize", "Modality",
]  # fmt: skip


@pytest.mark.long
@settings(max_examples=100, deadline=None)
@given(
    keyword=st.sampled_from(ANY_ATTRIBUTE),
    value=st.binary(max_size=80),
    character_set=st.sampled_from([b"", b"ISO_IR 100", b"ISO_IR 192", rb"\ISO 2022 IR 87", b"GB18030", b"\xff"]),
)
def test_no_bytes_in_an_attribute_of_an_image_cost_the_report(
    catalogue: Catalogue, keyword: str, value: bytes, character_set: bytes
) -> None:
    header = read_image_header(SMALL)
    put_bytes(header, "SpecificCharacterSet", character_set)
    put_bytes(header, keyword, value)
    document = build_structured_report(run_over(catalogue, header), catalogue, [header])
    document.save_as(BytesIO(), enforce_file_format=True)
    assert document.PatientID == read_image_header(SMALL).PatientID


def put_bytes(header: FileDataset, keyword: str, value: bytes) -> None:
    """Give an attribute these bytes, undecoded as from a disk."""
    tag = Tag(keyword)
    header._dict[tag] = RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)


def another_of(header: FileDataset) -> FileDataset:
    other = deepcopy(header)
    other.SOPInstanceUID = pydicom.uid.generate_uid()
    return other


def test_the_images_are_listed_in_the_report(build: Build, source: FileDataset) -> None:
    """TID 1500 row 5: a reader finds every image, with its modality, in the Image Library (TID 1600)."""
    other = another_of(source)
    document = build(source, other)
    (library,) = [item for item in document.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "111028"]
    (group,) = library.ContentSequence
    listed = {
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID): {
            described.ConceptCodeSequence[0].CodeValue
            for described in item.ContentSequence
            if described.ValueType == "CODE"
        }
        for item in group.ContentSequence
    }
    assert listed == {str(source.SOPInstanceUID): {"US"}, str(other.SOPInstanceUID): {"US"}}
