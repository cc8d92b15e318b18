"""What has outlived its time goes from the bucket as well."""

from pathlib import Path

import pytest

from config.errors import BucketAwayError
from config.sections.keep import KeptKind
from dicom_node.spool import Spool
from tests.support.buckets import BucketServer
from tests.worker.test_retention import Kept, in_days


@pytest.fixture
def kept(tmp_path: Path, bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> Kept:
    for name, value in bucket_server.settings().model_dump().items():
        monkeypatch.setenv(f"ECHOWORKER_BUCKET__{name.upper()}", str(value))
    for kind, days in {"TENSORS": 10, "EMBEDDINGS": 20, "PIXELS": 30}.items():
        monkeypatch.setenv(f"ECHOWORKER_KEEP__{kind}_DAYS", str(days))
    made = Kept(tmp_path)
    for file in (made.image, made.report, made.tensor, made.embeddings):
        made.spool.share(file)
    return made


def test_each_kind_goes_from_the_bucket_after_its_own_time(kept: Kept, bucket_server: BucketServer) -> None:
    image, report = (kept.spool.relative(file) for file in (kept.image, kept.report))
    elsewhere = Spool(kept.spool.root.parent / "elsewhere", bucket=kept.spool.bucket)
    assert elsewhere.file(image).exists()
    for days, kind in ((11, KeptKind.TENSORS), (21, KeptKind.EMBEDDINGS), (31, KeptKind.PIXELS)):
        removed = kept.retention.remove(now=in_days(days))
        assert [one.study_instance_uid for one in removed[kind]] == [kept.uid]
    header = kept.spool.relative(kept.spool.header_path(kept.image))
    assert bucket_server.names() == sorted([header, report])
    assert kept.is_removed()
    assert not kept.image.exists()
    assert Spool(kept.spool.root.parent / "third", bucket=kept.spool.bucket).with_header(image).exists()


def test_with_the_bucket_away_what_was_begun_is_ended_later(kept: Kept, bucket_server: BucketServer) -> None:
    image = kept.spool.relative(kept.image)
    bucket_server.stop()
    with pytest.raises(BucketAwayError):
        kept.retention.remove(now=in_days(31))
    assert kept.image.exists()
    bucket_server.start()
    kept.retention.finish()
    assert image not in bucket_server.names()
    assert kept.is_removed()


def test_an_instance_that_is_sent_again_is_in_the_bucket_again(kept: Kept, bucket_server: BucketServer) -> None:
    kept.retention.remove(now=in_days(31))
    kept.send_again()
    kept.intake().work_once()
    assert not kept.is_removed()
    names = bucket_server.names()
    assert kept.spool.relative(kept.image) in names
    assert kept.spool.relative(kept.spool.header_path(kept.image)) not in names
