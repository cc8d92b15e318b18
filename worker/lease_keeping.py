"""A lease, kept while its holder works."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from db.away import say_away
from worker.context import WorkerContext


@contextmanager
def lease_kept(context: WorkerContext, renew: Callable[[Session, datetime], bool]) -> Iterator[None]:
    """Renew a lease during the block: only a worker that is gone loses it, not one that is slow.

    `renew` holds it for another `pipeline.lease_s`, and says False when it has passed to somebody else.
    """
    done = threading.Event()

    def keep() -> None:
        while not done.wait(context.settings.pipeline.lease_s / 3):
            try:
                with context.database.write() as session:
                    if not renew(session, datetime.now(UTC)):
                        return
            except SQLAlchemyError as error:  # the next renewal may succeed; if none does, the lease passes on
                say_away(error)

    keeper = threading.Thread(target=keep, name="lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()
