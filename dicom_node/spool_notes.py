"""The small JSON files in the spool that processes leave for each other; one that cannot be used is in nobody's way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from config.logs import Event, emit, place_of
from dicom_node.spool import Spool

Content = TypeVar("Content")


def read_note(spool: Spool, file: Path, understand: Callable[[Any], Content]) -> Content | None:
    """What a file says, as `understand` makes it of the JSON; None when it is gone, or cannot be used and set aside.

    Raises
    ------
    OSError
        The disk failed.
    """
    try:
        return understand(json.loads(file.read_text()))
    except FileNotFoundError:
        return None  # another process was first
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # damaged, or of another version
        set_aside(spool, file, error)
        return None


def set_aside(spool: Spool, file: Path, error: Exception) -> None:
    """Put a file that cannot be used where an administrator sees it, and say so.

    Raises
    ------
    OSError
        The disk failed or is full.
    """
    aside = spool.set_aside(file)
    emit(Event.FILE_SET_ASIDE, path=spool.relative(aside), error=place_of(error))
