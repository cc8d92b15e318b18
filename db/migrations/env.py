"""Alembic runs a migration on the connection that `Database.upgrade` hands over.

Views are no part of the steps: they are dropped before, and those of the revision that was reached are made afterwards,
so that a migration may alter any table without thinking of who reads it.
"""

from alembic import context

from db.migrating import views_at
from db.tables.metadata import METADATA
from db.views.definitions import create_views, drop_views

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite cannot alter a table in place
)
with context.begin_transaction():
    before = context.get_context().get_current_heads()
    if before != (context.get_revision_argument(),):  # at each start: nobody who reads a view is to wait for nothing
        readers = drop_views(connection)
        context.run_migrations()
        create_views(connection, views_at(context.get_context().get_current_revision()), readers)
