"""The requests that a report names are those of its images, and the placer's order number comes into messages."""

import shutil
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from config.catalogue import load_catalogue
from dicom_node.messages.hl7 import Addressing, build_hl7
from dicom_node.messages.study import reported_study
from dicom_node.report.checking.check import check_file
from dicom_node.report.requests import referenced_requests
from tests.support.results import header_of, report_of, runs_of_every_answer
from tests.support.tools import said_by

CATALOGUE = load_catalogue()
RUN = runs_of_every_answer(CATALOGUE)[0]


def item_of(**attributes: object) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def image(**attributes: object) -> Dataset:
    return item_of(StudyInstanceUID="1.2.3", **attributes)


def numbers(request: Dataset) -> tuple[str, ...]:
    return (
        request.StudyInstanceUID,
        request.AccessionNumber,
        request.PlacerOrderNumberImagingServiceRequest,
        request.RequestedProcedureID,
    )


ASKED = item_of(RequestedProcedureID="RP 1", RequestedProcedureDescription="Échocardiographie")


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([image(AccessionNumber="A 1")], []),
        ([image(RequestAttributesSequence=[ASKED], AccessionNumber="A 1")] * 2, [("1.2.3", "A 1", "", "RP 1")]),
        ([image(PlacerOrderNumberImagingServiceRequest="P 1")], [("1.2.3", "", "P 1", "")]),
        (
            [image(RequestAttributesSequence=[ASKED], PlacerOrderNumberImagingServiceRequest="P 1")],
            [("1.2.3", "", "P 1", "RP 1")],
        ),
        (
            [
                image(
                    AccessionNumber="A 1",
                    RequestAttributesSequence=[
                        ASKED,
                        item_of(RequestedProcedureID="RP 2", AccessionNumber="A 2", StudyInstanceUID="1.2.4"),
                    ],
                )
            ],
            [("1.2.3", "", "", "RP 1"), ("1.2.4", "A 2", "", "RP 2")],
        ),
    ],
)
def test_each_request_is_named_once_with_the_numbers_that_are_surely_its_own(
    images: list[Dataset], expected: list[tuple[str, ...]]
) -> None:
    assert [numbers(request) for request in referenced_requests(images)] == expected


def test_what_is_no_sequence_names_no_request() -> None:
    broken = image()
    broken.add_new("RequestAttributesSequence", "LO", "RP 1")
    assert referenced_requests([broken]) == []


def test_a_report_of_requests_is_as_valid_as_one_without(tmp_path: Path) -> None:
    judged = []
    for named in ({}, {"RequestAttributesSequence": [ASKED], "PlacerOrderNumberImagingServiceRequest": "P 1"}):
        report = report_of(RUN, CATALOGUE, **named)
        assert ("ReferencedRequestSequence" in report) == bool(named)
        file = tmp_path / "report.dcm"
        report.save_as(file, enforce_file_format=True)
        assert check_file(file).findings == ()
        tools = ["dciodvfy", *(tool for tool in ["/usr/bin/dciodvfy"] if shutil.which(tool))]  # Debian's as well
        judged.append([said_by(tool, "-new", file) for tool in tools] + [said_by("dsrdump", file).count("error")])
    assert judged[0] == judged[1]


def test_the_placers_order_number_comes_into_the_message() -> None:
    report = header_of(RUN, CATALOGUE, RequestAttributesSequence=[ASKED], PlacerOrderNumberImagingServiceRequest="P 1")
    lines = build_hl7(RUN, CATALOGUE, reported_study(report), Addressing()).decode().split("\r")
    assert {line.split("|")[2] for line in lines if line.startswith(("ORC", "OBR"))} == {"P 1"}
