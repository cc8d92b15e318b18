"""What somebody has paused, and what has been set aside: queues and GPUs."""

from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from config.settings import Settings
from db.devices import failing_devices
from db.pauses import open_pauses, said_of
from db.session import Database
from deploy.findings import Doubt


def paused_queues(settings: Settings) -> str:
    """Which are paused, by whom and why: somebody may have forgotten it."""
    said = _asked(settings, _paused)
    if said:
        raise Doubt(f"{'; '.join(said)}: echoworker queues resume lets it go on")
    return "none is paused"


def gpus(settings: Settings) -> str:
    """Which have failed their last check, on whatever host; without a registry there is none that has."""
    said = _asked(settings, _failing)
    if said:
        raise Doubt(f"{'; '.join(said)}: once it is mended, echoworker devices use-again")
    return "none has failed its last check"


def _asked(settings: Settings, question: Callable[[Session], list[str]]) -> list[str]:
    registry = Database.of(settings)
    try:
        if not registry.is_there:
            return []
        with registry.read() as session:
            return question(session)
    except SQLAlchemyError as error:
        raise Doubt("cannot be told without the registry") from error


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
