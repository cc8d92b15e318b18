"""What a reader takes from a Structured Report, a FHIR Bundle and an HL7 message: the same, if all is right.

None of them looks at our code: the report is read by highdicom, the Bundle by fhir.resources, the message by itself.
"""

import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import highdicom
from fhir.resources.R4B.bundle import Bundle
from pydicom.dataset import Dataset

UNDETERMINED = "373068000"
NO_SINGLE_CODE = ("", "")
"""What is asked where no one code says it: a report narrows one by modifiers, messages have the task's own id."""
KINDS_OF_SCORE = {"SIMILARITY": "246262008", "SCORE": "246262008", "PROBABILITY": "122157"}
"""Messages have a code of ours for each kind, where the report has a public one."""
OURS = "99ECHOWORKER"
FHIR_SCHEMES = {
    "http://snomed.info/sct": "SCT",
    "http://loinc.org": "LN",
    "http://unitsofmeasure.org": "UCUM",
    "http://dicom.nema.org/resources/ontology/DCM": "DCM",
}


@dataclass(frozen=True)
class Said:
    """What is said of one task; codes as (value, scheme)."""

    question: tuple[str, str]
    answer: tuple[str, str] | tuple[float, str] | None
    score: tuple[str, float] | None
    site: tuple[str, str]
    explanation: str


def read_report(document: Dataset) -> dict[str, Said]:
    file = BytesIO()
    document.save_as(file, enforce_file_format=True)
    file.seek(0)
    return {g.tracking_identifier: _group(g) for g in highdicom.sr.srread(file).content.get_image_measurement_groups()}


def _group(group: Any) -> Said:
    numbers, evaluations = group.get_measurements(), group.get_qualitative_evaluations()
    comment = next(i.TextValue for i in group[0].ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "121106")
    site = group.finding_sites[0].value
    question, answer, score = None, None, None
    if evaluations:
        question, value = evaluations[0].name, evaluations[0].value
        answer = None if value.value == UNDETERMINED else (value.value, value.scheme_designator)
        score = (numbers[0].name.value, float(numbers[0].value)) if numbers else None
    else:
        question, answer = numbers[0].name, (float(numbers[0].value), numbers[0].unit.value)
    named = (question.value, question.scheme_designator)
    narrower = [len(item.get("ContentSequence", [])) for item in group[0].ContentSequence if item.ValueType == "CODE"]
    if any(narrower):
        named = NO_SINGLE_CODE
    if max(narrower) > 1:  # of the question, and of the answer
        answer = NO_SINGLE_CODE
    return Said(named, answer, score, (site.value, site.scheme_designator), comment)


def read_bundle(content: bytes) -> dict[str, Said]:
    resources = [entry.resource for entry in Bundle.model_validate_json(content).entry]
    return {r.code.text: _observation(r) for r in resources if type(r).__name__ == "Observation"}


def _observation(observation: Any) -> Said:
    answer, score = None, None
    if observation.valueQuantity is not None:
        answer = (float(observation.valueQuantity.value), observation.valueQuantity.code)
    elif observation.valueCodeableConcept is not None:
        answer = _coding(observation.valueCodeableConcept)
        answer = NO_SINGLE_CODE if answer[1] == OURS else answer
    for component in observation.component or []:
        score = (component.code.coding[0].code, float(component.valueQuantity.value))
    question, site = _coding(observation.code), _coding(observation.bodySite)
    if question[1] == OURS:
        question = NO_SINGLE_CODE
    return Said(question, answer, score, site, observation.note[0].text)


def _coding(concept: Any) -> tuple[str, str]:
    first = concept.coding[0]
    return first.code, FHIR_SCHEMES.get(first.system, OURS)


def read_message(content: bytes) -> dict[str, Said]:
    groups: dict[str, list[list[str]]] = {}
    group = ""
    for fields in segments(content):
        if fields[0] == "OBX":
            group = fields[4]
        if fields[0] in ("OBX", "NTE") and group:
            groups.setdefault(group, []).append(fields)
    return dict(_observations(of_task) for of_task in groups.values())


def segments(content: bytes) -> list[list[str]]:
    """The fields of each segment, by their numbers; a field is not decoded yet."""
    text = content.decode("utf-8")
    assert text.endswith("\r")
    split = [line.split("|") for line in text.removesuffix("\r").split("\r")]
    split[0].insert(1, "|")
    return [fields + [""] * (30 - len(fields)) for fields in split]


def components(value: str, separator: str = "^") -> list[str]:
    return [unescaped(part) for part in value.split(separator)]


def unescaped(text: str) -> str:
    plain = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\", ".br": "\n"}

    def character(match: re.Match[str]) -> str:
        return plain[match[1]] if match[1] in plain else bytes.fromhex(match[1][1:]).decode()

    return re.sub(r"\\(.*?)\\", character, text)


def _observations(of_task: list[list[str]]) -> tuple[str, Said]:
    first, *others = of_task
    code, meaning, scheme, *task = components(first[3])
    name, question = (task[1], (code, scheme)) if task else (meaning, NO_SINGLE_CODE)
    assert task or scheme == OURS
    answer, score, site = None, None, None
    explanation = unescaped(next((fields[3] for fields in others if fields[0] == "NTE"), ""))
    match first[2], first[11]:
        case "TX", "X":
            explanation = unescaped(first[5])
        case "NM", "P":
            answer = (float(first[5]), components(first[6])[0])
        case "CWE", "P":
            answer = (components(first[5])[0], components(first[5])[2])
            answer = NO_SINGLE_CODE if answer[1] == OURS else answer
    for fields in others:
        if fields[0] == "OBX" and fields[2] == "NM":
            score = (KINDS_OF_SCORE[components(fields[3])[0]], float(fields[5]))
        elif fields[0] == "OBX":
            assert components(fields[3])[0] == "363698007"
            site = (components(fields[5])[0], components(fields[5])[2])
    assert site is not None
    return name, Said(question, answer, score, site, explanation)
