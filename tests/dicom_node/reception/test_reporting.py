"""What receiving processes tell the rest of the house."""

from pathlib import Path

import pytest

from dicom_node.reception import reporting
from dicom_node.reception.reporting import Callers, published_calls
from dicom_node.spool import Spool


def test_while_the_registry_takes_none_calls_add_up_instead_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "FILES_AT_ONCE", 2)
    spool = Spool(tmp_path)
    spool.create()
    callers = Callers(spool)
    for _ in range(10):
        callers.note(ae_title="A", address="10.0.0.1", outcome="accepted")
        callers.publish()
    waiting = list(published_calls(spool))
    assert [call.count for published in waiting for call in published.calls] == [1, 1]
    for published in waiting:
        published.file.unlink()
    callers.publish()
    (published,) = published_calls(spool)
    assert [call.count for call in published.calls] == [8]
