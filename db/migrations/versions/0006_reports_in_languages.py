"""What reasons are made of, so that a report may say them in any language; and the language of each report."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TERMS: dict[str, tuple[str, TypeEngine[Any]]] = {
    "clips": ("skip_reason_terms", sa.JSON()),
    "results": ("reason_terms", sa.JSON()),
}


def upgrade() -> None:
    for table, (name, kind) in TERMS.items():
        with op.batch_alter_table(table) as rows:
            rows.add_column(sa.Column(name, kind, nullable=True))
    with op.batch_alter_table("reports") as reports:
        reports.add_column(sa.Column("language", sa.String(length=8), nullable=False, server_default="en"))


def downgrade() -> None:
    with op.batch_alter_table("reports") as reports:
        reports.drop_column("language")
    for table, (name, _) in TERMS.items():
        with op.batch_alter_table(table) as rows:
            rows.drop_column(name)
