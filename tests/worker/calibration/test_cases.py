"""The file of labelled cases, as people and Excel write it."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.catalogue import load_catalogue
from config.clinical_tasks import AnyTask
from config.errors import CalibrationError
from tests.support.labelled import CATALOGUE
from worker.calibration.cases import read_cases


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, AnyTask]:
    file = tmp_path_factory.mktemp("catalogue") / "tasks.toml"
    file.write_text(CATALOGUE)
    return {task.id: task for task in load_catalogue(file).tasks}


def truths(path: Path, content: str | bytes, *tasks: AnyTask) -> list[tuple[str, str, float, str | None]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    read = read_cases(path, tasks)
    return [(case.study_instance_uid, case.task_id, case.truth, case.group) for case in read.cases]


def test_cases_come_with_their_truth_and_patient(tmp_path: Path, tasks: dict[str, AnyTask]) -> None:
    content = "study_instance_uid,truth,group\n1.2.3,1,P1\n1.2.4,absent,P1\n1.2.5,Yes,\n"
    assert truths(tmp_path / "cases.csv", content, tasks["device"]) == [
        ("1.2.3", "device", 1, "P1"),
        ("1.2.4", "device", 0, "P1"),
        ("1.2.5", "device", 1, ""),
    ]


def test_groups_that_only_some_cases_name_are_noted(tmp_path: Path, tasks: dict[str, AnyTask]) -> None:
    """By its group in one line and by the registry in another, a patient would be in training and test at once."""
    path = tmp_path / "cases.csv"
    for groups, noted in ((("P1", ""), True), (("P1", "P2"), False), (("", ""), False)):
        path.write_text(f"study_instance_uid,truth,group\n1.2.3,1,{groups[0]}\n1.2.4,0,{groups[1]}\n")
        notes = read_cases(path, [tasks["device"]]).notes
        assert any(note.startswith("1 of 2 cases name no group") for note in notes) is noted


def test_a_file_as_excel_writes_it_is_read(tmp_path: Path, tasks: dict[str, AnyTask]) -> None:
    content = '\ufeffStudy_Instance_UID;Truth;Comment\r\n 1.2.3 ;52,5;made in "Köln"\r\n;;\r\n1.2.4;60;\r\n'.encode()
    assert truths(tmp_path / "cases.csv", content, tasks["volume"]) == [
        ("1.2.3", "volume", 52.5, None),
        ("1.2.4", "volume", 60, None),
    ]


def test_cells_behind_the_last_column_may_be_empty(tmp_path: Path, tasks: dict[str, AnyTask]) -> None:
    content = "study_instance_uid,truth\n1.2.3,52.5,,\n"
    assert [case[2] for case in truths(tmp_path / "cases.csv", content, tasks["volume"])] == [52.5]


def test_tabs_are_read_and_a_class_has_a_name_or_a_number(tmp_path: Path, tasks: dict[str, AnyTask]) -> None:
    content = "truth\tstudy_instance_uid\nsevere\t1.2.3\n1\t1.2.4\nNone\t1.2.5\n"
    assert [case[2] for case in truths(tmp_path / "cases.csv", content, tasks["grade"])] == [2, 1, 0]


def test_several_tasks_are_told_apart_by_a_column(tmp_path: Path, tasks: dict[str, AnyTask]) -> None:
    content = "study_instance_uid,task,truth\n1.2.3,device,1\n1.2.3,volume,40\n1.2.3,place,left\n"
    path = tmp_path / "cases.csv"
    assert [case[1] for case in truths(path, content, tasks["device"], tasks["volume"])] == ["device", "volume"]
    assert read_cases(path, [tasks["device"]]).notes == ("2 lines of tasks that were not asked for were left out",)
    with pytest.raises(CalibrationError, match="column 'task'"):
        truths(path, "study_instance_uid,truth\n1.2.3,1\n", tasks["device"], tasks["volume"])


def test_a_line_that_comes_twice_counts_once_and_one_without_a_truth_not_at_all(
    tmp_path: Path, tasks: dict[str, AnyTask]
) -> None:
    path = tmp_path / "cases.csv"
    path.write_text("study_instance_uid,truth\n1.2.3,1\n1.2.3,yes\n1.2.4,\n1.2.5,0\n")
    read = read_cases(path, [tasks["device"]])
    assert [case.study_instance_uid for case in read.cases] == ["1.2.3", "1.2.5"]
    assert read.notes == ("1 lines without a truth were left out", "1 lines that repeat an earlier one were left out")
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("task_id", "content", "said"),
    [
        ("device", "study_instance_uid,truth\n1.2.3,1\n1.2.3,0\n", "line 3: study 1.2.3 has another truth"),
        ("device", "study_instance_uid,truth\n1.2.3,maybe\n", "line 2: truth 'maybe'.*absent or present"),
        ("device", "study_instance_uid,truth\n1.2.3,0.5\n", "line 2: truth '0.5'"),
        ("volume", "study_instance_uid,truth\n1.2.3,nan\n", "line 2: truth 'nan'.*millilitre"),
        ("volume", "study_instance_uid,truth\n1.2.3,inf\n", "line 2: truth 'inf'"),
        ("grade", "study_instance_uid,truth\n1.2.3,3\n", "line 2: truth '3'.*none, mild, severe"),
        (
            "device",
            "study_instance_uid,truth\nDoe^John,1\n",
            "line 2: what stands under study_instance_uid is no Study Instance UID",
        ),
        ("device", "study_instance_uid,truth\n1.2.3\n", "line 2: has 1 columns"),
        ("volume", "study_instance_uid,truth\n1.2.3,55,3\n", "line 2: has 3 columns, the first line names 2: quote"),
        ("volume", "study_instance_uid,truth,group\n1.2.3,55,3,P1\n", "line 2: has 4 columns, the first line names 3"),
        ("device", "uid,truth\n1.2.3,1\n", "no column study_instance_uid"),
        ("device", "truth,truth,study_instance_uid\n1,1,1.2.3\n", "names truth more than once"),
        ("device", "", "no column study_instance_uid and no truth"),
        ("device", "study_instance_uid,truth\n", "no case of device"),
        ("device", 'study_instance_uid,truth\n1.2.3,"1\n', "not valid CSV"),
    ],
)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, tasks: dict[str, AnyTask], task_id: str, content: str, said: str
) -> None:
    with pytest.raises(CalibrationError, match=f"cases.csv.*{said}"):
        truths(tmp_path / "cases.csv", content, tasks[task_id])


def test_another_encoding_says_what_to_do(tmp_path: Path, tasks: dict[str, AnyTask]) -> None:
    with pytest.raises(CalibrationError, match="save it as 'CSV UTF-8'"):
        truths(tmp_path / "cases.csv", "study_instance_uid,truth\n1.2.3,1\n".encode("utf-16"), tasks["device"])


@given(
    content=st.one_of(
        st.binary(max_size=200), st.text(max_size=200).map(lambda t: f"study_instance_uid,truth\n{t}".encode())
    )
)
def test_whatever_the_bytes_it_is_cases_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, tasks: dict[str, AnyTask], content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        assert read_cases(path, [tasks["device"]]).cases
    except CalibrationError as error:
        assert "any.csv" in str(error)
