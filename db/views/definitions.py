"""The views that dashboards read: what each says, and its SQL on either database.

A view is a file of `db/migrations/views`, `<name>.<version>.sql`, which is never changed once it was released: a
migration names the versions that belong to it, in `VIEWS`, and a view that changes is a new file. So a migration finds
for ever what it was written with, and there is one place for each view's SQL. The head of the file is its
documentation, which docs/database.md and PostgreSQL's COMMENT show. What the two databases do not write alike is
written as `FUNCTIONS` has it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from config.errors import RegistryError
from config.sections.canary import CANARY_ROOT

FOLDER = Path(__file__).parents[1] / "migrations" / "views"
NO_CANARY = f"substr({{0}}, 1, {len(CANARY_ROOT) + 1}) <> '{CANARY_ROOT}.'"
FUNCTIONS: Mapping[str, Mapping[str, str]] = {
    "sqlite": {
        "day_of": "date({0})",
        "month_of": "date({0}, 'start of month')",
        "seconds_between": "round((julianday({1}) - julianday({0})) * 86400, 3)",
        "text_in": "json_extract({0}, '$[{1}].{2}')",
        "is_of_patients": NO_CANARY,
    },
    "postgresql": {
        "day_of": "CAST({0} AT TIME ZONE 'UTC' AS date)",
        "month_of": "CAST(date_trunc('month', {0} AT TIME ZONE 'UTC') AS date)",
        "seconds_between": "CAST(round(extract(epoch FROM {1} - {0}), 3) AS double precision)",
        "text_in": "({0} -> {1} ->> '{2}')",
        "is_of_patients": NO_CANARY,
    },
}
"""day_of(time) and month_of(time): the date in UTC, and that of the month's first day; text under SQLite, which has no
dates. seconds_between(earlier, later). text_in(JSON list, place, key). is_of_patients(Study Instance UID): it is no
canary's. Arguments have no brackets and no commas."""


@dataclass(frozen=True, kw_only=True)
class View:
    """One version of a view."""

    name: str
    version: int
    meaning: str
    """What a row of it is."""
    columns: Mapping[str, str]
    """What each says, in the order of the view."""
    query: str
    """With our own functions."""

    def query_for(self, dialect: str) -> str:
        """The query, as this database writes it: "sqlite" or "postgresql"."""
        written = FUNCTIONS[dialect]

        def write(call: re.Match[str]) -> str:
            arguments = [argument.strip() for argument in call[2].split(",")]
            return written[call[1]].format(*arguments)

        return re.sub(rf"\b({'|'.join(written)})\(([^()]*)\)", write, self.query)


def read_view(name: str, version: int) -> View:
    """A view from its file: `-- ` lines of its meaning, an empty one, `-- column: what it says` lines, the query.

    Raises
    ------
    RegistryError
        The installation lacks the file.
    """
    path = FOLDER / f"{name}.{version}.sql"
    if not path.is_file():
        raise RegistryError(f"{path.name} is missing: a migration needs it; install EchoWorker again")
    lines = path.read_text(encoding="utf-8").splitlines()
    head = [line.removeprefix("--").removeprefix(" ") for line in lines if line.startswith("--")]
    meaning, columns = head[: head.index("")], head[head.index("") + 1 :]
    said: dict[str, str] = {}
    for line in columns:
        if line.startswith(" "):  # the line before goes on
            column = next(reversed(said))
            said[column] += f" {line.strip()}"
        else:
            column, _, what = line.partition(": ")
            said[column] = what
    query = "\n".join(lines[len(head) :])
    return View(name=name, version=version, meaning=" ".join(meaning), columns=said, query=query)


def create_views(connection: Connection, versions: Mapping[str, int], readers: Sequence[tuple[str, str]] = ()) -> None:
    """Make these views; `readers` are the roles that could read them before, as `drop_views` gives them."""
    quote = connection.dialect.identifier_preparer.quote
    for view in (read_view(name, version) for name, version in versions.items()):
        _execute(connection, f"CREATE VIEW {view.name} AS\n{view.query_for(connection.dialect.name)}")
        if connection.dialect.name == "postgresql":
            _execute(connection, f"COMMENT ON VIEW {view.name} IS {_literal(view.meaning)}")
            for column, what in view.columns.items():
                _execute(connection, f"COMMENT ON COLUMN {view.name}.{quote(column)} IS {_literal(what)}")
    for name, role in readers:
        if name in versions:
            _execute(connection, f"GRANT SELECT ON {name} TO {quote(role)}")


def drop_views(connection: Connection) -> list[tuple[str, str]]:
    """Drop every view of ours; which roles could read which, PostgreSQL alone.

    Neither database lets a table be altered in every way while a view reads it.
    """
    ours = {path.name.split(".")[0] for path in FOLDER.glob("*.sql")}
    there = sorted(ours & set(inspect(connection).get_view_names()))
    readers: list[tuple[str, str]] = []
    if connection.dialect.name == "postgresql" and there:
        granted = text(
            "SELECT table_name, grantee FROM information_schema.table_privileges WHERE privilege_type = 'SELECT' "
            "AND table_schema = current_schema() AND table_name = ANY(:names) AND grantee <> current_user "
            "ORDER BY table_name, grantee"
        )
        readers = [(name, role) for name, role in connection.execute(granted, {"names": there})]
    for name in there:
        _execute(connection, f"DROP VIEW {name}")
    return readers


def _execute(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)


def _literal(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"
