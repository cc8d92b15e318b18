"""A message speaks the language of its report to people, and says the same to programs in every language."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.catalogue import load_catalogue
from config.languages import Language
from config.sections.messages import MessageSettings
from config.settings import load_settings
from dicom_node.messages.sending import send_result
from dicom_node.report.wording import limits_of_use
from dicom_node.report.words import words_of
from tests.dicom_node.messages.readers import segments, unescaped
from tests.support.results import header_of, runs_of_every_answer

CATALOGUE = load_catalogue()
RUN = runs_of_every_answer(CATALOGUE)[1]
OTHERS = [language for language in Language if language is not Language.ENGLISH]


def message_in(language: Language | None, kind: str, folder: Path) -> bytes:
    """The message as the folder gets it; None: nobody says which language."""
    own = folder / f"{kind}-{language}"
    own.mkdir()
    receiver = MessageSettings.model_validate({"name": "x", "kind": kind, "folder": str(own)})
    named = () if language is None else (language,)
    send_result(receiver, load_settings().tls, RUN, CATALOGUE, header_of(RUN, CATALOGUE), *named)
    (file,) = own.iterdir()
    return file.read_bytes()


def codings(part: Any) -> Iterator[tuple[str, ...]]:
    """All that a program reads: codes with their systems and displays, quantities, references."""
    if isinstance(part, dict):
        if "text" in part and "coding" in part:
            yield from codings(part["coding"])
            return
        if "system" in part:
            yield tuple(f"{key} {part[key]}" for key in sorted(part))
        for key, inner in sorted(part.items()):
            if key not in ("text", "note", "conclusion", "language"):
                yield from codings(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from codings(inner)


@pytest.mark.parametrize("language", OTHERS)
def test_a_bundle_is_for_people_in_the_language_of_the_report_and_for_programs_the_same(
    language: Language, tmp_path: Path
) -> None:
    english, words = json.loads(message_in(None, "fhir", tmp_path)), words_of(language, CATALOGUE)
    bundle = json.loads(message_in(language, "fhir", tmp_path))
    assert list(codings(bundle)) == list(codings(english))
    report, *observations, device = (entry["resource"] for entry in bundle["entry"])
    assert report["conclusion"].startswith(limits_of_use(RUN, words))
    assert {each["language"] for each in (report, *observations)} == {words.code}
    assert "language" not in device, "it is one for all reports"
    assert {each["code"]["text"] for each in observations} == {words.task(task) for task in CATALOGUE.tasks}
    assert all(each["note"][1]["text"] == limits_of_use(RUN, words) for each in observations)
    of_english = {each["resource"]["note"][0]["text"] for each in english["entry"][1:-1]}
    assert not of_english & {each["note"][0]["text"] for each in observations}


@pytest.mark.parametrize("language", OTHERS)
def test_an_hl7_message_differs_in_its_notes_and_reasons_alone_and_names_its_language(
    language: Language, tmp_path: Path
) -> None:
    words = words_of(language, CATALOGUE)
    english, message = (segments(message_in(each, "hl7", tmp_path)) for each in (None, language))
    assert message[0][19] == f"{language}^^ISO639"
    assert unescaped(next(fields[3] for fields in message if fields[0] == "NTE")) == limits_of_use(RUN, words)
    assert len(message) == len(english)
    for ours, theirs in zip(message[1:], english[1:], strict=True):
        is_for_people = ours[0] == "NTE" or (ours[0] == "OBX" and ours[2] == "TX")
        changed = {number for number, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other}
        assert changed <= ({3} if ours[0] == "NTE" else {5} if is_for_people else set())


@pytest.mark.parametrize("kind", ["fhir", "hl7"])
def test_in_english_it_is_what_it_was_before_there_were_other_languages(kind: str, tmp_path: Path) -> None:
    said = message_in(Language.ENGLISH, kind, tmp_path)
    assert said == message_in(None, kind, tmp_path)
    assert b'"language"' not in said
    assert b"ISO639" not in said
