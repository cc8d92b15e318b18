"""The letters of the page.

Latin text is in Helvetica, which every viewer has. Chinese characters are in STSong-Light of Adobe's collection, which
is not in the file: the viewer brings its own letters for it, and where it has none they stay blank. So what no reader
may overlook is on a Chinese page in English as well.
"""

import re
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

from config.languages import Language

INK, FAINT, LINE = HexColor(0x14181D), HexColor(0x6B747E), HexColor(0xD5DADF)
SLATE, AMBER, RED = HexColor(0x1D2630), HexColor(0xFFC440), HexColor(0xC8321F)
CURVE = HexColor(0x1F6FB2)
_LATIN, _LATIN_BOLD, _CHINESE = "Helvetica", "Helvetica-Bold", "STSong-Light"
_LATIN_RUN = re.compile(r"[\x20-\x7e]+")


class PageText:
    """The letters of a page in one language, and its styles."""

    def __init__(self, language: Language, *, scale: float = 1.0) -> None:
        """Make the styles, with letters `scale` times their usual size."""
        if _CHINESE not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(UnicodeCIDFont(_CHINESE))
        self.is_chinese = language is Language.CHINESE
        self.body = self._style("body", 10 * scale)
        self.strong = self._style("strong", 10 * scale, is_bold=True)
        self.small = self._style("small", 7.8 * scale)
        self.heading = self._style("heading", 8.2 * scale, is_bold=True)
        self.warning = self._style("warning", 9.5 * scale, is_bold=True)
        self.warning.textColor = RED

    @staticmethod
    def face(said: str, *, is_bold: bool = False) -> str:
        """The font that can write a line."""
        try:
            said.encode("cp1252")
        except UnicodeEncodeError:
            return _CHINESE
        return _LATIN_BOLD if is_bold else _LATIN

    def paragraph(self, said: str, style: ParagraphStyle) -> Paragraph:
        """Text that goes on in the next line; what would be markup in it is text."""
        if not self.is_chinese:
            return Paragraph(escape(said), style)
        # The Latin letters of a Chinese font are as wide as its characters.
        runs = _LATIN_RUN.sub(lambda run: f'<font face="{_LATIN}">{escape(run[0])}</font>', said)
        return Paragraph(runs, style)

    def draw(
        self,
        canvas: Canvas,
        left: float,
        base: float,
        said: str,
        size: float,
        *,
        width: float = 0,
        is_bold: bool = False,
    ) -> None:
        """Write a line, in smaller letters where it would be wider than `width` (0: however wide it is)."""
        font = self.face(said, is_bold=is_bold)
        while width and size > 5 and canvas.stringWidth(said, font, size) > width:
            size -= 0.5
        canvas.setFont(font, size)
        canvas.drawString(left, base, said)

    def width(self, canvas: Canvas, said: str, size: float, *, is_bold: bool = False) -> float:
        """How wide a line is."""
        return float(canvas.stringWidth(said, self.face(said, is_bold=is_bold), size))

    def _style(self, name: str, size: float, *, is_bold: bool = False) -> ParagraphStyle:
        latin = _LATIN_BOLD if is_bold else _LATIN
        return ParagraphStyle(
            name,
            fontName=_CHINESE if self.is_chinese else latin,
            fontSize=size,
            leading=1.28 * size,
            alignment=TA_LEFT,
            textColor=INK,
            wordWrap="CJK" if self.is_chinese else None,
        )
