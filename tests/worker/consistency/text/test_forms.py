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
