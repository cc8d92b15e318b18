"""The operator's files: read as the published code reads them, or refused with the file's name."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.errors import ModelPackError
from tests.worker.echoclip.template.invented import (
    BEGIN,
    END,
    FIRST_VALUE,
    PHRASES,
    RULES,
    SPECIALS,
    blank_tokenizer,
    write_vocabulary,
)
from worker.echoclip.template.vocabulary import TemplateVocabulary


def test_a_folder_is_read(tmp_path: Path) -> None:
    vocabulary = TemplateVocabulary.read(write_vocabulary(tmp_path))
    assert (vocabulary.specials, vocabulary.phrases, vocabulary.rules) == (SPECIALS, PHRASES, RULES)
    assert (vocabulary.first_value, vocabulary.begin, vocabulary.end) == (FIRST_VALUE, BEGIN, END)


def test_empty_and_repeated_lines_take_no_id_and_line_ends_may_be_windows(tmp_path: Path) -> None:
    write_vocabulary(tmp_path)
    (tmp_path / "template_vocab.txt").write_bytes(b"ONE. \r\n\r\nTWO. \r\nONE. \r\n[UNK]\r\nTHREE ")
    assert TemplateVocabulary.read(tmp_path).phrases == ("ONE. ", "TWO. ", "THREE ")


@pytest.mark.parametrize("name", ["template_vocab.txt", "blank_wordpiece.tokenizer"])
def test_both_files_are_needed(tmp_path: Path, name: str) -> None:
    (write_vocabulary(tmp_path) / name).unlink()
    with pytest.raises(ModelPackError, match=f"{name} cannot be read"):
        TemplateVocabulary.read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"), [(b"\n\n", r"template_vocab.txt has no phrase"), (b"\xff\xfe", r"not a UTF-8 text")]
)
def test_a_file_of_phrases_that_has_none_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (write_vocabulary(tmp_path) / "template_vocab.txt").write_bytes(content)
    with pytest.raises(ModelPackError, match=message):
        TemplateVocabulary.read(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"normalizer": {"type": "Lowercase"}}, r"normalizer"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, r"pre_tokenizer"),
        ({"added_tokens": []}, r"special tokens and nothing else"),
        ({"model": {"type": "BPE", "unk_token": "[UNK]", "vocab": {}}}, r"model.type"),
        ({"model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"A": 0, "[UNK]": 1}}}, r"the ids must be"),
        ({"model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "A": 2}}}, r"the ids must be"),
    ],
)
def test_a_tokenizer_that_is_not_blank_is_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    file = write_vocabulary(tmp_path) / "blank_wordpiece.tokenizer"
    file.write_text(json.dumps(blank_tokenizer() | changed))
    with pytest.raises(ModelPackError, match=rf"blank_wordpiece.tokenizer: .*{message}"):
        TemplateVocabulary.read(tmp_path)
