"""The content tree of a report: TID 1500 Imaging Measurement Report, one TID 1501 group for each task.

Answers come first. What has none is a short group behind them: what was asked, Undetermined, and why.
"""

from collections.abc import Sequence

from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
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

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, BinaryTask, ClassTask, RegressionTask
from config.coded_concepts import Modifier
from config.errors import ReportError
from config.sections.report_objects import ReportObject
from db.consistency.discordances import Told
from db.results.runs import Run, TaskResult, Verdict
from dicom_node.report.answers import explanation, in_reading_order, named_explanation
from dicom_node.report.codes import (
    COMMENT,
    ECHOCARDIOGRAPHY,
    ILLUSTRATION,
    LANGUAGE_SCHEME,
    MEAN,
    MEDIAN,
    NO_UNITS,
    PRESENCE,
    QUALITATIVE_EVALUATIONS,
    SCORES,
    UNDETERMINED,
    coded,
)
from dicom_node.report.companions import HEAT_MAP_CLASS, object_uid
from dicom_node.report.uids import derived_uid, device_uid
from dicom_node.report.wording import (
    answers_in_short,
    compared,
    left_out,
    limits_of_use,
    provenance,
    provenance_of_all,
    uncalibrated_in_short,
    views_seen,
    with_warning,
)
from dicom_node.report.words import ENGLISH, Words

ESTIMATE_DECIMALS = 1
SCORE_DECIMALS = 4
"""Digits that the report shows; the registry holds the numbers in full."""


def report_content(
    run: Run,
    catalogue: Catalogue,
    evidence: Sequence[Dataset],
    words: Words = ENGLISH,
    *,
    illustrated: str | None = None,
    told: Told | None = None,
) -> MeasurementReport:
    """The whole tree. `evidence` are the headers of the instances that the run used, `words` say its sentences; `told`
    is what the reports of the study say against it.

    The group of the task `illustrated` refers to the run's heat map: TID 1501 is extensible, and has no row for it.

    Raises
    ------
    ReportError
        The run answers a task, or a class, that the catalogue does not have.
    """
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(run)),
        procedure_reported=ECHOCARDIOGRAPHY,
        imaging_measurements=[
            _group(run, result, catalogue, evidence, words, is_illustrated=result.task_id == illustrated)
            for result in in_reading_order(run.results)
        ],
        referenced_images=evidence,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            CodedConcept(value=words.code, scheme_designator=LANGUAGE_SCHEME, meaning=words.name)
        ),
    )
    evaluations = ContainerContentItem(name=QUALITATIVE_EVALUATIONS, relationship_type=RelationshipTypeValues.CONTAINS)
    comments = (
        limits_of_use(run, words),
        answers_in_short(run, catalogue, words),
        *compared(run, catalogue, told, words),
        uncalibrated_in_short(run, catalogue, words),
        views_seen(run, words),
        left_out(run, words),
        provenance_of_all(run, words),
    )
    evaluations.ContentSequence = ContentSequence([_comment(text) for text in comments if text is not None])
    content[0].ContentSequence.append(evaluations)
    return content


def _illustration(run: Run, words: Words) -> ImageContentItem:
    return ImageContentItem(
        name=ILLUSTRATION,
        referenced_sop_class_uid=HEAT_MAP_CLASS,
        referenced_sop_instance_uid=object_uid(run, ReportObject.HEAT_MAP, words.language),
        relationship_type=RelationshipTypeValues.CONTAINS,
    )


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
    run: Run,
    result: TaskResult,
    catalogue: Catalogue,
    evidence: Sequence[Dataset],
    words: Words,
    *,
    is_illustrated: bool,
) -> MeasurementsAndQualitativeEvaluations:
    task = catalogue.task(result.task_id)
    if task is None:
        raise ReportError(f"run {run.run_uid} answers task {result.task_id}, which the catalogue does not have")
    answered = result.verdict not in (Verdict.ABSTAINED, Verdict.UNCALIBRATED)
    group = MeasurementsAndQualitativeEvaluations(
        # In English whatever the language: other programs find a task by it.
        tracking_identifier=TrackingIdentifier(uid=derived_uid("task", run.run_uid, task.id), identifier=task.name),
        algorithm_id=_algorithm(run, result, words) if answered else None,
        finding_sites=[FindingSite(anatomic_location=coded(task.finding_site))],
        measurements=_measurements(task, result) if answered else [],
        qualitative_evaluations=_evaluations(task, result),
        source_images=_sources(run, result, evidence) if answered else None,
    )
    if is_illustrated:
        group[0].ContentSequence.append(_illustration(run, words))
    said = explanation(result, task, words) if _codes_say_it(task, words) else named_explanation(result, task, words)
    said = with_warning(said, run.model.label, words)
    group[0].ContentSequence.append(_comment(said))
    return group


def _codes_say_it(task: AnyTask, words: Words) -> bool:
    """Whether who reads the meanings of the codes knows what was asked and answered: they are in English."""
    return words.language is ENGLISH.language and not task.modifiers


def _measurements(task: AnyTask, result: TaskResult) -> list[Measurement]:
    """The estimate or the score. A class is no number: how severe it is on our own scale stands in the comment."""
    several = len(result.clips) > 1
    if isinstance(task, RegressionTask) and result.value is not None:
        estimate = Measurement(
            name=coded(task.concept),
            value=round(result.value, ESTIMATE_DECIMALS),
            unit=coded(task.unit),
            derivation=MEDIAN if several else None,
        )
        _narrow(estimate[0], task.modifiers)
        return [estimate]
    if isinstance(task, BinaryTask) and result.score is not None:
        return [
            Measurement(
                name=SCORES[result.score_kind],
                value=round(result.score, SCORE_DECIMALS),
                unit=NO_UNITS,
                # A head's probability is of the mean of the log-odds; of a method not ours nobody knows.
                derivation=MEAN if several and result.score_kind == "similarity" else None,
            )
        ]
    return []


def _evaluations(task: AnyTask, result: TaskResult) -> list[QualitativeEvaluation]:
    if result.verdict is Verdict.MEASURED:
        return []
    answer, narrowed_by = _answer(task, result)
    evaluation = QualitativeEvaluation(name=coded(task.concept), value=answer)
    _narrow(evaluation[0], (*task.modifiers, *narrowed_by))
    return [evaluation]


def _narrow(item: Dataset, modifiers: Sequence[Modifier]) -> None:
    """Say what a concept means here that its code leaves open (PS3.3 section C.17.3.2.4)."""
    said = [
        CodeContentItem(
            name=coded(modifier.name),
            value=coded(modifier.value),
            relationship_type=RelationshipTypeValues.HAS_CONCEPT_MOD,
        )
        for modifier in modifiers
    ]
    if said:
        item.ContentSequence = ContentSequence([*item.get("ContentSequence", []), *said])


def _answer(task: AnyTask, result: TaskResult) -> tuple[Code | CodedConcept, tuple[Modifier, ...]]:
    """The answer as a code, and what narrows that."""
    if result.verdict is not Verdict.CLASSIFIED:
        return PRESENCE.get(result.verdict, UNDETERMINED), ()
    outcome = task.outcome(result.outcome or "") if isinstance(task, ClassTask) else None
    if outcome is None:
        raise ReportError(f"task {task.id} has no class {result.outcome}, which the run answers")
    return coded(outcome.concept), outcome.modifiers


def _algorithm(run: Run, result: TaskResult, words: Words) -> AlgorithmIdentification:
    method = [] if result.method is None else [words.say("made_with.method", method=result.method)]
    return AlgorithmIdentification(
        name=run.model.name,
        version=f"{run.model.version} ({run.model.label})",
        parameters=[*method, *provenance(run, words)],
    )


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
