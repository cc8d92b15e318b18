"""Many values for one query: SQLite and PostgreSQL both bound how many a statement may have."""

from collections.abc import Iterable, Iterator, Sequence

AT_ONCE = 500


def in_portions(values: Iterable[str]) -> Iterator[Sequence[str]]:
    """The values in their order, at most `AT_ONCE` at a time."""
    every = list(values)
    yield from (every[start : start + AT_ONCE] for start in range(0, len(every), AT_ONCE))
