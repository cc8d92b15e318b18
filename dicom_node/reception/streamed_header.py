"""The header of an instance, read while its bytes pass by on their way to the disk; and whether they end well.

A study of sixty clips is hundreds of megabytes: reading each file again before it may be acknowledged would cost more
than receiving it. Where the stream does not say enough, as when the pixel data are not in the first window, or the data
set is deflated, the file itself is read.
"""

from io import BytesIO
from pathlib import Path

from pydicom.uid import DeflatedExplicitVRLittleEndian

from config.errors import UnreadableInstanceError
from dicom_node.fragments import UNDEFINED_LENGTH, FragmentWalk
from dicom_node.header import InstanceHeader, PixelDataStart, header_of, read_header, read_until_pixels

HEADER_BYTES = 64 * 1024
"""No ultrasound machine writes more before its pixels, but for private data; the file of such an instance is read."""


class StreamedHeader:
    """Looks at each window of a file, from the front to the end."""

    def __init__(self, transfer_syntax_uid: str = "") -> None:
        self._is_deflated = transfer_syntax_uid == DeflatedExplicitVRLittleEndian
        self._header: InstanceHeader | None = None
        self._pixels: PixelDataStart | None = None
        self._fragments: FragmentWalk | None = None

    @property
    def header(self) -> InstanceHeader | None:
        """What is known so far: of an instance that may still prove damaged."""
        return self._header

    def see(self, window: memoryview, start: int) -> None:
        """The next bytes of the file; `start` is their position in it."""
        if start == 0:
            self._begin(window)
        if self._fragments is not None:
            self._fragments.see(window, start)

    def finish(self, path: Path, size: int) -> InstanceHeader:
        """The header, once the whole file of `size` bytes was seen and lies at `path`.

        Raises
        ------
        UnreadableInstanceError
            It is not a DICOM file, a UID is missing or malformed, or the file ends inside an element.
        """
        if self._header is None or self._pixels is None:
            self._header = read_header(path)
            return self._header
        if self._fragments is not None:
            self._fragments.require_whole(size)
        elif self._pixels.end > size:
            raise UnreadableInstanceError(f"cut off: pixel data miss {self._pixels.end - size} bytes")
        return self._header

    def _begin(self, window: memoryview) -> None:
        if self._is_deflated:
            return  # pydicom would inflate the window, to a thousand times its size
        try:
            dataset, pixels = read_until_pixels(BytesIO(window[:HEADER_BYTES]))
            if pixels is None:
                return
            self._header = header_of(dataset)
        except Exception:  # noqa: BLE001  damaged, or merely longer than the window: the file will tell
            return
        self._pixels = pixels
        if pixels.length == UNDEFINED_LENGTH:
            self._fragments = FragmentWalk(pixels.value_at)
