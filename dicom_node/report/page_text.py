"""The text of the page: its styles, and lines and paragraphs in the fonts that have their letters.

On a Chinese page the viewer brings the letters, and where it has none they stay blank (`dicom_node.report.letters`). So
what no reader may overlook is on a Chinese page in English as well.
"""

from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

from config.languages import Language
from dicom_node.report.letters import CHINESE, LATIN, LATIN_BOLD, register_chinese, runs_of

INK, FAINT, LINE = HexColor(0x14181D), HexColor(0x6B747E), HexColor(0xD5DADF)
SLATE, AMBER, RED = HexColor(0x1D2630), HexColor(0xFFC440), HexColor(0xC8321F)
CURVE = HexColor(0x1F6FB2)


class PageText:
    """The letters of a page in one language, and its styles."""

    def __init__(self, language: Language, *, scale: float = 1.0) -> None:
        """Make the styles, with letters `scale` times their usual size."""
        register_chinese()
        self.scale = scale
        self.is_chinese = language is Language.CHINESE
        self.body = self._style("body", 10 * scale)
        self.strong = self._style("strong", 10 * scale, is_bold=True)
        self.small = self._style("small", 7.8 * scale)
        self.note = self._style("note", 6.6 * scale)
        self.note.textColor = FAINT
        self.heading = self._style("heading", 8.2 * scale, is_bold=True)
        self.warning = self._style("warning", 9.5 * scale, is_bold=True)
        self.warning.textColor = RED

    def runs(self, said: str, *, is_bold: bool = False) -> list[tuple[str, str]]:
        """A line in fonts that can write it, as `runs_of`."""
        return runs_of(said, is_chinese=self.is_chinese, is_bold=is_bold)

    def paragraph(self, said: str, style: ParagraphStyle) -> Paragraph:
        """Text that goes on in the next line; what would be markup in it is text."""
        runs = [
            # The Latin letters of a Chinese font are as wide as its characters.
            escape(letters) if font in (style.fontName, LATIN) and not self.is_chinese
            else f'<font face="{font}">{escape(letters)}</font>'
            for font, letters in self.runs(said)
        ]  # fmt: skip
        return Paragraph("".join(runs), style)

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
        """Write a line, in smaller letters where it would be wider than `width` (0: however wide it is).

        However small: who zooms in reads all of it, and it never lies upon what stands beside it.
        """
        while width and size > 1 and self.width(canvas, said, size, is_bold=is_bold) > width:
            size -= 0.5
        for font, letters in self.runs(said, is_bold=is_bold):
            canvas.setFont(font, size)
            canvas.drawString(left, base, letters)
            left += canvas.stringWidth(letters, font, size)

    def draw_to(self, canvas: Canvas, right: float, base: float, said: str, size: float) -> None:
        """Write a line that ends at `right`."""
        self.draw(canvas, right - self.width(canvas, said, size), base, said, size)

    def draw_about(self, canvas: Canvas, middle: float, base: float, said: str, size: float) -> None:
        """Write a line whose middle is there."""
        self.draw(canvas, middle - self.width(canvas, said, size) / 2, base, said, size)

    def width(self, canvas: Canvas, said: str, size: float, *, is_bold: bool = False) -> float:
        """How wide a line is."""
        runs = self.runs(said, is_bold=is_bold)
        return float(sum(canvas.stringWidth(letters, font, size) for font, letters in runs))

    def _style(self, name: str, size: float, *, is_bold: bool = False) -> ParagraphStyle:
        latin = LATIN_BOLD if is_bold else LATIN
        return ParagraphStyle(
            name,
            fontName=CHINESE if self.is_chinese else latin,
            fontSize=size,
            leading=1.28 * size,
            alignment=TA_LEFT,
            textColor=INK,
            wordWrap="CJK" if self.is_chinese else None,
        )
