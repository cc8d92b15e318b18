"""What is read out of a report's sentences: the cases that matter, one by one, and what holds for every text."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.consistency import read_corpus
from config.catalogue import load_catalogue
from config.clinical_tasks import BinaryTask, ClassTask, RegressionTask
from tests.support.vocabularies import VOCABULARIES
from worker.consistency.statements import Certainty, Quantity, Statement, When
from worker.consistency.text.extraction import extract
from worker.consistency.text.fields import CONCEPTS
from worker.consistency.text.vocabulary import most_likely
from worker.phantom.heart import Device, Grade, sample_heart
from worker.phantom.report_text import Said, report_text, unreadable_text

ENGLISH = VOCABULARIES["en"]
FIELDS_WITHOUT_TASK = {"tr_velocity", "tapse", "lv_function", "pericardial_effusion"}
WORDS = (
    "LVEF", "EF", "55", "60", "0.4", "%", "mmHg", "-", "to", "from", "improved", "between", "and", "or", "no", "not",
    "mild", "moderate", "severe", "normal", "mitral", "aortic valve", "regurgitation", "stenosis", "MR", "TR", "RVSP",
    ",", ";", ".", ":", "\n", "\n\n", "(", ")", "pacemaker lead", "right ventricle", "left atrium", "dilated", "TAVR",
    "candidate for", "previously", "was", "now", "in 2019", "HISTORY", "FINDINGS", "prosthesis", "native", "+", "2",
    "grade", "II", "°", "?", "cannot be excluded", "at least", ">", "<", "removed", "with", "but", "effusion", "/", "±",
    "TAPSE", "cm",
)  # fmt: skip


def said(text: str, language: str = "en") -> list[Statement]:
    return list(extract(text, VOCABULARIES[language]))


def brief(text: str, language: str = "en") -> list[tuple[str, object, str]]:
    """Field, what is said of it, and when."""
    found = []
    for each in extract(text, VOCABULARIES[language]):
        told: object = each.is_present
        if each.quantity is not None:
            told = (each.quantity.low, each.quantity.high)
        elif each.grade is not None:
            told = (each.grade, each.grade_to or each.grade)
        found.append((each.field, told, each.when.value))
    return found


def places_in(text: str) -> list[str]:
    """The words of each statement."""
    return [text[each.start : each.end] for each in said(text)]


def of(field: str, text: str) -> Statement:
    (statement,) = [each for each in extract(text, ENGLISH) if each.field == field]
    return statement


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("LVEF 55-60 %.", 55, 60),
        ("EF 55 \u2013 60 %", 55, 60),
        ("EF of 55 to 60%", 55, 60),
        ("The EF lies between 50 and 55 percent.", 50, 55),
        ("EF 30%-35%", 30, 35),
        ("LVEF > 70 %", 70, None),
        ("EF less than 20 %", None, 20),
        ("EF 60", 60, 60),
        ("An EF of 0.35 was calculated.", 35, 35),
        ("LVEF 45±5%", 45, 45),
        ("LVEF | 57,3 | %", 57.3, 57.3),
        ("EF 54 % (normal 52-72 %)", 54, 54),
        ("60% ejection fraction", 60, 60),
    ],
)
def test_an_ejection_fraction_is_read_however_it_is_written(text: str, low: float, high: float) -> None:
    assert of("lvef", text).quantity == Quantity(low=low, high=high, unit="%")


@pytest.mark.parametrize(
    "text",
    [
        "An EF of 350 is a typing error.", "RVEF 45 %.", "Fractional shortening 32 %.", "Strain -18 %.",
        "EF not measured.", "LVEF was averaged over 12 beats.", "The EF could not be assessed in 4 of 5 views.",
    ],
)  # fmt: skip
def test_no_ejection_fraction_is_read_where_none_is_given(text: str) -> None:
    assert [each.field for each in said(text)] == []


def test_a_number_is_given_in_the_unit_of_its_field() -> None:
    assert of("tr_velocity", "TR Vmax 280 cm/s").quantity == Quantity(low=2.8, high=2.8, unit="m/s")
    assert of("tapse", "TAPSE 1.9 cm").quantity == Quantity(low=19, high=19, unit="mm")
    assert of("pa_pressure", "PASP 45mmHg").quantity == Quantity(low=45, high=45, unit="mm[Hg]")


def test_an_improvement_is_a_value_of_the_past_and_one_of_today() -> None:
    expected = [("lvef", (30, 30), "history"), ("lvef", (45, 45), "current")]
    for text in ("EF improved from 30 to 45 %.", "The EF was 30 % in 2019 and is now 45 %."):
        assert brief(text) == expected
    assert sorted(brief("EF 45 % (previously 30 %).")) == sorted(expected)
    assert sorted(brief("EF 45 %, compared to 30 % on the prior study.")) == sorted(expected)
    assert brief("Compared with the prior study, the EF is 45 %.") == expected[1:]


@pytest.mark.parametrize(
    ("text", "grade", "grade_to"),
    [
        ("Mild MR.", "mild", None),
        ("MR: 2+", "moderate", None),
        ("Trace MR.", "none", "mild"),
        ("Mild to moderate MR.", "mild", "moderate"),
        ("At least moderate MR.", "moderate", "severe"),
        ("No more than mild MR.", "none", "mild"),
        ("No MR.", "none", None),
        ("No significant MR.", "none", "mild"),
        ("No severe MR.", "none", "moderate"),
        ("There is MR.", "mild", "severe"),
        ("Moderatly severe mitral regurgitaton", "moderate", "severe"),
    ],
)
def test_grades_are_those_of_the_catalogue_from_and_to(text: str, grade: str, grade_to: str | None) -> None:
    statement = next(each for each in said(text) if each.field == "mitral_regurgitation")
    assert (statement.grade, statement.grade_to) == (grade, grade_to)


def test_a_negation_goes_as_far_as_its_list() -> None:
    assert brief("No MR, TR or AS, mild PR.") == [
        ("mitral_regurgitation", ("none", "none"), "current"),
        ("tricuspid_regurgitation", ("none", "none"), "current"),
        ("aortic_stenosis", ("none", "none"), "current"),
        ("pulmonary_regurgitation", ("mild", "mild"), "current"),
    ]
    assert ("pacemaker", True, "current") in brief("No pericardial effusion, ICD lead in the RV.")
    assert ("pacemaker", False, "current") in brief("No pericardial effusion or pacemaker lead.")
    assert brief("No mitral stenosis, but moderate mitral regurgitation.")[1][1] == ("moderate", "moderate")


@pytest.mark.parametrize(
    ("text", "field", "is_present", "when"),
    [
        ("s/p TAVR", "tavr", True, "current"),
        ("TAVR was not performed.", "tavr", False, "current"),
        ("Candidate for TAVR.", "tavr", True, "planned"),
        ("Considered for MitraClip.", "mitraclip", True, "planned"),
        ("The Impella was removed.", "impella", False, "current"),
        ("Status post removal of the pacemaker.", "pacemaker", False, "current"),
        ("No significant change in the pacemaker lead.", "pacemaker", True, "current"),
        ("Prior TAVR with normal gradients.", "tavr", True, "current"),
        ("The previous echo showed an Impella.", "impella", True, "history"),
        ("A mechanical prosthesis is noted in the mitral position.", "mitral_prosthesis", True, "current"),
        ("Annuloplasty ring of the tricuspid valve.", "tricuspid_ring", True, "current"),
    ],
)
def test_devices_are_there_not_there_planned_or_of_the_past(text: str, field: str, is_present: bool, when: str) -> None:
    assert (field, is_present, when) in brief(text)


def test_a_native_valve_has_no_prosthesis_and_one_that_is_not_told_apart_may_be_the_surgeons() -> None:
    assert set(brief("Native aortic valve.")) == {
        ("tavr", False, "current"),
        ("aortic_prosthesis", False, "current"),
    }
    assert of("aortic_prosthesis", "There is a prosthetic aortic valve.").certainty is Certainty.POSSIBLE
    assert of("aortic_prosthesis", "There is a bioprosthetic aortic valve.").certainty is Certainty.CERTAIN
    assert [each.field for each in said("Status post TAVR: the prosthesis is well seated.")] == ["tavr"]


def test_doubt_is_told_wherever_it_stands() -> None:
    for text in ("Possible mild MR.", "Mild MR cannot be excluded.", "MR is probably mild.", "There may be mild MR."):
        assert of("mitral_regurgitation", text).certainty is Certainty.POSSIBLE, text
    assert of("ra_pressure", "RVSP 35 mmHg, assuming a RAP of 5 mmHg").certainty is Certainty.POSSIBLE
    assert of("pa_pressure", "RVSP 35 mmHg, assuming a RAP of 5 mmHg").certainty is Certainty.CERTAIN


def test_headings_say_what_time_and_what_valve_is_meant() -> None:
    text = "HISTORY:\nSevere MR. EF 25 %.\n\nFINDINGS:\nMitral valve: mild regurgitation. No stenosis.\nEF 45 %."
    assert brief(text) == [
        ("mitral_regurgitation", ("severe", "severe"), "history"),
        ("lvef", (25, 25), "history"),
        ("mitral_regurgitation", ("mild", "mild"), "current"),
        ("mitral_stenosis", ("none", "none"), "current"),
        ("lvef", (45, 45), "current"),
    ]


def test_a_statement_has_the_place_of_its_words_in_the_text() -> None:
    text = "  The left atrium is severely enlarged.\n\nLVEF: 55-60 %, no pacemaker."
    assert places_in(text) == ["left atrium is severely enlarged", "LVEF: 55-60 %", "pacemaker"]
    assert places_in("EF improved from 30 to 45 %.") == ["EF improved from 30", "45 %"]
    assert places_in("Mild MR, AS and TR.") == ["Mild MR", "AS", "TR"]


def test_as_is_a_word_and_only_in_capitals_a_stenosis() -> None:
    assert brief("Mild AS.") == [("aortic_stenosis", ("mild", "mild"), "current")]
    assert brief("MR is graded as severe.") == [("mitral_regurgitation", ("severe", "severe"), "current")]


def test_each_language_has_its_own_words() -> None:
    assert brief("MI II°, keine AI.", "de") == [
        ("mitral_regurgitation", ("moderate", "moderate"), "current"),
        ("aortic_regurgitation", ("none", "none"), "current"),
    ]
    assert brief("AI ligeramente dilatada, FEVI 62,5 %.", "es") == [
        ("la_size", ("mild", "mild"), "current"),
        ("lvef", (62.5, 62.5), "current"),
    ]


def test_the_language_of_a_report_is_told_by_its_words() -> None:
    vocabularies = list(VOCABULARIES.values())
    # A table of two or three abbreviations is the same in all of them.
    sentences = [each for each in read_corpus() if each.style == "prose" and len(each.text) > 40]
    right = [most_likely(each.text, vocabularies).language == each.language for each in sentences]
    assert sum(right) > 0.97 * len(right)


def test_what_is_said_has_grades_and_units_of_the_catalogue() -> None:
    catalogue = load_catalogue()
    for concept in CONCEPTS.values():
        graded = concept.graded_as or concept.field
        for field in filter(None, (concept.field, graded)):
            task = catalogue.task(field)
            assert task is not None or field in FIELDS_WITHOUT_TASK, field
            if isinstance(task, RegressionTask) and concept.unit:
                assert concept.unit == task.unit.value
            if isinstance(task, ClassTask):
                assert set(concept.scale) <= {each.id for each in task.classes}, field
        for field, _ in (*concept.affirms, *concept.denies):
            assert isinstance(catalogue.task(field), BinaryTask) or field in FIELDS_WITHOUT_TASK


@pytest.mark.parametrize("seed", range(200))
def test_a_report_of_a_synthetic_heart_gives_what_was_said_of_it(seed: int) -> None:
    random = np.random.default_rng(seed)
    heart = sample_heart(random)
    everything = Said.truly(heart)
    truth = Said(**{**vars(everything), "denied": frozenset(Device) - everything.devices if seed % 2 else frozenset()})
    found = said(str(report_text(truth, random)))
    assert all(each.when is When.CURRENT for each in found)
    quantities = {each.field: each.quantity for each in found if each.quantity is not None}
    low, high = quantities["lvef"].low, quantities["lvef"].high  # type: ignore[union-attr]
    assert low is not None
    assert high is not None
    assert low - 0.51 <= truth.ejection_fraction <= high + 0.51
    assert quantities["pa_pressure"].middle == round(truth.pa_pressure)  # type: ignore[union-attr]
    for chamber in ("lv", "rv", "la", "ra"):
        grades = {each.grade for each in found if each.field == f"{chamber}_size"}
        assert grades == {Grade(getattr(truth, f"{chamber}_size")).name.lower()}
    for device in Device:
        expected = {True} if device in truth.devices else {False} if device in truth.denied else set()
        assert {each.is_present for each in found if each.field == device.value} == expected, device


def test_of_a_study_without_a_heart_nothing_is_read() -> None:
    for seed in range(10):
        assert said(str(unreadable_text(np.random.default_rng(seed)))) == []


@given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)))
def test_any_text_gives_statements_in_order_within_it(text: str) -> None:
    for vocabulary in VOCABULARIES.values():
        found = extract(text, vocabulary)
        assert [each.start for each in found] == sorted(each.start for each in found)
        for each in found:
            assert 0 <= each.start < each.end <= len(text)
            assert (each.quantity, each.grade, each.is_present) != (None, None, None)
        assert found == extract(text, vocabulary)


PLAIN = [
    each.text
    for each in read_corpus()
    if each.language == "en" and each.text.endswith(".") and not set(each.text) & set(":\n") and each.text[0].isupper()
]


@given(st.sampled_from(PLAIN), st.lists(st.sampled_from(PLAIN), min_size=1, max_size=3), st.sampled_from([" ", "\n"]))
def test_a_sentence_says_the_same_whatever_stands_before_it(sentence: str, before: list[str], gap: str) -> None:
    text = gap.join([*before, sentence])
    begin = len(text) - len(sentence)
    alone = [(each.start + begin, each.end + begin, each.field) for each in said(sentence)]
    assert [(each.start, each.end, each.field) for each in said(text) if each.start >= begin] == alone


@pytest.mark.long
def test_the_time_grows_with_the_length_of_the_text_alone() -> None:
    """200 kB, in sentences and without a full stop; seconds of processor time, with room for a slow machine."""
    sentences = " ".join(PLAIN)
    for text in (sentences, sentences.replace(".", " "), "no " * 9_999, "EF 5-" * 9_999, "((((" * 9_999, "9" * 99_999):
        long = (text * (200_000 // len(text) + 1))[:200_000]
        started = time.process_time()
        extract(long, ENGLISH)
        assert time.process_time() - started < 20
