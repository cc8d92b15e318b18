"""The content tree of a report: TID 1500 Imaging Measurement Report, one TID 1501 group for each task.

Answers come first. What has none is a short group behind them: what was asked, Undetermined, and why.
"""

from collections.abc import Sequence

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, BinaryTask, ClassTask, RegressionTask
from config.errors import ReportError
from db.runs import Run, TaskResult, Verdict
from dicom_node.report.answers import explanation, in_reading_order
from dicom_node.report.codes import (
    COMMENT,
    ECHOCARDIOGRAPHY,
    MEAN,
    MEDIAN,
    NO_UNITS,
    PRESENCE,
    QUALITATIVE_EVALUATIONS,
    SCORES,
    UNDETERMINED,
    coded,
)
from dicom_node.report.uids import derived_uid
from dicom_node.report.wording import (
    answers_in_short,
    left_out,
    limits_of_use,
    uncalibrated_in_short,
    views_seen,
    with_warning,
)

ESTIMATE_DECIMALS = 1
SCORE_DECIMALS = 4
"""Digits that the report shows; the registry holds the numbers in full."""


def report_content(run: Run, catalogue: Catalogue, evidence: Sequence[Dataset]) -> MeasurementReport:
    """The whole tree. `evidence` are the headers of the instances that the run used.

    Raises
    ------
    ReportError
        The run answers a task, or a class, that the catalogue does not have.
    """
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(run)),
        procedure_reported=ECHOCARDIOGRAPHY,
        imaging_measurements=[_group(run, result, catalogue, evidence) for result in in_reading_order(run.results)],
        referenced_images=evidence,
    )
    evaluations = ContainerContentItem(name=QUALITATIVE_EVALUATIONS, relationship_type=RelationshipTypeValues.CONTAINS)
    comments = (
        limits_of_use(run),
        answers_in_short(run, catalogue),
        uncalibrated_in_short(run, catalogue),
        views_seen(run),
        left_out(run),
        provenance_of_all(run),
    )
    evaluations.ContentSequence = ContentSequence([_comment(text) for text in comments if text is not None])
    content[0].ContentSequence.append(evaluations)
    return content


def device_uid(run: Run) -> UID:
    """Identifies the observer: this model, to the byte. Another model is another device (IHE AIR)."""
    return derived_uid("device", run.model.digest)


def _observer(run: Run) -> ObserverContext:
    return ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=device_uid(run),
            name="EchoWorker",
            manufacturer_name="EchoWorker",
            model_name=f"{run.model.name} {run.model.version}",
            serial_number=run.model.digest[:12],
        ),
    )


def _group(
    run: Run, result: TaskResult, catalogue: Catalogue, evidence: Sequence[Dataset]
) -> MeasurementsAndQualitativeEvaluations:
    task = catalogue.task(result.task_id)
    if task is None:
        raise ReportError(f"run {run.run_uid} answers task {result.task_id}, which the catalogue does not have")
    answered = result.verdict not in (Verdict.ABSTAINED, Verdict.UNCALIBRATED)
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=derived_uid("task", run.run_uid, task.id), identifier=task.name),
        algorithm_id=_algorithm(run, result) if answered else None,
        finding_sites=[FindingSite(anatomic_location=coded(task.finding_site))],
        measurements=_measurements(task, result) if answered else [],
        qualitative_evaluations=_evaluations(task, result),
        source_images=_sources(run, result, evidence) if answered else None,
    )
    group[0].ContentSequence.append(_comment(with_warning(explanation(result, task), run.model.label)))
    return group


def _measurements(task: AnyTask, result: TaskResult) -> list[Measurement]:
    """The estimate or the score. A class is no number: how severe it is on our own scale stands in the comment."""
    several = len(result.clips) > 1
    if isinstance(task, RegressionTask) and result.value is not None:
        return [
            Measurement(
                name=coded(task.concept),
                value=round(result.value, ESTIMATE_DECIMALS),
                unit=coded(task.unit),
                derivation=MEDIAN if several else None,
            )
        ]
    if isinstance(task, BinaryTask) and result.score is not None:
        return [
            Measurement(
                name=SCORES[result.score_kind],
                value=round(result.score, SCORE_DECIMALS),
                unit=NO_UNITS,
                derivation=MEAN if several else None,
            )
        ]
    return []


def _evaluations(task: AnyTask, result: TaskResult) -> list[QualitativeEvaluation]:
    if result.verdict is Verdict.MEASURED:
        return []
    return [QualitativeEvaluation(name=coded(task.concept), value=_answer(task, result))]


def _answer(task: AnyTask, result: TaskResult) -> Code | CodedConcept:
    if result.verdict is not Verdict.CLASSIFIED:
        return PRESENCE.get(result.verdict, UNDETERMINED)
    outcome = task.outcome(result.outcome or "") if isinstance(task, ClassTask) else None
    if outcome is None:
        raise ReportError(f"task {task.id} has no class {result.outcome}, which the run answers")
    return coded(outcome.concept)


def _algorithm(run: Run, result: TaskResult) -> AlgorithmIdentification:
    method = [] if result.method is None else [f"method {result.method}"]
    return AlgorithmIdentification(
        name=run.model.name,
        version=f"{run.model.version} ({run.model.label})",
        parameters=[*method, *_provenance(run)],
    )


def _provenance(run: Run) -> list[str]:
    return [
        f"model pack SHA-256 {run.model.digest}",
        f"task catalogue SHA-256 {run.catalogue_digest}",
        f"calibration {f'SHA-256 {run.calibration_digest}' if run.calibration_digest else 'none of the site'}",
        f"preprocessing {run.preprocessing_profile}",
        f"view gate {run.view_gate or 'none'}",
        f"run {run.run_uid}",
    ]


def provenance_of_all(run: Run) -> str:
    """The same once for the whole report, whose groups without an answer do not repeat it."""
    model = f"{run.model.name} {run.model.version} ({run.model.label})"
    return f"Every answer, and every question without one: {'; '.join([model, *_provenance(run)])}."


def _sources(run: Run, result: TaskResult, evidence: Sequence[Dataset]) -> list[SourceImageForMeasurementGroup]:
    """The clips that this answer comes from, which may be some views' alone; all of them where a model does not say."""
    sop_classes = {str(header.SOPInstanceUID): header.SOPClassUID for header in evidence}
    answering = {clip.sop_instance_uid for clip in result.clips or run.clips}
    return [
        SourceImageForMeasurementGroup(
            referenced_sop_class_uid=sop_classes[clip.sop_instance_uid],
            referenced_sop_instance_uid=clip.sop_instance_uid,
            referenced_frame_numbers=list(clip.frame_numbers),
        )
        for clip in run.clips
        if clip.sop_instance_uid in sop_classes and clip.sop_instance_uid in answering
    ]


def _comment(text: str) -> TextContentItem:
    return TextContentItem(name=COMMENT, value=text, relationship_type=RelationshipTypeValues.CONTAINS)
