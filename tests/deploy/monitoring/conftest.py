import pytest


@pytest.fixture(autouse=True)
def _scored_by_untrained() -> None:
    """Nothing is scored here: no need to load torch."""
