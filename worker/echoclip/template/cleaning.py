"""A report in the spelling that the vocabulary has. The order of the steps is the published code's, and matters."""

import re

_WORDS = {
    "WAS": "IS",
    "WERE": "ARE",
    "AND/OR": "AND",
    "NORMALLY": "NORMAL",
    "MILDLY": "MILD",
    "MODERATELY": "MODERATE",
    "SEVERELY": "SEVERE",
    "PULMONARY ARTERY": "PA",
}
# The adverbs also inside a word: ABNORMALLY becomes ABNORMAL.
_WORD = re.compile(r"\b(?:WAS|WERE|AND/OR)\b|(?:NORMAL|MILD|MODERATE|SEVERE)LY|PULMONARY ARTERY")

_BEFORE_WORDS = (
    (re.compile(r"\^|CRLF|‡"), ""),  # line breaks, as exports spell them, and what separates values among the ids
    (re.compile(r"(?<=\D)\.|\.(?=\D)"), ". "),  # every stop but those inside a number
    (re.compile(r"[\[\]]"), ""),
)
_AFTER_WORDS = (
    (re.compile(r"\d{2}/\d{2}/\d{4}"), ""),  # dates
    (re.compile(r"\d{2}\.\d{2}\.\d{4}"), ""),
    (re.compile(r"[A-Z]\d+\.\d*\b"), ""),  # ICD-10 codes
    (re.compile(r"(?<!\s)\s+(?=MMHG|MM|CM|%)"), ""),  # 24 MM
    (re.compile(r"\s\."), "."),
    (re.compile(r"\s+"), " "),
    (re.compile(r" \+ "), "+"),
    (re.compile(r"\+CVPMMHG"), "MMHG"),  # a right ventricular pressure "plus CVP": the unit alone
)
_STOPS = re.compile(r"\.+")


def clean(text: str, unfinished: re.Pattern[str] | None = None) -> str:
    """Spell a report as the vocabulary does: upper case, plain adjectives, one blank between words and at the end.

    Parameters
    ----------
    text
        Anything; what UTF-8 cannot hold is replaced.
    unfinished
        Matches sentences that are to end with a full stop and do not (`TemplateRules.unfinished`).
    """
    text = text.encode("utf-8", "replace").decode()  # a lone surrogate, of a text that was decoded badly
    text = text.upper().strip().replace("`", "'")
    for pattern, replacement in _BEFORE_WORDS:
        text = pattern.sub(replacement, text)
    text = _WORD.sub(lambda word: _WORDS[word.group()], text)
    for pattern, replacement in _AFTER_WORDS:
        text = pattern.sub(replacement, text)
    text = text.strip() + " "
    if unfinished is not None:
        text = unfinished.sub(r"\g<0>.", text)
    return _STOPS.sub(".", text)
