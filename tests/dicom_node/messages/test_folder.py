"""A message in a folder is whole, is there once, and never takes the place of another."""

from pathlib import Path

import pytest

from config.errors import DeliveryError
from dicom_node.messages.folder import put_into_folder


def test_what_is_there_already_is_as_good_as_written(tmp_path: Path) -> None:
    assert put_into_folder(b"one", tmp_path, "1.hl7") == "written"
    assert put_into_folder(b"one", tmp_path, "1.hl7") == "already there"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"1.hl7": b"one"}


def test_a_file_with_other_content_stays(tmp_path: Path) -> None:
    put_into_folder(b"one", tmp_path, "1.hl7")
    with pytest.raises(DeliveryError, match="is there with other content"):
        put_into_folder(b"two", tmp_path, "1.hl7")
    assert (tmp_path / "1.hl7").read_bytes() == b"one"


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="is not there"):
        put_into_folder(b"one", tmp_path / "share", "1.hl7")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="cannot be written"):
        put_into_folder(b"one", tmp_path, "x" * 300)
    assert list(tmp_path.iterdir()) == []
