"""The report of measurements that an echo machine makes: TID 5200 Echocardiography Procedure Report (DICOM PS3.16).

Comprehensive SR, as the conformance statements of echo machines name it. Older software writes SNOMED's retired
identifiers (scheme SRT); which does is a matter of the style.
"""

from collections.abc import Iterable, Sequence

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    NumContentItem,
    RelationshipTypeValues,
)
from pydicom.sr.coding import Code

from worker.phantom.measurements import Measurements

CONTAINS, MODIFIES = RelationshipTypeValues.CONTAINS, RelationshipTypeValues.HAS_CONCEPT_MOD
REPORT = Code("125200", "DCM", "Adult Echocardiography Procedure Report")
FINDINGS = Code("121070", "DCM", "Findings")
FINDING_SITE = Code("363698007", "SCT", "Finding Site")
GROUP = Code("125007", "DCM", "Measurement Group")
IMAGE_MODE = Code("399264008", "SCT", "Image Mode")
IMAGE_VIEW = Code("111031", "DCM", "Image View")
METHOD = Code("370129005", "SCT", "Measurement Method")
FLOW_DIRECTION = Code("260674002", "SCT", "Flow Direction")
LEFT_VENTRICLE = Code("87878005", "SCT", "Left Ventricle")
RIGHT_VENTRICLE = Code("53085002", "SCT", "Right Ventricle")
TRICUSPID_VALVE = Code("46030003", "SCT", "Tricuspid Valve")
TWO_DIMENSIONAL = Code("399064001", "SCT", "2D mode")
CONTINUOUS_WAVE = Code("261198000", "SCT", "Doppler Continuous Wave")
FOUR_CHAMBER = Code("399214001", "SCT", "Apical four chamber")
DISCS = Code("125208", "DCM", "Method of Disks, Single Plane")
REGURGITANT = Code("397417004", "SCT", "Regurgitant Flow")
BERNOULLI = Code("125218", "DCM", "Simplified Bernoulli")
PERCENT = Code("%", "UCUM", "percent")
MILLILITRES = Code("ml", "UCUM", "ml")
CENTIMETRES = Code("cm", "UCUM", "cm")
BEATS = Code("{H.B.}/min", "UCUM", "BPM")
METRES_PER_SECOND = Code("m/s", "UCUM", "m/s")
MILLIMETRES_OF_MERCURY = Code("mm[Hg]", "UCUM", "mmHg")

_RETIRED = {
    "363698007": "G-C0E3", "399264008": "G-0373", "370129005": "G-C036", "260674002": "G-C048", "87878005": "T-32600",
    "53085002": "T-32500", "46030003": "T-35100", "399064001": "G-03A2", "261198000": "R-409E3", "399214001": "G-A19C",
    "397417004": "G-0367", "399023006": "G-0380",
}  # fmt: skip
"""SRT for SCT, after the table of PS3.16 annex O."""

Number = tuple[Code, float, Code, tuple[Code, Code] | None]
"""What was measured, its value and unit; and how, as a concept and its value."""


def vendor_report_content(measurements: Measurements, *, retired_codes: bool) -> ContainerContentItem:
    """The root of the tree, with the sections of left ventricle, right ventricle and tricuspid valve."""
    m, write = measurements, _Writer(retired_codes)
    by_discs = (METHOD, DISCS)
    volumes: list[Number] = [
        (Code("18043-0", "LN", "Left Ventricular Ejection Fraction"), m.ejection_fraction_percent, PERCENT, by_discs),
        (
            Code("18026-5", "LN", "Left Ventricular End Diastolic Volume"),
            m.end_diastolic_volume_ml,
            MILLILITRES,
            by_discs,
        ),
        (
            Code("18148-7", "LN", "Left Ventricular End Systolic Volume"),
            m.end_systolic_volume_ml,
            MILLILITRES,
            by_discs,
        ),
        (Code("8867-4", "LN", "Heart rate"), m.heart_rate, BEATS, None),
    ]
    dimensions: list[Number] = [
        (
            Code("29436-3", "LN", "Left Ventricle Internal End Diastolic Dimension"),
            m.diastolic_dimension_cm,
            CENTIMETRES,
            None,
        ),
        (
            Code("29438-9", "LN", "Left Ventricle Internal Systolic Dimension"),
            m.systolic_dimension_cm,
            CENTIMETRES,
            None,
        ),
        (Code("18154-5", "LN", "Interventricular Septum Diastolic Thickness"), m.wall_cm, CENTIMETRES, None),
        (Code("18152-9", "LN", "Left Ventricle Posterior Wall Diastolic Thickness"), m.wall_cm, CENTIMETRES, None),
    ]
    pressure: list[Number] = [
        (Code("399023006", "SCT", "Right Ventricular Peak Systolic Pressure"), m.rv_systolic_pressure_mmhg,
         MILLIMETRES_OF_MERCURY, (METHOD, BERNOULLI)),
    ]  # fmt: skip
    jet: list[Number] = [
        (
            Code("11726-7", "LN", "Peak Velocity"),
            m.jet_velocity_m_per_s,
            METRES_PER_SECOND,
            (FLOW_DIRECTION, REGURGITANT),
        ),
    ]
    root = ContainerContentItem(name=REPORT, template_id="5200")
    root.ContentSequence = ContentSequence(
        [
            write.section(
                LEFT_VENTRICLE, [(TWO_DIMENSIONAL, FOUR_CHAMBER, volumes), (TWO_DIMENSIONAL, None, dimensions)]
            ),
            write.section(RIGHT_VENTRICLE, [(CONTINUOUS_WAVE, None, pressure)]),
            write.section(TRICUSPID_VALVE, [(CONTINUOUS_WAVE, None, jet)]),
        ]
    )
    return root


class _Writer:
    """Builds content items in one generation of codes."""

    def __init__(self, retired_codes: bool) -> None:
        self._retired = retired_codes

    def section(self, site: Code, groups: Iterable[tuple[Code, Code | None, Sequence[Number]]]) -> ContainerContentItem:
        """TID 5202: the findings at one site, a group for each mode and view."""
        items = [self._code(FINDING_SITE, site)]
        return self._container(FINDINGS, [*items, *(self._group(*group) for group in groups)])

    def _group(self, mode: Code, view: Code | None, numbers: Sequence[Number]) -> ContainerContentItem:
        modifiers = [self._code(IMAGE_MODE, mode), *([self._code(IMAGE_VIEW, view)] if view else [])]
        return self._container(GROUP, [*modifiers, *(self._number(*number) for number in numbers)])

    def _number(self, name: Code, value: float, unit: Code, how: tuple[Code, Code] | None) -> NumContentItem:
        item = NumContentItem(name=self._concept(name), value=value, unit=unit, relationship_type=CONTAINS)
        if how is not None:
            item.ContentSequence = ContentSequence([self._code(*how)])
        return item

    def _container(
        self, name: Code, items: Sequence[CodeContentItem | NumContentItem | ContainerContentItem]
    ) -> ContainerContentItem:
        container = ContainerContentItem(name=self._concept(name), relationship_type=CONTAINS)
        container.ContentSequence = ContentSequence(items)
        return container

    def _code(self, name: Code, value: Code) -> CodeContentItem:
        return CodeContentItem(name=self._concept(name), value=self._concept(value), relationship_type=MODIFIES)

    def _concept(self, code: Code) -> CodedConcept:
        retired = _RETIRED.get(code.value) if self._retired else None
        if retired is None:
            return CodedConcept(code.value, code.scheme_designator, code.meaning)
        return CodedConcept(retired, "SRT", code.meaning)
