"""Several duties in one loop: each is done for itself, and what fails is told once, while it lasts."""

from collections.abc import Callable

from sqlalchemy.exc import DataError, DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from config.errors import ConfigurationError, IdentitiesError, SpoolAwayError
from config.logs import Event, emit, place_of, told_of
from db.away import event_of, say_away


class Duties:
    """Remembers which duties fail."""

    def __init__(self) -> None:
        self._without_registry: set[str] = set()
        self._said: Event | None = None
        """Of the registry, while it cannot be used."""
        self._failing: set[str] = set()

    def do(self, name: str, duty: Callable[[], None]) -> bool:
        """Do it; whether it went well. Its failure is logged and goes no further."""
        try:
            duty()
        except Exception as error:  # noqa: BLE001  this loop outlives every fault; what was to be done waits
            self._note(name, error)
            return False
        if name in self._failing:
            emit(Event.DUTY_DONE_AGAIN, step=name)
        self._failing.discard(name)
        if name in self._without_registry:
            self._without_registry.discard(name)
            if not self._without_registry:
                self._said = None
                emit(Event.REGISTRY_BACK)
        return True

    def _note(self, name: str, error: Exception) -> None:
        if is_of_the_registry(error):
            if self._said is not event_of(error):  # a server that came back may have an empty database
                say_away(error, step=name)
            self._said = event_of(error)
            self._without_registry.add(name)
            return
        if name not in self._failing:
            if isinstance(error, (SpoolAwayError, ConfigurationError)):
                reason = told_of(error)
                emit(Event.DUTY_FAILS, step=name, reason=reason)
            else:
                emit(Event.DUTY_FAILS, step=name, error=place_of(error))
        self._failing.add(name)


def is_of_the_registry(error: Exception) -> bool:
    """Whether the database is away, rather than fed with what it cannot take."""
    return isinstance(error, (DBAPIError, DisconnectionError, PoolTimeoutError)) and not isinstance(
        error, (DataError, IntegrityError)
    )


def is_lasting(error: Exception) -> bool:
    """Whether trying again with the same would fail again: not where a database or disk is away, or a setting wrong."""
    return not (
        is_of_the_registry(error) or isinstance(error, (OSError, IdentitiesError, SpoolAwayError, ConfigurationError))
    )
