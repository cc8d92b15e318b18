"""Whatever comes as a Structured Report, reading it ends soon, and with notes rather than errors."""

import copy
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from config.errors import EchoWorkerError, UnreadableReportError
from tests.support import echo_reports as echo
from tests.support.echo_reports import EF, PERCENT, SCT, group, num, received, section
from worker.consistency.documents import files
from worker.consistency.documents.files import read_report_file
from worker.consistency.documents.objects import kind_of_report, read_report_document
from worker.consistency.sr import tree as tree_module
from worker.consistency.sr.measurement_report import read_measurement_report
from worker.consistency.sr.tree import DEEPEST, read_content_tree


def test_a_missing_content_is_an_empty_report() -> None:
    report = read_measurement_report(received(echo.report()))
    assert (report.statements, report.notes) == ((), ())


def test_a_root_that_is_no_container_and_content_that_is_no_sequence_are_notes() -> None:
    document = echo.report(section(SCT, "LV", group(num(EF, "55", PERCENT))))
    document.ValueType = "TEXT"
    report = read_measurement_report(received(document))
    assert report.notes == ("the root of the report is no container",)
    assert len(report.statements) == 1


def test_references_to_other_items_are_not_followed() -> None:
    around = Dataset()
    around.RelationshipType, around.ReferencedContentItemIdentifier = "CONTAINS", [1]
    document = echo.report(section(SCT, "LV", group(num(EF, "55", PERCENT), around)))
    report = read_measurement_report(received(document))
    assert len(report.statements) == 1
    assert report.notes == ("1 items refer to others of the report: they were not followed",)


def test_a_tree_that_contains_itself_comes_to_an_end() -> None:
    document = echo.report()
    document.ContentSequence = DicomSequence([document])
    tree = read_content_tree(document)
    assert sum(1 for _ in tree.root.walk()) == DEEPEST + 1
    assert f"the report is nested deeper than {DEEPEST} levels: what is below was not read" in tree.notes


def test_a_tree_that_doubles_with_each_level_comes_to_an_end() -> None:
    document = echo.report()
    document.ContentSequence = DicomSequence([document, document])
    began = time.monotonic()
    tree = read_content_tree(document)
    assert sum(1 for _ in tree.root.walk()) <= tree_module.MOST_ITEMS
    assert any(note.startswith(f"the report has more than {tree_module.MOST_ITEMS} items") for note in tree.notes)
    assert time.monotonic() - began < 60


def _bytes_of(document: Dataset) -> bytes:
    file = BytesIO()
    pydicom.dcmwrite(file, document, enforce_file_format=True)
    return file.getvalue()


def _nested(levels: int) -> bytes:
    """Content sequences of undefined length one within the other, by hand."""
    opening = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return opening * levels + closing * levels


@pytest.mark.parametrize("levels", [5, 100, 5000])
def test_a_file_that_is_nested_without_end_is_refused_or_read_to_a_depth(tmp_path: Path, levels: int) -> None:
    (tmp_path / "report.dcm").write_bytes(_bytes_of(received(echo.report())) + _nested(levels))
    try:
        report = read_measurement_report(read_report_file(tmp_path / "report.dcm"))
    except UnreadableReportError as error:
        assert levels > 100
        assert str(error) == "report.dcm cannot be read as DICOM (RecursionError)"
    else:
        assert report.notes


@pytest.mark.parametrize("content", [b"", b"SECRET", b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"SECRET" * 90])
def test_a_file_that_is_no_dicom_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "report.dcm").write_bytes(content)
    try:
        read_measurement_report(read_report_file(tmp_path / "report.dcm"))
    except UnreadableReportError as error:
        assert "SECRET" not in str(error)
    else:
        pytest.fail("it was read")


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST_BYTES", 100)
    (tmp_path / "report.dcm").write_bytes(b"x" * 101)
    with pytest.raises(UnreadableReportError, match="is no report"):
        read_report_file(tmp_path / "report.dcm")


def _delete(item: Dataset, chance: random.Random) -> None:
    if keys := list(item.keys()):
        del item[chance.choice(keys)]


def _wrong_type(item: Dataset, chance: random.Random) -> None:
    item.ValueType = chance.choice(["NUM", "TEXT", "CODE", "CONTAINER", "IMAGE", "SCOORD", "", "??"])


def _not_a_sequence(item: Dataset, chance: random.Random) -> None:
    item.add_new(0x0040A730, chance.choice(["LO", "UT", "OB"]), chance.choice([b"abc", b"", b"\xff\xfe"]))


def _rename(item: Dataset, chance: random.Random) -> None:
    names = list(SCT.values())
    item.ConceptNameCodeSequence = [echo.coded(chance.choice(names))]


def _raw_number(item: Dataset, chance: random.Random) -> None:
    measured = Dataset()
    measured.add_new(0x0040A30A, "UT", chance.choice(["NaN", "1e999", "-", "5\\6", "5,5,5", "\u0665\u0665", "1" * 400]))
    item.MeasuredValueSequence = [measured, measured]


def _loop(item: Dataset, chance: random.Random) -> None:
    item.ContentSequence = [item] * chance.randint(1, 2)


def _words(item: Dataset, chance: random.Random) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = chance.choice(["", "x" * 500]), chance.choice(["SRT", "SCT", "\t"])
    code.CodeMeaning = chance.choice(["EF " * 3000, "EF\r\nEF", "\0", "射血分数"])
    item.ConceptNameCodeSequence = item.ConceptCodeSequence = [code]


MUTATIONS: list[Callable[[Dataset, random.Random], None]] = [
    _delete, _wrong_type, _not_a_sequence, _rename, _raw_number, _loop, _words,
]  # fmt: skip


def _all_items(document: Dataset, depth: int = 0) -> list[Dataset]:
    found = [document]
    if depth < 6:
        for element in document:
            if element.VR == "SQ":
                for item in element.value:
                    found += _all_items(item, depth + 1)
    return found


SOUND = (received(echo.adult_echo(SCT)), received(echo.simplified_echo()))


IN_BYTES = _bytes_of(SOUND[0])


@pytest.fixture(scope="module", autouse=True)
def few_items() -> Iterator[None]:
    """The limit works at any number; this one makes trees that contain themselves quick to try."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tree_module, "MOST_ITEMS", 400)
        yield


@pytest.mark.long
@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), times=st.integers(1, 6), which=st.sampled_from([0, 1]))
def test_a_report_that_was_damaged_at_random_raises_nothing_but_our_own_error(
    seed: int, times: int, which: int
) -> None:
    document = copy.deepcopy(SOUND[which])
    chance = random.Random(seed)
    items = _all_items(document)
    for _ in range(times):
        chance.choice(MUTATIONS)(chance.choice(items), chance)
    for read in (read_measurement_report, read_report_document, kind_of_report):
        with suppress(EchoWorkerError):
            read(document)


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(st.integers(400, len(IN_BYTES) - 1), st.integers(0, 255)), min_size=1, max_size=12))
def test_bytes_of_a_report_that_were_damaged_raise_nothing_but_our_own_error(changes: list[tuple[int, int]]) -> None:
    content = bytearray(IN_BYTES)
    for place, byte in changes:
        content[place] = byte
    try:
        damaged = pydicom.dcmread(BytesIO(bytes(content)), force=True)
    except Exception:  # noqa: BLE001
        return  # it never came to be a data set
    with suppress(EchoWorkerError):
        read_measurement_report(damaged)
