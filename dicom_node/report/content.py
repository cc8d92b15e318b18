"""The content tree of a report: TID 1500 Imaging Measurement Report, one TID 1501 group for each task."""

from collections.abc import Sequence

from highdicom.sr import (
    AlgorithmIdentification,
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
from pydicom.uid import UID

from config.catalogue import Catalogue
from config.clinical_tasks import BinaryTask, RegressionTask
from config.errors import ReportError
from db.runs import Run, TaskResult, Verdict
from dicom_node.report.codes import (
    COMMENT,
    ECHOCARDIOGRAPHY,
    MEAN,
    MEDIAN,
    NO_UNITS,
    PRESENCE,
    QUALITATIVE_EVALUATIONS,
    SIMILARITY,
    coded,
)
from dicom_node.report.uids import derived_uid
from dicom_node.report.wording import explanation, left_out, limits_of_use, views_seen

ESTIMATE_DECIMALS = 1
SIMILARITY_DECIMALS = 4
"""Digits that the report shows; the registry holds the numbers in full."""


def report_content(run: Run, catalogue: Catalogue, evidence: Sequence[Dataset]) -> MeasurementReport:
    """The whole tree. `evidence` are the headers of the instances that the run used.

    Raises
    ------
    ReportError
        The run answers a task that the catalogue does not have.
    """
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(run)),
        procedure_reported=ECHOCARDIOGRAPHY,
        imaging_measurements=[_group(run, result, catalogue, evidence) for result in run.results],
        referenced_images=evidence,
    )
    evaluations = ContainerContentItem(name=QUALITATIVE_EVALUATIONS, relationship_type=RelationshipTypeValues.CONTAINS)
    comments = (limits_of_use(run), views_seen(run), left_out(run))
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
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=derived_uid("task", run.run_uid, task.id), identifier=task.name),
        algorithm_id=_algorithm(run),
        finding_sites=[FindingSite(anatomic_location=coded(task.finding_site))],
        measurements=_measurements(task, result),
        qualitative_evaluations=_evaluations(task, result),
        source_images=_sources(run, evidence),
    )
    regression = task if isinstance(task, RegressionTask) else None
    group[0].ContentSequence.append(_comment(explanation(result, regression, run.model.label)))
    return group


def _measurements(task: RegressionTask | BinaryTask, result: TaskResult) -> list[Measurement]:
    """The estimate or the score; an answer that was not given is never a number."""
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
                name=SIMILARITY,
                value=round(result.score, SIMILARITY_DECIMALS),
                unit=NO_UNITS,
                derivation=MEAN if several else None,
            )
        ]
    return []


def _evaluations(task: RegressionTask | BinaryTask, result: TaskResult) -> list[QualitativeEvaluation]:
    if result.verdict is Verdict.MEASURED:
        return []
    return [QualitativeEvaluation(name=coded(task.concept), value=PRESENCE[result.verdict])]


def _algorithm(run: Run) -> AlgorithmIdentification:
    return AlgorithmIdentification(
        name=run.model.name,
        version=f"{run.model.version} ({run.model.label})",
        parameters=[
            f"model pack SHA-256 {run.model.digest}",
            f"task catalogue SHA-256 {run.catalogue_digest}",
            f"preprocessing {run.preprocessing_profile}",
            f"view gate {run.view_gate or 'none'}",
            f"run {run.run_uid}",
        ],
    )


def _sources(run: Run, evidence: Sequence[Dataset]) -> list[SourceImageForMeasurementGroup]:
    sop_classes = {str(header.SOPInstanceUID): header.SOPClassUID for header in evidence}
    return [
        SourceImageForMeasurementGroup(
            referenced_sop_class_uid=sop_classes[clip.sop_instance_uid],
            referenced_sop_instance_uid=clip.sop_instance_uid,
            referenced_frame_numbers=list(clip.frame_numbers),
        )
        for clip in run.clips
        if clip.sop_instance_uid in sop_classes
    ]


def _comment(text: str) -> TextContentItem:
    return TextContentItem(name=COMMENT, value=text, relationship_type=RelationshipTypeValues.CONTAINS)
