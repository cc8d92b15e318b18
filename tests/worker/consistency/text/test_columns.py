"""Tables with a column of an earlier study, or of what is normal: only the others were measured now."""

from datetime import date

import pytest

from tests.support.vocabularies import VOCABULARIES
from worker.consistency.text.extraction import extract


def values(text: str, language: str = "en", study_day: date | None = None) -> list[tuple[str, object]]:
    found = extract(text, VOCABULARIES[language], study_day=study_day)
    return [(each.field, each.grade if each.quantity is None else each.quantity.low) for each in found]


@pytest.mark.parametrize(
    ("table", "language"),
    [
        ("Parameter\tCurrent\tPrior\nLVEF\t55 %\t30 %\nMR\tmild\tsevere", "en"),
        ("Parameter\tPrior\tCurrent\nLVEF\t30 %\t55 %\nMR\tsevere\tmild", "en"),
        ("| | Today | 1/2/2020 |\n| LVEF | 55 % | 30 % |\n| MR | mild | severe |", "en"),
        ("Today\tMarch 3, 2020\nLVEF\t55 %\t30 %\nMR\tmild\tsevere", "en"),
        ("Measurement | Value | Normal\nLVEF | 55 % | > 60 %\nMR | mild | none", "en"),
        ("Parameter\theute\tVorbefund\nLVEF\t55 %\t30 %\nMitralinsuffizienz\tleicht\tschwer", "de"),
    ],
)
def test_a_column_of_before_or_of_what_is_normal_is_not_read(table: str, language: str) -> None:
    expected = [("lvef", 55), ("mitral_regurgitation", "mild")]
    assert values(table, language) == expected
    assert values(f"{table}\n\nLVEF 50 %", language) == [*expected, ("lvef", 50)], "it ends with the table"


def test_of_two_dates_that_of_the_study_counts() -> None:
    table = "Parameter\t3/4/2026\t1/2/2020\nLVEF\t55 %\t30 %"
    assert values(table, study_day=date(2026, 3, 4)) == [("lvef", 55)]
    assert values(table, study_day=date(2020, 1, 2)) == [("lvef", 30)]


def test_a_row_is_no_heading_whatever_is_normal_in_it() -> None:
    assert values("LV\tnormal\nRV\tnormal") == [("lv_size", "normal"), ("rv_size", "normal")]
    assert values("Mitral\tnormal\tno stenosis\nTricuspid\tnormal\tmild regurgitation")[-1] == (
        "tricuspid_regurgitation",
        "mild",
    )
