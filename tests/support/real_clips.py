"""Frames of the real ultrasound clips that pydicom, pydicom-data and deid-data bring."""

import tempfile
import zipfile
from functools import cache
from pathlib import Path

import deid_data
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels import iter_pixels

from tests.support.clips import LARGE, SMALL

ULTRASOUNDS = Path(deid_data.__file__).parent / "data" / "ultrasounds"
SONOSITE, SONOSITE_HALVED = LARGE.name, SMALL.name
"""An echo, apical; and the same made half as large by somebody, with the regions of the large one."""
AFFINITI = "ultrasound-multiframe.dcm"
"""An echo of Philips, parasternal with colour Doppler, and an ECG that is being drawn."""
EPIQ = "GREYSCALE_CINE.zip"
"""A linear probe of Philips in the air: still bands at its face, dark, noise below."""
TERASON = "RGB_CINE.zip"
"""A linear probe of Terason in the air, nearly black, under a banner with text."""


def real_file(name: str, folder: Path) -> Path:
    """A file that one of the packages ships, by its name; one in an archive of deid-data is unpacked into `folder`."""
    if not (ULTRASOUNDS / name).exists():
        return Path(str(get_testdata_file(name, download=False)))
    if not name.endswith(".zip"):
        return ULTRASOUNDS / name
    with zipfile.ZipFile(ULTRASOUNDS / name) as archive:
        (member,) = (member for member in archive.namelist() if member.endswith(".dcm"))
        return Path(archive.extract(member, folder))


@cache
def eight_frames(name: str) -> tuple[Dataset, npt.NDArray[np.uint8]]:
    """The data set of a clip, and eight frames spread over it: [8, rows, columns, 3] as a screen shows them."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = pydicom.dcmread(real_file(name, Path(folder)))
    indices = np.linspace(0, int(dataset.NumberOfFrames) - 1, 8).round().astype(int).tolist()
    frames = np.stack(list(iter_pixels(dataset, indices=indices)))
    return dataset, frames if frames.ndim == 4 else np.repeat(frames[..., np.newaxis], 3, axis=-1)
