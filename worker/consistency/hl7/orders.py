"""Which order each result of an HL7 message answers: a later result of the same order takes the place of an earlier."""

import hashlib

from worker.consistency.hl7.parsing import Segment, parse


def order_keys(content: bytes) -> list[str | None]:
    """A digest for each OBR of a message, in their order; None for one that has no number of an order.

    Of the same order are results with the same sender (MSH-3, MSH-4), patient (PID-3), number of the filler (OBR-3,
    ORC-3; where both are empty the placer's, OBR-2, ORC-2) and service (OBR-4): two hospitals give out the same
    numbers, and an order may have several services. What differs in any of these stands beside the other; both count.

    Raises
    ------
    UnreadableReportError
        It is no HL7 message.
    """
    message = parse(content)
    sender = [message.header.raw(3), message.header.raw(4)]
    keys: list[str | None] = []
    patient, control = "", list[Segment]()
    for segment in message.segments:
        if segment.name == "PID":
            patient, control = segment.first(3), []
        elif segment.name == "ORC":
            control = [segment]
        elif segment.name == "OBR":
            keys.append(_key([*sender, patient], [segment, *control]))
            control = []
    return keys


def _key(around: list[str], segments: list[Segment]) -> str | None:
    for number in (3, 2):
        for segment in segments:
            if segment.first(number):
                said = [*around, str(number), segment.raw(number).strip(), segments[0].first(4)]
                return hashlib.sha256("\0".join(said).encode()).hexdigest()
    return None
