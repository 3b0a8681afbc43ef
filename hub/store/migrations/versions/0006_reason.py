"""The journal says why a change was made, where no policy or system does."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("journal", sa.Column("reason", sa.String(length=128), nullable=True))
