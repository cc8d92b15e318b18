"""A site's calibration. Stand-in: there is none yet."""

from pathlib import Path
from typing import Any

from config.settings import Settings


def load_calibration(path: Path) -> Any:
    """Read and validate a calibration file."""
    raise NotImplementedError(path)


def site_calibration(settings: Settings) -> Any:
    """The calibration that is active at this site; or none."""
    del settings
    return None
