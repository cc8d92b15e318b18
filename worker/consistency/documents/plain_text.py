"""The text of a file, in whichever of the usual encodings."""

from config.errors import UnreadableReportError
from worker.consistency.documents.readable_text import tidy


def text_in(content: bytes) -> str:
    """The text of a file or of standard input.

    Raises
    ------
    UnreadableReportError
        It is empty, or no text.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", "replace")
    elif b"\0" in content:
        raise UnreadableReportError("the file is no text: it has zero bytes in it")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", "replace")
    if not (text := tidy(text)).strip():
        raise UnreadableReportError("the file is empty")
    return text
