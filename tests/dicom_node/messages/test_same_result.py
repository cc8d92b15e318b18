"""A Structured Report, a FHIR Bundle and an HL7 message of a run say the same of every task, in every verdict."""

import json
from itertools import takewhile

import pytest

from config.catalogue import load_catalogue
from config.errors import ReportError
from config.labels import ModelLabel
from db.consistency.discordances import MODEL, Discordance, Severity, Side, SideKind, Told
from db.results.runs import Run, TaskResult, Verdict
from dicom_node.messages.fhir import build_fhir
from dicom_node.messages.hl7 import Addressing, build_hl7
from dicom_node.messages.study import reported_study
from dicom_node.report.document import build_structured_report
from tests.dicom_node.messages.readers import read_bundle, read_message, read_report, segments, unescaped
from tests.support.results import INSTANCE, header_of, report_of, run_of, runs_of_every_answer

CATALOGUE = load_catalogue()
RUNS = runs_of_every_answer(CATALOGUE)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.run_uid)
def test_a_reader_gets_the_same_from_each_of_them(run: Run) -> None:
    report = report_of(run, CATALOGUE)
    study = reported_study(report)
    said = read_report(report)
    assert set(said) == {task.name for task in CATALOGUE.tasks}
    assert read_bundle(build_fhir(run, CATALOGUE, study)) == said
    assert read_message(build_hl7(run, CATALOGUE, study, Addressing())) == said


def test_what_is_said_of_all_answers_is_the_same_too_and_so_that_other_reports_contradict_them() -> None:
    run = RUNS[1]
    sides = (
        Side(kind=SideKind.TEXT, source="1.2.3", said="25 to 30 %", start=3, end=12),
        Side(kind=SideKind.IMAGES, source=MODEL, said="54.5 %", clips=("1.2.6",)),
    )
    found = Discordance(rule="a-rule", rules_version="1", field="lvef", severity=Severity.MAJOR, sides=sides)
    told = Told(compared=1, questions=("lvef",), discordances=(found,))
    report = build_structured_report(run, CATALOGUE, [INSTANCE], told=told)
    study = reported_study(report)
    said = [str(item.TextValue) for item in report.ContentSequence[-1].ContentSequence]
    assert any("Discordance (major): Left ventricular ejection fraction: text report 25 to 30 %" in one for one in said)
    (conclusion,) = [
        entry["resource"]["conclusion"]
        for entry in json.loads(build_fhir(run, CATALOGUE, study, told=told))["entry"]
        if entry["resource"]["resourceType"] == "DiagnosticReport"
    ]
    assert conclusion == "\n".join(said)
    notes = takewhile(
        lambda fields: fields[0] != "OBX", segments(build_hl7(run, CATALOGUE, study, Addressing(), told=told))
    )
    assert [unescaped(fields[3]) for fields in notes if fields[0] == "NTE"] == said


def test_these_runs_show_every_verdict_and_every_class() -> None:
    shown = {(result.task_id, result.verdict, result.outcome) for run in RUNS for result in run.results}
    assert {verdict for _, verdict, _ in shown} == set(Verdict)
    classes = {(task.id, outcome.id) for task in CATALOGUE.tasks if task.kind == "class" for outcome in task.classes}
    assert classes <= {(task, outcome) for task, verdict, outcome in shown if verdict is Verdict.CLASSIFIED}


@pytest.mark.parametrize("label", ModelLabel)
def test_what_a_model_may_be_taken_for_is_said_with_each_answer_of_one_that_knows_no_patients(
    label: ModelLabel,
) -> None:
    run = run_of(CATALOGUE, RUNS[1].results, label=label)
    study = reported_study(header_of(run, CATALOGUE))
    for said in (
        read_bundle(build_fhir(run, CATALOGUE, study)),
        read_message(build_hl7(run, CATALOGUE, study, Addressing())),
    ):
        warned = {
            task: text.explanation.startswith(f"{label} MODEL, NOT FOR CLINICAL USE.") for task, text in said.items()
        }
        assert set(warned.values()) == {label in (ModelLabel.UNTRAINED, ModelLabel.DEMO)}


@pytest.mark.parametrize(
    "result",
    [
        TaskResult(task_id="unheard_of", verdict=Verdict.ABSTAINED, reason="none"),
        TaskResult(task_id="lv_size", verdict=Verdict.CLASSIFIED, outcome="huge"),
        TaskResult(task_id="lvef", verdict=Verdict.MEASURED),
    ],
    ids=["task", "class", "number"],
)
def test_what_the_catalogue_does_not_have_becomes_no_message(result: TaskResult) -> None:
    study = reported_study(header_of(RUNS[0], CATALOGUE))
    run = run_of(CATALOGUE, (result,))
    with pytest.raises(ReportError, match=result.task_id):
        build_fhir(run, CATALOGUE, study)
    with pytest.raises(ReportError, match=result.task_id):
        build_hl7(run, CATALOGUE, study, Addressing())


def test_a_report_on_nobody_becomes_no_message() -> None:
    with pytest.raises(ReportError, match="has no Patient ID"):
        reported_study(header_of(RUNS[0], CATALOGUE, PatientID=""))
