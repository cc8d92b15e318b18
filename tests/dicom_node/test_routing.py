"""What the rules get to see of real files."""

from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from config.errors import UnreadableInstanceError
from config.sections.peers import PeerSettings, Role
from dicom_node.routing import read_facts
from tests.support.clips import SMALL, as_study_of_its_own

PEERS = [
    PeerSettings(name=name, ae_title=ae_title, roles=(Role.SENDER,))
    for name, ae_title in (("lab", "ECHO1"), ("ward", "ECHO1"), ("pacs", "PACS"))
]


def facts(file: Path, sender: str | None = "ECHO1") -> object:
    return read_facts(file, calling_ae_title=sender, peers=PEERS)


def test_facts_are_those_of_the_header_and_of_the_sender(tmp_path: Path) -> None:
    file = as_study_of_its_own(
        SMALL,
        tmp_path,
        SeriesDescription=" Stress echo ",
        StudyDescription="TTE",
        StationName="VIVID-1",
        ManufacturerModelName="Vivid E95",
    )
    seen = read_facts(file, calling_ae_title="ECHO1", peers=PEERS)
    assert (seen.modality, seen.sop_class_uid) == ("US", "1.2.840.10008.5.1.4.1.1.3.1")
    assert (seen.calling_ae_title, seen.peers) == ("ECHO1", {"lab", "ward"})
    assert (seen.series_description, seen.study_description) == ("Stress echo", "TTE")
    assert (seen.station_name, seen.manufacturer_model) == ("VIVID-1", "Vivid E95")


def test_descriptions_are_read_in_their_character_set(tmp_path: Path) -> None:
    file = as_study_of_its_own(SMALL, tmp_path, SpecificCharacterSet="ISO_IR 192", SeriesDescription="Körper, 心エコー")
    assert read_facts(file, calling_ae_title=None, peers=PEERS).series_description == "Körper, 心エコー"


@pytest.mark.parametrize("name", ["image_dfl.dcm", "ExplVR_BigEnd.dcm", "reportsi.dcm", "examples_palette.dcm"])
def test_facts_of_any_encoding_can_be_read(name: str) -> None:
    file = Path(str(get_testdata_file(name, download=False)))
    dataset = pydicom.dcmread(file)
    seen = read_facts(file, calling_ae_title="NOBODY", peers=PEERS)
    assert seen.sop_class_uid == dataset.SOPClassUID
    assert seen.modality == dataset.get("Modality")
    assert seen.peers == frozenset()


def test_absent_and_odd_values_are_no_trouble(tmp_path: Path) -> None:
    file = as_study_of_its_own(SMALL, tmp_path, SeriesDescription="a\\b", StudyDescription="", StationName="\0")
    seen = read_facts(file, calling_ae_title=None, peers=PEERS)
    assert (seen.series_description, seen.study_description, seen.station_name) == ("a\\b", None, None)
    assert seen.peers == frozenset()


def test_what_is_no_dicom_file_is_an_error_that_quotes_nothing(tmp_path: Path) -> None:
    letter = tmp_path / "letter.dcm"
    letter.write_text("Dear Doe^Jane")
    with pytest.raises(UnreadableInstanceError, match=r"letter\.dcm: not a readable DICOM data set"):
        facts(letter)
