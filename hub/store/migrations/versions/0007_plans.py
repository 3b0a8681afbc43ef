"""Plans and their steps; the mode of a flow.  Flows that ran before go on as they did."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "plan",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("flows", sa.Text(), nullable=False),
        sa.Column("full_read", sa.Boolean(), nullable=False),
        sa.Column("mappings", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("errors", sa.Text(), nullable=False),
        sa.Column("exceeded", sa.Text(), nullable=False),
        sa.Column("runs", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.String(24)),
        sa.Column("applied_at", sa.String(24)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan")),
        comment="What runs would do; `mappings`: the version each flow had; `runs`: those that apply it.",
    )
    op.create_index(op.f("ix_plan_at"), "plan", ["at"])
    op.create_table(
        "plan_step",
        sa.Column("plan_id", sa.String(36), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("flow", sa.String(64), nullable=False),
        sa.Column("connection", sa.String(64), nullable=False),
        sa.Column("direction", sa.String(3), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("entity", sa.String(64), nullable=False),
        sa.Column("record_id", sa.String(36)),
        sa.Column("external_id", sa.String(255), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("base_version", sa.BigInteger()),
        sa.Column("base_row", sa.String(16)),
        sa.Column("bucket", sa.String(16)),
        sa.Column("other_id", sa.String(255)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("why", sa.Text()),
        sa.PrimaryKeyConstraint("plan_id", "seq", name=op.f("pk_plan_step")),
        comment="One effect on one record; base: the record's version and the row's hash it rests on.",
    )
    op.create_index(op.f("ix_plan_step_plan_id_state"), "plan_step", ["plan_id", "state"])
    op.add_column("flow_state", sa.Column("mode", sa.String(16)))
    op.execute("UPDATE flow_state SET mode = 'live'")


def downgrade() -> None:
    op.drop_column("flow_state", "mode")
    op.drop_index(op.f("ix_plan_step_plan_id_state"), table_name="plan_step")
    op.drop_table("plan_step")
    op.drop_index(op.f("ix_plan_at"), table_name="plan")
    op.drop_table("plan")
