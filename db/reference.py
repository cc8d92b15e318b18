"""What the registry holds, table by table, from the models themselves: docs/database.md.

Tables are explained by the docstrings of their classes, columns by the strings beneath them, views by their files
(`db.views.definitions`).
"""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sqlalchemy import JSON, Boolean, Column, DateTime, Float, ForeignKey, Integer, String, Table
from sqlalchemy.schema import Index, UniqueConstraint

from db.migrating import views_at
from db.tables.base import Base
from db.tables.metadata import METADATA
from db.views.definitions import View, read_view

HEAD = """\
# The registry, table by table

Generated: `echoworker db docs > docs/database.md`. What is behind it, and queries to begin with:
[reading-the-database.md](reading-the-database.md).

SQLite or PostgreSQL; `db/tables/` are the models, `db/migrations/` their history. Times are in UTC. **Views are what
dashboards should read**: their columns stay, whatever becomes of the tables. `echoworker db read-only-role` prints the
SQL of a role that reads views and tables without PHI, accounts and the text of reports.
"""
_AFTER = {"CASCADE": "goes with it", "SET NULL": "emptied with it"}


def database_reference() -> str:
    """The whole of it, as Markdown."""
    models = sorted((mapper.class_ for mapper in Base.registry.mappers), key=lambda model: model.__tablename__)
    views = [read_view(name, version) for name, version in views_at("head").items()]
    parts = [
        HEAD,
        "## Views\n",
        *(f"- [`{view.name}`](#{view.name}): {_first_sentence(view.meaning)}" for view in views),
        "",
        *(line for view in views for line in _view(view)),
        "## Tables\n",
        *(f"- [`{each.__tablename__}`](#{each.__tablename__}): {_first_sentence(_told(each))}" for each in models),
        "",
        *(line for each in models for line in _table(each)),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _view(view: View) -> Iterator[str]:
    yield f"### `{view.name}`\n"
    yield f"{view.meaning}\n"
    yield "| column | |"
    yield "|---|---|"
    yield from (f"| `{column}` | {_cell(what)} |" for column, what in view.columns.items())
    yield ""


def _table(model: type[Base]) -> Iterator[str]:
    table = METADATA.tables[model.__tablename__]
    told = column_meanings(model)
    yield f"### `{table.name}`\n"
    if table.info.get("phi"):
        yield "**PHI: grant it to nobody who only looks.**\n"
    if table.info.get("secret"):
        yield "**Who signs in with what: grant it to nobody who only looks.**\n"
    yield f"{_told(model)}\n"
    yield "| column | type | null | key | |"
    yield "|---|---|---|---|---|"
    for column in table.columns:
        null = "null" if column.nullable else ""
        yield f"| `{column.name}` | {_type(column)} | {null} | {_key(column)} | {_cell(told.get(column.name, ''))} |"
    yield ""
    if indexes := list(_indexes(table)):
        yield f"Indexes: {'; '.join(indexes)}.\n"


@cache
def column_meanings(model: type[Base]) -> dict[str, str]:
    """What the model's source says beneath each column; those that say nothing are left out."""
    (written,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(written, ast.ClassDef)  # noqa: S101  the source of a class is one
    said = {}
    for statement, after in zip(written.body, written.body[1:], strict=False):
        if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)):
            continue
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            said[statement.target.id] = inspect.cleandoc(str(after.value.value))
    return said


def _told(model: type[Base]) -> str:
    path = Path(inspect.getfile(model))
    return f"{' '.join((inspect.getdoc(model) or '').split())} (`db/tables/{path.name}`)"


def _type(column: Column[object]) -> str:
    """As both databases have it, in words."""
    match column.type:
        case Boolean():
            return "boolean"
        case Integer():
            return "integer"
        case Float():
            return "double"
        case JSON():
            return "JSON"
        case String(length=None):
            return "text"
        case String(length=length):
            return f"text, at most {length}"
        case DateTime():
            return "time"
        case decorated:
            implemented = getattr(decorated, "impl_instance", None)  # a type of ours, around one of these
            return "time" if isinstance(implemented, DateTime) else "text"


def _key(column: Column[object]) -> str:
    keys = ["primary"] if column.primary_key else []
    keys += [_reference(key) for key in sorted(column.foreign_keys, key=lambda key: key.target_fullname)]
    default = column.server_default.arg if column.server_default is not None else None  # type: ignore[attr-defined]
    if default is None and column.default is not None and column.default.is_scalar:
        default = column.default.arg  # type: ignore[attr-defined]
    return ", ".join([*keys, *([] if default is None else [f"default {default}"])])


def _reference(key: ForeignKey) -> str:
    return f"`{key.target_fullname}`, {_AFTER[str(key.ondelete)]}"


def _indexes(table: Table) -> Iterator[str]:
    for constraint in sorted(table.constraints, key=lambda each: str(each.name)):
        if isinstance(constraint, UniqueConstraint):
            yield f"unique ({_names(constraint)})"
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        yield f"{'unique ' if index.unique else ''}({_names(index)})"


def _names(of: UniqueConstraint | Index) -> str:
    return ", ".join(f"`{column.name}`" for column in of.columns)


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")


def _first_sentence(words: str) -> str:
    return words.split(". ", maxsplit=1)[0].split(" (`db/", maxsplit=1)[0].rstrip(".")
