"""Which invented machines there are, and which of them no model may learn from."""

from collections.abc import Sequence

import numpy as np
from pydicom.uid import JPEGBaseline8Bit

from config.errors import ConfigurationError
from worker.phantom.machines import HARBOUR, LANTERN, MEADOW, NORTHLIGHT, ORCHARD, QUARRY, TIDEWATER
from worker.phantom.screen_parts import VendorStyle

__all__ = [
    "HELD_OUT_STYLE",
    "STYLES",
    "TRAINING_STYLES",
    "USUAL_SYNTAX",
    "VendorStyle",
    "sample_style",
    "style_named",
]

HELD_OUT_STYLE = TIDEWATER
"""Never for training or choosing: for measuring how well a model reads a machine that it does not know. The stage
of the heat maps once was chosen with it, which docs/model-card.md says."""
TRAINING_STYLES: tuple[VendorStyle, ...] = (HARBOUR, MEADOW, NORTHLIGHT, QUARRY, LANTERN, ORCHARD)
STYLES = {style.name: style for style in (*TRAINING_STYLES, HELD_OUT_STYLE)}
"""By name."""
USUAL_SYNTAX = JPEGBaseline8Bit


def style_named(name: str) -> VendorStyle:
    """The style of this name.

    Raises
    ------
    ConfigurationError
        There is none.
    """
    if name not in STYLES:
        raise ConfigurationError(f"no style {name}: there are {', '.join(STYLES)}")
    return STYLES[name]


def sample_style(random: np.random.Generator, among: Sequence[VendorStyle] = TRAINING_STYLES) -> VendorStyle:
    """One of these styles, each as likely."""
    return among[int(random.integers(len(among)))]
