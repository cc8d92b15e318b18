"""What the rules decided for each instance, and the instances' way to the peers that they are forwarded to."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("instances") as instances:
        # What was received before there were rules was scored.
        instances.add_column(sa.Column("action", sa.String(length=8), nullable=False, server_default="score"))
        instances.add_column(sa.Column("rule", sa.String(length=32), nullable=True))
    op.create_table(
        "forwards",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instance_id", sa.Integer(), nullable=False),
        sa.Column("peer", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_answer", sa.String(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["instances.id"], name=op.f("fk_forwards_instance_id_instances"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forwards")),
        sa.UniqueConstraint("instance_id", "peer", name=op.f("uq_forwards_instance_id")),
    )
    op.create_index(
        "ix_forwards_state_peer_next_attempt_at", "forwards", ["state", "peer", "next_attempt_at"], unique=False
    )
    op.create_table(
        "forward_peers",
        sa.Column("peer", sa.String(length=32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_answer", sa.String(), nullable=True),
        sa.Column("lease_token", sa.String(length=36), nullable=True),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("peer", name=op.f("pk_forward_peers")),
    )


def downgrade() -> None:
    op.drop_table("forward_peers")
    op.drop_index("ix_forwards_state_peer_next_attempt_at", table_name="forwards")
    op.drop_table("forwards")
    with op.batch_alter_table("instances") as instances:
        instances.drop_column("rule")
        instances.drop_column("action")
