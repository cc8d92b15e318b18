"""What keeps a duty from the registry is said once, and again where it is something else."""

import sqlite3
from collections.abc import Callable

from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from config.logs import Event
from dicom_node.duties import Duties


def failing(words: str) -> Callable[[], None]:
    def duty() -> None:
        raise OperationalError("SELECT", {}, sqlite3.OperationalError(words))

    return duty


def test_a_server_that_comes_back_with_an_empty_database_is_told_anew() -> None:
    duties, away, empty = Duties(), failing("unable to open database file"), failing("no such table: studies")
    with capture_logs() as logs:
        for duty in (away, away, empty, empty, lambda: None, empty):
            duties.do("register", duty)
    assert [log["event"] for log in logs] == [
        Event.REGISTRY_AWAY,
        Event.REGISTRY_LACKS_TABLES,
        Event.REGISTRY_BACK,
        Event.REGISTRY_LACKS_TABLES,
    ]
