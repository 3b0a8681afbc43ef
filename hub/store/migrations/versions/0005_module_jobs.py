"""When the scheduled jobs of modules are due."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "module_job",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("next_at", sa.String(length=24), nullable=False),
        sa.Column("lease_until", sa.String(length=24), nullable=True),
        sa.Column("last_at", sa.String(length=24), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_module_job")),
        comment="When each scheduled job of a module is due, and how it went.",
    )


def downgrade() -> None:
    op.drop_table("module_job")
