"""The PostgreSQL role of dashboards: it reads the views, and the tables without PHI, and writes nothing."""

import re

from config.errors import ConfigurationError
from db.all_tables import METADATA
from db.migrating import views_at


def tables_without_phi() -> list[str]:
    """The tables that anybody may read who may see results; the others are marked so in the schema, as `info`."""
    return sorted(name for name, table in METADATA.tables.items() if not table.info.get("phi"))


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
    granted = ",\n  ".join(f"{schema}.{name}" for name in [*views_at("head"), *tables_without_phi()])
    return f"""\
-- The role of dashboards: reads views and tables without PHI, writes nothing. To be run again after each upgrade, since
-- a table that is new is not granted by itself. Then, in psql, give it a password: \\password {role}
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
GRANT SELECT ON
  {granted}
TO {role};
COMMIT;
"""  # noqa: S608  the names are checked above
