"""The bucket that hosts share, by a folder and by a server that speaks S3."""

from pathlib import Path

import pytest

from config.errors import BucketAwayError, ConfigurationError
from dicom_node.bucket import Bucket
from tests.support.buckets import SECRET, BucketServer

NAME = "reports/1.2.3/1.2.3.4.dcm"


@pytest.fixture(params=["file", "s3"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path, bucket_server: BucketServer) -> Bucket:
    if request.param == "s3":
        return Bucket(bucket_server.settings())
    plain = {"endpoint_url": "", "region": "", "key_file": "", "secret_file": ""}
    return Bucket(bucket_server.settings(url=f"file://{tmp_path}/bucket", **plain))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "made.dcm"
    written.write_bytes(b"echo" * 1000)
    return written


def test_what_is_put_there_comes_back_whole(bucket: Bucket, file: Path, tmp_path: Path) -> None:
    put = bucket.put(file, NAME)
    assert put.size_bytes == 4000
    assert bucket.look(NAME) == put
    fetched = tmp_path / "elsewhere" / "fetched.dcm"
    assert bucket.fetch(NAME, fetched) == put
    assert fetched.read_bytes() == file.read_bytes()
    assert list(fetched.parent.iterdir()) == [fetched]


def test_what_is_not_there_is_none_and_may_be_removed(bucket: Bucket, tmp_path: Path) -> None:
    assert bucket.look(NAME) is None
    assert bucket.fetch(NAME, tmp_path / "fetched.dcm") is None
    assert not (tmp_path / "fetched.dcm").exists()
    bucket.remove(NAME)
    bucket.remove_below("reports")
    assert bucket.names_below("reports") == []


def test_a_folder_goes_with_all_that_is_in_it(bucket: Bucket, file: Path) -> None:
    for name in (NAME, "reports/1.2.3/1.2.3.5.dcm", "reports/1.2.30/1.dcm"):
        bucket.put(file, name)
    assert bucket.names_below("reports/1.2.3") == [NAME, "reports/1.2.3/1.2.3.5.dcm"]
    bucket.remove_below("reports/1.2.3")
    assert bucket.names_below("reports") == ["reports/1.2.30/1.dcm"]


def test_it_can_be_tried_out(bucket: Bucket) -> None:
    bucket.try_out()
    assert bucket.names_below("tried") == []


def test_one_that_does_not_answer_is_away_and_has_everything_once_it_is_back(
    bucket_server: BucketServer, file: Path, tmp_path: Path
) -> None:
    bucket = Bucket(bucket_server.settings())
    bucket.put(file, NAME)
    bucket_server.stop()
    with pytest.raises(BucketAwayError, match="cannot be used to look at"):
        bucket.look(NAME)
    with pytest.raises(BucketAwayError) as away:
        bucket.put(file, NAME)
    assert SECRET not in str(away.value)
    with pytest.raises(BucketAwayError):
        bucket.fetch(NAME, tmp_path / "fetched.dcm")
    assert not (tmp_path / "fetched.dcm").exists()
    bucket_server.start()
    assert bucket.fetch(NAME, tmp_path / "fetched.dcm") is not None


def test_a_bucket_that_is_not_there_loses_no_file(bucket_server: BucketServer, file: Path) -> None:
    bucket = Bucket(bucket_server.settings(url="s3://no-such-bucket/echo"))
    with pytest.raises(BucketAwayError):
        bucket.look(NAME)
    with pytest.raises(BucketAwayError):
        bucket.put(file, NAME)
    with pytest.raises(BucketAwayError, match="write"):
        bucket.try_out()


def test_a_protocol_that_nothing_speaks_is_said_so(bucket_server: BucketServer) -> None:
    plain = {"endpoint_url": "", "region": "", "key_file": "", "secret_file": ""}
    with pytest.raises(ConfigurationError, match=r"bucket\.url: nothing installed speaks nosuch://"):
        Bucket(bucket_server.settings(url="nosuch://there/echo", **plain)).look(NAME)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "spool"}, "protocol"),
        ({"url": "s3://key:secret@bucket/echo"}, "key_file"),
        ({"secret_file": ""}, "belong together"),
        ({"url": "file:///spool"}, "s3:// alone"),
        ({"key_file": "/nowhere"}, "no such file"),
    ],
)
def test_settings_that_do_not_fit_together(bucket_server: BucketServer, changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bucket_server.settings(**changes)
