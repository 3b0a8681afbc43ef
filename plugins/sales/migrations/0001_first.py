"""Leads, opportunities and targets."""

import sqlalchemy as sa
from alembic import op

from hub.store import types

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "lead",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("ext", types.JsonValue(), nullable=True),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("updated_at", sa.String(length=24), nullable=False),
        sa.Column("updated_by", sa.String(length=128), nullable=False),
        sa.Column("deleted_at", sa.String(length=24), nullable=True),
        sa.Column("deletion_reason", sa.String(length=16), nullable=True),
        sa.Column("merged_into", sa.String(length=36), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("company_name", sa.Text(), nullable=True),
        sa.Column("contact_name", sa.Text(), nullable=True),
        sa.Column("job_title", sa.Text(), nullable=True),
        sa.Column("tax_id", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("industry", sa.Text(), nullable=True),
        sa.Column("need", sa.Text(), nullable=True),
        sa.Column("budget", types.DecimalText((20, 6)), nullable=True),
        sa.Column("rating", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("unqualified_reason", sa.Text(), nullable=True),
        sa.Column("next_followup_at", types.InstantText(), nullable=True),
        sa.Column("converted_at", types.InstantText(), nullable=True),
        sa.Column("converted_customer", sa.String(length=36), nullable=True),
        sa.Column("converted_contact", sa.String(length=36), nullable=True),
        sa.Column("converted_opportunity", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead")),
    )
    op.create_table(
        "opportunity",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("ext", types.JsonValue(), nullable=True),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("updated_at", sa.String(length=24), nullable=False),
        sa.Column("updated_by", sa.String(length=128), nullable=False),
        sa.Column("deleted_at", sa.String(length=24), nullable=True),
        sa.Column("deletion_reason", sa.String(length=16), nullable=True),
        sa.Column("merged_into", sa.String(length=36), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("customer", sa.String(length=36), nullable=True),
        sa.Column("contact", sa.String(length=36), nullable=True),
        sa.Column("lead", sa.String(length=36), nullable=True),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("amount", types.DecimalText((20, 6)), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("exchange_rate", types.DecimalText((20, 10)), nullable=True),
        sa.Column("probability", types.DecimalText((9, 6)), nullable=True),
        sa.Column("probability_manual", sa.Boolean(), nullable=True),
        sa.Column("forecast_category", sa.Text(), nullable=True),
        sa.Column("expected_close_on", types.DateText(), nullable=True),
        sa.Column("opened_at", types.InstantText(), nullable=True),
        sa.Column("closed_at", types.InstantText(), nullable=True),
        sa.Column("lost_reason", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("next_step", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opportunity")),
    )
    op.create_table(
        "opportunity_stages",
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("at", types.InstantText(), nullable=True),
        sa.Column("from_stage", sa.Text(), nullable=True),
        sa.Column("to_stage", sa.Text(), nullable=True),
        sa.Column("by", sa.Text(), nullable=True),
        sa.Column("amount", types.DecimalText((20, 6)), nullable=True),
        sa.Column("probability", types.DecimalText((9, 6)), nullable=True),
        sa.PrimaryKeyConstraint("record_id", "position", name=op.f("pk_opportunity_stages")),
    )
    op.create_table(
        "sales_target",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("ext", types.JsonValue(), nullable=True),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("updated_at", sa.String(length=24), nullable=False),
        sa.Column("updated_by", sa.String(length=128), nullable=False),
        sa.Column("deleted_at", sa.String(length=24), nullable=True),
        sa.Column("deletion_reason", sa.String(length=16), nullable=True),
        sa.Column("merged_into", sa.String(length=36), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("subject_kind", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("metric", sa.Text(), nullable=True),
        sa.Column("period_start", types.DateText(), nullable=True),
        sa.Column("period_end", types.DateText(), nullable=True),
        sa.Column("target", types.DecimalText((20, 6)), nullable=True),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sales_target")),
    )
    op.create_index("ix_lead_code_key", "lead", [sa.literal_column("lower(code)")], unique=False)
    op.create_index("ix_lead_email_key", "lead", [sa.literal_column("lower(email)")], unique=False)
    op.create_index("ix_lead_phone_key", "lead", [sa.literal_column("lower(phone)")], unique=False)
    op.create_index(
        "ix_opportunity_code_key", "opportunity", [sa.literal_column("lower(code)")], unique=False
    )
    op.create_index(
        "ix_sales_target_code_key", "sales_target", [sa.literal_column("lower(code)")], unique=False
    )


def downgrade() -> None:
    op.drop_table("sales_target")
    op.drop_table("opportunity_stages")
    op.drop_table("opportunity")
    op.drop_table("lead")
