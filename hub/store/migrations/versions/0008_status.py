"""What the status counts stands in indexes: records by role, links with values held differently."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_index(
        "ix_link_held_differently",
        "link",
        ["source_id"],
        sqlite_where=sa.text("sent IS NOT NULL"),
        postgresql_where=sa.text("sent IS NOT NULL"),
    )
    op.create_index("ix_party_deleted_at_roles", "party", ["deleted_at", "roles"])
