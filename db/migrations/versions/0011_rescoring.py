"""Results of former models, catalogues and calibrations answered anew: batches, and what became of each study."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rescorings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("started_by", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("pack", sa.String(), nullable=False),
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("model_version", sa.String(length=64), nullable=False),
        sa.Column("model_label", sa.String(length=16), nullable=False),
        sa.Column("model_digest", sa.String(length=64), nullable=False),
        sa.Column("embedder", sa.String(length=64), nullable=False),
        sa.Column("catalogue_digest", sa.String(length=64), nullable=False),
        sa.Column("calibration_digest", sa.String(length=64), nullable=True),
        sa.Column("view_gate", sa.String(length=64), nullable=True),
        sa.Column("task_ids", sa.JSON(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("lease_token", sa.String(length=36), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rescorings")),
    )
    op.create_index(op.f("ix_rescorings_state"), "rescorings", ["state"])
    op.create_table(
        "rescored_studies",
        sa.Column("rescoring_id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("is_canary", sa.Boolean(), nullable=False),
        sa.Column("scored_from", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("before_run_id", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("values_changed", sa.Integer(), nullable=True),
        sa.Column("answers_changed", sa.Integer(), nullable=True),
        sa.Column("report_again", sa.Boolean(), nullable=True),
        sa.Column("adopted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["rescoring_id"],
            ["rescorings.id"],
            name=op.f("fk_rescored_studies_rescoring_id_rescorings"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name=op.f("fk_rescored_studies_study_id_studies"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["before_run_id"], ["runs.id"], name=op.f("fk_rescored_studies_before_run_id_runs"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_rescored_studies_run_id_runs"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("rescoring_id", "study_id", name=op.f("pk_rescored_studies")),
    )
    op.create_index("ix_rescored_studies_rescoring_id_state", "rescored_studies", ["rescoring_id", "state"])
    for column in ("study_id", "run_id"):
        op.create_index(op.f(f"ix_rescored_studies_{column}"), "rescored_studies", [column])


def downgrade() -> None:
    op.drop_table("rescored_studies")
    op.drop_table("rescorings")
