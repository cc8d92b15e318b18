"""The PostgreSQL role of dashboards: it reads the views, and the tables without PHI and secrets, and writes nothing."""

import re

from config.errors import ConfigurationError
from db.migrating import views_at
from db.tables.metadata import METADATA
from db.views.definitions import read_view

REPORT_TEXT = {
    "discordances": ("sides", "review_reason"),
    "discordance_reviews": ("reason",),
    "v_discordances": ("first_said", "second_said", "review_reason"),
    "v_worklist": ("reason",),
}
"""Columns that say what reports say, or what readers wrote of them: as on our pages, they are not for all."""


def tables_to_read() -> list[str]:
    """The tables that anybody may read who may see results; the others are marked in the schema, as `info`: of PHI, or
    of what somebody signs in with."""
    return sorted(
        name for name, table in METADATA.tables.items() if not table.info.get("phi") and not table.info.get("secret")
    )


def _grants(schema: str) -> list[str]:
    """What is granted: tables and views by name, and column by column where some are left out."""
    columns = {name: tuple(read_view(name, version).columns) for name, version in views_at("head").items()}
    columns |= {name: tuple(column.name for column in METADATA.tables[name].columns) for name in tables_to_read()}
    plain = ",\n  ".join(f"{schema}.{name}" for name in columns if name not in REPORT_TEXT)
    by_column = (
        f"GRANT SELECT ({', '.join(one for one in columns[name] if one not in left_out)}) ON {schema}.{name}"
        for name, left_out in REPORT_TEXT.items()
    )
    return [f"GRANT SELECT ON\n  {plain}", *by_column]


def read_only_role_sql(role: str, schema: str = "public") -> str:
    """What makes the role, or brings one that is there to this version: for psql, by a superuser or the owner.

    Raises
    ------
    ConfigurationError
        A name is none that needs no quotes.
    """
    for name in (role, schema):
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
            raise ConfigurationError(f"{name!r} is no plain name: use lower case letters, digits and _, at most 63")
    grants = "\n".join(f"{grant}\nTO {role};" for grant in _grants(schema))
    return f"""\
-- The role of dashboards: reads views and tables without PHI and secrets, writes nothing. To be run again after each
-- upgrade, since a table that is new is not granted by itself. Then, in psql, give it a password: \\password {role}
BEGIN;
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
    CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION;
  END IF;
END
$$;
-- A forgotten query holds up neither an upgrade of the schema nor the cleaning of dead rows.
ALTER ROLE {role} SET default_transaction_read_only = on;
ALTER ROLE {role} SET statement_timeout = '60s';
ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s';
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role};
REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {role};
REVOKE CREATE ON SCHEMA {schema} FROM {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
{grants}
COMMIT;
"""  # noqa: S608  the names are checked above
