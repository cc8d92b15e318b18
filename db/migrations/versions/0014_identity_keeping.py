"""Identities that may be encrypted or pseudonymised: room for them, and a row that says how they are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

LENGTHS = {"patient_id": 64, "patient_name": 324, "birth_date": 8, "accession_number": 64, "study_date": 8}
"""Before: as DICOM has them, which is less than what stands for them is long."""


def upgrade() -> None:
    with op.batch_alter_table("patient_identities") as identities:
        for name, length in LENGTHS.items():
            identities.alter_column(name, existing_type=sa.String(length=length), type_=sa.String())
    # Outer spaces mean nothing (PS3.5 section 6.2), and are in the way of whoever looks for what is equal.
    for name in LENGTHS:
        op.execute(f"UPDATE patient_identities SET {name} = nullif(trim({name}), '')")  # noqa: S608
    op.create_table(
        "identity_keeping",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("converting_to", sa.String(length=64), nullable=True),
        sa.Column("converted_up_to", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_keeping")),
    )
    op.execute(
        "INSERT INTO identity_keeping (id, fingerprint, converted_up_to) "
        "SELECT 1, 'plain', 0 WHERE EXISTS (SELECT 1 FROM patient_identities)"
    )


def downgrade() -> None:
    # What the schema before has no room for can be read by nobody there: it knew no key.
    for name, length in LENGTHS.items():
        op.execute(f"UPDATE patient_identities SET {name} = NULL WHERE length({name}) > {length}")  # noqa: S608
        op.execute(f"UPDATE patient_identities SET {name} = NULL WHERE {name} LIKE '_1:%'")  # noqa: S608
    op.drop_table("identity_keeping")
    with op.batch_alter_table("patient_identities") as identities:
        for name, length in LENGTHS.items():
            identities.alter_column(name, existing_type=sa.String(), type_=sa.String(length=length))
