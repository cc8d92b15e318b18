"""Every word that was said of a discordance; indexes for the passes that announce work, which read all that waits
without them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# Of a discordance that came again in later runs, each has a copy of what was said of the first.
LAST_WORDS = """
    INSERT INTO discordance_reviews (discordance_id, reviewed_at, reviewed_by, state, reason)
    SELECT min(id), reviewed_at, reviewed_by, state, review_reason
    FROM discordances
    WHERE reviewed_at IS NOT NULL
    GROUP BY study_id, rule, field, report_id, reviewed_at, reviewed_by, state, review_reason
"""


def upgrade() -> None:
    op.create_table(
        "discordance_reviews",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("discordance_id", sa.Integer(), sa.ForeignKey("discordances.id", ondelete="CASCADE"), nullable=False),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reviewed_by", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
    )
    op.create_index("ix_discordance_reviews_discordance_id", "discordance_reviews", ["discordance_id"])
    op.execute(LAST_WORDS)
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
    op.drop_table("discordance_reviews")
