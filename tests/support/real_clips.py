"""Frames of the real ultrasound clips that pydicom, pydicom-data and deid-data bring."""

import io
import zipfile
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels import iter_pixels

from tests.support.clips import LARGE, SMALL

SONOSITE, SONOSITE_HALVED = str(LARGE), str(SMALL)
"""An echo, apical; and the same made half as large by somebody, with the regions of the large one."""
AFFINITI = "ultrasound-multiframe.dcm"
"""An echo of Philips, parasternal with colour Doppler, and an ECG that is being drawn."""
EPIQ = "GREYSCALE_CINE.zip"
"""A linear probe of Philips in the air: still bands at its face, dark, noise below."""
TERASON = "RGB_CINE.zip"
"""A linear probe of Terason in the air, nearly black, under a banner with text."""


@cache
def eight_frames(name: str) -> tuple[Dataset, npt.NDArray[np.uint8]]:
    """The data set of a clip, and eight frames spread over it: [8, rows, columns, 3] as a screen shows them."""
    ultrasounds = files("deid_data") / "data" / "ultrasounds"
    content = (ultrasounds / name).read_bytes()
    if name.endswith(".zip"):
        archive = zipfile.ZipFile(io.BytesIO(content))
        content = archive.read(next(member for member in archive.namelist() if member.endswith("CINE.dcm")))
    dataset = pydicom.dcmread(io.BytesIO(content))
    indices = np.linspace(0, int(dataset.NumberOfFrames) - 1, 8).round().astype(int).tolist()
    frames = np.stack(list(iter_pixels(dataset, indices=indices)))
    return dataset, frames if frames.ndim == 4 else np.repeat(frames[..., np.newaxis], 3, axis=-1)
