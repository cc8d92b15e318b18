from datetime import datetime, timedelta

import pytest

from config.errors import RegistryError
from db.session import Database
from db.tables.pipeline import DeviceHealth
from db.working.devices import failing_devices, note_failed, note_passed, set_aside, use_again


def fail(registry: Database, now: datetime, device: str = "cuda:0") -> bool:
    with registry.write() as session:
        return note_failed(session, "gpu1", device, reason="CUDA error: ECC", now=now, at_most=3)


def aside(registry: Database, host: str = "gpu1") -> set[str]:
    with registry.read() as session:
        return set_aside(session, host)


def test_a_gpu_that_fails_again_and_again_is_set_aside_until_somebody_has_mended_it(
    registry: Database, now: datetime
) -> None:
    hours = [now + timedelta(hours=number) for number in range(4)]
    assert [fail(registry, at) for at in hours] == [False, False, True, False]
    assert aside(registry) == {"cuda:0"}
    assert aside(registry, "gpu2") == set(), "each host has its own"
    with registry.write() as session:
        note_passed(session, "gpu1", "cuda:0")
    assert aside(registry) == {"cuda:0"}, "a check that it passes by chance says nothing"
    with registry.read() as session:
        (found,) = failing_devices(session)
        assert (found.host, found.failures, found.reason, found.set_aside_at) == (
            "gpu1",
            4,
            "CUDA error: ECC",
            hours[2],
        )
    with registry.write() as session:
        use_again(session, "gpu1", "cuda:0", by="a technician", now=hours[3])
    assert aside(registry) == set()
    with registry.read() as session:
        kept = session.get_one(DeviceHealth, ("gpu1", "cuda:0")).reason
    said = f"said to be mended by a technician at {hours[3]:%Y-%m-%d %H:%M} UTC; before: CUDA error: ECC"
    assert kept == said, "who it was stays known"
    with registry.write() as session, pytest.raises(RegistryError, match="cuda:0 of gpu1 is not set aside"):
        use_again(session, "gpu1", "cuda:0", by="a technician", now=hours[3])


def test_only_failures_in_a_row_count_and_of_many_at_once_one(registry: Database, now: datetime) -> None:
    for at in (now, now + timedelta(hours=1)):
        assert not fail(registry, at)
    with registry.write() as session:
        note_passed(session, "gpu1", "cuda:0")
    again = now + timedelta(hours=2)
    for second in range(9):  # as studies that wait make a worker look one after the other
        assert not fail(registry, again + timedelta(seconds=second))
    with registry.read() as session:
        assert [row.failures for row in failing_devices(session)] == [1]
