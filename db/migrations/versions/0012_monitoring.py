"""How the installation is doing: sums of what the node was asked, and signs of life."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tallies",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=16), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "label", name=op.f("pk_tallies")),
    )
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "alerts",
        sa.Column("receiver", sa.String(length=32), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("said", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tell_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", "cause", "subject", name=op.f("pk_alerts")),
    )
    op.create_table(
        "reconciliations",
        sa.Column("archive", sa.String(length=32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("missing", sa.JSON(), nullable=False),
        sa.Column("incomplete", sa.JSON(), nullable=False),
        sa.Column("fetched", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("archive", "day", name=op.f("pk_reconciliations")),
    )
    op.create_table(
        "study_devices",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("manufacturer", sa.String(length=64), nullable=True),
        sa.Column("model", sa.String(length=64), nullable=True),
        sa.Column("station", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name=op.f("fk_study_devices_study_id_studies"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_study_devices")),
    )
    op.create_table(
        "drift",
        sa.Column("looked_on", sa.Date(), nullable=False),
        sa.Column("grouping", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("task_id", sa.String(length=32), nullable=False),
        sa.Column("measure", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.Integer(), nullable=False),
        sa.Column("recent", sa.Integer(), nullable=False),
        sa.Column("stability_index", sa.Double(), nullable=False),
        sa.Column("alarm_limit", sa.Double(), nullable=False),
        sa.Column("has_drifted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("looked_on", "grouping", "name", "task_id", "measure", name=op.f("pk_drift")),
    )


def downgrade() -> None:
    op.drop_table("drift")
    op.drop_table("study_devices")
    op.drop_table("reconciliations")
    op.drop_table("alerts")
    op.drop_table("heartbeats")
    op.drop_table("tallies")
