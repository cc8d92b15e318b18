"""Storage commitment: a delivery's transaction, and when it was asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.add_column(sa.Column("transaction_uid", sa.String(length=64), nullable=True))
        deliveries.add_column(sa.Column("commitment_asked_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_deliveries_transaction_uid", "deliveries", ["transaction_uid"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_deliveries_transaction_uid", table_name="deliveries")
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_column("commitment_asked_at")
        deliveries.drop_column("transaction_uid")
