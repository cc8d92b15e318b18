"""The languages of reports: each has every sentence, fills in the same, and writes numbers as its readers do."""

from collections.abc import Mapping
from string import Formatter

import pytest

from config.catalogue import Catalogue, load_catalogue
from config.clinical_tasks import ClassTask
from config.labels import ModelLabel
from config.languages import Language
from config.reasons import Named, Reason, ReasonKind
from db.results.runs import ClipAnswer, TaskResult, Verdict
from dicom_node.report.answers import brief, explanation
from dicom_node.report.wording import series_description
from dicom_node.report.words import words_of

ENGLISH = words_of(Language.ENGLISH)
OTHERS = [language for language in Language if language is not Language.ENGLISH]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def fields_of(texts: Mapping[str, str]) -> dict[str, set[tuple[str, str | None, str | None]]]:
    """What each sentence fills in, and how it writes it."""
    return {
        key: {(name, spec, conversion) for _, name, spec, conversion in Formatter().parse(text) if name is not None}
        for key, text in texts.items()
    }


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_has_every_sentence_and_fills_in_the_same(language: Language) -> None:
    words = words_of(language)
    assert fields_of(words.texts) == fields_of(ENGLISH.texts)
    assert words.between.keys() == ENGLISH.between.keys()
    assert all(words.texts.values())


@pytest.mark.parametrize("language", OTHERS)
def test_no_sentence_was_left_in_english(language: Language) -> None:
    """But for those that are no words at all, or are the same in both."""
    texts = words_of(language).texts
    same = {key for key, text in texts.items() if text == ENGLISH.texts[key]}
    without_words = {
        "form.sentence", "form.counted", "compared.side", "form.named", "answer.number", "unit.percent_sign",
        "class.most_like_on_the_scale", "reason.TOGETHER", "reason.ALONE", "reason.COUNTED",
    }  # fmt: skip
    loans = {
        Language.GERMAN: {"content.M_MODE", "lv_function.normal", "pa_pressure.normal"},
        Language.FRENCH: {"unit.points", "content.ECG", "compared.images"},
        Language.SPANISH: {"content.ECG", "lv_function.normal", "pa_pressure.normal"},
        Language.CHINESE: set[str](),
    }
    assert same <= without_words | loans[language]


@pytest.mark.parametrize("language", OTHERS)
def test_every_task_outcome_and_view_of_the_bundled_catalogue_has_a_name(
    language: Language, catalogue: Catalogue
) -> None:
    outcomes = [outcome for task in catalogue.tasks if isinstance(task, ClassTask) for outcome in task.classes]
    unnamed = [one.id for one in (*catalogue.tasks, *catalogue.views, *outcomes) if language not in one.names]
    assert unnamed == []
    names = [task.names[language] for task in catalogue.tasks]
    assert len(set(names)) == len(names), "a reader could not tell them apart"


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("label", ModelLabel)
def test_the_line_that_a_viewer_shows_fits_and_names_the_kind_of_model(language: Language, label: ModelLabel) -> None:
    line = series_description(label, words_of(language))
    assert len(line) <= 64  # characters, as VR LO counts them
    assert label in line
    assert "EchoWorker" in line


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (Language.ENGLISH, "54.5 %"),
        (Language.GERMAN, "54,5\u00a0%"),
        (Language.FRENCH, "54,5\u00a0%"),
        (Language.SPANISH, "54,5 %"),
        (Language.CHINESE, "54.5 %"),
    ],
)
def test_numbers_are_written_as_the_language_writes_them(language: Language, said: str, catalogue: Catalogue) -> None:
    task = catalogue.task("lvef")
    assert task is not None
    result = TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=54.53)
    assert brief(result, task, words_of(language, catalogue)) == said


def test_values_with_a_decimal_comma_are_told_apart(catalogue: Catalogue) -> None:
    task = catalogue.task("lvef")
    assert task is not None
    clips = tuple(ClipAnswer(sop_instance_uid="1.2", value=value) for value in (54.53, 61.0))
    result = TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=54.53, clips=clips)
    said = explanation(result, task, words_of(Language.GERMAN, catalogue))
    assert said == "Median der Schätzwerte von 2 Clips, von zwei mittleren der kleinere: 54,5; 61,0\u00a0%."


def test_a_reason_is_said_with_the_names_of_the_language(catalogue: Catalogue) -> None:
    reason = Reason(
        ReasonKind.NOT_ASKED,
        task=Named("task", "impella", "Impella pump"),
        verdict=Named("verdict", "ABSENT", "ABSENT"),
    )
    assert words_of(Language.ENGLISH, catalogue).reason(reason) == str(reason)
    said = words_of(Language.GERMAN, catalogue).reason(reason)
    assert said == "wird nur gefragt, wo »Impella-Pumpe« VORHANDEN ist; das Ergebnis dort ist NICHT VORHANDEN"


def test_parts_of_a_reason_are_said_in_the_language_too(catalogue: Catalogue) -> None:
    seen = (
        Reason(ReasonKind.COUNTED, count=2, what=Named("view", "abdomen", "abdomen")),
        Reason(ReasonKind.COUNTED, count=1, what=Named("view", "lung", "lung or pleura")),
    )
    wanted = (Named("view", "subcostal", "subcostal view"), Named("view", "of_a_site", "the site's own view"))
    said = words_of(Language.CHINESE, catalogue).reason(Reason(ReasonKind.NO_VIEW, views=wanted, seen=seen))
    assert "剑突下切面、the site's own view；" in said  # noqa: RUF001
    assert "2 × 腹部；1 × 肺或胸膜" in said  # noqa: RUF001
    outcome = Named("outcome", "deep", "Too deep in the left ventricle", within="impella_position")
    near = Reason(ReasonKind.CLASSES_TOO_NEAR, outcome=outcome, lead=0.01234, needed=0.5)
    said = words_of(Language.SPANISH, catalogue).reason(near)
    assert "«demasiado profunda en el ventrículo izquierdo»" in said
    assert "0,0123" in said


def test_a_reason_that_is_an_english_text_alone_is_said_to_be_english(catalogue: Catalogue) -> None:
    text = "holds 12 bytes of pixels instead of 24"
    assert words_of(Language.FRENCH, catalogue).reason(text) == f"en anglais\u00a0: «\u00a0{text}\u00a0»"
    assert words_of(Language.ENGLISH, catalogue).reason(text) == text
    both = Reason(ReasonKind.TOGETHER, reasons=(Reason(ReasonKind.STILL_IMAGE), text))
    assert words_of(Language.GERMAN, catalogue).reason(both) == f'ein Standbild; auf Englisch: "{text}"'


def test_a_name_that_a_site_gave_in_english_alone_stands_in(catalogue: Catalogue) -> None:
    task = catalogue.task("mitral_regurgitation")
    assert isinstance(task, ClassTask)
    unnamed = task.model_copy(update={"names": {}})
    assert words_of(Language.FRENCH, catalogue).task(unnamed) == "Mitral regurgitation"
    assert words_of(Language.FRENCH, catalogue).outcome("moderate", task) == "modérée"
    assert words_of(Language.FRENCH, catalogue).outcome("of another version", task) == "of another version"
