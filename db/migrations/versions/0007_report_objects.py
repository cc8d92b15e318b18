"""More than one object a run: Structured Report, heat map, page."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("reports") as reports:
        reports.add_column(sa.Column("kind", sa.String(length=16), nullable=False, server_default="sr"))
        reports.drop_constraint("uq_reports_run_id", type_="unique")
        reports.create_unique_constraint("uq_reports_run_id", ["run_id", "kind"])


def downgrade() -> None:
    # Deliveries first: while a schema is changed, SQLite deletes nothing along.
    op.execute("DELETE FROM deliveries WHERE report_id IN (SELECT id FROM reports WHERE kind <> 'sr')")
    op.execute("DELETE FROM reports WHERE kind <> 'sr'")
    with op.batch_alter_table("reports") as reports:
        reports.drop_constraint("uq_reports_run_id", type_="unique")
        reports.create_unique_constraint("uq_reports_run_id", ["run_id"])
        reports.drop_column("kind")
