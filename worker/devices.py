"""Which device the model runs on: the first GPU that is fit for it.

A GPU that has failed is seldom mended by asking it for one study after the other, and each of them would use up its
attempts. So each is checked before a model is loaded onto it; after some failures in a row it is set aside in the
registry, which `doctor` shows. A process whose GPU failed under it ends, as CUDA is of no use in it any more, and the
next one checks: a device that passes was not at fault, and the study that it failed on has used up an attempt.
"""

import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from config.errors import DeviceError
from config.logs import Event, emit
from config.settings import Settings
from db.session import Database
from db.working.devices import note_failed, note_passed, set_aside

CheckDevice = Callable[[str], str]
"""Of a device, by torch's name: why it is not fit to be used; empty where it is."""


def usable_device(
    settings: Settings, database: Database, *, there: Sequence[str], check: CheckDevice, host: str | None = None
) -> str:
    """The device that a model is to be loaded onto; empty where there is no GPU to choose: as the settings say.

    With `model.device = "auto"` it is the CPU where no GPU is fit: slow, but nothing waits.

    Raises
    ------
    DeviceError
        GPUs are there and asked for, and none is fit.
    """
    if settings.model.device == "cpu" or not there:
        return ""
    host = host or socket.gethostname()
    with database.read() as session:
        aside = set_aside(session, host)
    reasons = [f"{device} is set aside" for device in there if device in aside]
    for device in [device for device in there if device not in aside]:
        reason = check(device)
        if not reason:
            with database.write() as session:
                note_passed(session, host, device)
            return device
        reasons.append(f"{device}: {reason}")
        with database.write() as session:
            at_most = settings.model.maximum_device_failures
            is_set_aside = note_failed(session, host, device, reason=reason, now=datetime.now(UTC), at_most=at_most)
        emit(Event.DEVICE_SET_ASIDE if is_set_aside else Event.DEVICE_FAILS, host=host, device=device, reason=reason)
    if settings.model.device == "auto":
        emit(Event.ON_CPU_INSTEAD, host=host, reason="; ".join(reasons))
        return "cpu"
    raise DeviceError(
        f"no GPU of {host} is fit to be used ({'; '.join(reasons)}): once one is mended, echoworker devices use-again"
    )
