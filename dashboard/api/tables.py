"""Rows as files for other programs, a portion at a time: CSV that a spreadsheet may open, and Parquet with types."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any

from db.views.definitions import View
from db.views.rows import ColumnKind, kind_of

Row = tuple[Any, ...]
CSV_ROWS, GROUP_ROWS = 1000, 20_000
"""That are written at once; of Parquet, a row group."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
            "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip
"""How a text begins that a spreadsheet would reckon with (OWASP, CSV Injection): it gets an apostrophe ahead of it."""


def csv_of(view: View, rows: Iterable[Row]) -> Iterator[bytes]:
    """CSV (RFC 4180) in UTF-8 with a header: times in ISO 8601 UTC, true and false, and nothing for NULL."""
    texts = [kind_of(column) is ColumnKind.TEXT for column in view.columns]
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(view.columns)
    for portion in _portions(rows, CSV_ROWS):
        writer.writerows([_cell(value, is_text) for value, is_text in zip(row, texts, strict=True)] for row in portion)
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()


def parquet_of(view: View, rows: Iterable[Row]) -> Iterator[bytes]:
    """Parquet with a row group for each `GROUP_ROWS`; what columns mean is in the metadata of their fields."""
    import pyarrow  # noqa: PLC0415  a heavy library: a dashboard that exports nothing never loads it
    from pyarrow import parquet  # noqa: PLC0415

    types = {
        ColumnKind.TEXT: pyarrow.string(),
        ColumnKind.WHOLE: pyarrow.int64(),
        ColumnKind.REAL: pyarrow.float64(),
        ColumnKind.YES_NO: pyarrow.bool_(),
        ColumnKind.TIME: pyarrow.timestamp("us", tz="UTC"),
        ColumnKind.DATE: pyarrow.date32(),
    }
    fields = [
        pyarrow.field(name, types[kind_of(name)], metadata={"description": said}) for name, said in view.columns.items()
    ]
    schema = pyarrow.schema(fields, metadata={"view": view.name, "description": view.meaning})
    drain = _Drain()
    with parquet.ParquetWriter(pyarrow.PythonFile(drain, mode="w"), schema) as writer:
        for portion in _portions(rows, GROUP_ROWS):
            columns = zip(*portion, strict=True) if portion else [[] for _ in fields]
            arrays = [pyarrow.array(list(column), field.type) for column, field in zip(columns, fields, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), row_group_size=GROUP_ROWS)
            yield drain.taken()
    yield drain.taken()


def _portions(rows: Iterable[Row], count: int) -> Iterator[Sequence[Row]]:
    """Some rows at a time; of none, one empty portion, so that there is a file."""
    left = iter(rows)
    yield tuple(islice(left, count))
    while portion := tuple(islice(left, count)):
        yield portion


def _cell(value: Any, is_text: bool) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return f"'{value}" if is_text and value.startswith(_FORMULA) else value


class _Drain(io.RawIOBase):
    """What a writer of a file writes, to be taken away before the file is whole."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._written.append(bytes(content))
        return len(content)

    def taken(self) -> bytes:
        """What was written since the last time."""
        taken, self._written = b"".join(self._written), []
        return taken
