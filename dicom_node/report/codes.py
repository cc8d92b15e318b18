"""The coded terms of our reports that are not in the task catalogue (DICOM PS3.16)."""

from highdicom.sr import CodedConcept
from pydicom.sr.coding import Code

import config.coded_concepts
from db.results.runs import ScoreKind, Verdict

OUR_SCHEME = "99ECHOWORKER"
"""Of messages alone, beside public codes: which task, which verdict, what kind of score. Reports have none of it: PACS
know public codes, and validators warn of others. A site's own catalogue may have a scheme of its own."""
OUR_SCHEME_NAME = "EchoWorker local codes"

LANGUAGE_SCHEME = "RFC5646"
"""TID 1204; with the country where a language is written in several ways."""
ECHOCARDIOGRAPHY = Code("40701008", "SCT", "Echocardiography")
"""Transthoracic or not is for the modality to say; CID 100."""
COMMENT = Code("121106", "DCM", "Comment")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
"""TID 1500 row 12."""
ILLUSTRATION = Code("125201", "DCM", "Illustration of Finding")
"""The heat map of an answer."""
MEDIAN = Code("373099004", "SCT", "Median")
MEAN = Code("373098007", "SCT", "Mean")
NO_UNITS = Code("1", "UCUM", "no units")
_SCORE = Code("246262008", "SCT", "Score")
SCORES: dict[ScoreKind, Code] = {
    "similarity": _SCORE,
    "probability": Code("122157", "DCM", "Probability"),
    "score": _SCORE,
}
"""What the number beside a finding is. A cosine is no probability before it is calibrated; the comment beside it says
what kind of score it is, and so does the method."""
KINDS_OF_SCORE: dict[ScoreKind, Code] = {
    "similarity": Code("SIMILARITY", OUR_SCHEME, "Cosine similarity of frames and prompts"),
    "probability": Code("PROBABILITY", OUR_SCHEME, "Probability of the finding, by a trained head"),
    "score": Code("SCORE", OUR_SCHEME, "Score of the model"),
}
"""The same for messages, to the letter."""

UNDETERMINED = Code("373068000", "SCT", "Undetermined")
"""CID 240, and the answer to any question that has none."""
PRESENCE: dict[Verdict, Code] = {
    Verdict.PRESENT: Code("52101004", "SCT", "Present"),
    Verdict.ABSENT: Code("272519000", "SCT", "Absent"),
    Verdict.UNCALIBRATED: UNDETERMINED,
    Verdict.ABSTAINED: UNDETERMINED,
}
"""CID 240. The answer CLASSIFIED is the concept of its class; MEASURED is a number."""


def coded(concept: config.coded_concepts.CodedConcept) -> CodedConcept:
    """A concept of the catalogue as a content item takes it."""
    return CodedConcept(value=concept.value, scheme_designator=concept.scheme, meaning=concept.meaning)
