"""Whatever goes wrong with the bytes of an instance, as one error with a reason."""

from collections.abc import Iterator
from contextlib import contextmanager

from config.errors import ClipError, TimeLimitError, UnreadableInstanceError
from config.reasons import Reason, ReasonKind


@contextmanager
def faults_named() -> Iterator[None]:
    """Make a `ClipError` of what pydicom and decoders raise on damaged bytes; what the system raises stays as it is,
    and so does the end of the step's time, which is no fault of the bytes."""
    try:
        yield
    except (ClipError, OSError, MemoryError, TimeLimitError):
        raise
    except UnreadableInstanceError as error:
        raise ClipError(str(error)) from error
    except Exception as error:  # damaged bytes lead pydicom to any error; its texts quote the data set
        raise ClipError(Reason(ReasonKind.NOT_DECODED, error=type(error).__name__)) from error
