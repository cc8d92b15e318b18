"""Synthetic hearts beside a real one, as the model sees both: docs/phantom-beside-real.jpg.

    python -m bench.phantom_pictures [--out FILE]

The real clip is the apical one that pydicom-data brings (SonoSite; `color3d_jpeg_baseline.dcm`): two frames, at the top
left. All others are synthetic, of hearts and windows as they come.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.data import get_testdata_file

from bench.phantom_clips import frames_of, scan_of
from worker.phantom.acquisition import PhantomView
from worker.pixels.clip import read_clip

SEED = 7
SYNTHETIC = (*[PhantomView.APICAL_FOUR_CHAMBER] * 8, PhantomView.APICAL_FIVE_CHAMBER, PhantomView.APICAL_TWO_CHAMBER)
COLUMNS = 4


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/phantom-beside-real.jpg"))
    options = parser.parse_args()
    file = get_testdata_file("color3d_jpeg_baseline.dcm", download=False)
    if file is None:
        raise SystemExit("pydicom-data is not installed")
    real = read_clip(Path(str(file))).frames
    tiles = [real[0], real[len(real) // 3]]
    for number, view in enumerate(SYNTHETIC):
        tiles.append(frames_of(scan_of(SEED, number, frames=8, view=view), 8)[number % 8])
    rows = [np.hstack(tiles[first : first + COLUMNS]) for first in range(0, len(tiles), COLUMNS)]
    Image.fromarray(np.vstack(rows)).save(options.out, quality=88)


if __name__ == "__main__":
    main()
