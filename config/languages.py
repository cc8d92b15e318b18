"""The languages that reports can be written in."""

from enum import StrEnum


class Language(StrEnum):
    """Of the sentences of a report; names of codes stay in English, as DICOM has them."""

    ENGLISH = "en"
    GERMAN = "de"
    FRENCH = "fr"
    SPANISH = "es"
    CHINESE = "zh"
    """Simplified characters."""
