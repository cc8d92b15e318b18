"""The file of labelled cases: CSV, as people and Excel write it.

    study_instance_uid;truth;group
    1.2.840.1;present;P1

Comma, semicolon or tab; with or without a byte order mark. `truth` is 0/1, no/yes or absent/present (binary), a class
by its id or its number counted from 0 (class), a number in the task's unit (regression). `group` keeps the studies of
one patient together; `task` says which task a line is about, where there are several.
"""

import csv
import hashlib
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, BinaryTask, ClassTask
from config.errors import CalibrationError, ConfigurationError

COLUMNS = ("study_instance_uid", "truth", "task", "group")
_WORDS = {"absent": 0.0, "no": 0.0, "false": 0.0, "present": 1.0, "yes": 1.0, "true": 1.0}
_UID = re.compile(r"^(0|[1-9]\d*)(\.(0|[1-9]\d*))+$")
_UID_LENGTH = 64


@dataclass(frozen=True, kw_only=True)
class LabelledCase:
    """One study with what is true of it."""

    study_instance_uid: str
    task_id: str
    truth: float
    """Binary: 0 or 1. Class: the number of the class, from 0. Regression: in the task's unit."""
    group: str | None
    """Whose study it is, in whatever words the file uses; None where it does not say."""


@dataclass(frozen=True, kw_only=True)
class CaseFile:
    """What a file of cases says of the tasks that were asked for."""

    sha256: str
    cases: tuple[LabelledCase, ...]
    notes: tuple[str, ...]
    """What of the file was not used, and why."""


def read_cases(path: Path, tasks: Sequence[AnyTask]) -> CaseFile:
    """Read the cases of these tasks.

    Raises
    ------
    CalibrationError
        The file cannot be read, a column is missing, or a line is wrong; the message names the line.
    """
    content = _content(path)
    asked = {task.id: task for task in tasks}
    cases: dict[tuple[str, str], LabelledCase] = {}
    without_truth, of_others, repeated = 0, 0, 0
    for where, row in _rows(path, content):
        task = _task_of(row, asked, where)
        if task is None:
            of_others += 1
            continue
        uid = row["study_instance_uid"]
        if len(uid) > _UID_LENGTH or not _UID.match(uid):
            # Not what stands there: with the wrong column it is a name, or a patient's number.
            raise CalibrationError(f"{where}: what stands under study_instance_uid is no Study Instance UID")
        if not row["truth"]:
            without_truth += 1
            continue
        case = LabelledCase(
            study_instance_uid=uid, task_id=task.id, truth=_truth(row["truth"], task, where), group=row.get("group")
        )
        earlier = cases.setdefault((uid, task.id), case)
        if earlier.truth != case.truth:
            raise CalibrationError(f"{where}: study {uid} has another truth than in an earlier line")
        repeated += earlier is not case
    if not cases:
        raise CalibrationError(f"{path}: has no case of {', '.join(asked)}")
    counts = {
        "without a truth": without_truth,
        "of tasks that were not asked for": of_others,
        "that repeat an earlier one": repeated,
    }
    notes = tuple(f"{count} lines {which} were left out" for which, count in counts.items() if count)
    without_group = sum(not case.group for case in cases.values())
    if 0 < without_group < len(cases):
        notes += (
            f"{without_group} of {len(cases)} cases name no group, and others do: theirs is the registry's patient ID, "
            "so that a patient who is named in both ways counts as two: fill in the column for all",
        )
    return CaseFile(sha256=hashlib.sha256(content).hexdigest(), cases=tuple(cases.values()), notes=notes)


def asked_tasks(catalogue: Catalogue, task_ids: list[str]) -> dict[str, AnyTask]:
    """These tasks of the catalogue, each once, in their order.

    Raises
    ------
    ConfigurationError
        The catalogue does not have one of them.
    """
    asked = {}
    for task_id in task_ids:
        task = catalogue.task(task_id)
        if task is None:
            known = ", ".join(task.id for task in catalogue.tasks)
            raise ConfigurationError(f"--task {task_id}: the task catalogue does not have it; it has {known}")
        asked[task_id] = task
    return asked


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be read ({error.strerror})") from error


def _rows(path: Path, content: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    """Where each line is, for messages, and its columns that we know, stripped; empty lines are passed over."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CalibrationError(f"{path}: is not UTF-8; in Excel, save it as 'CSV UTF-8'") from error
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        header = [name.strip().lower() for name in next(lines, [])]
        if missing := [name for name in COLUMNS[:2] if name not in header]:
            raise CalibrationError(f"{path}: its first line names no column {' and no '.join(missing)}")
        if twice := sorted({name for name in header if name in COLUMNS and header.count(name) > 1}):
            raise CalibrationError(f"{path}: its first line names {', '.join(twice)} more than once")
        for cells in lines:
            if any(cell.strip() for cell in cells):
                where = f"{path}, line {lines.line_num}"
                if len(cells) < len(header):
                    raise CalibrationError(f"{where}: has {len(cells)} columns, the first line names {len(header)}")
                if any(cell.strip() for cell in cells[len(header) :]):
                    # A truth of 55,3 between commas would be 55, and the 3 the patient.
                    raise CalibrationError(
                        f"{where}: has {len(cells)} columns, the first line names {len(header)}: quote what holds the "
                        "character between columns"
                    )
                row = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
                yield where, {name: row[name] for name in COLUMNS if name in row}
    except csv.Error as error:
        raise CalibrationError(f"{path}, line {lines.line_num}: not valid CSV: {error}") from error


def _delimiter(text: str) -> str:
    """What stands between the names of the first line, which themselves have none of it."""
    header = text.split("\n", 1)[0]
    return max(",;\t", key=header.count)


def _task_of(row: Mapping[str, str], asked: Mapping[str, AnyTask], where: str) -> AnyTask | None:
    if "task" in row:
        return asked.get(row["task"])
    if len(asked) > 1:
        raise CalibrationError(f"{where}: several tasks are asked for: the file needs a column 'task'")
    return next(iter(asked.values()))


def _truth(written: str, task: AnyTask, where: str) -> float:
    if isinstance(task, ClassTask):
        ids = [outcome.id for outcome in task.classes]
        if written.lower() in ids:
            return float(ids.index(written.lower()))
        known = f"one of {', '.join(ids)}, or its number from 0"
        allowed = {float(number) for number in range(len(ids))}
    elif isinstance(task, BinaryTask):
        if written.lower() in _WORDS:
            return _WORDS[written.lower()]
        known, allowed = "0 or 1, no or yes, absent or present", {0.0, 1.0}
    else:
        known, allowed = f"a number in {task.unit.meaning}", None
    try:
        number = float(written.replace(",", "."))  # a comma that is no delimiter is the decimal point of many countries
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (allowed is not None and number not in allowed):
        raise CalibrationError(f"{where}: truth {written[:32]!r} of task {task.id}: give {known}")
    return number
