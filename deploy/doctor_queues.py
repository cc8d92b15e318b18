"""Whether somebody has paused a queue, and may have forgotten it."""

from sqlalchemy.exc import SQLAlchemyError

from config.settings import Settings
from db.pauses import open_pauses, said_of
from db.session import Database
from deploy.findings import Doubt


def paused_queues(settings: Settings) -> str:
    """Which are paused, by whom and why."""
    registry = Database(settings.database_url)
    try:
        if not registry.is_there:
            return "none is paused"
        with registry.read() as session:
            paused = open_pauses(session)
    except SQLAlchemyError as error:
        raise Doubt("cannot be told without the registry") from error
    said = [f"{pause.queue}{f' to {pause.peer}' if pause.peer else ''} is paused {said_of(pause)}" for pause in paused]
    if said:
        raise Doubt(f"{'; '.join(said)}: echoworker queues resume lets it go on")
    return "none is paused"
