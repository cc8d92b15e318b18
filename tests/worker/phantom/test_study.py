"""Studies of synthetic hearts are DICOM as the worker gets it from machines, and as it reads it."""

import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

from config.errors import ClipError, EchoWorkerError
from tests.support.phantoms import PATIENT
from tests.support.sectors import overlap
from tests.support.tools import require_tool
from worker.phantom.acquisition import PhantomView
from worker.phantom.dicom_clip import StudyIdentity, Timing, write_instance
from worker.phantom.study import make_study
from worker.phantom.styles import STYLES, TRAINING_STYLES
from worker.phantom.truth import InstanceTruth, StudyKind, StudyTruth, read_truth
from worker.pixels.clip import first_picture, read_clip
from worker.pixels.regions import Region

Made = tuple[Path, StudyTruth]


@pytest.fixture(scope="module", params=STYLES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A study of one apical clip by each machine, in a window that shows all of the sector."""
    folder = tmp_path_factory.mktemp("study") / request.param
    settings = {"number_of_frames": 16, "frame_rate": 20.0, "dropout": 0.0, "gain_db": 6.0, "noise_db": -34.0}
    return folder, make_study(folder, seed=11, clips=1, style=STYLES[request.param], **settings)


def of_kind(made: Made, kind: str) -> Path:
    folder, truth = made
    (instance,) = (instance for instance in truth.instances if instance.kind == kind)
    return folder / instance.file


def region(corners: tuple[int, int, int, int] | None) -> Region:
    assert corners is not None
    left, top, right, bottom = corners
    return Region(left=left, top=top, right=right, bottom=bottom)


def test_the_worker_finds_the_sector_where_it_was_drawn(made: Made) -> None:
    _, truth = made
    clip = read_clip(of_kind(made, "clip"))
    (instance,) = truth.clips()
    drawn = region(instance.region)
    if STYLES[truth.style].region == "none":
        assert clip.region_origin == "motion"
        assert overlap(clip.region, drawn) > 0.85
    else:
        assert clip.region_origin == "machine"
        assert clip.region == drawn
        spacing = clip.pixel_spacing_mm
        assert spacing is not None
        assert instance.acquisition is not None
        depth_mm = 10 * float(instance.acquisition["depth_cm"])
        assert spacing[0] * region(instance.sector).height == pytest.approx(depth_mm, rel=0.01)
    assert clip.sop_instance_uid == instance.sop_instance_uid
    assert clip.heart_rate == round(truth.heart.heart_rate)
    assert clip.time_origin == "Frame Time"


def test_stills_are_named_as_such(made: Made) -> None:
    for kind in ("spectral_doppler", "page"):
        with pytest.raises(ClipError, match="a still image"):
            read_clip(of_kind(made, kind))


def test_the_spectral_still_measures_the_jet_that_the_pressure_gives(made: Made) -> None:
    _, truth = made
    still = pydicom.dcmread(of_kind(made, "spectral_doppler"))
    if STYLES[truth.style].region == "none":
        assert "SequenceOfUltrasoundRegions" not in still
        return
    item = still.SequenceOfUltrasoundRegions[0]
    trace = first_picture(of_kind(made, "spectral_doppler"))[
        item.RegionLocationMinY0 : item.RegionLocationMaxY1 + 1, item.RegionLocationMinX0 : item.RegionLocationMaxX1 + 1
    ].max(axis=-1)
    bright = (trace[item.ReferencePixelY0 + 8 :] > 60).mean(axis=1) > 0.01
    lowest = int(np.flatnonzero(bright)[-1]) + 8
    velocity = -lowest * float(item.PhysicalDeltaY) / 100
    assert 4 * velocity**2 + 5 == pytest.approx(truth.heart.pa_pressure, rel=0.12)


def test_validators_find_no_error(made: Made) -> None:
    folder, truth = made
    for instance in truth.instances:
        file = folder / instance.file
        judged = subprocess.run([require_tool("dciodvfy"), "-new", file], capture_output=True, text=True, check=False)
        assert "Error" not in judged.stdout + judged.stderr, (instance.kind, judged.stderr)
        dumped = subprocess.run([require_tool("dcmdump"), "-q", file], capture_output=True, text=True, check=False)
        assert dumped.returncode == 0, dumped.stderr
    for kind in ("vendor_report", "text_report"):
        dumped = subprocess.run(
            [require_tool("dsrdump"), of_kind(made, kind)], capture_output=True, text=True, check=False
        )
        assert dumped.returncode == 0, dumped.stderr


def test_all_of_a_study_is_one_study_of_nobody(made: Made) -> None:
    folder, truth = made
    for instance in truth.instances:
        dataset = pydicom.dcmread(folder / instance.file, stop_before_pixels=True)
        assert dataset.StudyInstanceUID == truth.study_instance_uid
        assert dataset.SOPInstanceUID == instance.sop_instance_uid
        assert str(dataset.PatientName).startswith("PHANTOM^")
        assert dataset.PatientID == truth.patient_id
        assert dataset.file_meta.TransferSyntaxUID == instance.transfer_syntax_uid
    assert {file.name for file in folder.glob("*.dcm")} == {instance.file for instance in truth.instances}
    assert read_truth(folder) == truth


def test_a_seed_makes_the_same_bytes_again_and_another_one_another_study(tmp_path: Path) -> None:
    def contents(name: str, seed: int) -> dict[str, bytes]:
        make_study(tmp_path / name, seed=seed, clips=2, number_of_frames=2)
        return {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}

    one, again, other = contents("one", 5), contents("again", 5), contents("other", 6)
    assert one == again
    assert one.keys() == other.keys()
    assert not any(one[name] == other[name] for name in one)
    assert read_truth(tmp_path / "one").study_instance_uid != read_truth(tmp_path / "other").study_instance_uid


def test_ten_clips_are_mostly_apical_and_not_all_in_one_syntax(tmp_path: Path) -> None:
    truth = make_study(tmp_path / "study", seed=3, clips=10, style=STYLES["meadow"], number_of_frames=1)
    views = Counter(clip.view for clip in truth.clips())
    assert views.most_common(1) == [(PhantomView.APICAL_FOUR_CHAMBER, 4)]
    assert set(views) == set(PhantomView)
    syntaxes = Counter(clip.transfer_syntax_uid for clip in truth.clips())
    assert syntaxes == {JPEGBaseline8Bit: 9, ExplicitVRLittleEndian: 1}


def test_a_study_without_a_view_holds_no_heart_and_measures_none(tmp_path: Path) -> None:
    truth = make_study(tmp_path / "study", seed=3, clips=2, kind=StudyKind.NO_VIEW, number_of_frames=2)
    assert [instance.kind for instance in truth.instances] == ["clip", "clip", "still", "text_report"]
    assert {clip.view for clip in truth.clips()} == {PhantomView.ABDOMEN}
    assert "ejection" not in truth.report_text.lower()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(EchoWorkerError, match="holds something already"):
        make_study(tmp_path, seed=1)
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, JPEGLosslessSV1, JPEG2000Lossless, RLELossless], ids=UID.name.fget
)
def test_what_is_written_without_loss_comes_back_so(syntax: UID, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    frames = random.integers(0, 256, (3, 65, 93, 3), np.uint8)  # odd sides, and an odd length uncompressed
    frames[:, 20:40] = 7  # runs, for RLE
    identity = StudyIdentity(patient=PATIENT, style=TRAINING_STYLES[0], seed=1)
    timing = Timing(frame_time_ms=20.0, heart_rate=70.0, r_wave_times_ms=(3.0,))
    file = tmp_path / "clip.dcm"
    write_instance(file, identity, frames, number=1, taken=PATIENT.study_began, syntax=syntax, timing=timing)
    assert np.array_equal(first_picture(file), frames[0])
    judged = subprocess.run([require_tool("dciodvfy"), "-new", file], capture_output=True, text=True, check=False)
    assert "Error" not in judged.stdout + judged.stderr, judged.stderr


def test_truth_knows_clips_by_view(tmp_path: Path) -> None:
    truth = make_study(tmp_path / "study", seed=3, clips=3, number_of_frames=1)
    apical: tuple[InstanceTruth, ...] = truth.clips(PhantomView.APICAL_FOUR_CHAMBER, PhantomView.APICAL_TWO_CHAMBER)
    assert [clip.view for clip in apical] == ["apical_four_chamber", "apical_two_chamber"]
