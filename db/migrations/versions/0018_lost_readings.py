"""How often the reading of a study's pixels has been lost while it was answered anew; an index for dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rescored_studies", sa.Column("readings_lost", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_deliveries_state_id", "deliveries", ["state", "id"])


def downgrade() -> None:
    op.drop_index("ix_deliveries_state_id", "deliveries")
    op.drop_column("rescored_studies", "readings_lost")
