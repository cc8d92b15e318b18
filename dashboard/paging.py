"""Long lists in pages, as `templates/parts.html` links them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from fastapi import Query

Row = TypeVar("Row")

ROWS_OF_A_PAGE = 50
PageNumber = Annotated[int, Query(alias="page", ge=1, le=10_000)]
"""Of a list, counted from 1."""


@dataclass(frozen=True, kw_only=True)
class Paged(Generic[Row]):
    """One page of a list."""

    rows: Sequence[Row]
    number: int
    has_more: bool
    """Whether there is another one behind it."""


def paged(ask: Callable[[int, int], Sequence[Row]], number: int) -> Paged[Row]:
    """The page of this number; `ask` takes an offset and a limit."""
    rows = ask((number - 1) * ROWS_OF_A_PAGE, ROWS_OF_A_PAGE + 1)
    return Paged(rows=rows[:ROWS_OF_A_PAGE], number=number, has_more=len(rows) > ROWS_OF_A_PAGE)
