"""FHIR R4: a transaction Bundle of one DiagnosticReport, an Observation for each task, and the Device that made them.

Everything has an identifier that follows from study, kind of model and task, and is sent as a conditional update: sent
again it changes nothing, and the next revision of a study takes the place of the one before, which the server keeps as
history. Patient, imaging study and order are named by their identifiers; the server's own resources are left alone.
"""

import html
import json
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from config.catalogue import Catalogue
from config.clinical_tasks import OutcomeClass
from config.coded_concepts import CodedConcept
from config.errors import ReportError
from config.labels import ModelLabel
from db.consistency.discordances import Told
from db.results.runs import Run, Verdict
from dicom_node.header import MANUFACTURER
from dicom_node.messages.findings import Finding, Number, findings_of, finished_at, remarks_on
from dicom_node.messages.study import Issuer, ReportedStudy
from dicom_node.report.codes import ECHOCARDIOGRAPHY, OUR_SCHEME
from dicom_node.report.uids import derived_uid, device_uid
from dicom_node.report.wording import LIMITS_OF_USE, limits_of_use, series_description
from dicom_node.report.words import ENGLISH, Words

Resource = dict[str, Any]
"""A FHIR resource or data type as JSON has it."""

_URI = "urn:ietf:rfc:3986"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_DICOM_UID = "urn:dicom:uid"
_SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "UCUM": "http://unitsofmeasure.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "UMLS": "http://www.nlm.nih.gov/research/umls",
}
"""URIs of the coding schemes that FHIR and DICOM share; the others, ours among them, get a UID of ours."""
_ABSENT = {
    Verdict.ABSTAINED: ("unknown", "Unknown"),
    Verdict.UNCALIBRATED: ("unsupported", "Unsupported"),
}
"""Data absent reason: expected, and not known in this study; or beyond what the model can say of any."""
_TEST, _RESEARCH = ("HTEST", "test health data"), ("HRESCH", "healthcare research")
_SECURITY = {
    ModelLabel.UNTRAINED: _TEST,
    ModelLabel.DEMO: _TEST,
    ModelLabel.RESEARCH: _RESEARCH,
}
"""Security labels of v3 ActReason: servers keep what bears them from clinical use."""


def build_fhir(
    run: Run,
    catalogue: Catalogue,
    study: ReportedStudy,
    words: Words = ENGLISH,
    *,
    patient_id_systems: Mapping[str, str] | None = None,
    told: Told | None = None,
) -> bytes:
    """The Bundle of a run, as JSON in UTF-8; the same run gives the same bytes.

    `words` say what is for people; codes and what they mean are in English, as in the report.
    `patient_id_systems` gives the URI of the namespace of Patient IDs by the issuer that the images name, "" of none.
    `told` is what the report says of the study's other reports, in this language.

    Raises
    ------
    ReportError
        The run does not fit the catalogue, or the Bundle does not fit the models of FHIR.
    """
    subject = _subject(study, patient_id_systems or {})
    limits = limits_of_use(run, words)
    device = _entry(_device(run), how="create")
    observations = [
        _entry(_observation(run, study, finding, subject=subject, device=device["fullUrl"], limits=limits))
        for finding in findings_of(run, catalogue, words)
    ]
    results = [{"reference": entry["fullUrl"]} for entry in observations]
    remarks = remarks_on(run, catalogue, words, told=told)
    report = _entry(_report(run, study, remarks, subject=subject, results=results))
    if words.language is not ENGLISH.language:
        for entry in (report, *observations):
            entry["resource"]["language"] = words.code
    bundle = {
        "resourceType": "Bundle",
        "identifier": _uid_of_ours("bundle", run.run_uid),
        "type": "transaction",
        "timestamp": finished_at(run).isoformat(),
        "entry": [report, *observations, device],
    }
    try:
        Bundle.model_validate(bundle)
    except ValidationError as error:  # its text quotes the values
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ReportError(f"run {run.run_uid}: its FHIR Bundle is not valid at {place}") from error
    return json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()


def _report(
    run: Run, study: ReportedStudy, remarks: list[str], *, subject: Resource, results: list[Resource]
) -> Resource:
    paragraphs = "".join(f"<p>{html.escape(text)}</p>" for text in remarks)
    report: Resource = {
        "resourceType": "DiagnosticReport",
        "meta": _meta(run),
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>'},
        "identifier": [
            _uid_of_ours("report", study.study_instance_uid, run.model.label),
            {"system": _DICOM_UID, "value": f"urn:oid:{study.report_uid}"},
        ],
        "status": "preliminary",
        "category": [{"coding": [_coding(f"{_TERMINOLOGY}/v2-0074", "CUS", "Cardiac Ultrasound")]}],
        "code": {"coding": [_of_scheme("SCT", ECHOCARDIOGRAPHY.value, ECHOCARDIOGRAPHY.meaning)]},
        "subject": subject,
        **_effective(study),
        "issued": finished_at(run).isoformat(),
        "result": results,
        "imagingStudy": [_imaging_study(study)],
        "conclusion": "\n".join(remarks),
    }
    if study.accession_number:
        report["basedOn"] = [_order(study)]
    return report


def _observation(
    run: Run, study: ReportedStudy, finding: Finding, *, subject: Resource, device: str, limits: str
) -> Resource:
    observation: Resource = {
        "resourceType": "Observation",
        "meta": _meta(run),
        "identifier": [_uid_of_ours("observation", study.study_instance_uid, run.model.label, finding.task_id)],
        "status": "preliminary",
        "category": [{"coding": [_coding(f"{_TERMINOLOGY}/observation-category", "imaging", "Imaging")]}],
        "code": {
            "coding": [*map(_of_concept, finding.concepts), _of_scheme(OUR_SCHEME, finding.task_id, finding.name)],
            "text": finding.title,
        },
        "subject": subject,
        **_effective(study),
        "issued": finished_at(run).isoformat(),
        **_value(finding),
        "note": [{"text": finding.explanation}, {"text": limits}],
        "bodySite": {"coding": [_of_concept(finding.finding_site)]},
        "method": {"text": finding.method},
        "device": {"reference": device},
        "derivedFrom": [_imaging_study(study)],
    }
    if finding.score is not None:
        name = {"coding": [_of_concept(finding.score.name), _of_concept(finding.score.kind)]}
        observation["component"] = [{"code": name, "valueQuantity": _quantity(finding.score.number)}]
    return observation


def _value(finding: Finding) -> Resource:
    match finding.answer:
        case Number():
            return {"valueQuantity": _quantity(finding.answer)}
        case CodedConcept():
            return {"valueCodeableConcept": {"coding": [_of_concept(finding.answer)]}}
        case OutcomeClass(id=outcome, name=name):
            return {"valueCodeableConcept": {"coding": [_of_scheme(OUR_SCHEME, outcome, name)]}}
    code, display = _ABSENT[finding.verdict]
    return {
        "dataAbsentReason": {
            "coding": [
                _coding(f"{_TERMINOLOGY}/data-absent-reason", code, display),
                _of_scheme(OUR_SCHEME, finding.verdict, finding.verdict.capitalize()),
            ],
            "text": finding.explanation,
        }
    }


def _device(run: Run) -> Resource:
    """The model, to the byte, under this version of the software; the report of the PACS has the second identifier.

    A server that has it keeps it: nothing in it is of one run alone.
    """
    model = run.model
    return {
        "resourceType": "Device",
        "meta": _meta(run),
        "identifier": [
            _uid_of_ours("software", model.digest, run.software_version),
            {"system": _URI, "value": f"urn:oid:{device_uid(run)}"},
        ],
        "status": "active",
        "manufacturer": MANUFACTURER,
        "serialNumber": model.digest[:12],
        "deviceName": [
            {"name": "EchoWorker", "type": "manufacturer-name"},
            {"name": f"{model.name} {model.version} ({model.label})", "type": "model-name"},
        ],
        "version": [
            {"type": {"text": "model"}, "value": model.version},
            {"type": {"text": "model pack SHA-256"}, "value": model.digest},
            {"type": {"text": "software"}, "value": run.software_version},
        ],
        "note": [{"text": LIMITS_OF_USE[model.label]}],
    }


def _entry(resource: Resource, *, how: str = "update") -> Resource:
    """One resource with what the server is to do with it: conditional update, or creation where it is not there yet."""
    identifier = resource["identifier"][0]
    kind, search = resource["resourceType"], f"identifier={quote(identifier['system'] + '|' + identifier['value'])}"
    request = (
        {"method": "PUT", "url": f"{kind}?{search}"}
        if how == "update"
        else {"method": "POST", "url": kind, "ifNoneExist": search}
    )
    number = int(identifier["value"].rpartition(".")[2])
    return {"fullUrl": uuid.UUID(int=number).urn, "resource": resource, "request": request}


def _meta(run: Run) -> Resource:
    label = run.model.label
    meta: Resource = {"tag": [_of_scheme(OUR_SCHEME, label, series_description(label))]}
    if label in _SECURITY:
        meta["security"] = [_coding(f"{_TERMINOLOGY}/v3-ActReason", *_SECURITY[label])]
    return meta


def _subject(study: ReportedStudy, systems: Mapping[str, str]) -> Resource:
    issuer = study.patient_id_issuer
    system = _universal(issuer) or systems.get(issuer.name, "")
    identifier: Resource = {**({"system": system} if system else {}), "value": study.patient_id}
    if issuer.name:
        identifier["assigner"] = {"display": issuer.name}
    return {"type": "Patient", "identifier": identifier}


def _order(study: ReportedStudy) -> Resource:
    system = _universal(study.accession_number_issuer)
    kind = {"coding": [_coding(f"{_TERMINOLOGY}/v2-0203", "ACSN", "Accession ID")]}
    identifier = {"type": kind, **({"system": system} if system else {}), "value": study.accession_number}
    return {"type": "ServiceRequest", "identifier": identifier}


def _imaging_study(study: ReportedStudy) -> Resource:
    return {
        "type": "ImagingStudy",
        "identifier": {"system": _DICOM_UID, "value": f"urn:oid:{study.study_instance_uid}"},
    }


def _universal(issuer: Issuer) -> str:
    """The issuer as a URI; empty where the images have none."""
    match issuer.universal_id_type:
        case "ISO" if issuer.universal_id:
            return f"urn:oid:{issuer.universal_id}"
        case "UUID" if issuer.universal_id:
            return f"urn:uuid:{issuer.universal_id.lower()}"
        case "URI":
            return issuer.universal_id
    return ""


def _effective(study: ReportedStudy) -> Resource:
    """The day of the study; its time would need a zone, which images rarely name."""
    day = study.study_date
    return {"effectiveDateTime": f"{day[:4]}-{day[4:6]}-{day[6:8]}"} if len(day) == 8 else {}


def _quantity(number: Number) -> Resource:
    unit = number.unit
    said = {"unit": unit.meaning, "system": _system(unit.scheme), "code": unit.value}
    return {"value": float(number.value), **said}


def _of_concept(concept: CodedConcept) -> Resource:
    return _of_scheme(concept.scheme, concept.value, concept.meaning)


def _of_scheme(scheme: str, code: str, display: str) -> Resource:
    return _coding(_system(scheme), code, display)


def _coding(system: str, code: str, display: str) -> Resource:
    return {"system": system, "code": str(code), "display": display}


def _system(scheme: str) -> str:
    return _SYSTEMS.get(scheme) or f"urn:oid:{derived_uid('coding scheme', scheme)}"


def _uid_of_ours(*parts: str) -> Resource:
    return {"system": _URI, "value": f"urn:oid:{derived_uid('fhir', *parts)}"}
