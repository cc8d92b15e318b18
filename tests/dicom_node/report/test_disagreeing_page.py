"""What a page says of the study's other reports, in every language."""

from io import BytesIO

import pytest
from pypdf import PdfReader

from config.catalogue import load_catalogue
from config.languages import Language
from db.consistency.discordances import MODEL, Discordance, Severity, Side, SideKind, Told
from dicom_node.report.page import PageContent, build_page
from dicom_node.report.words import words_of
from tests.support.every_answer import run_of_everything
from tests.support.results import INSTANCE

CATALOGUE = load_catalogue()
SIDES = (
    Side(kind=SideKind.TEXT, source="1.2.3", said="55 to 60 %", start=3, end=12),
    Side(kind=SideKind.IMAGES, source=MODEL, said="29.5 %"),
)
FOUND = Discordance(
    rule="a-rule", rules_version="7", field="lvef", severity=Severity.MAJOR, sides=SIDES, confidence=0.97
)


def text_of(told: Told | None, language: Language) -> str:
    shown = PageContent(strip=None, why_no_strip="nothing_decided", trend=None, told=told)
    run = run_of_everything(INSTANCE, CATALOGUE)
    page = build_page(run, CATALOGUE, [INSTANCE], shown, words_of(language, CATALOGUE))
    (only,) = PdfReader(BytesIO(page)).pages
    return " ".join(only.extract_text().split())


@pytest.mark.parametrize("language", [each for each in Language if each is not Language.CHINESE])
def test_a_discordance_is_on_the_page_in_its_language(language: Language) -> None:
    said = text_of(Told(compared=1, questions=("lvef",), discordances=(FOUND,)), language)
    words = words_of(language)
    assert " ".join(words.say("compared.heading").split()) in said
    assert "a-rule" in said
    assert "55 to 60 %" in said
    assert "29.5 %" in said


def test_agreement_is_a_line_and_nothing_to_compare_with_is_none() -> None:
    agreed = text_of(Told(compared=2, questions=("lvef",), discordances=()), Language.ENGLISH)
    assert "Compared with the reports of this study (2), no discordance in: Left ventricular ejection" in agreed
    assert "iscordance" not in text_of(None, Language.ENGLISH)
