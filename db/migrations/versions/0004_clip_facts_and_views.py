"""The facts of a prepared clip, the view that the model sees in it, and what a run left out."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CLIP_COLUMNS: dict[str, TypeEngine[Any]] = {
    "frame_times_ms": sa.JSON(),
    "time_origin": sa.String(length=64),
    "heart_rate": sa.Double(),
    "region": sa.JSON(),
    "region_origin": sa.String(length=16),
    "pixel_spacing_mm": sa.JSON(),
    "contents": sa.JSON(),
    "view": sa.String(length=32),
    "view_score": sa.Double(),
    "view_margin": sa.Double(),
    "view_note": sa.String(),
}
RUN_COLUMNS: dict[str, TypeEngine[Any]] = {"left_out": sa.JSON(), "view_gate": sa.String(length=64)}


def upgrade() -> None:
    # Nothing is known of what was prepared and scored before: NULL.
    for table, columns in (("clips", CLIP_COLUMNS), ("runs", RUN_COLUMNS)):
        with op.batch_alter_table(table) as altered:
            for name, kind in columns.items():
                altered.add_column(sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for table, columns in (("runs", RUN_COLUMNS), ("clips", CLIP_COLUMNS)):
        with op.batch_alter_table(table) as altered:
            for name in reversed(columns):
                altered.drop_column(name)
