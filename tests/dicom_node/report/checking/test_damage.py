"""Whatever has become of a report, the checker says something about it and does not fail."""

import random
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicom_node.report.checking.check import Checked, check, check_file
from dicom_node.report.checking.reading import DEEPEST
from tests.support.mutation import mutated
from tests.support.structured_reports import items_of, our_report, report_of_a_person

VRS = ["CS", "DS", "IS", "LO", "PN", "SH", "SQ", "UI", "UT", "US", "FD", "DA", "AT", "UN", "OB", "ZZ"]


@pytest.fixture(scope="module", params=[our_report, report_of_a_person])
def content(request: pytest.FixtureRequest) -> bytes:
    file = BytesIO()
    request.param().save_as(file, enforce_file_format=True)
    return file.getvalue()


@pytest.fixture(scope="module")
def read(content: bytes) -> Callable[[], Dataset]:
    """A fresh data set of the same report; hypothesis would print the bytes whole."""
    return lambda: pydicom.dcmread(BytesIO(content))


def assert_said_properly(checked: Checked) -> None:
    assert checked.kind.isprintable()
    for finding in checked.findings:
        assert finding.path
        assert finding.said
        assert finding.rule
        assert finding.source
        assert finding.said.isprintable()
        assert finding.path.isprintable()


def data_sets_of(report: Dataset) -> list[Dataset]:
    """The report, and every item of every sequence in it."""
    found = [report]
    for element in report:
        if element.VR == "SQ":
            for item in element.value:
                found.extend(data_sets_of(item))
    return found


Damage = tuple[int, int, str, str, bytes]


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(
    damages=st.lists(
        st.tuples(
            st.integers(0, 10**6),
            st.integers(0, 10**6),
            st.sampled_from(["deleted", "bytes", "emptied", "repeated", "strange"]),
            st.sampled_from(VRS),
            st.binary(max_size=80),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_damage_to_elements_makes_it_fail(read: Callable[[], Dataset], damages: list[Damage]) -> None:
    report = read()
    everywhere = data_sets_of(report)
    for which, element, kind, vr, value in damages:
        damage(everywhere[which % len(everywhere)], element, kind, vr, value)
    assert_said_properly(check(report))


def damage(dataset: Dataset, number: int, kind: str, vr: str, value: bytes) -> None:
    tags = list(dataset.keys())
    if not tags:
        return
    tag = tags[number % len(tags)]
    if kind == "deleted":
        del dataset[tag]
    elif kind == "bytes":
        dataset[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    elif kind == "emptied":
        dataset[tag] = DataElement(tag, vr, None)
    elif kind == "repeated":
        dataset[tag] = RawDataElement(tag, vr, len(value) * 3, value + b"\\" + value + b"\\", 0, False, True)
    else:
        dataset[tag] = RawDataElement(tag, "UN", len(value), value, 0, True, True)


@pytest.mark.parametrize("seed", range(40))
def test_no_damage_to_the_file_makes_it_fail(content: bytes, tmp_path: Path, seed: int) -> None:
    file = tmp_path / "report.dcm"
    file.write_bytes(mutated(content, seed))
    assert_said_properly(check_file(file))


def test_a_report_cut_off_anywhere_is_no_reason_to_fail(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "report.dcm"
    numbers = random.Random(7)
    for _ in range(40):
        file.write_bytes(content[: numbers.randrange(len(content))])
        assert_said_properly(check_file(file))


def test_what_is_nested_without_end_is_damage(read: Callable[[], Dataset]) -> None:
    report = read()
    item = next(items_of(report))
    for _ in range(DEEPEST + 200):
        child = Dataset()
        child.ValueType, child.RelationshipType = "CONTAINER", "CONTAINS"
        item.ContentSequence = [child]
        item = child
    checked = check(report)
    assert any(f"nested deeper than {DEEPEST}" in finding.path for finding in checked.findings)


def test_a_sequence_within_itself_without_end_is_damage(read: Callable[[], Dataset]) -> None:
    report = read()
    item: Dataset = report
    for _ in range(DEEPEST + 200):
        child = Dataset()
        item.ReferencedRequestSequence = [child]
        item = child
    checked = check(report)
    assert any(f"nested deeper than {DEEPEST}" in finding.path for finding in checked.findings)


def test_an_element_in_an_unknown_vr_is_no_reason_to_fail(read: Callable[[], Dataset]) -> None:
    report = read()
    tag = Tag("StudyID")
    report[tag] = RawDataElement(tag, "ZZ", 4, b"abcd", 0, False, True)
    checked = check(report)
    assert [(finding.rule, finding.path) for finding in checked.findings] == [("readable", "header, StudyID")]
