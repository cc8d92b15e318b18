"""The spools of two hosts that share a bucket, and nothing else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copyfile

import pytest

from config.errors import BucketAwayError
from config.whole_files import write_durably
from dicom_node.bucket import Bucket
from dicom_node.header import read_header
from dicom_node.local_copies import sweep_local_copies
from dicom_node.spool import Spool
from tests.support.buckets import BucketServer
from tests.support.clips import SMALL

EMBEDDINGS, HEAT = "embeddings/abc/1.2.3/1.safetensors", "heat/1.2.3/run.npz"


@pytest.fixture
def here(tmp_path: Path, bucket_server: BucketServer) -> Spool:
    return host(tmp_path / "here", bucket_server)


@pytest.fixture
def there(tmp_path: Path, bucket_server: BucketServer) -> Spool:
    return host(tmp_path / "there", bucket_server)


def host(root: Path, server: BucketServer) -> Spool:
    spool = Spool(root, bucket=Bucket(server.settings()))
    spool.require_there()
    return spool


def made(spool: Spool, name: str, content: bytes) -> None:
    write_durably(spool.absolute(name), content)
    spool.share(spool.absolute(name))


def received(spool: Spool) -> Path:
    incoming = Path(copyfile(SMALL, spool.new_incoming()))
    header = read_header(incoming)
    spool.keep(incoming, header)
    return spool.instance_path(header.study_instance_uid, header.sop_instance_uid)


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize("name", [EMBEDDINGS, HEAT])
def test_what_one_host_made_another_reads(here: Spool, there: Spool, name: str) -> None:
    made(here, name, b"made here")
    for spool in (here, there):
        assert spool.file(name).read_bytes() == b"made here"
        assert spool.relative(spool.file(name)) == name
        assert spool.size(name) == 9


def test_what_was_made_again_elsewhere_is_read_anew(here: Spool, there: Spool) -> None:
    made(here, EMBEDDINGS, b"first")
    assert there.file(EMBEDDINGS).read_bytes() == b"first"
    made(there, EMBEDDINGS, b"second")
    assert here.file(EMBEDDINGS).read_bytes() == b"second"


def test_what_was_removed_elsewhere_is_nowhere(here: Spool, there: Spool) -> None:
    made(here, EMBEDDINGS, b"first")
    there.remove(there.absolute(EMBEDDINGS))
    assert not here.file(EMBEDDINGS).exists()
    assert not here.has(EMBEDDINGS)
    there.remove(there.absolute(EMBEDDINGS))


def test_a_folder_is_removed_for_all(here: Spool, there: Spool) -> None:
    made(here, HEAT, b"heat")
    there.remove_folder(there.absolute("heat/1.2.3"))
    assert there.names_below("heat") == []
    assert not there.file(HEAT).exists()


def test_with_the_bucket_away_nothing_passes_for_lost(here: Spool, there: Spool, bucket_server: BucketServer) -> None:
    made(here, HEAT, b"heat")
    bucket_server.stop()
    for ask in (there.file, there.has, there.with_header):
        with pytest.raises(BucketAwayError):
            ask(HEAT)
    write_durably(there.absolute(EMBEDDINGS), b"made")
    with pytest.raises(BucketAwayError):
        there.share(there.absolute(EMBEDDINGS))
    with pytest.raises(BucketAwayError):
        here.remove(here.absolute(HEAT))
    assert here.file(HEAT).read_bytes() == b"heat"
    bucket_server.start()
    there.share(there.absolute(EMBEDDINGS))
    assert here.file(EMBEDDINGS).read_bytes() == b"made"


def test_local_copies_go_and_come_again(here: Spool, there: Spool) -> None:
    made(here, HEAT, b"heat")
    there.file(HEAT)
    assert sweep_local_copies(there, older_than=datetime.now(UTC) - timedelta(hours=1)) == 0
    assert sweep_local_copies(there, older_than=in_an_hour()) == 1
    assert list(there.copies()) == []
    assert there.file(HEAT).read_bytes() == b"heat"


def test_a_received_instance_goes_once_it_is_registered_and_in_the_bucket(here: Spool) -> None:
    kept = received(here)
    assert sweep_local_copies(here, older_than=in_an_hour()) == 0  # it is not in the bucket
    here.share(kept)
    assert sweep_local_copies(here, older_than=in_an_hour()) == 0  # it waits to be registered
    for waiting in here.unregistered():
        waiting.unlink()
    assert sweep_local_copies(here, older_than=in_an_hour()) == 1
    assert not kept.exists()
    assert here.file(here.relative(kept)).read_bytes() == SMALL.read_bytes()


def test_what_could_not_be_put_there_goes_where_it_can_be_made_again(here: Spool) -> None:
    tensor, report = (here.absolute(name) for name in ("tensors/1.2/revision-1/token/1.npy", "reports/1.2/1.3.dcm"))
    for file in (tensor, report):
        write_durably(file, b"made")
    assert sweep_local_copies(here, older_than=in_an_hour()) == 1
    assert not tensor.exists()
    assert report.exists()


def test_without_a_bucket_nothing_is_swept_and_nothing_moves(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.create()
    kept = received(spool)
    spool.share(kept)
    assert sweep_local_copies(spool, older_than=in_an_hour()) == 0
    assert spool.file(spool.relative(kept)) == kept
    assert spool.names_below("studies") == [spool.relative(kept)]
