"""Tracebacks of failed attempts, since when one runs, how urgent a study is; paused queues, GPUs set aside."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journal", sa.Column("traceback", sa.String(), nullable=True))
    op.add_column("studies", sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("studies", sa.Column("lane", sa.Integer(), server_default="1", nullable=False))
    op.create_index("ix_studies_state_lane_state_since", "studies", ["state", "lane", "state_since"])
    op.create_table(
        "queue_pauses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("queue", sa.String(length=16), nullable=False),
        sa.Column("peer", sa.String(length=32), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_by", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resumed_by", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_pauses")),
    )
    op.create_index(
        "uq_queue_pauses_open",
        "queue_pauses",
        ["queue", "peer"],
        unique=True,
        sqlite_where=sa.text("resumed_at IS NULL"),
        postgresql_where=sa.text("resumed_at IS NULL"),
    )
    op.create_table(
        "device_health",
        sa.Column("host", sa.String(length=128), nullable=False),
        sa.Column("device", sa.String(length=16), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("set_aside_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("host", "device", name=op.f("pk_device_health")),
    )
    op.execute("UPDATE studies SET claimed_at = state_since WHERE lease_token IS NOT NULL")


def downgrade() -> None:
    op.drop_table("device_health")
    op.drop_table("queue_pauses")
    op.drop_index("ix_studies_state_lane_state_since", table_name="studies")
    op.drop_column("studies", "lane")
    op.drop_column("studies", "claimed_at")
    op.drop_column("journal", "traceback")
