"""The page of results that many machines store at the end of a study: text alone, no ultrasound."""

import numpy as np
import numpy.typing as npt

from worker.phantom.lettering import letters, stamp, write
from worker.phantom.measurements import Measurements
from worker.phantom.screen import blank
from worker.phantom.screen_parts import VendorStyle
from worker.phantom.words import Words


def result_page(measurements: Measurements, style: VendorStyle, words: Words) -> npt.NDArray[np.uint8]:
    """The page: uint8 [rows, columns, 3], RGB."""
    page = blank(style)
    for block in style.texts[:2]:
        write(page, block, words)
    font = style.texts[0].font
    place = style.sector
    size = max(14, style.rows // 36)
    rows = [("ADULT ECHO  RESULTS", ""), ("", ""), *measurements.lines()]
    for index, (name, value) in enumerate(rows):
        top = place.top + 24 + round(index * 1.6 * size)
        for text, left in ((name, place.left + 20), (value, place.left + place.width // 2)):
            if text:
                stamp(page, letters(text, size=size, font=font), left=left, top=top, colour=style.texts[-1].colour)
    return page
