"""Indexes that the worklist is read by."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_studies_last_instance_at", table_name="studies")
    op.create_index("ix_studies_last_instance_at_id", "studies", ["last_instance_at", "id"])
    op.create_index("ix_studies_state_last_instance_at_id", "studies", ["state", "last_instance_at", "id"])
    op.create_index(
        "ix_studies_study_instance_uid_start",
        "studies",
        ["study_instance_uid"],
        postgresql_ops={"study_instance_uid": "varchar_pattern_ops"},
    )
    op.create_index("ix_instances_calling_ae_title_study_id", "instances", ["calling_ae_title", "study_id"])
    ops = " text_pattern_ops" if op.get_bind().dialect.name == "postgresql" else ""
    op.create_index(
        "ix_patient_identities_patient_name_start", "patient_identities", [sa.text(f"lower(patient_name){ops}")]
    )
    op.create_index(
        "ix_discordances_open",
        "discordances",
        ["study_id"],
        sqlite_where=sa.text("state = 'NEW' AND superseded_at IS NULL"),
        postgresql_where=sa.text("state = 'NEW' AND superseded_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_discordances_open", table_name="discordances")
    op.drop_index("ix_patient_identities_patient_name_start", table_name="patient_identities")
    op.drop_index("ix_instances_calling_ae_title_study_id", table_name="instances")
    op.drop_index("ix_studies_study_instance_uid_start", table_name="studies")
    op.drop_index("ix_studies_state_last_instance_at_id", table_name="studies")
    op.drop_index("ix_studies_last_instance_at_id", table_name="studies")
    op.create_index("ix_studies_last_instance_at", "studies", ["last_instance_at"])
