"""A folder that reports are put into, by the MLLP server or by some other system.

    <inbox>/*.hl7, *.txt    reports; a text is named by its study's accession number or Study Instance UID
    <inbox>/done/           those that were taken
    <inbox>/rejected/       those that were not, each with `<name>.reason.txt` beside it

A file is taken once it has stood still: another system writes its files while we look. Names of files may be accession
numbers or worse: whoever calls this logs none, and of an OSError, which quotes them, no more than its place.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from config.errors import UnreadableReportError
from config.whole_files import sync, write_durably
from dicom_node.header import is_valid_uid
from worker.consistency.documents.plain_text import text_in
from worker.consistency.hl7.parsing import messages_in
from worker.consistency.identifiers import Identifier, ReportIdentifiers

LARGEST_BYTES = 64 << 20
DONE, REJECTED = "done", "rejected"
_MESSAGES, _TEXTS = {".hl7"}, {".txt"}


@dataclass
class Inbox:
    """One folder, looked at again and again; several readers take turns by moving files away."""

    folder: Path
    stands_still_s: float = 5.0
    """So long size and time of a file must stay the same; 0 for a folder whose files appear whole."""
    _seen: dict[str, tuple[int, int, float]] = field(default_factory=dict)
    """Of each file its size, its time in nanoseconds, and when it was first seen so."""

    def waiting(self, *, now_s: float | None = None) -> list[Path]:
        """The files that stand still, by name, which for those of the MLLP server is the order that they came in.

        Raises
        ------
        OSError
            The folder is not there, or cannot be read.
        """
        now = time.monotonic() if now_s is None else now_s
        still: list[Path] = []
        seen: dict[str, tuple[int, int, float]] = {}
        for name, size, changed in self._files():
            before = self._seen.get(name)
            since = before[2] if before is not None and before[:2] == (size, changed) else now
            seen[name] = (size, changed, since)
            if now - since >= self.stands_still_s:
                still.append(self.folder / name)
        self._seen = seen
        return sorted(still)

    def others(self) -> list[Path]:
        """Files of no kind that is taken: they stay, and are for somebody to look at."""
        return sorted(
            path for path in self.folder.iterdir()
            if path.is_file() and not path.name.startswith(".") and path.suffix.lower() not in _MESSAGES | _TEXTS
        )  # fmt: skip

    def done(self, path: Path) -> Path:
        """Move a file that was taken out of the way; where it is now.

        Raises
        ------
        OSError
            It cannot be moved: it stays, and will be taken once more.
        """
        return _moved(path, self.folder / DONE)

    def reject(self, path: Path, reason: str) -> Path:
        """Move a file that cannot be used out of the way, with the reason, free of PHI, beside it; where it is now.

        Raises
        ------
        OSError
            It cannot be moved: it stays, and will be taken once more.
        """
        moved = _moved(path, self.folder / REJECTED)
        write_durably(moved.with_name(f"{moved.name}.reason.txt"), f"{reason}\n".encode())
        return moved

    def _files(self) -> Iterator[tuple[str, int, int]]:
        with os.scandir(self.folder) as entries:
            for entry in entries:
                suffix = Path(entry.name).suffix.lower()
                if entry.name.startswith(".") or suffix not in _MESSAGES | _TEXTS:
                    continue
                with suppress(FileNotFoundError):  # another reader took it
                    facts = entry.stat(follow_symlinks=False)
                    if entry.is_file(follow_symlinks=False):
                        yield entry.name, facts.st_size, facts.st_mtime_ns


@dataclass(frozen=True, kw_only=True)
class PlainText:
    """A report as nothing but text."""

    text: str = field(repr=False)
    identifiers: ReportIdentifiers = field(repr=False)


def is_text(path: Path) -> bool:
    """Whether a file of an inbox is plain text; otherwise it has HL7 messages."""
    return path.suffix.lower() in _TEXTS


def hl7_messages(path: Path) -> list[bytes]:
    """The HL7 messages of a file.

    Raises
    ------
    UnreadableReportError
        It is empty, or far too large.
    OSError
        It cannot be read.
    """
    messages = messages_in(_content(path))
    if not messages:
        raise UnreadableReportError("the file is empty")
    return messages


def plain_text(path: Path) -> PlainText:
    """A text, in UTF-8 or else in the character set of Windows; its name without the suffix says whose study it is of.

    Raises
    ------
    UnreadableReportError
        It is empty, far too large, or no text.
    OSError
        It cannot be read.
    """
    return PlainText(text=text_in(_content(path)), identifiers=identifiers_in_name(path.stem))


def identifiers_in_name(name: str) -> ReportIdentifiers:
    """A Study Instance UID where it is one, with several components; else an accession number."""
    name = name.strip()
    if is_valid_uid(name) and name.count(".") >= 3:
        return ReportIdentifiers(study_instance_uids=(name,))
    return ReportIdentifiers(accession_numbers=(Identifier(value=name, source="file name"),))


def _content(path: Path) -> bytes:
    if path.stat().st_size > LARGEST_BYTES:
        raise UnreadableReportError(f"the file has more than {LARGEST_BYTES >> 20} MiB: it was not read")
    return path.read_bytes()


def _moved(path: Path, folder: Path) -> Path:
    """Rename, never over another file: names of other systems come again."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        target = folder / (f"{path.stem}.{number}{path.suffix}" if number else path.name)
        try:
            os.link(path, target)  # fails where the name is taken, which a rename does not
            path.unlink()
        except FileExistsError:
            number += 1
            continue
        except OSError:  # a share that knows no links
            if target.exists():
                number += 1
                continue
            path.rename(target)
        sync(folder)
        return target
