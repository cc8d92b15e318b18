"""Views for dashboards, and indexes for what they are asked."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

VIEWS = {
    "v_current_results": 1,
    "v_study_timeline": 1,
    "v_turnaround": 1,
    "v_deliveries": 1,
    "v_discordances": 1,
    "v_worklist": 1,
    "v_states": 1,
    "v_intake_daily": 1,
    "v_device_prevalence": 1,
    "v_drift_daily": 1,
    "v_outcomes_daily": 1,
}
"""View and version: made of db/migrations/views once all steps are done. They hold until a later migration names its
own, which are then all that there are."""


def upgrade() -> None:
    op.create_index(op.f("ix_current_runs_run_id"), "current_runs", ["run_id"])
    op.create_index(op.f("ix_runs_finished_at"), "runs", ["finished_at"])
    op.create_index(op.f("ix_studies_created_at"), "studies", ["created_at"])
    op.create_index(op.f("ix_journal_at"), "journal", ["at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_journal_at"), "journal")
    op.drop_index(op.f("ix_studies_created_at"), "studies")
    op.drop_index(op.f("ix_runs_finished_at"), "runs")
    op.drop_index(op.f("ix_current_runs_run_id"), "current_runs")
