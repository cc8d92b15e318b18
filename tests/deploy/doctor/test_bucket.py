"""What doctor says of the bucket."""

from pathlib import Path

import pytest

from config.errors import BucketAwayError
from config.settings import Settings, load_settings
from deploy.doctor.bucket import bucket
from dicom_node.findings import Doubt
from tests.support.buckets import SECRET, BucketServer


@pytest.fixture
def settings(tmp_path: Path, bucket_server: BucketServer) -> Settings:
    bucket_server.secret_file.chmod(0o600)
    loaded = load_settings(data_dir=tmp_path)
    return loaded.model_copy(update={"bucket": bucket_server.settings()})


def test_without_one_nothing_is_asked(tmp_path: Path) -> None:
    assert bucket(load_settings(data_dir=tmp_path)).startswith("none")


def test_it_is_written_read_and_cleared(settings: Settings, bucket_server: BucketServer) -> None:
    assert bucket(settings) == f"{bucket_server.url} can be written, read and cleared"
    assert bucket_server.names() == []


def test_one_that_is_away_is_named_without_its_secret(settings: Settings, bucket_server: BucketServer) -> None:
    bucket_server.stop()
    with pytest.raises(BucketAwayError, match="does it answer") as away:
        bucket(settings)
    assert SECRET not in str(away.value)


def test_a_secret_that_everybody_can_read_is_a_doubt(settings: Settings, bucket_server: BucketServer) -> None:
    bucket_server.secret_file.chmod(0o644)
    with pytest.raises(Doubt, match="chmod o="):
        bucket(settings)


def test_copies_that_outlive_the_images_are_a_doubt(settings: Settings) -> None:
    keep = settings.keep.model_copy(update={"pixels_days": 1})
    with pytest.raises(Doubt, match="keep_local_h"):
        bucket(settings.model_copy(update={"keep": keep}))
