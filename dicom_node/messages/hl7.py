"""HL7 v2.5.1 ORU^R01 (chapter 7.3.1): one order, its OBX of each task, all of them preliminary.

Segments: MSH SFT PID ORC OBR NTE..., then of each task OBX with NTE, of a decided presence OBX of its score, and OBX of
its finding site, held together by OBX-4.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from config.catalogue import Catalogue
from config.clinical_tasks import OutcomeClass
from config.coded_concepts import CodedConcept
from config.labels import ModelLabel
from db.consistency.discordances import Told
from db.results.runs import Run
from dicom_node.header import MANUFACTURER
from dicom_node.messages.findings import Finding, Number, findings_of, finished_at, remarks_on
from dicom_node.messages.hl7_text import APPLICATION, CHARACTER_SET, composite, escaped, joined, message_header, segment
from dicom_node.messages.study import Issuer, ReportedStudy
from dicom_node.report.codes import ECHOCARDIOGRAPHY, OUR_SCHEME
from dicom_node.report.uids import derived_uid, device_uid
from dicom_node.report.words import ENGLISH, Words

VERSION = "2.5.1"
PRELIMINARY, NOT_OBTAINED = "P", "X"
"""OBX-11, table 0085: preliminary results; results cannot be obtained for this observation."""
_TRAINING = {ModelLabel.UNTRAINED, ModelLabel.DEMO}
"""MSH-11, table 0103: what such models say is sent as T, training, which a system in production does not file."""


@dataclass(frozen=True, kw_only=True)
class Addressing:
    """MSH-4 to MSH-6, and who gave out Patient IDs where the images do not say; `name` or `name^universal id^type`."""

    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    assigning_authority: str = ""


def build_hl7(
    run: Run,
    catalogue: Catalogue,
    study: ReportedStudy,
    addressing: Addressing,
    words: Words = ENGLISH,
    *,
    told: Told | None = None,
) -> bytes:
    """The message of a run, in UTF-8, without the frame of MLLP; the same run gives the same bytes.

    `words` say what is for people; codes and what they mean are in English, as in the report. `told` is what that says
    of the study's other reports, in this language.

    Raises
    ------
    ReportError
        The run does not fit the catalogue.
    """
    order = composite(derived_uid("hl7 order", study.study_instance_uid, run.model.label), APPLICATION)
    segments = [
        _header(run, study, addressing, words),
        segment(
            "SFT",
            {1: composite(MANUFACTURER), 2: escaped(run.software_version), 3: "EchoWorker", 4: run.model.digest[:12]},
        ),
        _patient(study, addressing),
        segment("ORC", {1: "RE", 2: escaped(study.placer_order_number), 3: order}),
        _order(run, study, order),
        *_notes(remarks_on(run, catalogue, words, told=told)),
        *_observations(run, catalogue, findings_of(run, catalogue, words), study),
    ]
    return joined(segments)


def control_id(run: Run) -> str:
    """MSH-10, at most 20 characters: the same of the same run, so that a receiver knows what it has already."""
    digest = hashlib.sha256(f"hl7 message/{run.run_uid}".encode()).digest()
    return base64.b32encode(digest).decode()[:20]


def _header(run: Run, study: ReportedStudy, addressing: Addressing, words: Words) -> str:
    """By the clock of the study: a zone that MSH-7 names holds for every time that names none (section 2.15.9.7)."""
    return message_header(
        {
            3: APPLICATION,
            4: _designator(addressing.sending_facility),
            5: _designator(addressing.receiving_application),
            6: _designator(addressing.receiving_facility),
            7: escaped(study.reported_at + study.time_zone),
            9: composite("ORU", "R01", "ORU_R01"),
            10: control_id(run),
            11: "T" if run.model.label in _TRAINING else "P",
            12: VERSION,
            18: CHARACTER_SET,
            19: "" if words.language is ENGLISH.language else composite(words.language, "", "ISO639"),
        }
    )


def _patient(study: ReportedStudy, addressing: Addressing) -> str:
    issuer = study.patient_id_issuer
    authority = _issuer(issuer) if issuer != Issuer() else _designator(addressing.assigning_authority, "&")
    return segment(
        "PID",
        {
            1: "1",
            3: f"{escaped(study.patient_id)}^^^{authority}^PI",
            5: _names(study),
            7: escaped(study.birth_date),
            8: escaped(study.sex),
        },
    )


def _names(study: ReportedStudy) -> str:
    """XPN, one repetition for each way of writing: alphabetic, ideographic, phonetic (table 4000)."""
    name = study.patient_name
    written = zip((name.alphabetic, name.ideographic, name.phonetic), "AIP", strict=True)
    return "~".join(_name(group, representation) for group, representation in written if group.strip("^ "))


def _name(group: str, representation: str) -> str:
    family, given, middle, prefix, suffix, *_ = (*group.split("^"), "", "", "", "", "")
    return composite(family, given, middle, suffix, prefix, "", "L", representation)


def _order(run: Run, study: ReportedStudy, order: str) -> str:
    return segment(
        "OBR",
        {
            1: "1",
            2: escaped(study.placer_order_number),
            3: order,
            4: _coded(ECHOCARDIOGRAPHY),
            7: _study_time(study),
            18: escaped(study.accession_number),
            22: _time(finished_at(run)),
            24: "CUS",
            25: PRELIMINARY,
        },
    )


def _observations(run: Run, catalogue: Catalogue, findings: Sequence[Finding], study: ReportedStudy) -> Iterator[str]:
    """What is said of a task has the OBX-4 of its place in the catalogue: by it and OBX-3 a receiver finds what a
    former message of this order said, and replaces it (section 7.4.2.4).
    """
    number, places = 0, {task.id: str(place) for place, task in enumerate(catalogue.tasks, start=1)}
    always = {
        14: _study_time(study),
        18: composite(run.model.digest[:12], APPLICATION, device_uid(run), "ISO"),
        19: _time(finished_at(run)),
    }

    def observation(fields: dict[int, str]) -> str:
        nonlocal number
        number += 1
        return segment("OBX", {1: str(number), 11: PRELIMINARY, **always, **fields})

    for finding in findings:
        same = {4: places[finding.task_id], 17: composite("", finding.method)}
        yield observation({**same, 3: _question(finding.concepts, finding), **_answer(finding)})
        if finding.answer is not None:  # else it is the content of the OBX itself
            yield from _notes([finding.explanation])
        if finding.score is not None:
            yield observation({**same, 3: _question([finding.score.kind], finding), **_number(finding.score.number)})
        yield observation({**same, 2: "CWE", 3: _coded(codes.SCT.FindingSite), 5: _concept(finding.finding_site)})
    for code, uid in (
        (codes.DCM.StudyInstanceUID, study.study_instance_uid),
        (Code("REPORT_UID", OUR_SCHEME, "SOP Instance UID of the Structured Report"), study.report_uid),
    ):
        yield observation({2: "ST", 3: _coded(code), 5: escaped(uid)})


def _answer(finding: Finding) -> dict[int, str]:
    match finding.answer:
        case Number():
            return _number(finding.answer)
        case CodedConcept():
            return {2: "CWE", 5: _concept(finding.answer)}
        case OutcomeClass(id=outcome, name=name):
            return {2: "CWE", 5: composite(outcome, name, OUR_SCHEME)}
    return {2: "TX", 5: escaped(finding.explanation), 11: NOT_OBTAINED}


def _number(number: Number) -> dict[int, str]:
    return {2: "NM", 5: number.value, 6: _concept(number.unit)}


def _question(concepts: Sequence[CodedConcept], finding: Finding) -> str:
    """OBX-3: the concept, and beside it the task, since several tasks may ask for one concept at different sites."""
    named = [part for code in concepts for part in (code.value, code.meaning, code.scheme)]
    return composite(*named, finding.task_id, finding.name, OUR_SCHEME)


def _concept(concept: CodedConcept) -> str:
    return composite(concept.value, concept.meaning, concept.scheme)


def _coded(code: Code) -> str:
    return composite(code.value, code.meaning, code.scheme_designator)


def _notes(texts: list[str]) -> list[str]:
    return [
        segment("NTE", {1: str(number), 2: "L", 3: escaped(text)})  # L: the filler is the source (table 0105)
        for number, text in enumerate(texts, start=1)
    ]


def _designator(name: str, separator: str = "^") -> str:
    return composite(*name.split("^"), separator=separator)


def _issuer(issuer: Issuer) -> str:
    return composite(issuer.name, issuer.universal_id, issuer.universal_id_type, separator="&")


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")


def _study_time(study: ReportedStudy) -> str:
    """In local time, as the images have it; HL7 takes hours with minutes alone."""
    if not study.study_date:
        return ""
    digits = len(study.study_time)
    if digits < 4:
        return escaped(study.study_date)
    return escaped(study.study_date + study.study_time[: 6 if digits >= 6 else 4] + study.time_zone)
