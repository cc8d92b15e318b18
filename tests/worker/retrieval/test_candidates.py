import json
from pathlib import Path

import numpy as np
import pytest

from config.errors import ConfigurationError
from worker.retrieval.candidates import ranked_reports, read_candidates


def test_reports_are_ranked_by_the_clip_that_is_most_like_them() -> None:
    clips = np.eye(2, 3, dtype=np.float32)
    reports = np.array([[0, 0, 1], [0.5, 0, 0], [0, 0.75, 0], [0.5, 0.25, 0]], dtype=np.float32)
    ranked = ranked_reports(clips, reports, ["none", "b", "best", "a"])
    assert [(report.rank, report.id, report.score, report.clip) for report in ranked] == [
        (1, "best", 0.75, 1),
        (3, "a", 0.5, 0),  # of two that are equal nobody can say which is second
        (3, "b", 0.5, 0),
        (4, "none", 0.0, 0),
    ]


def test_a_model_that_cannot_tell_reports_apart_puts_none_of_them_first() -> None:
    ranked = ranked_reports(np.ones((1, 2), np.float32), np.ones((100, 2), np.float32), [str(n) for n in range(100)])
    assert {report.rank for report in ranked} == {100}


def test_reports_come_out_of_a_folder_or_out_of_lines(tmp_path: Path) -> None:
    folder, lines = tmp_path / "reports", tmp_path / "reports.jsonl"
    folder.mkdir()
    (folder / "b.txt").write_text("Mild.\n")
    (folder / "a.txt").write_text("Severe.")
    (folder / "notes.md").write_text("not a report")
    lines.write_text('{"id": "a", "text": "Severe."}\n\n{"id": "b", "text": "Mild.", "year": 2024}\n')
    assert read_candidates(folder) == read_candidates(lines)
    assert [(candidate.id, candidate.text) for candidate in read_candidates(lines)] == [
        ("a", "Severe."),
        ("b", "Mild."),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no reports"),
        (b'{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}', "two reports have the same id"),
        (b'{"id": "a", "text": "x"}\n{"id": "b"}', "line 2: text: Field required"),
        (b'{"id": "a", "text": "  "}', "line 1: text: "),
        (b"Dear colleague", "line 1: is not JSON"),
        (b"[1]", "line 1: report: "),
        (b'{"id": "a", "text": "\xe4"}', "is not UTF-8 text"),
    ],
    ids=["nothing", "same-id", "no-text", "empty-text", "no-json", "no-object", "latin-1"],
)
def test_what_is_wrong_with_reports_is_said_without_quoting_them(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "reports.jsonl"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said) as raised:
        read_candidates(file)
    assert "colleague" not in str(raised.value)
    assert str(file) in str(raised.value)


def test_a_report_that_is_long_and_has_line_breaks_is_one_report(tmp_path: Path) -> None:
    text = "The left ventricle is normal.\u2028" * 1000
    file = tmp_path / "reports.jsonl"
    file.write_text(json.dumps({"id": "a", "text": text}, ensure_ascii=False) + "\n", encoding="utf-8")
    (candidate,) = read_candidates(file)
    assert candidate.text == text.strip()
