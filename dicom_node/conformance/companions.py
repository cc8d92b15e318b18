"""What the conformance statement says of the objects beside a report: heat map and page."""

from dicom_node.conformance.markdown import document, facts
from dicom_node.report import encapsulated, heat_map
from dicom_node.report.codes import ILLUSTRATION
from dicom_node.report.companions import HEAT_MAP_CLASS, PAGE_CLASS, SERIES_NUMBERS

COMPANION_CLASSES = {HEAT_MAP_CLASS: heat_map.TRANSFER_SYNTAX, PAGE_CLASS: encapsulated.TRANSFER_SYNTAX}
"""What is sent of them, and how."""


def companions_section() -> str:
    """The section on both."""
    return document(
        "## Heat maps and pages",
        "A destination names what it takes of a result (`objects` of its `[[peers]]` entry): the Structured Report, a "
        "heat map, a page. Heat map and page carry patient and study as the report does, in series "
        f"{' and '.join(map(str, SERIES_NUMBERS.values()))}, each in a series of its own, with UIDs that follow from "
        "study and run: the same run gives the same bytes. Manufacturer is EchoWorker: by it and by Modality the node "
        "knows its own objects when they come back.",
        "Each object is built once, the same for all destinations, so that a reference may lead to nothing where a "
        "destination takes less. One that takes no heat maps (`objects`, or no presentation context), where another "
        f"does, has a report whose {ILLUSTRATION.meaning} and evidence, and a page whose Source Instance Sequence, "
        "name one. One that has the report as Comprehensive SR has a page that names the Comprehensive 3D SR, as "
        "messages do.",
        "### Heat map",
        facts(
            [
                ("SOP class", f"{HEAT_MAP_CLASS.name}, {HEAT_MAP_CLASS}"),
                (
                    "transfer syntax",
                    f"{heat_map.TRANSFER_SYNTAX.name}; decompressed where a peer takes none",
                ),
                ("Modality, Conversion Type, Image Type", "OT, WSD, DERIVED and SECONDARY"),
                (
                    "Burned In Annotation",
                    "YES: the answer, the model with its label, what the colours mean, and that it is not for "
                    "diagnosis; nothing of ours names the patient",
                ),
                ("Source Image Sequence", "the clip that decided, with the numbers of the frames that are shown"),
                ("Frame Time", "the mean interval of these frames: it plays at the pace of the heart"),
                ("Lossy Image Compression", "01, ISO_10918_1"),
            ]
        ),
        "It is of a device that is present, without one of the first measurement of the catalogue, without one of the "
        "first class. A study in which nothing was decided, or whose frames are gone, has no heat map.",
        "### Page",
        facts(
            [
                ("SOP class", f"{PAGE_CLASS.name}, {PAGE_CLASS}"),
                ("transfer syntax", encapsulated.TRANSFER_SYNTAX.name),
                ("Modality, Conversion Type", "DOC, WSD"),
                ("Verification Flag", "UNVERIFIED"),
                ("Source Instance Sequence", "the report, and the heat map where there is one"),
                (
                    "content",
                    "one page of A4: patient and study, all answers with score, threshold and agreement of the frames, "
                    "frames of the clip that decided, the same measurement in earlier studies of the patient that were "
                    "scored here, limits of use, what made it",
                ),
            ]
        ),
    )
