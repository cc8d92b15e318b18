"""One clip in every transfer syntax that DCMTK knows and the node takes."""

import shutil
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HEVCMP51,
    JPEG2000,
    MPEG2MPML,
    MPEG4HP41,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from tests.support.clips import made_clip, region
from tests.support.tools import require_tool

_BY_DCMTK = {
    ExplicitVRBigEndian: ("dcmconv", "+tb"),
    ImplicitVRLittleEndian: ("dcmconv", "+ti"),
    DeflatedExplicitVRLittleEndian: ("dcmconv", "+td"),
    JPEGBaseline8Bit: ("dcmcjpeg", "+eb"),
    JPEGLosslessSV1: ("dcmcjpeg", "+e1"),
    JPEGLSLossless: ("dcmcjpls", "+el"),
    RLELossless: ("dcmcrle",),
}
PROPOSED_BY: dict[UID, str] = {
    ExplicitVRLittleEndian: "-xe",
    ImplicitVRLittleEndian: "-xi",
    ExplicitVRBigEndian: "-xb",
    DeflatedExplicitVRLittleEndian: "-xd",
    JPEGBaseline8Bit: "-xy",
    JPEGLosslessSV1: "-xs",
    JPEGLSLossless: "-xt",
    JPEG2000Lossless: "-xv",
    JPEG2000: "-xw",
    RLELossless: "-xr",
    MPEG2MPML: "-xm",
    MPEG4HP41: "-xn",
    HEVCMP51: "-x4",
}
"""storescu's options."""


def clip_in(syntax: UID, folder: Path) -> Path:
    """A clip of a study of its own, eight frames of 64 x 64 in colour, in this transfer syntax."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[0:64, 0:64]
    frames = np.stack([np.stack([rows * 4, columns * 4, np.full_like(rows, 30 * n)], axis=-1) for n in range(8)])
    everywhere = [region(0, 0, 63, 63)]
    plain = made_clip(
        folder / f"{generate_uid()}.dcm",
        frames.astype(np.uint8),
        "RGB",
        PatientID="INTEROP",
        SequenceOfUltrasoundRegions=everywhere,
    )
    made = folder / f"{syntax}.dcm"
    if syntax == ExplicitVRLittleEndian:
        return Path(shutil.move(plain, made))
    if syntax in _BY_DCMTK:
        tool, *options = _BY_DCMTK[syntax]
        keeps_uid = [] if tool == "dcmconv" else ["--uid-never"]
        subprocess.run([require_tool(tool), *options, *keeps_uid, plain, made], check=True, capture_output=True)
    else:
        _encapsulated(plain, made, syntax, frames.astype(np.uint8))
    plain.unlink()
    if syntax == DeflatedExplicitVRLittleEndian and made.stat().st_size % 2 == 0:
        return clip_in(syntax, folder)  # its length depends on its UIDs; an odd one is the more difficult
    return made


def _encapsulated(plain: Path, made: Path, syntax: UID, frames: np.ndarray) -> None:
    items: dict[UID, Callable[[], list[bytes]]] = {
        JPEG2000Lossless: lambda: [_jpeg_2000(frame) for frame in frames],
        JPEG2000: lambda: [_jpeg_2000(frame, quality_mode="rates", quality_layers=[8]) for frame in frames],
    }
    # A video is one stream, which nobody on the way looks into.
    stream = np.random.default_rng(1).integers(0, 256, 60_000, np.uint8).tobytes()
    dataset = pydicom.dcmread(plain)
    dataset.add_new("PixelData", "OB", encapsulate(items.get(syntax, lambda: [stream])()))
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(made)


def _jpeg_2000(frame: np.ndarray, **options: object) -> bytes:
    file = BytesIO()
    Image.fromarray(frame).save(file, "JPEG2000", no_jp2=True, irreversible=bool(options), **options)
    return file.getvalue()
