"""A queue for each destination as for each peer that is forwarded to; dead letters, and what was answered to each."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "peer_queues",
        sa.Column("peer", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_answer", sa.String(), nullable=True),
        sa.Column("lease_token", sa.String(length=36), nullable=True),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("peer", "purpose", name=op.f("pk_peer_queues")),
    )
    # Leases and announcements are of workers that have stopped.
    op.execute(
        "INSERT INTO peer_queues (peer, purpose, attempts, next_attempt_at, last_answer) "
        "SELECT peer, 'forward', attempts, next_attempt_at, last_answer FROM forward_peers"
    )
    op.drop_table("forward_peers")
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.add_column(sa.Column("last_attempt_at", sa.DateTime(timezone=True), nullable=True))
        deliveries.add_column(sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True))
        deliveries.add_column(sa.Column("sent_as", sa.String(length=64), nullable=True))
    op.create_index(
        "ix_deliveries_state_destination_next_attempt_at", "deliveries", ["state", "destination", "next_attempt_at"]
    )
    op.create_table(
        "delivery_answers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["deliveries.id"],
            name=op.f("fk_delivery_answers_delivery_id_deliveries"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_answers")),
    )
    op.create_index(op.f("ix_delivery_answers_delivery_id"), "delivery_answers", ["delivery_id"])
    # Somebody was to look at these; an update must not send them by itself.
    op.execute(
        "UPDATE deliveries SET state = 'DEAD' WHERE state IN ('DUE', 'SENT') AND report_id IN ("
        "SELECT r.id FROM reports r JOIN studies s ON s.id = r.study_id "
        "WHERE s.state = 'FAILED' AND s.failed_step = 'deliver')"
    )
    # Until now a destination that was out of reach used up attempts too.
    op.execute("UPDATE deliveries SET attempts = 0 WHERE state = 'DUE'")
    # A study that waits for its deliveries is nobody's.
    op.execute(
        "UPDATE studies SET lease_token = NULL, lease_owner = NULL, lease_expires_at = NULL, next_attempt_at = NULL, "
        "announced_at = NULL, attempts = 0 WHERE state = 'REPORTED'"
    )


def downgrade() -> None:
    op.execute("UPDATE deliveries SET state = 'DUE' WHERE state = 'DEAD'")
    op.drop_index(op.f("ix_delivery_answers_delivery_id"), table_name="delivery_answers")
    op.drop_table("delivery_answers")
    op.drop_index("ix_deliveries_state_destination_next_attempt_at", table_name="deliveries")
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_column("sent_as")
        deliveries.drop_column("next_attempt_at")
        deliveries.drop_column("last_attempt_at")
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
    op.execute(
        "INSERT INTO forward_peers (peer, attempts, next_attempt_at, last_answer) "
        "SELECT peer, attempts, next_attempt_at, last_answer FROM peer_queues WHERE purpose = 'forward'"
    )
    op.drop_table("peer_queues")
