import pytest


@pytest.fixture(autouse=True)
def _scored_by_untrained(scored_by_untrained: None) -> None:
    """Where a test says nothing else."""
