"""What a failed attempt died of, and since when the running one runs."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journal", sa.Column("traceback", sa.String(), nullable=True))
    op.add_column("studies", sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE studies SET claimed_at = state_since WHERE lease_token IS NOT NULL")


def downgrade() -> None:
    op.drop_column("studies", "claimed_at")
    op.drop_column("journal", "traceback")
