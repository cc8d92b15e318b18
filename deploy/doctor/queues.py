"""What somebody has paused, what has been set aside, and what the model would run on: queues and GPUs."""

from sqlalchemy.orm import Session

from config.settings import Settings
from db.working.devices import failing_devices
from db.working.pauses import open_pauses, said_of
from dicom_node.findings import Doubt
from dicom_node.services import asked


def paused_queues(settings: Settings) -> str:
    """Which are paused, by whom and why: somebody may have forgotten it."""
    said = asked(settings, _paused)
    if said:
        raise Doubt(f"{'; '.join(said)}: echoworker queues resume lets it go on")
    return "none is paused"


def device(settings: Settings) -> str:
    """What the model would run on, if this machine scores."""
    from worker.echoclip.device_check import gpus as gpus_there  # noqa: PLC0415  torch costs a second

    wanted, there = settings.model.device, gpus_there()
    if wanted == "cuda" and not there:
        raise Doubt(
            'model.device is "cuda", and torch sees no GPU here: if this machine scores, look at nvidia-smi, and if '
            "torch is the build with CUDA (docs/operations.md); if it does not, this is as it should be"
        )
    if wanted == "cpu" or not there:
        return f"the CPU (model.device is {wanted!r}{'' if there else ', and no GPU is seen'})"
    return f"{', '.join(there)} (model.device is {wanted!r})"


def gpus(settings: Settings) -> str:
    """Which have failed their last check, on whatever host; without a registry there is none that has."""
    said = asked(settings, _failing)
    if said:
        raise Doubt(f"{'; '.join(said)}: once it is mended, echoworker devices use-again")
    return "none has failed its last check"


def _paused(session: Session) -> list[str]:
    return [
        f"{pause.queue}{f' to {pause.peer}' if pause.peer else ''} is paused {said_of(pause)}"
        for pause in open_pauses(session)
    ]


def _failing(session: Session) -> list[str]:
    return [
        f"{row.device} of {row.host} {'is set aside' if row.set_aside_at else 'fails'} "
        f"after {row.failures} failed checks: {row.reason}"
        for row in failing_devices(session)
    ]
