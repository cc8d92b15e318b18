"""Every real ultrasound file that pydicom, pydicom-data and deid-data ship: its pictures, and what becomes of it."""

import copy
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_color_lut, convert_color_space
from pydicom.uid import ExplicitVRBigEndian, JPEGTransferSyntaxes

from config.errors import ClipError
from tests.support.real_clips import ULTRASOUNDS, real_file
from tests.support.tools import require_tool
from worker.pixels.clip import first_picture, read_clip
from worker.pixels.frames import frames_of
from worker.pixels.source import open_instance

STILL, TOO_SHORT = "a still image", "too short: 2 frames, 8 are needed"
FILES: dict[str, tuple[int, str | None]] = {
    # How many frames, and why it gives no clip.
    "color3d_jpeg_baseline.dcm": (120, None),
    "examples_ybr_color.dcm": (30, None),
    "ultrasound-multiframe.dcm": (30, None),
    "GREYSCALE_CINE.zip": (27, None),
    "RGB_CINE.zip": (51, None),
    "JPGLosslessP14SV1_1s_1f_8b.dcm": (1, STILL),
    "color-px.dcm": (1, STILL),
    "color-pl.dcm": (1, STILL),
    "OBXXXX1A.dcm": (1, STILL),
    "OBXXXX1A_rle.dcm": (1, STILL),
    "OBXXXX1A_expb.dcm": (1, STILL),
    "OBXXXX1A_2frame.dcm": (2, TOO_SHORT),
    "OBXXXX1A_rle_2frame.dcm": (2, TOO_SHORT),
    "OBXXXX1A_expb_2frame.dcm": (2, TOO_SHORT),
    "examples_palette.dcm": (1, STILL),
    "US1_UNCI.dcm": (1, STILL),
    "US1_UNCR.dcm": (1, STILL),
    "US1_J2KI.dcm": (1, STILL),
    "US1_J2KR.dcm": (1, STILL),
    "examples_rgb_color.dcm": (1, STILL),
    "examples_jpeg2k.dcm": (1, STILL),
    "ExplVR_BigEnd.dcm": (1, STILL),
    "gdcm-US-ALOKA-16.dcm": (1, STILL),
    "gdcm-US-ALOKA-16_big.dcm": (1, STILL),
    "GREYSCALE_IMAGE.dcm": (1, STILL),
    "RGB_IMAGE.dcm": (1, STILL),
}


@pytest.mark.parametrize("name", FILES)
def test_its_pictures_are_those_of_another_decoder(name: str, tmp_path: Path) -> None:
    file = real_file(name, tmp_path)
    with open_instance(file) as instance:
        frames = frames_of(instance)
        assert frames.count == FILES[name][0]
        assert frames.notes == ()
        looked_at = sorted({0, frames.count // 2, frames.count - 1})
        pictures = list(frames.pictures(looked_at))
        windowed = "WindowCenter" in frames.header  # applied by us alone; of these files it moves a level or two
    reference = by_others(file, looked_at, tmp_path)
    for picture, expected in zip(pictures, reference, strict=True):
        assert picture is not None
        assert np.abs(picture.astype(int) - expected).max() <= (2 if windowed else 0)


def by_others(file: Path, looked_at: list[int], folder: Path) -> list[np.ndarray]:
    """These frames by pydicom's decoders, or DCMTK's where pydicom here has none, in RGB of 8 bits."""
    dataset = pydicom.dcmread(file)
    if dataset.file_meta.TransferSyntaxUID in JPEGTransferSyntaxes[1:]:
        decoded = folder / "decoded.dcm"
        subprocess.run([require_tool("dcmdjpeg"), file, decoded], check=True, capture_output=True)
        dataset = pydicom.dcmread(decoded)
    pixels = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns, *[3] * (dataset.SamplesPerPixel == 3))
    frames = [pixels[index] for index in looked_at]
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        shown = [apply_color_lut(frame, with_little_endian_palette(dataset)) for frame in frames]
        return [frame >> 8 if frame.dtype.itemsize == 2 else frame for frame in shown]
    if dataset.PhotometricInterpretation == "YBR_FULL" and not dataset.file_meta.TransferSyntaxUID.is_compressed:
        return [convert_color_space(frame, "YBR_FULL", "RGB") for frame in frames]
    return [frame if frame.ndim == 3 else np.repeat(frame[..., None], 3, axis=2) for frame in frames]


def with_little_endian_palette(dataset: pydicom.Dataset) -> pydicom.Dataset:
    """pydicom takes the words of whole tables for little-endian ones, whatever the transfer syntax."""
    if dataset.file_meta.TransferSyntaxUID != ExplicitVRBigEndian or "RedPaletteColorLookupTableData" not in dataset:
        return dataset
    swapped = copy.deepcopy(dataset)
    for colour in ("Red", "Green", "Blue"):
        data = swapped[f"{colour}PaletteColorLookupTableData"]
        data.value = np.frombuffer(data.value, ">u2").astype("<u2").tobytes()
    return swapped


def test_a_palette_is_the_same_in_both_byte_orders(tmp_path: Path) -> None:
    little, big = (first_picture(real_file(name, tmp_path)) for name in ("OBXXXX1A.dcm", "OBXXXX1A_expb.dcm"))
    assert np.array_equal(little, big)


@pytest.mark.parametrize("name", FILES)
def test_it_gives_a_clip_or_the_named_reason(name: str, tmp_path: Path) -> None:
    reason = FILES[name][1]
    if reason is None:
        clip = read_clip(real_file(name, tmp_path))
        assert clip.frames.shape == (16, 224, 224, 3)
        assert clip.frames.std() > 10, "nothing to be seen"
    else:
        with pytest.raises(ClipError, match=f"^{reason}$"):
            read_clip(real_file(name, tmp_path))


def test_no_file_of_theirs_is_missing_from_the_table() -> None:
    shipped = {path.name for path in ULTRASOUNDS.iterdir() if path.suffix in (".dcm", ".zip")}
    for folder in {
        Path(str(get_testdata_file(name, download=False))).parent for name in ("CT_small.dcm", "US1_UNCI.dcm")
    }:
        for path in folder.glob("*.dcm"):
            try:
                dataset = pydicom.dcmread(path, specific_tags=["Modality"], stop_before_pixels=True)
            except pydicom.errors.InvalidDicomError:
                continue
            if dataset.get("Modality") == "US":
                shipped.add(path.name)
    assert shipped - FILES.keys() == set()
