"""The answer to an HL7 v2 message (v2.5.1 section 2.9): what became of it, under the number that its sender gave it.

Nothing but the header of the message is repeated: no segment with a patient in it, and no text but our own.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from config.errors import UnreadableReportError
from dicom_node.messages.hl7_text import APPLICATION
from worker.consistency.hl7.parsing import Message, parse
from worker.consistency.hl7.reports import refuse_other_messages

_HEADER = re.compile(rb"^\x0b?\s*MSH(.)(.*?)[\r\n]", re.DOTALL)
"""The line of the MSH, with which a message begins."""


class Verdict(StrEnum):
    """What became of a message; MSA-1 of the original mode, table 0008."""

    ACCEPTED = "AA"
    """It is kept, and will not be lost."""
    ERROR = "AE"
    """It could not be kept now: it is worth sending again."""
    REJECTED = "AR"
    """It is none that is taken, and never will be."""


_OF_COMMITTING = {Verdict.ACCEPTED: "CA", Verdict.ERROR: "CE", Verdict.REJECTED: "CR"}
"""MSA-1 of the enhanced mode."""
_CONDITIONS = {
    "unsupported": ("200", "Unsupported message type"),
    "unreadable": ("100", "Segment sequence error"),
    "too long": ("207", "Application internal error"),
    "not kept": ("207", "Application internal error"),
}
"""ERR-3, table 0357."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A message that was looked at: whether it is one to keep, and if not, why."""

    verdict: Verdict
    condition: str = ""
    """A key of table 0357's above; "" where nothing is wrong."""
    message: Message | None = None


def judge(content: bytes) -> Judged:
    """Whether a message is to be kept: any of results that can be taken apart."""
    try:
        message = parse(content)
    except UnreadableReportError:
        return Judged(verdict=Verdict.REJECTED, condition="unreadable")
    try:
        refuse_other_messages(message)
    except UnreadableReportError:
        return Judged(verdict=Verdict.REJECTED, condition="unsupported", message=message)
    return Judged(verdict=Verdict.ACCEPTED, message=message)


def acknowledgement(judged: Judged, *, our_control_id: str, now: datetime | None = None) -> bytes | None:
    """The answer, without the frame of MLLP; None where the sender wants none (MSH-15 and MSH-16, table 0155).

    Without MSH-15 and MSH-16 in the original mode. With MSH-15 it is the commit acknowledgement of the enhanced mode.
    Senders that want none of these for what became of the message, and an application acknowledgement by MSH-16, get
    that, at once and on the same connection: we send no second answer later.
    """
    message = judged.message
    if message is None:
        return _answer(None, judged, judged.verdict.value, our_control_id, now)
    commit, application = (message.header.first(number).upper() for number in (15, 16))
    if commit and _is_wanted(commit, judged.verdict):
        return _answer(message, judged, _OF_COMMITTING[judged.verdict], our_control_id, now)
    if (not commit and not application) or _is_wanted(application, judged.verdict):
        return _answer(message, judged, judged.verdict.value, our_control_id, now)
    return None


def header_of_beginning(beginning: bytes) -> Message | None:
    """The header of a message of which only the beginning came, for an answer that names it; None without one."""
    found = _HEADER.search(beginning[:4096])
    try:
        return parse(found[0]) if found is not None else None
    except UnreadableReportError:
        return None


def _is_wanted(said: str, verdict: Verdict) -> bool:
    accepted = verdict is Verdict.ACCEPTED
    return said == "AL" or (said == "SU" and accepted) or (said == "ER" and not accepted)


def _answer(message: Message | None, judged: Judged, code: str, our_control_id: str, now: datetime | None) -> bytes:
    header = message.header if message is not None else None
    separator = header.delimiters.field if header is not None else "|"
    between = header.delimiters.component if header is not None else "^"

    def echoed(number: int, otherwise: str = "") -> str:
        """A field of the sender's header as it was sent; it is of one line, for it came in one."""
        raw = header.raw(number) if header is not None else ""
        return raw.replace("\n", " ")[:200] or otherwise

    version = echoed(12, "2.5.1")
    trigger = header.first(9, 2) if header is not None else ""
    # The structure is a component of its own from 2.3.1 on (v2.5.1 section 2.15.9.9).
    has_structure = trigger.isalnum() and version.split(between, 1)[0] >= "2.3.1"
    kind = between.join(["ACK", trigger, "ACK"]) if has_structure else "ACK"
    when = (now or datetime.now(UTC)).strftime("%Y%m%d%H%M%S+0000")
    fields = [
        "MSH", echoed(2, "^~\\&"), echoed(5, APPLICATION), echoed(6), echoed(3), echoed(4), when, "", kind,
        our_control_id, echoed(11, "P"), version,
    ]  # fmt: skip
    text = _CONDITIONS[judged.condition][1] if judged.condition else ""
    segments = [separator.join(fields), separator.join(["MSA", code, echoed(10), text]).rstrip(separator)]
    if header is None:
        segments[1] = f"MSA|{code}||{text}".rstrip("|")
    if judged.condition:
        segments.append(_error(judged.condition, separator, between, version))
    encoding = message.encoding if message is not None else "ascii"
    return "".join(f"{segment}\r" for segment in segments).encode(encoding, "replace")


def _error(condition: str, separator: str, between: str, version: str) -> str:
    """ERR: from 2.5 the condition is field 3 and its severity field 4; before, all of it is field 1."""
    number, words = _CONDITIONS[condition]
    if version.split(between, 1)[0] >= "2.5":
        return separator.join(["ERR", "", "", between.join([number, words, "HL70357"]), "E"])
    return separator.join(["ERR", between.join(["", "", "", f"{number}&{words}"])])
