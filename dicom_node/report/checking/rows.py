"""The rows of TID 1500 and of what it includes: each concept with its value types and its relationship (PS3.16).

The rows are those of TID 1500 itself, 300 (measurement), 1001 to 1004 (observers), 1204 (language), 1410, 1411 and
1501 (groups), 1502 (time), 1600 to 1604 (image library), 4019 (algorithm).
"""

from dataclasses import dataclass
from functools import lru_cache

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dicom_node.report.checking.document import Coded
from dicom_node.report.checking.terminology import (
    ACTIVITY_SESSION,
    FINDING_CATEGORY,
    QUALITATIVE_EVALUATIONS,
    TIME_POINT,
)

DCM, SCT = codes.DCM, codes.SCT


@dataclass(frozen=True)
class Row:
    """How a concept stands in its template."""

    concept: Code
    value_types: tuple[str, ...]
    relationships: tuple[str, ...]
    """None are given where the templates have it in more than one."""


_CONTAINED, _MODIFIES = ("CONTAINS",), ("HAS CONCEPT MOD",)
_OBSERVATION, _ACQUISITION = ("HAS OBS CONTEXT",), ("HAS ACQ CONTEXT",)

ROWS = (
    Row(DCM.LanguageOfContentItemAndDescendants, ("CODE",), _MODIFIES),
    Row(DCM.CountryOfLanguage, ("CODE",), _MODIFIES),
    Row(DCM.ObserverType, ("CODE",), _OBSERVATION),
    Row(DCM.PersonObserverName, ("PNAME",), _OBSERVATION),
    Row(DCM.DeviceObserverUID, ("UIDREF",), _OBSERVATION),
    Row(DCM.DeviceObserverName, ("TEXT",), _OBSERVATION),
    Row(DCM.DeviceObserverManufacturer, ("TEXT",), _OBSERVATION),
    Row(DCM.DeviceObserverModelName, ("TEXT",), _OBSERVATION),
    Row(DCM.DeviceObserverSerialNumber, ("TEXT",), _OBSERVATION),
    Row(DCM.ProcedureReported, ("CODE",), _MODIFIES),
    Row(DCM.ImageLibrary, ("CONTAINER",), _CONTAINED),
    Row(DCM.ImageLibraryGroup, ("CONTAINER",), _CONTAINED),
    Row(DCM.Modality, ("CODE",), _ACQUISITION),
    Row(DCM.PixelDataRows, ("NUM",), _ACQUISITION),
    Row(DCM.PixelDataColumns, ("NUM",), _ACQUISITION),
    Row(DCM.ImagingMeasurements, ("CONTAINER",), _CONTAINED),
    Row(DCM.DerivedImagingMeasurements, ("CONTAINER",), _CONTAINED),
    Row(QUALITATIVE_EVALUATIONS, ("CONTAINER",), _CONTAINED),
    Row(DCM.MeasurementGroup, ("CONTAINER",), _CONTAINED),
    Row(ACTIVITY_SESSION, ("TEXT",), _OBSERVATION),
    Row(TIME_POINT, ("TEXT",), _OBSERVATION),
    Row(DCM.TrackingIdentifier, ("TEXT",), _OBSERVATION),
    Row(DCM.TrackingUniqueIdentifier, ("UIDREF",), _OBSERVATION),
    Row(FINDING_CATEGORY, ("CODE",), ()),
    Row(DCM.Finding, ("CODE",), _CONTAINED),
    Row(SCT.FindingSite, ("CODE",), _MODIFIES),
    Row(SCT.Laterality, ("CODE",), _MODIFIES),
    Row(SCT.TopographicalModifier, ("CODE",), _MODIFIES),
    Row(SCT.MeasurementMethod, ("CODE",), _MODIFIES),
    Row(DCM.Derivation, ("CODE",), _MODIFIES),
    Row(DCM.AlgorithmName, ("TEXT",), _MODIFIES),
    Row(DCM.AlgorithmVersion, ("TEXT",), _MODIFIES),
    Row(DCM.AlgorithmParameters, ("TEXT",), _MODIFIES),
    Row(DCM.AlgorithmManufacturer, ("TEXT",), _MODIFIES),
    Row(DCM.ImageRegion, ("SCOORD", "SCOORD3D"), ()),
    Row(DCM.SourceOfMeasurement, ("IMAGE", "WAVEFORM", "COMPOSITE"), ()),
    Row(DCM.Comment, ("TEXT",), ()),
)


@lru_cache(maxsize=4096)
def row_of(name: Coded) -> Row | None:
    """The row of a concept name; None where the templates have none for it."""
    return next((row for row in ROWS if name.is_one_of(row.concept)), None)
