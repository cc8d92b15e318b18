"""What was made of a study for the PACS, for people: the report's tree, the page, the heat map, and where each went."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from config.errors import ReportError
from config.sections.report_objects import ReportObject
from db.tables.deliveries import Delivery, DeliveryAnswer, Report
from dicom_node.header import read_image_header
from dicom_node.report.tree import TreeLine, flags_of, title_of, tree_lines
from dicom_node.spool import Spool

NAMES = {ReportObject.SR: "Structured Report", ReportObject.HEAT_MAP: "Heat map", ReportObject.PDF: "Page (PDF)"}


@dataclass(frozen=True, kw_only=True)
class ReportTree:
    """The Structured Report as it is sent. PHI, as far as its text has any."""

    title: str
    flags: str
    lines: tuple[TreeLine, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """What a heat map says of itself."""

    sop_instance_uid: str
    said: str
    """The answer that it is of."""
    frames: int


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One delivery, and what was answered to it."""

    delivery: Delivery
    answers: Sequence[DeliveryAnswer]


@dataclass(frozen=True, kw_only=True)
class MadeObject:
    """One object, and where it went."""

    name: str
    report: Report
    is_page: bool
    sent: tuple[Sent, ...]


def made_objects(objects: Sequence[Report], answers: Mapping[int, Sequence[DeliveryAnswer]]) -> list[MadeObject]:
    """All of a run, in their order."""
    return [
        MadeObject(
            name=NAMES[ReportObject(made.kind)],
            report=made,
            is_page=made.kind == ReportObject.PDF,
            sent=tuple(Sent(delivery=one, answers=answers.get(one.id, ())) for one in made.deliveries),
        )
        for made in objects
    ]


def report_tree(spool: Spool, report: Report) -> ReportTree | str:
    """The content of the Structured Report; or why it cannot be shown."""
    try:
        document = dcmread(spool.file(report.spool_path))
        return ReportTree(title=title_of(document), flags=flags_of(document), lines=tuple(tree_lines(document)))
    except Exception as error:  # noqa: BLE001  a damaged file leads pydicom to any error; its texts quote the data set
        return f"its file cannot be read ({type(error).__name__}); echoworker requeue --step report builds it again"


def heat_maps(spool: Spool, objects: Sequence[Report]) -> list[HeatMap]:
    """Of a run; what the header of one does not say, its picture does."""
    return [_heat_map(spool, made) for made in objects if made.kind == ReportObject.HEAT_MAP]


def _heat_map(spool: Spool, made: Report) -> HeatMap:
    header = Dataset()
    with suppress(Exception):  # the player says why it cannot be read
        header.update(read_image_header(spool.file(made.spool_path)))
    said, frames = str(header.get("ImageComments", "")), int(header.get("NumberOfFrames") or 0)
    return HeatMap(sop_instance_uid=made.sop_instance_uid, said=said, frames=frames)


def pdf_in(path: Path) -> bytes:
    """The document of an Encapsulated PDF (PS3.3 section C.24.2).

    Raises
    ------
    ReportError
        There is none in it.
    """
    made = dcmread(path)
    if made.SOPClassUID != EncapsulatedPDFStorage:
        raise ReportError(f"object {made.SOPInstanceUID} is no page")
    content = bytes(made.EncapsulatedDocument)
    return content[: int(made.get("EncapsulatedDocumentLength") or len(content))]
