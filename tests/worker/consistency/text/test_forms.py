"""Forms: what nobody ticked, chose or filled in is not said, and what somebody did is."""

import pytest

from tests.worker.consistency.text.test_extraction import brief


def found(text: str, language: str = "en") -> list[tuple[str, object]]:
    return [(field, value) for field, value, _ in brief(text, language)]


@pytest.mark.parametrize(
    "row",
    [
        "MR: [ ] none [x] mild [ ] moderate [ ] severe", "MR: ( ) none (X) mild ( ) moderate ( ) severe",
        "MR: \u2610 none \u2612 mild \u2610 moderate", "MR: none [ ] mild [x] moderate [_] severe [ ]",
        "Mitral regurgitation:\n\u2610 none\n\u2611 mild\n\u2610 moderate\n\u2610 severe",
    ],
)  # fmt: skip
def test_of_several_boxes_the_ticked_one_is_said(row: str) -> None:
    assert found(f"{row}\nLVEF 55 %.") == [("mitral_regurgitation", ("mild", "mild")), ("lvef", (55, 55))]


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("[ ] Pacemaker\n[x] TAVR", "en", [("tavr", True)]),
        ("\u2610 Schrittmacher \u2612 TAVI", "de", [("tavr", True)]),
        ("Pacemaker: \u2610 yes \u2612 no", "en", [("pacemaker", False)]),
        ("Devices: Pacemaker [x] TAVR [ ] LVAD [ ]", "en", [("pacemaker", True)]),
        ("Devices: Pacemaker ( ) TAVR ( ) LVAD ( )", "en", []),
        ("\u2612 TAVR \u2610 Pacemaker. LVEF 55 %.", "en", [("tavr", True), ("lvef", (55, 55))]),
        ("LVEF 55 %. Pacemaker: [ ] yes [ ] no", "en", [("lvef", (55, 55))]),
        ("Pacemaker lead(s) seen.", "en", [("pacemaker", True)]),
    ],
)
def test_what_stands_at_an_empty_box_is_not_said(text: str, language: str, expected: list[tuple[str, object]]) -> None:
    assert found(text, language) == expected


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Pacemaker:\nLVEF: 55 %", "en"), ("Pacemaker:\n\nLVEF: 55 %", "en"), ("Pacemaker: -\nLVEF: 55 %", "en"),
        ("Pacemaker: ___\nLVEF: 55 %", "en"), ("Pacemaker: yes/no\nLVEF: 55 %", "en"),
        ("Pacemaker: Y / N\nLVEF: 55 %", "en"), ("Schrittmacher: ja/nein\nLVEF: 55 %", "de"),
        ("Marcapasos: s\u00ed/no\nFEVI: 55 %", "es"), ("MR:\nLVEF: 55 %", "en"),
        ("Mitral regurgitation: none / mild / moderate / severe\nLVEF: 55 %", "en"),
        ("TR: trace, mild, moderate, severe\nLVEF: 55 %", "en"),
        ("LV function is [normal/mildly reduced/moderately reduced/severely reduced]. LVEF 55 %", "en"),
    ],
)  # fmt: skip
def test_a_row_that_nobody_filled_in_says_nothing(text: str, language: str) -> None:
    assert found(text, language) == [("lvef", (55, 55))]


@pytest.mark.parametrize("answer", ["no", "N", "0", "none"])
def test_a_row_that_is_answered_no_denies(answer: str) -> None:
    assert found(f"Pacemaker: {answer}\nTAVR: yes") == [("pacemaker", False), ("tavr", True)]


def test_a_table_may_come_as_one_cell_a_line() -> None:
    table = "Measurement\nValue\nNormal\nLVEF\n38 %\n54-74 %\nRVSP\n62 mmHg\n< 35\nPacemaker\nNo\nTAVR\nYes\nMR\nmild"
    assert found(table) == [
        ("lvef", (38, 38)),
        ("pa_pressure", (62, 62)),
        ("pacemaker", False),
        ("tavr", True),
        ("mitral_regurgitation", ("mild", "mild")),
    ]


def test_an_entry_of_a_list_is_not_denied_by_the_next() -> None:
    assert found("ICD\nNo effusion\nMR\nNone.\n\nNo") == [
        ("pacemaker", True),
        ("pericardial_effusion", False),
        ("mitral_regurgitation", ("none", "none")),
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("EF\t35-40 %\tNormal\t52-72 %", [("lvef", (35, 40))]),
        ("LVEF:\t55 %\tRVSP:\t30 mmHg", [("lvef", (55, 55)), ("pa_pressure", (30, 30))]),
        ("The left ventricle is\tseverely dilated.", [("lv_size", ("severe", "severe"))]),
    ],
)
def test_columns_are_told_apart_and_blanks_in_prose_are_none(row: str, expected: list[tuple[str, object]]) -> None:
    assert found(row) == expected
