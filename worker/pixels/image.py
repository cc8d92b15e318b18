"""What the pixels of an instance mean (PS3.3 section C.7.6.3), read with tolerance for what machines write."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage

from config.errors import ClipError
from config.reasons import Reason, ReasonKind
from worker.pixels.raw_numbers import read_number, read_numbers

LARGEST_PICTURE = 8_912_896
"""Pixels, as of the largest video that DICOM knows (ITU-T H.265, level 5.1): more than a screen of 3840 x 2160. A
damaged header asks for more memory than there is."""
MULTI_FRAME = {UltrasoundMultiFrameImageStorage, "1.2.840.10008.5.1.4.1.1.3"}
"""Classes whose instances must say how many frames they have: the ultrasound clip, and its retired predecessor."""
MOST_FRAMES = 100_000
Taken = TypeVar("Taken", int, str)
SAMPLES_OF = {"MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1}
"""Samples per pixel of the photometric interpretations that have not three."""
KNOWN_PHOTOMETRIC = (*SAMPLES_OF, "RGB", "YBR_ICT", "YBR_RCT", "YBR_FULL", "YBR_FULL_422")


@dataclass(frozen=True, kw_only=True)
class PixelFormat:
    """How the samples of each frame are stored, and what they mean."""

    transfer_syntax: UID
    rows: int
    columns: int
    samples: int
    """1 or 3 for each pixel."""
    photometric: str
    by_plane: bool
    """Planar Configuration (0028,0006) 1: all red samples, then all green, then all blue."""
    bits_allocated: int
    """8 or 16."""
    bits_stored: int
    lowest_bit: int
    """Where they begin in the bits allocated: 0, but for data whose High Bit (0028,0102) lies above them."""
    signed: bool
    number_of_frames: int
    """As the header says, 0 when a multi-frame instance does not say; what is stored may be fewer."""
    window: tuple[float, float] | None = None
    """Center and width, applied to what rescaling gives (PS3.3 section C.11.2.1.2)."""
    window_function: str = "LINEAR"
    rescale: tuple[float, float] = (1.0, 0.0)
    """Slope and intercept (PS3.3 section C.11.1)."""
    notes: tuple[str, ...] = ()

    @property
    def stored_frame_length(self) -> int:
        """The bytes of one frame when it is not compressed."""
        if self.photometric == "YBR_FULL_422":
            return self.rows * self.columns * 2
        return self.rows * self.columns * self.samples * self.bits_allocated // 8


def read_pixel_format(header: FileDataset) -> PixelFormat:
    """The pixel format of an instance.

    Raises
    ------
    ClipError
        What is missing cannot be guessed, or the picture is larger than any echo machine makes.
    """
    notes: list[str] = []
    attributes = _Attributes(header, notes.append)
    rows, columns = attributes.number("Rows", 0), attributes.number("Columns", 0)
    if rows < 1 or columns < 1:
        raise ClipError(Reason(ReasonKind.NO_PIXELS))
    if rows * columns > LARGEST_PICTURE:
        raise ClipError(f"too large: {columns} x {rows} pixels")
    samples = attributes.number("SamplesPerPixel", 0)
    photometric = attributes.text("PhotometricInterpretation", "")
    if not photometric:
        photometric = attributes.settled("PhotometricInterpretation", None, "MONOCHROME2" if samples == 1 else "RGB")
    samples = attributes.settled("SamplesPerPixel", samples, SAMPLES_OF.get(photometric, 3))
    allocated = attributes.number("BitsAllocated", 8)
    if allocated not in (8, 16):
        raise ClipError(f"{allocated} bits a sample: 8 and 16 are known")
    stored = attributes.number("BitsStored", allocated)
    stored = stored if 1 <= stored <= allocated else attributes.settled("BitsStored", stored, allocated)
    high = attributes.number("HighBit", stored - 1)
    several = header.get("SOPClassUID") in MULTI_FRAME
    frames = attributes.number("NumberOfFrames", 0 if several else 1)
    if frames > MOST_FRAMES:
        raise ClipError(f"{frames} frames are more than a clip has")
    return PixelFormat(
        transfer_syntax=UID(header.file_meta.get("TransferSyntaxUID") or ExplicitVRLittleEndian),
        rows=rows,
        columns=columns,
        samples=samples,
        photometric=photometric,
        by_plane=attributes.number("PlanarConfiguration", 0) == 1,
        bits_allocated=allocated,
        bits_stored=stored,
        lowest_bit=high + 1 - stored if stored <= high < allocated else 0,
        signed=attributes.number("PixelRepresentation", 0) == 1,
        number_of_frames=max(frames, 0 if several else 1),
        window=_window(header),
        window_function=attributes.text("VOILUTFunction", "LINEAR"),
        rescale=(read_number(header, "RescaleSlope") or 1.0, read_number(header, "RescaleIntercept") or 0.0),
        notes=tuple(notes),
    )


def _window(header: Dataset) -> tuple[float, float] | None:
    center, width = read_number(header, "WindowCenter"), read_number(header, "WindowWidth")
    return (center, width) if center is not None and width is not None and width >= 1 else None


class _Attributes:
    """Reads attributes that may be missing or hold what their VR does not allow; says what it made of them."""

    def __init__(self, header: Dataset, note: Callable[[str], None]) -> None:
        self._header, self._note = header, note

    def number(self, keyword: str, default: int) -> int:
        """The first of its values, when that is a number."""
        values = read_numbers(self._header, keyword)
        if not values:
            return default
        return self.settled(keyword, None, default) if values[0] is None else int(values[0])

    def text(self, keyword: str, default: str) -> str:
        value = self._header.get(keyword)
        return value.strip().upper() if isinstance(value, str) and value.strip() else default

    def settled(self, keyword: str, said: int | None, taken: Taken) -> Taken:
        """Go on with `taken`, with a note when the header says something else."""
        if said != taken:
            self._note(f"{keyword} is missing or wrong: {taken} was taken")
        return taken
