"""From a decoded picture to what the image tower takes: crop, square, 224 x 224."""

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from worker.pixels.decode import Frame
from worker.pixels.regions import Region

SIDE = 224
PROFILE = "region-square-antialias-1"
"""Names these very operations in the provenance of every run; change it with them.

Crop to the machine's two-dimensional region, then to its central square, then resize with an antialiased bicubic
filter. The published example (echonet/echo_CLIP) crops 10 % from each side of the whole square instead, since its
videos carry no region, and resizes without antialiasing.
"""


def central_square(region: Region) -> Region:
    """The largest square in the middle of a region; of an odd margin, the spare pixel stays right and below."""
    side = min(region.width, region.height)
    left = region.left + (region.width - side) // 2
    top = region.top + (region.height - side) // 2
    return Region(left=left, top=top, right=left + side, bottom=top + side)


def model_frame(picture: Frame, region: Region) -> npt.NDArray[np.uint8]:
    """One frame as the model sees it: uint8 [224, 224, 3], RGB, not normalised yet."""
    square = central_square(region)
    crop = np.ascontiguousarray(picture[square.top : square.bottom, square.left : square.right])
    channels_first = torch.from_numpy(crop).permute(2, 0, 1)[None]
    # On uint8 this is several times as fast as Pillow's filter, and within one level of it.
    resized = interpolate(channels_first, size=(SIDE, SIDE), mode="bicubic", antialias=True)
    return resized[0].permute(1, 2, 0).contiguous().numpy()
