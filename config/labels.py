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


def weakest(*labels: ModelLabel) -> ModelLabel:
    """The one of these that is to be trusted least: what is made from several is trusted no more than any of them."""
    return min(labels, key=lambda label: label.trust)
