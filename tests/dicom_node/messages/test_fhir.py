"""The FHIR Bundle, judged by the models of fhir.resources, and by rules of FHIR R4 that these do not check."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from fhir.resources.R4B.bundle import Bundle
from pydantic import BaseModel
from pydicom.dataset import Dataset

from config.catalogue import load_catalogue
from config.errors import ReportError
from config.labels import ModelLabel
from db.results.runs import Run, TaskResult, Verdict, ViewCall
from dicom_node.messages.fhir import build_fhir
from dicom_node.messages.study import reported_study
from tests.support.results import header_of, run_of, runs_of_every_answer

CATALOGUE = load_catalogue()
RUNS = runs_of_every_answer(CATALOGUE)
PATIENT = "Patient 4711"
ABSTAINED = TaskResult(task_id="lvef", verdict=Verdict.ABSTAINED, reason="no usable clip")


def bundle_of(run: Run, **changes: object) -> dict[str, Any]:
    study = reported_study(header_of(run, CATALOGUE, **{"PatientID": PATIENT, **changes}))
    made = json.loads(
        build_fhir(run, CATALOGUE, study, patient_id_systems={"": "urn:oid:1.2.3", "CLINIC": "urn:oid:4.5"})
    )
    assert isinstance(made, dict)
    return made


def resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def parts(model: BaseModel, path: str = "") -> Iterator[tuple[str, BaseModel]]:
    yield path, model
    for name in type(model).model_fields:
        value = getattr(model, name, None)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, BaseModel):
                yield from parts(item, f"{path}.{name}")


def outside_their_lists(bundle: Bundle) -> list[str]:
    """Codes of required bindings that are not in them: the models hold the lists, and do not check them."""
    found = []
    for path, model in parts(bundle):
        for name, field in type(model).model_fields.items():
            allowed = (field.json_schema_extra or {}).get("enum_values")  # type: ignore[union-attr]
            value = getattr(model, name, None)
            if allowed and value is not None and value not in allowed:
                found.append(f"{path}.{name}: {value}")
    return found


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.run_uid)
def test_the_bundle_fits_the_models_loses_nothing_in_them_and_keeps_the_rules_that_they_do_not_check(run: Run) -> None:
    content = build_fhir(run, CATALOGUE, reported_study(header_of(run, CATALOGUE)))
    read = Bundle.model_validate_json(content)
    assert json.loads(read.model_dump_json().replace('Z"', '+00:00"')) == json.loads(content)
    assert outside_their_lists(read) == []
    bundle = json.loads(content)
    names = {entry["fullUrl"] for entry in bundle["entry"]}
    assert len(names) == len(bundle["entry"])
    assert set(re.findall(r'"reference": ?"([^"]+)"', content.decode())) <= names
    for observation in resources(bundle, "Observation"):  # invariant obs-6
        assert ("dataAbsentReason" in observation) != any(key.startswith("value") for key in observation)


def test_the_check_of_lists_finds_a_code_that_is_in_none() -> None:
    content = build_fhir(RUNS[0], CATALOGUE, reported_study(header_of(RUNS[0], CATALOGUE)))
    wrong = Bundle.model_validate_json(content.replace(b'"preliminary"', b'"draft"', 1))
    assert outside_their_lists(wrong) == [".entry.resource.status: draft"]


def test_sent_again_it_changes_nothing_and_the_next_revision_takes_its_place() -> None:
    """Conditional updates by identifiers of ours, each the first of its resource."""
    first, again = bundle_of(RUNS[0]), bundle_of(RUNS[0])
    later = bundle_of(replace(RUNS[0], run_uid="a later one", revision=2, results=RUNS[1].results))
    assert first == again != later
    assert [entry["request"] for entry in first["entry"]] == [entry["request"] for entry in later["entry"]]
    for entry in first["entry"]:
        request, resource = entry["request"], entry["resource"]
        search = request["ifNoneExist"] if request["method"] == "POST" else request["url"].partition("?")[2]
        identifier = resource["identifier"][0]
        assert unquote(search) == f"identifier={identifier['system']}|{identifier['value']}"
        assert request["url"].partition("?")[0] == resource["resourceType"]


def test_the_report_of_another_kind_of_model_is_another_one() -> None:
    """Servers keep labels of what was there before: a demo's would stay on a report of a validated model."""
    research, clinical = (
        run_of(CATALOGUE, (ABSTAINED,), label=label) for label in (ModelLabel.RESEARCH, ModelLabel.CLINICAL)
    )
    requests = [{entry["request"]["url"] for entry in bundle_of(run)["entry"]} for run in (research, clinical)]
    assert requests[0] & requests[1] == {"Device"}


def test_the_device_that_a_server_keeps_says_nothing_of_one_run_alone() -> None:
    """It is created where it is not there yet, and not updated by later runs."""
    view = ViewCall(view="a4c", name="apical four-chamber view", is_heart=True, score=0.3, margin=0.1)
    judged = replace(RUNS[0], run_uid="another", clips=tuple(replace(clip, view=view) for clip in RUNS[0].clips))
    assert resources(bundle_of(judged), "Device") == resources(bundle_of(RUNS[0]), "Device")


@pytest.mark.parametrize(
    ("label", "security"),
    [("UNTRAINED", ["HTEST"]), ("DEMO", ["HTEST"]), ("RESEARCH", ["HRESCH"]), ("CLINICAL", [])],
)
def test_each_resource_says_what_its_model_may_be_taken_for(label: str, security: list[str]) -> None:
    bundle = bundle_of(run_of(CATALOGUE, (ABSTAINED,), label=ModelLabel(label)))
    for entry in bundle["entry"]:
        meta = entry["resource"]["meta"]
        assert [coding["code"] for coding in meta["tag"]] == [label]
        assert [coding["code"] for coding in meta.get("security", [])] == security
    (report,), (observation,), (device,) = (
        resources(bundle, kind) for kind in ("DiagnosticReport", "Observation", "Device")
    )
    for text in (
        report["conclusion"],
        observation["note"][1]["text"],
        device["note"][0]["text"],
        report["text"]["div"],
    ):
        assert ("CLINICAL USE" if label in ("UNTRAINED", "DEMO") else "Made by a model that") in text


def test_patient_order_and_study_are_named_by_their_identifiers_alone() -> None:
    bundle = bundle_of(RUNS[0], AccessionNumber="A 17", PatientName="Doe^Jane", PatientBirthDate="19700203")
    (report,) = resources(bundle, "DiagnosticReport")
    assert report["status"] == "preliminary"
    assert report["subject"] == {"type": "Patient", "identifier": {"system": "urn:oid:1.2.3", "value": PATIENT}}
    assert report["basedOn"][0]["identifier"]["value"] == "A 17"
    study = {"system": "urn:dicom:uid", "value": f"urn:oid:{RUNS[0].study_instance_uid}"}
    assert report["imagingStudy"] == [{"type": "ImagingStudy", "identifier": study}]
    assert not re.search("Doe|Jane|1970", json.dumps(bundle))


def test_a_study_without_a_request_is_based_on_none() -> None:
    assert "basedOn" not in resources(bundle_of(RUNS[0], AccessionNumber=""), "DiagnosticReport")[0]


@pytest.mark.parametrize(
    ("name", "universal", "kind", "system"),
    [
        ("CLINIC", "", "", "urn:oid:4.5"),
        ("ELSEWHERE", "", "", None),
        ("CLINIC", "1.9", "ISO", "urn:oid:1.9"),
        ("", "https://clinic.example/id", "URI", "https://clinic.example/id"),
        ("", "", "", "urn:oid:1.2.3"),
    ],
)
def test_a_patient_id_is_in_the_namespace_of_who_gave_it_out(
    name: str, universal: str, kind: str, system: str | None
) -> None:
    """An issuer that nobody configured gives no namespace: that of another would make it another patient's."""
    qualifiers = Dataset()
    qualifiers.UniversalEntityID, qualifiers.UniversalEntityIDType = universal, kind
    changes = {"IssuerOfPatientIDQualifiersSequence": [qualifiers]} if universal else {}
    report = header_of(RUNS[0], CATALOGUE, PatientID=PATIENT, IssuerOfPatientID=name)
    for keyword, value in changes.items():
        setattr(report, keyword, value)
    content = build_fhir(
        RUNS[0], CATALOGUE, reported_study(report), patient_id_systems={"": "urn:oid:1.2.3", "CLINIC": "urn:oid:4.5"}
    )
    subject = resources(json.loads(content), "DiagnosticReport")[0]["subject"]["identifier"]
    assert subject.get("system") == system
    assert subject.get("assigner", {}).get("display", "") == name


def test_what_fits_no_model_of_fhir_is_not_built_and_its_words_are_not_told() -> None:
    study = replace(reported_study(header_of(RUNS[0], CATALOGUE)), patient_id=" secret ")
    broken = replace(study, study_date="2016AB99")
    with pytest.raises(ReportError, match=r"not valid at entry\.0") as raised:
        build_fhir(RUNS[0], CATALOGUE, broken)
    assert "2016" not in str(raised.value)
