"""Reading the identifiers that archives answer a C-FIND with: whatever they send, a value or nothing."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from pydicom.dataset import Dataset

from dicom_node.header import is_valid_uid

LONGEST_DESCRIPTION = 64
"""PS3.5 section 6.2, VR LO."""


@dataclass(frozen=True, kw_only=True)
class FoundStudy:
    """A study that an archive has; nothing here says whose it is."""

    study_instance_uid: str
    study_date: date | None
    modalities: tuple[str, ...]
    """Empty: the archive does not say."""
    instances: int | None
    """Number of Study Related Instances (0020,1208); None: the archive does not say."""
    description: str
    """As the archive has it: for the eyes of who asked, never logged or stored."""


def study_of(answer: Dataset) -> FoundStudy | None:
    """The study of an answer at study level; None without a valid Study Instance UID."""
    uid = text_of(answer, "StudyInstanceUID")
    if not is_valid_uid(uid):
        return None
    return FoundStudy(
        study_instance_uid=uid,
        study_date=date_of(answer),
        modalities=texts_of(answer, "ModalitiesInStudy"),
        instances=whole_number_of(answer, "NumberOfStudyRelatedInstances"),
        description=text_of(answer, "StudyDescription")[:LONGEST_DESCRIPTION],
    )


def text_of(answer: Dataset, keyword: str) -> str:
    """A value as one line of text, without the padding; empty when it is missing or cannot be decoded."""
    return "\\".join(texts_of(answer, keyword))


def texts_of(answer: Dataset, keyword: str) -> tuple[str, ...]:
    """All values that are not blank."""
    value: object = None
    with contextlib.suppress(Exception):  # pydicom raises whatever damaged values lead it to; such a value is none
        value = answer.get(keyword)
    if value is None:
        return ()
    several = value if isinstance(value, Iterable) and not isinstance(value, str | bytes) else [value]
    lines = ("".join(character for character in str(one) if character.isprintable()).strip() for one in several)
    return tuple(line for line in lines if line)


def whole_number_of(answer: Dataset, keyword: str) -> int | None:
    """An IS value; None when it is missing or no number."""
    text = text_of(answer, keyword)
    return int(text) if text.isdecimal() and text.isascii() else None


def date_of(answer: Dataset) -> date | None:
    """Study Date; None when it is missing or no date."""
    return date_from(text_of(answer, "StudyDate"))


def date_from(text: str) -> date | None:
    """A DA value, also as ACR-NEMA wrote it (2026.11.24: PS3.5 section 6.2); None when it is no date."""
    digits = text.strip().replace(".", "")
    if len(digits) != 8 or not (digits.isdecimal() and digits.isascii()):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
