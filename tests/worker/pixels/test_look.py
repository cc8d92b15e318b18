"""What a file is said to become."""

import json
from pathlib import Path

import numpy as np
import pytest

from config.errors import UnreadableInstanceError
from tests.support.clips import LARGE, as_study_of_its_own, made_clip
from worker.pixels.look import as_json, look_at, picture_to_show, stated
from worker.pixels.profiles import FAST, UPSTREAM, Profile

OF_THE_PATIENT = {
    "PatientName": "SECRET^NAME",
    "PatientID": "SECRET-ID",
    "PatientBirthDate": "19010203",
    "StudyDescription": "SECRET DESCRIPTION",
    "InstitutionName": "SECRET HOSPITAL",
}


@pytest.mark.parametrize("profile", [FAST, UPSTREAM], ids=lambda profile: profile.name)
def test_a_clip_is_described_as_it_is_read(profile: Profile) -> None:
    look = look_at(LARGE, profile)
    clip = look.clip
    assert clip is not None
    facts = as_json(look)
    assert (facts["rows"], facts["columns"], facts["number_of_frames"]) == (480, 640, 120)
    assert facts["profile"] == profile.name
    assert facts["clip"]["frame_numbers"] == clip.frame_numbers
    assert facts["clip"]["region"] == {"left": 84, "top": 31, "right": 596, "bottom": 415}
    said = dict(stated(look))
    assert said["Stored"] == "640 x 480 pixels, 120 frames"
    assert said["Region"] == "512 x 384 pixels at 84, 31, as the machine says"
    assert said["Sampled"].startswith(f"{len(clip.frame_numbers)} frames, 0 to {clip.frame_times_ms[-1]:.0f} ms")


def test_a_file_that_gives_no_clip_has_its_reason(tmp_path: Path) -> None:
    still = made_clip(tmp_path / "still.dcm", np.full((1, 100, 120), 70, np.uint8), "MONOCHROME2")
    look = look_at(still, FAST)
    assert look.clip is None
    assert dict(stated(look))["Skipped"] == "a still image"
    assert (as_json(look)["skip_reason"], as_json(look)["clip"]) == ("a still image", None)
    picture = picture_to_show(still)
    assert picture is not None
    assert picture.shape == (100, 120, 3)
    assert np.all(picture == 70)


def test_a_file_that_holds_no_pixels_has_no_picture(tmp_path: Path) -> None:
    file = made_clip(tmp_path / "empty.dcm", np.zeros((10, 100, 100), np.uint8), "MONOCHROME2")
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(file.read_bytes()[: -10 * 100 * 100 - 12])
    assert look_at(cut, FAST).skip_reason is not None
    assert picture_to_show(cut) is None


def test_nothing_of_the_patient_is_said(tmp_path: Path) -> None:
    look = look_at(as_study_of_its_own(LARGE, tmp_path, **OF_THE_PATIENT), FAST)
    said = json.dumps([as_json(look), stated(look)])
    assert not [value for value in OF_THE_PATIENT.values() if value in said]


def test_what_is_no_dicom_file_is_an_error(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not DICOM")
    with pytest.raises(UnreadableInstanceError):
        look_at(text, FAST)
