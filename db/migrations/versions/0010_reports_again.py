"""How well the texts of reports fit the images of their studies; runs that repeat another for a report of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "report_likenesses",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("report_id", sa.String(length=64), nullable=False),
        sa.Column("towers", sa.String(length=64), nullable=False),
        sa.Column("preprocessing_profile", sa.String(length=64), nullable=False),
        sa.Column("made_from", sa.String(length=64), nullable=False),
        sa.Column("likeness", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name=op.f("fk_report_likenesses_study_id_studies"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("study_id", "report_id", name=op.f("pk_report_likenesses")),
    )
    op.create_index(op.f("ix_report_likenesses_towers"), "report_likenesses", ["towers", "likeness"])
    with op.batch_alter_table("runs") as runs:
        runs.add_column(sa.Column("repeats", sa.String(length=36), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("runs") as runs:
        runs.drop_column("repeats")
    op.drop_table("report_likenesses")
