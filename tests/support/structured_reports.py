"""Structured Reports for tests that are about reports: one of ours, and one as another program would make it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO

import highdicom.sr as hd
import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from config.catalogue import load_catalogue
from config.labels import ModelLabel
from db.results.runs import ClipAnswer, ClipEvidence, ModelIdentity, Run, TaskResult, Verdict
from dicom_node.header import read_image_header
from dicom_node.report.document import build_structured_report
from tests.support.clips import SMALL


def our_report() -> Dataset:
    """A number, a finding, a grade, and a question without an answer; read back from its bytes."""
    header = read_image_header(SMALL)
    header.PatientName = "Doe^Jane"
    clip = (ClipAnswer(sop_instance_uid=str(header.SOPInstanceUID), value=54.5, outcome="moderate"),)
    results = (
        TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=54.5, clips=clip),
        TaskResult(task_id="pacemaker", verdict=Verdict.PRESENT, score=0.31, threshold=0.298, clips=clip),
        TaskResult(
            task_id="mitral_regurgitation", verdict=Verdict.CLASSIFIED, outcome="moderate", score=1.8, clips=clip
        ),
        TaskResult(task_id="tavr", verdict=Verdict.UNCALIBRATED, reason="no threshold", clips=clip),
    )
    catalogue = load_catalogue()
    run = Run(
        run_uid="0b6a0f0e-6f8b-4b57-8b52-0a4e35fcb75b",
        study_instance_uid=str(header.StudyInstanceUID),
        revision=1,
        model=ModelIdentity(name="Some model", version="3", family="some", label=ModelLabel.RESEARCH, digest="0" * 64),
        catalogue_digest=catalogue.digest,
        software_version="0.1.0",
        preprocessing_profile="fast-1",
        finished_at=datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
        clips=(ClipEvidence(sop_instance_uid=str(header.SOPInstanceUID), frame_numbers=(1, 3)),),
        results=results,
    )
    return read_back(build_structured_report(run, catalogue, [header]))


def report_of_a_person() -> Dataset:
    """A radiologist's measurements on CT, in a plane, in a volume and of the whole image, by highdicom."""
    image = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    image.PatientName, image.StudyID = "Doe^Jane", "1"
    observer = hd.ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=hd.PersonObserverIdentifyingAttributes(name="Foo^Bar"),
    )
    liver = hd.FindingSite(
        anatomic_location=codes.SCT.Liver,
        laterality=codes.SCT.Right,
        topographical_modifier=codes.SCT.Caudal,
    )
    corners = np.array([[10.0, 10.0], [10.0, 40.0], [40.0, 40.0], [10.0, 10.0]])
    area = hd.Measurement(
        name=codes.SCT.Area,
        value=17.5,
        unit=codes.UCUM.SquareMillimeter,
        method=codes.DCM.AreaBasedMethod,
        derivation=codes.SCT.Mean,
    )
    diameters = [
        hd.Measurement(name=codes.SCT.Diameter, value=value, unit=codes.UCUM.Millimeter, derivation=derivation)
        for value, derivation in ((4.0, codes.SCT.Minimum), (6.5, codes.SCT.Maximum))
    ]
    in_plane = hd.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracked("lesion 1"),
        referenced_region=hd.ImageRegion(
            graphic_type=hd.GraphicTypeValues.POLYLINE,
            graphic_data=corners,
            source_image=hd.SourceImageForRegion.from_source_image(image),
        ),
        finding_type=codes.SCT.Neoplasm,
        finding_sites=[liver],
        measurements=[area, *diameters],
    )
    in_space = hd.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracked("lesion 2"),
        referenced_volume_surface=hd.VolumeSurface(
            graphic_type=hd.GraphicTypeValues3D.ELLIPSOID,
            graphic_data=np.array([[0.0, 5, 0], [9, 5, 0], [4, 0, 0], [4, 9, 0], [4, 5, -3], [4, 5, 3]]),
            source_images=[hd.SourceImageForSegmentation.from_source_image(image)],
            frame_of_reference_uid=image.FrameOfReferenceUID,
        ),
        finding_type=codes.SCT.Neoplasm,
        measurements=[hd.Measurement(name=codes.SCT.Volume, value=3.5, unit=codes.UCUM.CubicMillimeter)],
    )
    whole = hd.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracked("the image"),
        source_images=[hd.SourceImageForMeasurementGroup.from_source_image(image)],
        qualitative_evaluations=[hd.QualitativeEvaluation(name=codes.SCT.Severity, value=codes.SCT.Moderate)],
    )
    document = hd.Comprehensive3DSR(
        evidence=[image],
        content=hd.MeasurementReport(
            observation_context=hd.ObservationContext(observer_person_context=observer),
            procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
            imaging_measurements=[in_plane, in_space, whole],
            title=codes.DCM.ImagingMeasurementReport,
            referenced_images=[image],
        ),
        series_number=1,
        series_instance_uid=generate_uid(),
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Manufacturer",
        is_complete=True,
        is_verified=True,
        verifying_observer_name="Foo^Bar",
        verifying_organization="Hospital",
    )
    return read_back(document)


def read_back(document: Dataset) -> Dataset:
    """The same from its bytes, as another program sees it."""
    file = BytesIO()
    document.save_as(file, enforce_file_format=True)
    file.seek(0)
    return pydicom.dcmread(file)


def items_of(document: Dataset) -> Iterator[Dataset]:
    """Every content item below the root, in the order of the document."""
    for item in document.get("ContentSequence", []):
        yield item
        yield from items_of(item)


def item_named(document: Dataset, code_value: str) -> Dataset:
    """The first content item whose concept name has this code."""
    return next(
        item
        for item in items_of(document)
        if "ConceptNameCodeSequence" in item and item.ConceptNameCodeSequence[0].CodeValue == code_value
    )


def _tracked(name: str) -> hd.TrackingIdentifier:
    return hd.TrackingIdentifier(uid=generate_uid(), identifier=name)
