"""Why something has no answer: in English for registry, logs and command line, and as what it is made of for a report
in another language.

Every kind of reason has its English words here, and those of the other languages in `dicom_node/report/languages`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class ReasonKind(StrEnum):
    """Of each the English words; in braces what is filled in, by name."""

    # Why a task has no answer, or what is to be known of its answer.
    NO_CLIP = "no usable clip"
    NO_VIEW = "no clip shows a view that may answer this: {views}; seen: {seen}"
    NOT_ASKED = "asked only where {task} is PRESENT; it is {verdict}"
    OUT_OF_RANGE = "the estimate, {estimate:.3g} {unit}, is outside of {first} to {last}, which is what can be reported"
    CLASSES_TOO_NEAR = (
        "the nearest class, {outcome}, leads the next by {lead:.4f}: more than {needed:.4f} is needed to tell them"
    )
    CLASS_TOO_UNSURE = (
        "the most likely class, {outcome}, has a probability of {probability:.2f}: more than {needed:.2f} is needed"
    )
    NO_THRESHOLD = "no threshold was made with {model} and these prompts"
    NO_CUT_POINTS = "no cut points were made with {model} and these prompts"
    NO_SMALLEST_LEAD = "no smallest lead was made with {model} and these prompts"
    CALIBRATION_LACKS_TASK = "the calibration does not have the task"
    CALIBRATION_OF_OTHER_MODEL = "the calibration was made with another model ({model})"
    CALIBRATION_OF_OTHER_FRAMES = "the calibration was made with frames of profile {profile}"
    CALIBRATION_OF_OTHER_PROMPTS = "the calibration was made with other prompts"
    CALIBRATION_THRESHOLD_UNFIT = "the calibration has a threshold, which this task cannot use"
    CALIBRATION_CUT_POINTS_UNFIT = "the calibration has cut points that do not fit the task's classes"
    THRESHOLD_OF_OTHER_FRAMES = (
        "the threshold was measured with another preprocessing ({measured_with}) than these clips have ({profile})"
    )
    CUT_POINTS_OF_OTHER_FRAMES = (
        "the cut points were measured with another preprocessing ({measured_with}) than these clips have ({profile})"
    )

    # Why an instance gives no clip. What is said of damaged files, of which there are many ways, has no kind.
    NO_HEART = "the model sees no heart: most like {view}"
    STILL_IMAGE = "a still image"
    TOO_SHORT = "too short: {frames} frames, {needed} are needed"
    TOO_SLOW = "too slow: {frames} frames within what is sampled, {needed} are needed"
    TOO_SMALL = "too small: {columns} x {rows} pixels"
    NOT_ULTRASOUND = "not an ultrasound clip: {sop_class}"
    NO_PIXELS = "holds no pixels"
    FILE_MISSING = "its file is missing from the spool"
    TRACES_ALONE = "no picture of the heart, only {contents}"
    TRACES_WITH_SMALL_PICTURE = "{contents} with a small picture beside it"
    NO_SECTOR_BUT_TRACE = "no ultrasound sector: a trace over time, with no larger picture that moves beside it"
    NO_SECTOR_EMPTY = "no ultrasound sector: the picture is empty"
    NO_SECTOR_STILL = "no ultrasound sector: nothing moves, and only text or graphics show"
    NO_SECTOR_GRAPHICS = "no ultrasound sector: nothing but text, lines or traces"
    TOO_FEW_WHOLE = "cannot be decoded: {whole} of {sampled} frames are whole"
    NOT_DECODED = "cannot be decoded ({error})"
    PICTURE_CUT_OFF = "the compressed picture is cut off"
    PICTURE_DAMAGED = "the compressed picture is damaged"

    # What others are put together from.
    TOGETHER = "{reasons}"
    ALONE = "{what}"
    BOTH = "{one} and {other}"
    COUNTED = "{count} × {what}"  # noqa: RUF001


@dataclass(frozen=True)
class Named:
    """A thing with a name in each language: a task, a view, an outcome of a task, a verdict, a kind of picture."""

    of: str
    """task, view, outcome, verdict or content."""
    id: str
    name: str
    """In English."""
    within: str | None = None
    """Of an outcome, the id of its task."""


Filling = str | int | float | Named | tuple["str | Named | Reason", ...]
"""What is filled into a reason. Of several, those that are reasons themselves are clauses, others an enumeration."""


class Reason(str):
    """An English sentence that knows its kind and what is filled into it.

    It is a text as any other, for whoever does not care; written to the registry, its parts go beside it as `terms`.
    """

    kind: ReasonKind
    filled: Mapping[str, Filling]

    def __new__(cls, kind: ReasonKind, **filled: Filling) -> Self:
        """Fill in the English words.

        Raises
        ------
        KeyError
            The kind needs something that is not given.
        """
        reason = super().__new__(cls, kind.value.format_map({name: _in_english(what) for name, what in filled.items()}))
        reason.kind = kind
        reason.filled = filled
        return reason

    def __getnewargs_ex__(self) -> tuple[tuple[ReasonKind], dict[str, Filling]]:
        """For copies, which are made of the same parts."""
        return (self.kind,), dict(self.filled)


def counted(reasons: Iterable[str], *, most: int | None = None) -> str:
    """Reasons with how often each was given, the commonest first; at most so many of them."""
    return "; ".join(f"{count} × {reason}" for reason, count in Counter(reasons).most_common(most))  # noqa: RUF001


def terms_of(reason: str | None) -> dict[str, Any] | None:
    """The parts of a reason as JSON has them; None where it is a text alone."""
    if not isinstance(reason, Reason):
        return None
    return {"kind": reason.kind.name, **{name: _as_json(what) for name, what in reason.filled.items()}}


def reason_of(text: str | None, terms: Mapping[str, Any] | None) -> str | None:
    """The reason that was written as this text and these terms; the text alone where this version does not know them.

    The text is what was said: a kind whose English words have changed since gives the text as well.
    """
    if text is None or terms is None:
        return text
    try:
        reason = _of_terms(terms)
    except (KeyError, TypeError, ValueError):
        return text
    return reason if reason == text else text


def _in_english(what: Filling) -> str | int | float:
    if isinstance(what, Named):
        return what.name
    if isinstance(what, tuple):
        separator = "; " if any(isinstance(one, Reason) for one in what) else ", "
        return separator.join(str(_in_english(one)) for one in what)
    return what


def _as_json(what: Filling) -> Any:
    if isinstance(what, Reason):
        return terms_of(what)
    if isinstance(what, Named):
        return {"of": what.of, "id": what.id, "name": what.name, "within": what.within}
    if isinstance(what, tuple):
        return [_as_json(one) for one in what]
    return what


def _of_terms(terms: Mapping[str, Any]) -> Reason:
    kind = ReasonKind[terms["kind"]]
    return Reason(kind, **{name: _of_json(what) for name, what in terms.items() if name != "kind"})


def _of_json(what: Any) -> Any:
    if isinstance(what, list):
        return tuple(_of_json(one) for one in what)
    if isinstance(what, Mapping):
        return _of_terms(what) if "kind" in what else Named(**what)
    return what
