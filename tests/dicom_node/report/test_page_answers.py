"""The table of answers on the page: each with its score, threshold and agreement, in the language's own numbers."""

import pypdfium2
import pytest

from config.catalogue import load_catalogue
from config.languages import Language
from db.results.runs import LINEAR_PROBE_METHOD, ZERO_SHOT_METHOD, TaskResult, Verdict
from dicom_node.report.page import PageContent, build_page
from dicom_node.report.page_answers import answer_rows
from dicom_node.report.words import words_of
from tests.support.results import INSTANCE, run_of

CATALOGUE = load_catalogue()
NOTHING = PageContent(strip=None, why_no_strip="nothing_decided", trend=None)
RESULTS = (
    TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=54.53, spread=4.04),
    TaskResult(
        task_id="pacemaker", verdict=Verdict.PRESENT, score=0.31004, threshold=0.298, agreement=0.8,
        method=ZERO_SHOT_METHOD,
    ),
    TaskResult(
        task_id="tavr", verdict=Verdict.ABSENT, score=0.4996, threshold=0.5, spread=0.021, method=LINEAR_PROBE_METHOD
    ),
    TaskResult(task_id="lv_size", verdict=Verdict.CLASSIFIED, outcome="mild", score=1.26, agreement=0.675),
    TaskResult(task_id="mitraclip", verdict=Verdict.UNCALIBRATED, score=0.7777, reason="no threshold"),
)  # fmt: skip


def rows_in(language: Language) -> dict[str, tuple[str, str]]:
    """Score and agreement by task."""
    words = words_of(language, CATALOGUE)
    names = {words.task(task): task.id for task in CATALOGUE.tasks}
    rows = answer_rows(run_of(CATALOGUE, RESULTS), CATALOGUE, words)
    return {names[question]: (score, agreement) for question, _, score, agreement in rows}


def test_an_answer_stands_beside_its_score_and_threshold_and_how_far_the_frames_agree() -> None:
    assert rows_in(Language.ENGLISH) == {
        "lvef": ("", "± 4.0 points"),
        "pacemaker": ("0.3100 (0.2980)", "80 %"),
        "tavr": ("50.0 % (50.0 %)", "± 2.1 points"),
        "lv_size": ("1.3 / 3", "68 %"),
    }
    german = rows_in(Language.GERMAN)
    assert german["pacemaker"] == ("0,3100 (0,2980)", "80 %")
    assert german["lvef"] == ("", "± 4,0 Prozentpunkte")


@pytest.mark.parametrize("language", Language)
def test_the_page_shows_them_under_headings_and_says_what_they_are(language: Language) -> None:
    words = words_of(language, CATALOGUE)
    document = pypdfium2.PdfDocument(build_page(run_of(CATALOGUE, RESULTS), CATALOGUE, [INSTANCE], NOTHING, words))
    assert len(document) == 1
    text = "".join(document[0].get_textpage().get_text_range().split())
    shown = [words.say(f"page.{key}") for key in ("score", "confidence", "how_sure")]
    shown += [cell for row in rows_in(language).values() for cell in row]
    for said in shown:
        assert "".join(said.split()) in text, said
    assert words.number(0.7777, ".4f") not in text, "a number that means nothing yet is no answer's"
