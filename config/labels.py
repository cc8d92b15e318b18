"""The words that say how far a model may be trusted."""

from enum import StrEnum


class ModelLabel(StrEnum):
    """How far a model may be trusted; every output of its runs carries this word."""

    UNTRAINED = "UNTRAINED"
    """Random weights: its numbers mean nothing and only exercise the pipeline."""
    DEMO = "DEMO"
    """Trained on synthetic hearts alone."""
    RESEARCH = "RESEARCH"
    """Trained on patients, not cleared or validated for this site's clinical use."""
    CLINICAL = "CLINICAL"
    """Validated by the site for clinical use, on its own responsibility."""

    @property
    def trust(self) -> int:
        """The more, the further the model may be trusted: to compare labels by."""
        return list(type(self)).index(self)
