"""The first schema: made from the declarations themselves, since nothing older exists."""

from alembic import context, op

revision = "0001"
down_revision = None


def upgrade() -> None:
    context.config.attributes["store"].metadata.create_all(op.get_bind())


def downgrade() -> None:
    context.config.attributes["store"].metadata.drop_all(op.get_bind())
