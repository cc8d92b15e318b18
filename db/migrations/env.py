"""Alembic runs a migration on the connection that `Database.upgrade` hands over."""

from alembic import context

import db.schema_consistency
import db.schema_peers
import db.schema_pipeline  # noqa: F401  likewise
from db.schema import Study

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Study.metadata,
    render_as_batch=True,  # SQLite cannot alter a table in place
)
with context.begin_transaction():
    context.run_migrations()
