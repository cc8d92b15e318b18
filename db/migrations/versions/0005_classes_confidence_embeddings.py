"""Class tasks and how sure an answer is; the calibration of a run; where the frame embeddings of a study are."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

RESULT_COLUMNS: dict[str, TypeEngine[Any]] = {
    "outcome": sa.String(length=32),
    "spread": sa.Double(),
    "agreement": sa.Double(),
    "method": sa.String(length=32),
}


def upgrade() -> None:
    with op.batch_alter_table("results") as results:
        for name, kind in RESULT_COLUMNS.items():
            results.add_column(sa.Column(name, kind, nullable=True))
    with op.batch_alter_table("runs") as runs:
        runs.add_column(sa.Column("calibration_digest", sa.String(length=64), nullable=True))
    op.create_table(
        "study_embeddings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("embedder", sa.String(length=64), nullable=False),
        sa.Column("preprocessing_profile", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("clips", sa.Integer(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name="fk_study_embeddings_study_id_studies", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_study_embeddings"),
        sa.UniqueConstraint("study_id", "revision", "embedder", name="uq_study_embeddings_study_id"),
    )
    op.create_index("ix_study_embeddings_study_id", "study_embeddings", ["study_id"])
    op.create_index("ix_study_embeddings_embedder", "study_embeddings", ["embedder"])


def downgrade() -> None:
    op.drop_table("study_embeddings")
    with op.batch_alter_table("runs") as runs:
        runs.drop_column("calibration_digest")
    with op.batch_alter_table("results") as results:
        for name in reversed(RESULT_COLUMNS):
            results.drop_column(name)
