"""Files into clips: against an independent reference, and against every kind of damage."""

import struct
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import CTImageStorage

from config.errors import ClipError, TimeLimitError
from tests.support.clips import LARGE, SMALL, made_clip, region
from worker.pixels.clip import read_clip
from worker.pixels.codecs import Samples
from worker.pixels.colour import Colours, Frame
from worker.pixels.profiles import PROFILES, UPSTREAM, Profile
from worker.pixels.regions import TEXT_INSIDE, Content

TEN_FRAMES = np.zeros((10, 100, 100), np.uint8)


def test_a_real_clip_is_cropped_to_its_region_sampled_and_resized() -> None:
    clip = read_clip(LARGE)
    # The slow way: every frame by pydicom, the region's central square, Pillow's bicubic filter.
    numbers = [number - 1 for number in clip.frame_numbers]
    pixels = pydicom.dcmread(LARGE).pixel_array[numbers, 31:415, 84 + 64 : 84 + 64 + 384]
    reference = np.stack([Image.fromarray(frame).resize((224, 224), Image.Resampling.BICUBIC) for frame in pixels])
    assert clip.frames.shape == (16, 224, 224, 3)
    assert clip.frames.dtype == np.uint8
    difference = np.abs(clip.frames.astype(int) - reference.astype(int))
    assert difference.max() <= 1  # level of 255; two implementations of one filter


def test_a_real_clip_comes_with_its_facts() -> None:
    clip = read_clip(LARGE)
    assert (clip.rows, clip.columns, clip.number_of_frames) == (480, 640, 120)
    assert (clip.region_origin, clip.region.left, clip.region.bottom) == ("machine", 84, 415)
    assert clip.contents == {Content.TISSUE}
    assert clip.pixel_spacing_mm == pytest.approx((0.5105, 0.5105), abs=1e-4)
    assert clip.time_origin == "Frame Time"
    frame_time = float(pydicom.dcmread(LARGE, stop_before_pixels=True).FrameTime)
    assert clip.frame_times_ms == pytest.approx([(number - 1) * frame_time for number in clip.frame_numbers])
    assert clip.profile == "fast-1"


def test_the_published_profile_takes_its_own_frames() -> None:
    clip = read_clip(LARGE, UPSTREAM)
    assert clip.frame_numbers == tuple(range(1, 40, 2))
    assert clip.profile == "upstream-1"


def test_without_a_usable_region_the_moving_picture_is_found() -> None:
    clip = read_clip(SMALL)  # its region is that of a larger picture
    assert clip.region_origin == "motion"
    assert "the machine's regions cannot be used" in clip.notes
    assert len(clip.frames) == 16


def with_broken_frames(clip: Path, file: Path, broken: Collection[int]) -> Path:
    dataset = pydicom.dcmread(clip)
    frames = list(generate_frames(dataset.PixelData, number_of_frames=int(dataset.NumberOfFrames)))
    dataset.PixelData = encapsulate([b"\0" * 64 if index in broken else frame for index, frame in enumerate(frames)])
    dataset.save_as(file)
    return file


@pytest.mark.parametrize("clip", [SMALL, LARGE], ids=["region-found", "region-given"])
def test_damaged_frames_are_left_out_and_named(clip: Path, tmp_path: Path) -> None:
    sampled = read_clip(clip).frame_numbers
    broken = sampled[2:5]
    read = read_clip(with_broken_frames(clip, tmp_path / "clip.dcm", [number - 1 for number in broken]))
    assert read.frame_numbers == tuple(number for number in sampled if number not in broken)
    assert len(read.frames) == len(read.frame_times_ms) == 13
    assert f"damaged and left out: frame {', '.join(map(str, broken))}" in read.notes


@pytest.mark.parametrize("clip", [SMALL, LARGE], ids=["region-found", "region-given"])
def test_a_clip_of_which_too_little_is_left_is_refused(clip: Path, tmp_path: Path) -> None:
    broken = [number - 1 for number in read_clip(clip).frame_numbers][:-3]
    with pytest.raises(ClipError, match=r"cannot be decoded: \d of (16|8) frames are whole"):
        read_clip(with_broken_frames(clip, tmp_path / "clip.dcm", broken))


def test_the_end_of_a_steps_time_is_no_damage_of_the_frame_that_it_falls_on(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, shown = Colours.picture, iter(range(100))

    def picture(self: Colours, samples: Samples, photometric: str) -> Frame:
        if next(shown) == 5:
            raise TimeLimitError("prepare took longer than 900 s")
        return whole(self, samples, photometric)

    monkeypatch.setattr(Colours, "picture", picture)
    with pytest.raises(TimeLimitError):
        read_clip(LARGE)


def test_a_frame_that_is_not_looked_at_may_be_broken(tmp_path: Path) -> None:
    assert 2 not in read_clip(LARGE).frame_numbers
    read = read_clip(with_broken_frames(LARGE, tmp_path / "clip.dcm", [1]))
    assert np.array_equal(read.frames, read_clip(LARGE).frames)


@pytest.mark.parametrize(
    ("photometric", "sample", "shown"),
    [
        ("RGB", np.array([200, 40, 10], np.uint8), [200, 40, 10]),
        ("MONOCHROME2", np.uint8(90), [90, 90, 90]),
        ("MONOCHROME1", np.uint8(90), [165, 165, 165]),
        ("MONOCHROME2", np.uint16(0x5A00), [0x5A, 0x5A, 0x5A]),
    ],
    ids=["rgb", "grey", "inverted-grey", "16-bit-grey"],
)
def test_every_photometric_interpretation_is_shown_as_a_screen_shows_it(
    tmp_path: Path, photometric: str, sample: np.ndarray, shown: list[int]
) -> None:
    pixels = np.broadcast_to(sample, (10, 100, 120, *sample.shape)).copy()
    everywhere = [region(0, 0, 119, 99)]
    clip = read_clip(made_clip(tmp_path / "clip.dcm", pixels, photometric, SequenceOfUltrasoundRegions=everywhere))
    assert np.all(clip.frames == np.array(shown, np.uint8))


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    colours = {"Red": 0x1200, "Green": 0x3400, "Blue": 0x5600}
    palette: dict[str, object] = {
        f"{colour}PaletteColorLookupTable{kind}": value
        for colour, entry in colours.items()
        for kind, value in (("Descriptor", [256, 0, 16]), ("Data", struct.pack("<256H", *[entry] * 256)))
    }
    palette["SequenceOfUltrasoundRegions"] = [region(0, 0, 99, 99)]
    clip = read_clip(made_clip(tmp_path / "clip.dcm", TEN_FRAMES, "PALETTE COLOR", **palette))
    assert np.all(clip.frames == np.array([0x12, 0x34, 0x56], np.uint8))


def test_the_region_decides_what_is_seen(tmp_path: Path) -> None:
    pixels = np.zeros((10, 200, 300, 3), np.uint8)
    pixels[:, 50:150, 150:250] = 255
    changes = {"SequenceOfUltrasoundRegions": [region(150, 50, 249, 149)]}
    clip = read_clip(made_clip(tmp_path / "clip.dcm", pixels, "RGB", **changes))
    assert np.all(clip.frames == 255)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_text_on_a_screen_that_is_called_one_region_reaches_no_tensor_though_nothing_moves(
    profile: Profile, tmp_path: Path
) -> None:
    row, column = np.mgrid[0:480, 0:640]
    fan = (np.hypot(row - 40, column - 320) < 400) & (np.abs(column - 320) < (row - 40) * 0.8)
    speckle = np.random.default_rng(0).integers(0, 200, (480, 640), np.uint8)
    screen = np.where(fan, speckle, np.uint8(0))
    named = screen.copy()
    named[4:28, 150:350] = np.random.default_rng(1).integers(0, 2, (24, 200), np.uint8) * 255
    everything = {"SequenceOfUltrasoundRegions": [region(0, 0, 639, 479)]}
    clips = [
        read_clip(made_clip(tmp_path / "clip.dcm", np.stack([one] * 12), "MONOCHROME2", **everything), profile)
        for one in (screen, named)
    ]
    assert np.array_equal(clips[0].frames, clips[1].frames)
    assert TEXT_INSIDE not in clips[1].notes
    assert "nothing moves: the sector was found by its texture" in clips[1].notes


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("CT_small.dcm", "not an ultrasound clip: CT Image Storage"),
        ("reportsi.dcm", "not an ultrasound clip: Basic Text SR"),
        ("examples_palette.dcm", "a still image"),
        ("OBXXXX1A_2frame.dcm", "too short: 2 frames, 8 are needed"),
    ],
)
def test_what_is_no_clip_says_why(file: str, reason: str) -> None:
    with pytest.raises(ClipError, match=reason):
        read_clip(Path(str(get_testdata_file(file, download=False))))


def test_a_clip_without_pixels_says_so(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(SMALL)
    del dataset.PixelData
    dataset.save_as(tmp_path / "clip.dcm")
    with pytest.raises(ClipError, match="holds no pixels"):
        read_clip(tmp_path / "clip.dcm")
    del dataset.Rows
    dataset.save_as(tmp_path / "clip.dcm")
    with pytest.raises(ClipError, match="holds no pixels"):
        read_clip(tmp_path / "clip.dcm")


def test_the_class_of_the_data_set_counts_not_its_pixels(tmp_path: Path) -> None:
    file = made_clip(tmp_path / "clip.dcm", TEN_FRAMES, "MONOCHROME2", SOPClassUID=CTImageStorage)
    with pytest.raises(ClipError, match="CT Image Storage"):
        read_clip(file)


def test_a_bucket_that_no_client_reaches_is_no_damage_of_the_object() -> None:
    with pytest.raises(OSError, match="no client for nowhere:// is installed"):
        read_clip("nowhere://bucket/clip.dcm")
