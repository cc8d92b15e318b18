"""Reports that came for a study, and where they and the images disagree."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "received_reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("report_id", sa.String(length=64), nullable=False),
        sa.Column("via", sa.String(length=16), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spool_path", sa.String(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("order_key", sa.String(length=64), nullable=True),
        sa.Column("superseded_by", sa.Integer(), nullable=True),
        sa.Column("study_id", sa.Integer(), nullable=True),
        sa.Column("matched_by", sa.String(length=32), nullable=True),
        sa.Column("why_unmatched", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["superseded_by"],
            ["received_reports.id"],
            name=op.f("fk_received_reports_superseded_by_received_reports"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name=op.f("fk_received_reports_study_id_studies"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_received_reports")),
        sa.UniqueConstraint("report_id", name=op.f("uq_received_reports_report_id")),
    )
    for column in ("study_id", "order_key"):
        op.create_index(op.f(f"ix_received_reports_{column}"), "received_reports", [column])
    op.create_table(
        "received_report_keys",
        sa.Column("received_report_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["received_report_id"],
            ["received_reports.id"],
            name=op.f("fk_received_report_keys_received_report_id_received_reports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("received_report_id", "key", name=op.f("pk_received_report_keys")),
    )
    op.create_index(op.f("ix_received_report_keys_key"), "received_report_keys", ["key"])
    op.create_table(
        "due_checks",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name=op.f("fk_due_checks_study_id_studies"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_due_checks")),
    )
    op.create_index(op.f("ix_due_checks_due_at"), "due_checks", ["due_at"])
    op.create_table(
        "discordances",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rule", sa.String(length=48), nullable=False),
        sa.Column("rules_version", sa.String(length=32), nullable=False),
        sa.Column("field", sa.String(length=32), nullable=False),
        sa.Column("severity", sa.String(length=8), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("report_id", sa.String(length=64), nullable=False),
        sa.Column("sides", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reviewed_by", sa.String(length=64), nullable=True),
        sa.Column("review_reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name=op.f("fk_discordances_study_id_studies"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_discordances_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discordances")),
        sa.UniqueConstraint("run_id", "rule", "field", "report_id", name=op.f("uq_discordances_run_id")),
    )
    for column in ("study_id", "field", "state"):
        op.create_index(op.f(f"ix_discordances_{column}"), "discordances", [column])
    op.create_table(
        "consistency_checks",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rules_version", sa.String(length=32), nullable=False),
        sa.Column("reports", sa.JSON(), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("told", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_consistency_checks_run_id_runs"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name=op.f("fk_consistency_checks_study_id_studies"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_consistency_checks")),
    )
    op.create_index(op.f("ix_consistency_checks_study_id"), "consistency_checks", ["study_id"])


def downgrade() -> None:
    op.drop_table("consistency_checks")
    op.drop_table("discordances")
    op.drop_table("due_checks")
    op.drop_table("received_report_keys")
    op.drop_table("received_reports")
