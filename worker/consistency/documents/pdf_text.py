"""The text of a PDF, where it has one, page by page."""

import zlib
from io import BytesIO

from pypdf import PageObject, PdfReader
from pypdf.errors import DependencyError, PyPdfError

from worker.consistency.documents.readable_text import TextBuilder
from worker.consistency.sr.tree import BROKEN_DATA

LARGEST_BYTES = 32 << 20
MOST_PAGES = 40
"""A report has one to six; a longer document is no report, or has it in front."""
LARGEST_PAGE_BYTES = 4 << 20
"""Of a page's drawing, unpacked: one with more is a drawing, and reading it takes minutes."""
_BROKEN_PDF = (*BROKEN_DATA, PyPdfError, DependencyError, MemoryError, zlib.error)
"""What pypdf raises on files that are not what they say; DependencyError for ciphers that want another package."""


def add_pdf_text(content: bytes, into: TextBuilder) -> list[str]:
    """Add the text of every page; what could not be read, as notes that quote nothing of the document.

    A PDF that is encrypted, damaged, too large, or only pictures of pages, has no text.
    """
    if len(content) > LARGEST_BYTES:
        return [f"no text: the PDF has more than {LARGEST_BYTES >> 20} MiB"]
    start = content.find(b"%PDF-", 0, 1024)
    if start < 0:
        return ["no text: what is called a PDF is none"]
    try:
        reader = PdfReader(BytesIO(content[start:]))
        if reader.is_encrypted and not reader.decrypt(""):
            return ["no text: the PDF is encrypted"]
        pages = len(reader.pages)
    except _BROKEN_PDF:
        return ["no text: the PDF is damaged, or encrypted in a way that cannot be read"]
    return _pages(reader, pages, into)


def _pages(reader: PdfReader, pages: int, into: TextBuilder) -> list[str]:
    notes: list[str] = []
    before, damaged = len(into.text), 0
    for number in range(min(pages, MOST_PAGES)):
        try:
            page = reader.pages[number]
            if _is_drawing(page):
                notes.append(f"page {number + 1} of the PDF is a drawing: it was not read")
                continue
            into.paragraph(page.extract_text(), origin=f"page {number + 1}")
        except _BROKEN_PDF:
            damaged += 1
        if into.is_cut:
            break
    if pages > MOST_PAGES:
        notes.append(f"the PDF has {pages} pages: those after page {MOST_PAGES} were not read")
    if damaged:
        notes.append(f"{damaged} pages of the PDF are damaged: their text is missing")
    if len(into.text) == before and not damaged:
        notes.append("no text: the PDF has pictures of pages, as a scanner makes them, or nothing at all")
    return notes


def _is_drawing(page: PageObject) -> bool:
    contents = page.get_contents()
    return contents is not None and len(contents.get_data()) > LARGEST_PAGE_BYTES
