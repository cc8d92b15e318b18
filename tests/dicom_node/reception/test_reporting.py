"""What receiving processes tell the rest of the house."""

from pathlib import Path

from dicom_node.reception.reporting import Callers, published_calls
from dicom_node.spool import Spool


def test_while_the_registry_takes_none_calls_add_up_in_one_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    callers = Callers(spool)
    for _ in range(10):
        callers.note(ae_title="A", address="10.0.0.1", outcome="accepted")
        callers.publish()
    assert len(list(spool.receivers.iterdir())) == 1
    (published,) = published_calls(spool)
    assert [call.count for call in published.calls] == [10]
    published.file.unlink()
    callers.note(ae_title="A", address="10.0.0.1", outcome="accepted")
    callers.publish()
    (published,) = published_calls(spool)
    assert [call.count for call in published.calls] == [1]
