"""Every word that was said of a discordance; indexes for the passes that announce work, which read all that waits
without them; views of days and months that read no others, and count no canaries.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

VIEWS = {
    "v_current_results": 1,
    "v_study_timeline": 1,
    "v_turnaround": 2,
    "v_deliveries": 1,
    "v_discordances": 1,
    "v_worklist": 1,
    "v_states": 1,
    "v_intake_daily": 2,
    "v_device_prevalence": 2,
    "v_drift_daily": 2,
    "v_outcomes_daily": 2,
}
# As db.views.definitions writes day_of and month_of: what a view is asked by is then in the index.
DAYS = {
    "sqlite": ("date({0})", "date({0}, 'start of month')"),
    "postgresql": (
        "CAST({0} AT TIME ZONE 'UTC' AS date)",
        "CAST(date_trunc('month', {0} AT TIME ZONE 'UTC') AS date)",
    ),
}
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
    day, month = DAYS[op.get_bind().dialect.name]
    op.create_index("ix_studies_day", "studies", [sa.text(f"({day.format('created_at')})")])
    op.create_index("ix_studies_month", "studies", [sa.text(f"({month.format('created_at')})")])
    op.create_index("ix_instances_day", "instances", [sa.text(f"({day.format('received_at')})")])
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
    op.drop_index("ix_instances_day", table_name="instances")
    op.drop_index("ix_studies_month", table_name="studies")
    op.drop_index("ix_studies_day", table_name="studies")
    op.drop_index("ix_studies_state_lease_expires_at", table_name="studies")
    op.drop_index("ix_studies_state_announced_at", table_name="studies")
    op.drop_index("ix_studies_unannounced", table_name="studies")
    op.drop_table("discordance_reviews")
