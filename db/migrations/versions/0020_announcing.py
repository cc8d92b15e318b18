"""Indexes for the passes that announce work, which read all that waits without them."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    unannounced = sa.text("announced_at IS NULL")
    op.create_index(
        "ix_studies_unannounced",
        "studies",
        ["state", "lane", "id"],
        sqlite_where=unannounced,
        postgresql_where=unannounced,
    )
    op.create_index("ix_studies_state_announced_at", "studies", ["state", "announced_at"])
    op.create_index("ix_studies_state_lease_expires_at", "studies", ["state", "lease_expires_at"])


def downgrade() -> None:
    op.drop_index("ix_studies_state_lease_expires_at", table_name="studies")
    op.drop_index("ix_studies_state_announced_at", table_name="studies")
    op.drop_index("ix_studies_unannounced", table_name="studies")
