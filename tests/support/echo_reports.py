"""Echo reports built attribute by attribute from the tables of PS3.16, without any code of ours or of highdicom."""

from collections.abc import Sequence
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"
SIMPLIFIED = "1.2.840.10008.5.1.4.1.1.88.72"
BASIC_TEXT = "1.2.840.10008.5.1.4.1.1.88.11"

Triple = tuple[str, str, str]
"""Value, scheme, meaning."""

# Both generations of codes: annex O of PS3.16, and the old text of TID 5200 and TID 5202 that names SRT.
SCT: dict[str, Triple] = {
    "site": ("363698007", "SCT", "Finding Site"), "mode": ("399264008", "SCT", "Image Mode"),
    "method": ("370129005", "SCT", "Measurement Method"), "flow": ("260674002", "SCT", "Flow Direction"),
    "phase": ("272518008", "SCT", "Cardiac Cycle Point"), "LV": ("87878005", "SCT", "Left Ventricle"),
    "RV": ("53085002", "SCT", "Right Ventricle"), "RA": ("73829009", "SCT", "Right Atrium"),
    "TV": ("46030003", "SCT", "Tricuspid Valve"), "MV": ("91134007", "SCT", "Mitral Valve"),
    "2D": ("399064001", "SCT", "2D mode"), "CW": ("261198000", "SCT", "Doppler Continuous Wave"),
    "A4C": ("399214001", "SCT", "Apical four chamber"), "regurgitant": ("397417004", "SCT", "Regurgitant Flow"),
    "antegrade": ("263677008", "SCT", "Antegrade Flow"), "RVSP": ("399023006", "SCT", "RV Peak Systolic Pressure"),
    "mean": ("373098007", "SCT", "Mean"), "median": ("373099004", "SCT", "Median"),
    "SD": ("386136009", "SCT", "Standard Deviation"),
}  # fmt: skip
SRT: dict[str, Triple] = {
    "site": ("G-C0E3", "SRT", "Finding Site"), "mode": ("G-0373", "SRT", "Image Mode"),
    "method": ("G-C036", "SRT", "Measurement Method"), "flow": ("G-C048", "SRT", "Flow Direction"),
    "phase": ("R-4089A", "SRT", "Cardiac Cycle Point"), "LV": ("T-32600", "SRT", "Left Ventricle"),
    "RV": ("T-32500", "SRT", "Right Ventricle"), "RA": ("T-32200", "SRT", "Right Atrium"),
    "TV": ("T-35100", "SRT", "Tricuspid Valve"), "MV": ("T-35300", "SRT", "Mitral Valve"),
    "2D": ("G-03A2", "SRT", "2D mode"), "CW": ("R-409E3", "SRT", "Doppler Continuous Wave"),
    "A4C": ("G-A19C", "SRT", "Apical four chamber"), "regurgitant": ("G-0367", "SRT", "Regurgitant Flow"),
    "antegrade": ("R-42047", "SRT", "Antegrade Flow"), "RVSP": ("G-0380", "SRT", "RV Peak Systolic Pressure"),
    "mean": ("R-00317", "SRT", "Mean"), "median": ("R-00319", "SRT", "Median"),
    "SD": ("R-10047", "SRT", "Standard Deviation"),
}  # fmt: skip
VIEW: Triple = ("111031", "DCM", "Image View")
DERIVATION: Triple = ("121401", "DCM", "Derivation")
ROOT: Triple = ("125200", "DCM", "Adult Echocardiography Procedure Report")
FINDINGS: Triple = ("121070", "DCM", "Findings")
GROUP: Triple = ("125007", "DCM", "Measurement Group")
EF: Triple = ("18043-0", "LN", "Left Ventricular Ejection Fraction")
PERCENT: Triple = ("%", "UCUM", "percent")
ML: Triple = ("ml", "UCUM", "ml")
MMHG: Triple = ("mm[Hg]", "UCUM", "mmHg")
M_PER_S: Triple = ("m/s", "UCUM", "m/s")


def coded(triple: Triple) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = triple
    return item


def item(value_type: str, relationship: str, name: Triple | None, children: Sequence[Dataset] = ()) -> Dataset:
    made = Dataset()
    made.RelationshipType, made.ValueType = relationship, value_type
    if name is not None:
        made.ConceptNameCodeSequence = [coded(name)]
    if value_type == "CONTAINER":
        made.ContinuityOfContent = "SEPARATE"
    if children:
        made.ContentSequence = list(children)
    return made


def code(name: Triple, value: Triple, relationship: str = "HAS CONCEPT MOD") -> Dataset:
    made = item("CODE", relationship, name)
    made.ConceptCodeSequence = [coded(value)]
    return made


def text(name: Triple, words: str, relationship: str = "CONTAINS") -> Dataset:
    made = item("TEXT", relationship, name)
    made.TextValue = words
    return made


def num(name: Triple, value: str, unit: Triple, children: Sequence[Dataset] = ()) -> Dataset:
    made = item("NUM", "CONTAINS", name, children)
    measured = Dataset()
    measured.MeasurementUnitsCodeSequence = [coded(unit)]
    measured.NumericValue = value
    made.MeasuredValueSequence = [measured]
    return made


def group(*content: Dataset) -> Dataset:
    return item("CONTAINER", "CONTAINS", GROUP, content)


def section(codes: dict[str, Triple], site: str, *groups: Dataset) -> Dataset:
    """TID 5202."""
    return item("CONTAINER", "CONTAINS", FINDINGS, [code(codes["site"], codes[site]), *groups])


def report(
    *content: Dataset,
    root: Triple | None = ROOT,
    template: str | None = "5200",
    sop_class: str = COMPREHENSIVE,
    character_set: str = "ISO_IR 192",
) -> Dataset:
    """The content of a report, with what of the document matters for reading it."""
    document = item("CONTAINER", "", root, content)
    del document.RelationshipType
    document.SpecificCharacterSet = character_set
    document.SOPClassUID, document.SOPInstanceUID = sop_class, generate_uid()
    document.StudyInstanceUID, document.SeriesInstanceUID = generate_uid(), generate_uid()
    document.Modality, document.StudyID, document.SeriesNumber, document.InstanceNumber = "SR", "1", 1, 1
    document.StudyDate, document.StudyTime, document.ContentDate, document.ContentTime = (
        "20260301",
        "12",
        "20260301",
        "12",
    )
    document.CompletionFlag, document.VerificationFlag = "COMPLETE", "UNVERIFIED"
    document.PatientBirthDate = document.PatientSex = document.AccessionNumber = ""
    document.ReferringPhysicianName, document.Manufacturer = "", "A maker of echo machines"
    document.ReferencedPerformedProcedureStepSequence = document.PerformedProcedureCodeSequence = []
    document.PatientName, document.PatientID = "SECRET^PATIENT", "SECRET-4711"
    if template is not None:
        named = Dataset()
        named.MappingResource, named.TemplateIdentifier = "DCMR", template
        document.ContentTemplateSequence = [named]
    return document


def received(document: Dataset) -> Dataset:
    """As it comes out of a file."""
    document.file_meta = FileMetaDataset()
    document.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    document.file_meta.MediaStorageSOPClassUID = document.SOPClassUID
    document.file_meta.MediaStorageSOPInstanceUID = document.SOPInstanceUID
    content = BytesIO()
    pydicom.dcmwrite(content, document, enforce_file_format=True)
    content.seek(0)
    return pydicom.dcmread(content)


def adult_echo(codes: dict[str, Triple]) -> Dataset:
    """TID 5200 with the sections of left ventricle, right ventricle, right atrium, tricuspid and mitral valve."""
    discs = code(codes["method"], ("125208", "DCM", "Method of Disks, Single Plane"))
    back, forth = code(codes["flow"], codes["regurgitant"]), code(codes["flow"], codes["antegrade"])
    peak: Triple = ("11726-7", "LN", "Peak Systolic Velocity")
    return report(
        section(
            codes, "LV",
            group(
                code(codes["mode"], codes["2D"]), code(VIEW, codes["A4C"]),
                num(EF, "55", PERCENT, [discs]),
                num(("18026-5", "LN", "Left Ventricular End Diastolic Volume"), "120.5", ML, [discs]),
                num(("18148-7", "LN", "Left Ventricular End Systolic Volume"), "54.2", ML, [discs]),
                num(("8867-4", "LN", "Heart rate"), "71", ("{H.B.}/min", "UCUM", "BPM")),
            ),
            group(num(("18087-7", "LN", "Left Ventricle Mass"), "160", ("g", "UCUM", "g"))),
        ),
        section(codes, "RV", group(code(codes["mode"], codes["CW"]), num(codes["RVSP"], "36.5", MMHG))),
        section(codes, "RA", group(num(("18070-3", "LN", "Right Atrium Systolic Pressure"), "5", MMHG))),
        section(
            codes, "TV",
            group(
                code(codes["mode"], codes["CW"]),
                num(peak, "2.81", M_PER_S, [back]),
                num(peak, "0.6", M_PER_S, [forth]),
            ),
        ),
        section(codes, "MV", group(num(peak, "5.2", M_PER_S, [back]))),
    )  # fmt: skip


def simplified_echo() -> Dataset:
    """TID 5300 after the example of PS3.17 annex CCCC.5, with a jet and volumes in the three ways to code them."""
    label: Triple = ("125309", "DCM", "Short Label")
    biplane: Triple = ("79991-6", "LN", "Left ventricular ejection fraction biplane (MOD)")
    diameter: Triple = ("80007-8", "LN", "Left ventricular internal diastolic dimension - 2D")
    cm: Triple = ("cm", "UCUM", "cm")
    chosen = code(("121404", "DCM", "Selection Status"), ("121410", "DCM", "User chosen value"), "HAS PROPERTIES")

    def labelled(words: str) -> Dataset:
        return text(label, words, "HAS PROPERTIES")

    def container(name: Triple, *content: Dataset) -> Dataset:
        return item("CONTAINER", "CONTAINS", name, content)

    return report(
        container(
            ("125301", "DCM", "Pre-coordinated Measurements"),
            num(biplane, "70.3", PERCENT, [labelled("LV EF (MOD)")]),
            num(("79921-3", "LN", "Tricuspid regurgitation Vmax"), "2.5", M_PER_S, [labelled("TR Vmax")]),
            num(diameter, "5.00", cm, [labelled("LVIDd (2D)")]),
            num(diameter, "5.50", cm, [chosen, labelled("LVIDd (2D)")]),
            num(diameter, "6.00", cm, [labelled("LVIDd (2D)")]),
            num(("79997-3", "LN", "Left ventricular end diastolic volume biplane (MOD) / BSA"), "60",
                ("ml/m2", "UCUM", "ml/m2"), [labelled("LV EDV Index (MOD)")]),
        ),
        container(
            ("125302", "DCM", "Post-coordinated Measurements"),
            num(("LVSIMOD", "99MAKER", "Left Ventricle Stroke Index (MOD)"), "39", ("ml/m2", "UCUM", "ml/m2"), [
                code(("125306", "DCM", "Measurement Type"), ("125313", "DCM", "Indexed")),
                code(SCT["site"], SCT["LV"]),
                code(("125307", "DCM", "Measured Property"), ("90096001", "SCT", "Stroke Volume")),
            ]),
            num(("X17", "99MAKER", "Chamber volume"), "118", ML, [
                code(SCT["site"], SCT["LV"]), code(SCT["phase"], ("416190007", "SCT", "End Diastole")),
                code(("125307", "DCM", "Measured Property"), ("118565006", "SCT", "Volume")),
            ]),
        ),
        container(
            ("125303", "DCM", "Adhoc Measurements"),
            num(("385673002", "SCT", "Interval"), "15", ("ms", "UCUM", "ms"), [labelled("MV Jet Duration")]),
            num(("118565006", "SCT", "Volume"), "35", ML, [labelled("LV ESV")]),
        ),
        template="5300", sop_class=SIMPLIFIED,
    )  # fmt: skip
