"""Units by UCUM's grammar, and codes by tables and check digits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.sr.codedict import Collection

from dicom_node.report.checking.terminology import codes_meaning, has_wrong_check_digit, meanings_of
from dicom_node.report.checking.ucum import is_ucum


@pytest.mark.parametrize(
    "unit",
    [
        "1", "%", "mm[Hg]", "cm", "cm2", "cm2/m2", "ml", "mL/m2", "m/s", "m/s2", "cm/s", "m2.s-1", "/min",
        "{beats}/min",
        "{ratio}", "g/ml{SUVbw}", "10*3/uL", "10*-6/L", "mg/(kg.h)", "J/cm2", "[in_i]", "dB[uV]", "mm[H2O]", "kg.m-2",
        "deg", "Cel", "mol/kg{wet}", "2.cm", "dyn.s.cm-5",
    ],
)  # fmt: skip
def test_units_of_ucum(unit: str) -> None:
    assert is_ucum(unit)


@pytest.mark.parametrize(
    "unit",
    [
        "mmHg", "mm Hg", "mm[Hg", "mm[Hq]", "bpm", "sec", "ratio", "no units", "percent", "cm^2", "cm²", "µm", "cms",
        "Cm",
        "cm//s", "cm.", "/", "(cm", "cm)", "{a}{b}", "{", "%%", "MM", "m/S/s ", "", " ", "()",
    ],
)  # fmt: skip
def test_what_is_written_for_units_and_is_none(unit: str) -> None:
    assert not is_ucum(unit)


def test_dicoms_own_units_are_units() -> None:
    assert all(is_ucum(code.value) for code in Collection("UCUM").concepts.values())


@given(st.text(alphabet="cmskg[]{}()./-+*^%'0123456789 \x00", max_size=60))
def test_any_text_is_a_unit_or_none(text: str) -> None:
    assert is_ucum(text) in (True, False)


def test_brackets_without_end_are_no_unit() -> None:
    assert not is_ucum("(" * 5000 + "m" + ")" * 5000)


@pytest.mark.parametrize(("scheme", "known_slips"), [("SCT", 1), ("LN", 8)])
def test_check_digits_fit_the_codes_of_the_standard_and_no_neighbour(scheme: str, known_slips: int) -> None:
    """PS3.16 itself has a few codes that are none, which pydicom has from there."""
    codes = [code.value for code in Collection(scheme).concepts.values()]
    wrong = [code for code in codes if has_wrong_check_digit(code, scheme)]
    assert len(wrong) == known_slips, wrong
    for code in set(codes) - set(wrong):
        neighbour = code[:-1] + str((int(code[-1]) + 1) % 10)
        assert has_wrong_check_digit(neighbour, scheme), neighbour


def test_meanings_are_compared_without_case_and_kind() -> None:
    assert codes_meaning("LEFT  ventricle", "SCT") == {"87878005"}
    assert meanings_of("260753009", "SCT") == {"source"}  # in the tables: Source (attribute)
    assert meanings_of("87878005", "LN") == frozenset()
