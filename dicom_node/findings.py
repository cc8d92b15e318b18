"""What a check of the installation says: all is well, something is left undone, or something is broken."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from config.errors import EchoWorkerError
from config.logs import place_of
from config.settings import Settings


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "WARN"
    """It works, and something is left undone, or is not fit for patients."""
    FAULT = "FAULT"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the examination; `said` tells what was seen and, unless it is ok, the remedy."""

    subject: str
    level: Level
    said: str


class FaultError(EchoWorkerError):
    """Something is wrong; the message says what and the remedy."""


class Doubt(EchoWorkerError):  # noqa: N818  no error: a check ends with it
    """It works, but; the message says what and the remedy."""


def found_by(subject: str, check: "Check", settings: Settings) -> Finding:
    """What a check says, whatever it raises."""
    try:
        return Finding(subject=subject, level=Level.OK, said=check(settings))
    except Doubt as doubt:
        return Finding(subject=subject, level=Level.WARN, said=str(doubt))
    except EchoWorkerError as error:
        return Finding(subject=subject, level=Level.FAULT, said=str(error))
    except OSError as error:
        said = f"{error.filename or 'operating system'}: {error.strerror or type(error).__name__}"
        return Finding(subject=subject, level=Level.FAULT, said=said)
    except Exception as error:  # noqa: BLE001  who looks for what is wrong goes on to the next, whatever is broken
        said = f"cannot be looked at, {place_of(error)}: is the environment whole (pip check)?"
        return Finding(subject=subject, level=Level.FAULT, said=said)


Check = Callable[[Settings], str]
"""What was seen where all is well. It raises a `Doubt`, a `FaultError`, or any other error of ours, where it is not."""
