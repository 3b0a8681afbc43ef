"""The first schema."""

import sqlalchemy as sa
from alembic import op

from hub.store import types

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "conflict",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("entity", sa.String(length=64), nullable=False),
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("field", sa.String(length=128), nullable=False),
        sa.Column("flow", sa.String(length=64), nullable=False),
        sa.Column(
            "source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("base", sa.Text(), nullable=True),
        sa.Column("ours", sa.Text(), nullable=True),
        sa.Column("theirs", sa.Text(), nullable=True),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("choice", sa.String(length=16), nullable=True),
        sa.Column("decided_by", sa.String(length=128), nullable=True),
        sa.Column("decided_at", sa.String(length=24), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conflict")),
    )
    op.create_index(
        op.f("ix_conflict_state_record_id"), "conflict", ["state", "record_id"], unique=False
    )
    op.create_table(
        "connection_state",
        sa.Column("connection", sa.String(length=64), nullable=False),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("tokens_at", sa.String(length=24), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("open_until", sa.String(length=24), nullable=True),
        sa.PrimaryKeyConstraint("connection", name=op.f("pk_connection_state")),
    )
    op.create_table(
        "flow_state",
        sa.Column("flow", sa.String(length=64), nullable=False),
        sa.Column(
            "source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("paused", sa.Text(), nullable=True),
        sa.Column("identity", sa.String(length=16), nullable=True),
        sa.Column("mapping_version", sa.String(length=16), nullable=True),
        sa.Column("last_rows", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.String(length=24), nullable=True),
        sa.Column("next_full_at", sa.String(length=24), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.String(length=24), nullable=True),
        sa.PrimaryKeyConstraint("flow", name=op.f("pk_flow_state")),
    )
    op.create_table(
        "intent",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("flow", sa.String(length=64), nullable=False),
        sa.Column(
            "source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("op", sa.String(length=8), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("sent", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("settled_at", sa.String(length=24), nullable=True),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intent")),
    )
    op.create_index(op.f("ix_intent_record_id"), "intent", ["record_id"], unique=False)
    op.create_index(
        "uq_intent_open",
        "intent",
        ["source_id", "record_id"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "journal",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("entity", sa.String(length=64), nullable=False),
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("op", sa.String(length=16), nullable=False),
        sa.Column("origin", sa.String(length=128), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("mapping_version", sa.String(length=16), nullable=True),
        sa.Column("source_at", sa.String(length=32), nullable=True),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_journal")),
    )
    op.create_index(op.f("ix_journal_record_id"), "journal", ["record_id"], unique=False)
    op.create_index(op.f("ix_journal_run_id"), "journal", ["run_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("flow", sa.String(length=64), nullable=False),
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_at", sa.String(length=24), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("waits_for", sa.String(length=36), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("flow", "record_id", name=op.f("pk_outbox")),
    )
    op.create_index(
        op.f("ix_outbox_flow_state_due_at"), "outbox", ["flow", "state", "due_at"], unique=False
    )
    op.create_index(op.f("ix_outbox_waits_for"), "outbox", ["waits_for"], unique=False)
    op.create_table(
        "parked",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("flow", sa.String(length=64), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("record_id", sa.String(length=36), nullable=True),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("row_hash", sa.String(length=16), nullable=False),
        sa.Column("row", sa.Text(), nullable=True),
        sa.Column("problems", sa.Text(), nullable=False),
        sa.Column(
            "waits_source", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("waits_key", sa.String(length=255), nullable=True),
        sa.Column("mapping_version", sa.String(length=16), nullable=True),
        sa.Column("since", sa.String(length=24), nullable=False),
        sa.Column("last_at", sa.String(length=24), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("decided_by", sa.String(length=128), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parked")),
        comment="Rows that wait for a reference, and rows in quarantine.",
    )
    op.create_index(
        op.f("ix_parked_flow_state_external_id"),
        "parked",
        ["flow", "state", "external_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_parked_waits_source_waits_key"),
        "parked",
        ["waits_source", "waits_key"],
        unique=False,
    )
    op.create_table(
        "party",
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
        sa.Column("party_type", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("short_name", sa.Text(), nullable=True),
        sa.Column("legal_name", sa.Text(), nullable=True),
        sa.Column("mnemonic", sa.Text(), nullable=True),
        sa.Column("family_name", sa.Text(), nullable=True),
        sa.Column("given_name", sa.Text(), nullable=True),
        sa.Column("middle_name", sa.Text(), nullable=True),
        sa.Column("salutation", sa.Text(), nullable=True),
        sa.Column("name_order", sa.Text(), nullable=True),
        sa.Column("gender", sa.Text(), nullable=True),
        sa.Column("birth_date", sa.Text(), nullable=True),
        sa.Column("birth_calendar", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("mobile", sa.Text(), nullable=True),
        sa.Column("fax", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("website", sa.Text(), nullable=True),
        sa.Column("wechat", sa.Text(), nullable=True),
        sa.Column("address", types.JsonValue(), nullable=True),
        sa.Column("tax_id", sa.Text(), nullable=True),
        sa.Column("tax_id_scheme", sa.Text(), nullable=True),
        sa.Column("registration_number", sa.Text(), nullable=True),
        sa.Column("legal_form", sa.Text(), nullable=True),
        sa.Column("legal_representative", sa.Text(), nullable=True),
        sa.Column("registered_capital", types.DecimalText((20, 6)), nullable=True),
        sa.Column("founded_on", types.DateText(), nullable=True),
        sa.Column("employee_count", sa.BigInteger(), nullable=True),
        sa.Column("annual_revenue", types.DecimalText((20, 6)), nullable=True),
        sa.Column("size_class", sa.Text(), nullable=True),
        sa.Column("industry", sa.Text(), nullable=True),
        sa.Column("parent", sa.String(length=36), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("contact_points", types.JsonValue(), nullable=True),
        sa.Column("identifiers", types.JsonValue(), nullable=True),
        sa.Column("addresses", types.JsonValue(), nullable=True),
        sa.Column("bank_accounts", types.JsonValue(), nullable=True),
        sa.Column("contacts", types.JsonValue(), nullable=True),
        sa.Column("roles", types.JsonValue(), nullable=True),
        sa.Column("tags", types.JsonValue(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("customer_code", sa.Text(), nullable=True),
        sa.Column("customer_status", sa.Text(), nullable=True),
        sa.Column("customer_group", sa.Text(), nullable=True),
        sa.Column("customer_category", sa.Text(), nullable=True),
        sa.Column("customer_level", sa.Text(), nullable=True),
        sa.Column("customer_source", sa.Text(), nullable=True),
        sa.Column("customer_territory", sa.Text(), nullable=True),
        sa.Column("customer_channel", sa.Text(), nullable=True),
        sa.Column("customer_lifecycle_stage", sa.Text(), nullable=True),
        sa.Column("customer_owner", sa.Text(), nullable=True),
        sa.Column("customer_department", sa.Text(), nullable=True),
        sa.Column("customer_team", sa.Text(), nullable=True),
        sa.Column("customer_currency", sa.Text(), nullable=True),
        sa.Column("customer_price_list", sa.String(length=36), nullable=True),
        sa.Column("customer_payment_term", sa.String(length=36), nullable=True),
        sa.Column("customer_payment_method", sa.Text(), nullable=True),
        sa.Column("customer_discount_pct", types.DecimalText((9, 6)), nullable=True),
        sa.Column("customer_prices_include_tax", sa.Boolean(), nullable=True),
        sa.Column("customer_tax_category", sa.Text(), nullable=True),
        sa.Column("credit_limit", types.DecimalText((20, 6)), nullable=True),
        sa.Column("credit_days", sa.BigInteger(), nullable=True),
        sa.Column("credit_policy", sa.Text(), nullable=True),
        sa.Column("invoice_title", sa.Text(), nullable=True),
        sa.Column("invoice_tax_number", sa.Text(), nullable=True),
        sa.Column("invoice_address", sa.Text(), nullable=True),
        sa.Column("invoice_phone", sa.Text(), nullable=True),
        sa.Column("invoice_bank", sa.Text(), nullable=True),
        sa.Column("invoice_bank_account", sa.Text(), nullable=True),
        sa.Column("invoice_type", sa.Text(), nullable=True),
        sa.Column("customer_pool", sa.Text(), nullable=True),
        sa.Column("claimed_at", types.InstantText(), nullable=True),
        sa.Column("expected_return_at", types.InstantText(), nullable=True),
        sa.Column("last_followup_at", types.InstantText(), nullable=True),
        sa.Column("next_followup_at", types.InstantText(), nullable=True),
        sa.Column("deal_status", sa.Text(), nullable=True),
        sa.Column("first_order_at", types.InstantText(), nullable=True),
        sa.Column("last_order_at", types.InstantText(), nullable=True),
        sa.Column("supplier_code", sa.Text(), nullable=True),
        sa.Column("supplier_status", sa.Text(), nullable=True),
        sa.Column("supplier_group", sa.Text(), nullable=True),
        sa.Column("supplier_category", sa.Text(), nullable=True),
        sa.Column("supplier_grade", sa.Text(), nullable=True),
        sa.Column("supplier_territory", sa.Text(), nullable=True),
        sa.Column("supplier_owner", sa.Text(), nullable=True),
        sa.Column("supplier_department", sa.Text(), nullable=True),
        sa.Column("supplier_currency", sa.Text(), nullable=True),
        sa.Column("supplier_payment_term", sa.String(length=36), nullable=True),
        sa.Column("supplier_payment_method", sa.Text(), nullable=True),
        sa.Column("supplier_tax_category", sa.Text(), nullable=True),
        sa.Column("supplier_lead_time_days", sa.BigInteger(), nullable=True),
        sa.Column("supplier_min_order_amount", types.DecimalText((20, 6)), nullable=True),
        sa.Column("supplier_incoterm", sa.Text(), nullable=True),
        sa.Column("supplier_incoterm_place", sa.Text(), nullable=True),
        sa.Column("supplier_warehouse", sa.Text(), nullable=True),
        sa.Column("supplier_hold", sa.Text(), nullable=True),
        sa.Column("supplier_hold_until", types.DateText(), nullable=True),
        sa.Column("supplier_delivery_score", types.DecimalText((9, 6)), nullable=True),
        sa.Column("supplier_quality_score", types.DecimalText((9, 6)), nullable=True),
        sa.Column("contact_code", sa.Text(), nullable=True),
        sa.Column("contact_account", sa.String(length=36), nullable=True),
        sa.Column("contact_title", sa.Text(), nullable=True),
        sa.Column("contact_department", sa.Text(), nullable=True),
        sa.Column("contact_is_primary", sa.Boolean(), nullable=True),
        sa.Column("contact_decision_role", sa.Text(), nullable=True),
        sa.Column("contact_owner", sa.Text(), nullable=True),
        sa.Column("do_not_call", sa.Boolean(), nullable=True),
        sa.Column("do_not_email", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_party")),
    )
    op.create_index(
        "ix_party_contact_code_key",
        "party",
        [sa.literal_column("lower(contact_code)")],
        unique=False,
    )
    op.create_index(
        "ix_party_customer_code_key",
        "party",
        [sa.literal_column("lower(customer_code)")],
        unique=False,
    )
    op.create_index(
        "ix_party_email_key", "party", [sa.literal_column("lower(email)")], unique=False
    )
    op.create_index(
        "ix_party_mobile_key", "party", [sa.literal_column("lower(mobile)")], unique=False
    )
    op.create_index("ix_party_name_key", "party", [sa.literal_column("lower(name)")], unique=False)
    op.create_index(
        "ix_party_phone_key", "party", [sa.literal_column("lower(phone)")], unique=False
    )
    op.create_index(
        "ix_party_registration_number_key",
        "party",
        [sa.literal_column("lower(registration_number)")],
        unique=False,
    )
    op.create_index(
        "ix_party_supplier_code_key",
        "party",
        [sa.literal_column("lower(supplier_code)")],
        unique=False,
    )
    op.create_index(
        "ix_party_tax_id_key", "party", [sa.literal_column("lower(tax_id)")], unique=False
    )
    op.create_table(
        "payment_term",
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
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("parts", types.JsonValue(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_term")),
    )
    op.create_index(
        "ix_payment_term_code_key", "payment_term", [sa.literal_column("lower(code)")], unique=False
    )
    op.create_table(
        "price_list",
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
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("tax_included", sa.Boolean(), nullable=True),
        sa.Column("usage", sa.Text(), nullable=True),
        sa.Column("valid_from", types.DateText(), nullable=True),
        sa.Column("valid_to", types.DateText(), nullable=True),
        sa.Column("priority", sa.BigInteger(), nullable=True),
        sa.Column("parent", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_list")),
    )
    op.create_index(
        "ix_price_list_code_key", "price_list", [sa.literal_column("lower(code)")], unique=False
    )
    op.create_table(
        "price_list_rules",
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=True),
        sa.Column("applies_to", sa.Text(), nullable=True),
        sa.Column("product", sa.String(length=36), nullable=True),
        sa.Column("category", sa.String(length=36), nullable=True),
        sa.Column("sku", sa.Text(), nullable=True),
        sa.Column("unit", sa.String(length=36), nullable=True),
        sa.Column("min_qty", types.DecimalText((28, 10)), nullable=True),
        sa.Column("max_qty", types.DecimalText((28, 10)), nullable=True),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("value", types.DecimalText((30, 10)), nullable=True),
        sa.Column("base", sa.Text(), nullable=True),
        sa.Column("valid_from", types.DateText(), nullable=True),
        sa.Column("valid_to", types.DateText(), nullable=True),
        sa.Column("priority", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("record_id", "position", name=op.f("pk_price_list_rules")),
    )
    op.create_table(
        "product",
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
        sa.Column("sku", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("short_name", sa.Text(), nullable=True),
        sa.Column("specification", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("supply_type", sa.Text(), nullable=True),
        sa.Column("category", sa.String(length=36), nullable=True),
        sa.Column("brand", sa.Text(), nullable=True),
        sa.Column("product_line", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("unit", sa.String(length=36), nullable=True),
        sa.Column("sales_unit", sa.String(length=36), nullable=True),
        sa.Column("purchase_unit", sa.String(length=36), nullable=True),
        sa.Column("stock_unit", sa.String(length=36), nullable=True),
        sa.Column("packaging", sa.Text(), nullable=True),
        sa.Column("list_price", types.DecimalText((30, 10)), nullable=True),
        sa.Column("cost_price", types.DecimalText((30, 10)), nullable=True),
        sa.Column("min_price", types.DecimalText((30, 10)), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("max_discount_pct", types.DecimalText((9, 6)), nullable=True),
        sa.Column("tax_category", sa.Text(), nullable=True),
        sa.Column("tax_rate", types.DecimalText((9, 6)), nullable=True),
        sa.Column("tax_classification_code", sa.Text(), nullable=True),
        sa.Column("hs_code", sa.Text(), nullable=True),
        sa.Column("origin_country", sa.Text(), nullable=True),
        sa.Column("barcode", sa.Text(), nullable=True),
        sa.Column("weight", types.DecimalText((28, 10)), nullable=True),
        sa.Column("gross_weight", types.DecimalText((28, 10)), nullable=True),
        sa.Column("weight_unit", sa.Text(), nullable=True),
        sa.Column("volume", types.DecimalText((28, 10)), nullable=True),
        sa.Column("volume_unit", sa.Text(), nullable=True),
        sa.Column("sale_ok", sa.Boolean(), nullable=True),
        sa.Column("purchase_ok", sa.Boolean(), nullable=True),
        sa.Column("stockable", sa.Boolean(), nullable=True),
        sa.Column("tracking", sa.Text(), nullable=True),
        sa.Column("has_expiry", sa.Boolean(), nullable=True),
        sa.Column("shelf_life_days", sa.BigInteger(), nullable=True),
        sa.Column("valuation_method", sa.Text(), nullable=True),
        sa.Column("abc_class", sa.Text(), nullable=True),
        sa.Column("lead_time_days", sa.BigInteger(), nullable=True),
        sa.Column("moq", types.DecimalText((28, 10)), nullable=True),
        sa.Column("order_multiple", types.DecimalText((28, 10)), nullable=True),
        sa.Column("reorder_level", types.DecimalText((28, 10)), nullable=True),
        sa.Column("warranty_months", sa.BigInteger(), nullable=True),
        sa.Column("valid_from", types.DateText(), nullable=True),
        sa.Column("valid_to", types.DateText(), nullable=True),
        sa.Column("replaced_by", sa.String(length=36), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("attributes", types.JsonValue(), nullable=True),
        sa.Column("uoms", types.JsonValue(), nullable=True),
        sa.Column("suppliers", types.JsonValue(), nullable=True),
        sa.Column("tags", types.JsonValue(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
    )
    op.create_index(
        "ix_product_barcode_key", "product", [sa.literal_column("lower(barcode)")], unique=False
    )
    op.create_index(
        "ix_product_code_key", "product", [sa.literal_column("lower(code)")], unique=False
    )
    op.create_table(
        "product_category",
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
        sa.Column("parent", sa.String(length=36), nullable=True),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("tax_category", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_category")),
    )
    op.create_index(
        "ix_product_category_code_key",
        "product_category",
        [sa.literal_column("lower(code)")],
        unique=False,
    )
    op.create_table(
        "product_variants",
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("barcode", sa.Text(), nullable=True),
        sa.Column("attributes", types.JsonValue(), nullable=True),
        sa.Column("list_price", types.DecimalText((30, 10)), nullable=True),
        sa.Column("cost_price", types.DecimalText((30, 10)), nullable=True),
        sa.Column("weight", types.DecimalText((28, 10)), nullable=True),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=True),
        sa.Column("is_default", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("record_id", "position", name=op.f("pk_product_variants")),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("flow", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("full_read", sa.Boolean(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("trigger", sa.String(length=32), nullable=False),
        sa.Column("requested_at", sa.String(length=24), nullable=False),
        sa.Column("started_at", sa.String(length=24), nullable=True),
        sa.Column("finished_at", sa.String(length=24), nullable=True),
        sa.Column("mapping_version", sa.String(length=16), nullable=True),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index(op.f("ix_run_flow_state"), "run", ["flow", "state"], unique=False)
    op.create_table(
        "sales_order",
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
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("doc_type", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("approval", types.JsonValue(), nullable=True),
        sa.Column("doc_date", types.DateText(), nullable=True),
        sa.Column("customer_ref", sa.Text(), nullable=True),
        sa.Column("customer_ref_date", types.DateText(), nullable=True),
        sa.Column("customer", sa.String(length=36), nullable=True),
        sa.Column("contact", sa.String(length=36), nullable=True),
        sa.Column("bill_to", sa.String(length=36), nullable=True),
        sa.Column("ship_to", sa.String(length=36), nullable=True),
        sa.Column("payer", sa.String(length=36), nullable=True),
        sa.Column("end_customer", sa.String(length=36), nullable=True),
        sa.Column("partner", sa.String(length=36), nullable=True),
        sa.Column("party_snapshot", types.JsonValue(), nullable=True),
        sa.Column("billing_address", types.JsonValue(), nullable=True),
        sa.Column("shipping_address", types.JsonValue(), nullable=True),
        sa.Column("company", sa.Text(), nullable=True),
        sa.Column("department", sa.Text(), nullable=True),
        sa.Column("salesperson", sa.Text(), nullable=True),
        sa.Column("sales_team", sa.Text(), nullable=True),
        sa.Column("sales_channel", sa.Text(), nullable=True),
        sa.Column("territory", sa.Text(), nullable=True),
        sa.Column("division", sa.Text(), nullable=True),
        sa.Column("order_source", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("exchange_rate", types.DecimalText((20, 10)), nullable=True),
        sa.Column("rate_date", types.DateText(), nullable=True),
        sa.Column("rate_type", sa.Text(), nullable=True),
        sa.Column("price_list", sa.String(length=36), nullable=True),
        sa.Column("tax_included", sa.Boolean(), nullable=True),
        sa.Column("tax_rounding", sa.Text(), nullable=True),
        sa.Column("requested_on", types.DateText(), nullable=True),
        sa.Column("promised_on", types.DateText(), nullable=True),
        sa.Column("valid_until", types.DateText(), nullable=True),
        sa.Column("shipped_on", types.DateText(), nullable=True),
        sa.Column("payment_term", sa.String(length=36), nullable=True),
        sa.Column("payment_schedule", types.JsonValue(), nullable=True),
        sa.Column("payment_method", sa.Text(), nullable=True),
        sa.Column("incoterm", sa.Text(), nullable=True),
        sa.Column("incoterm_place", sa.Text(), nullable=True),
        sa.Column("shipping_method", sa.Text(), nullable=True),
        sa.Column("carrier", sa.String(length=36), nullable=True),
        sa.Column("warehouse", sa.Text(), nullable=True),
        sa.Column("complete_delivery_required", sa.Boolean(), nullable=True),
        sa.Column("blocks", types.JsonValue(), nullable=True),
        sa.Column("allowances_charges", types.JsonValue(), nullable=True),
        sa.Column("taxes", types.JsonValue(), nullable=True),
        sa.Column("lines_gross", types.DecimalText((20, 6)), nullable=True),
        sa.Column("line_discounts", types.DecimalText((20, 6)), nullable=True),
        sa.Column("subtotal", types.DecimalText((20, 6)), nullable=True),
        sa.Column("allowances_total", types.DecimalText((20, 6)), nullable=True),
        sa.Column("charges_total", types.DecimalText((20, 6)), nullable=True),
        sa.Column("untaxed_total", types.DecimalText((20, 6)), nullable=True),
        sa.Column("tax_total", types.DecimalText((20, 6)), nullable=True),
        sa.Column("rounding_adjustment", types.DecimalText((20, 6)), nullable=True),
        sa.Column("grand_total", types.DecimalText((20, 6)), nullable=True),
        sa.Column("prepaid", types.DecimalText((20, 6)), nullable=True),
        sa.Column("amount_due", types.DecimalText((20, 6)), nullable=True),
        sa.Column("grand_total_base", types.DecimalText((20, 6)), nullable=True),
        sa.Column("totals_mismatch", sa.Boolean(), nullable=True),
        sa.Column("confirmed_at", types.InstantText(), nullable=True),
        sa.Column("delivery_status", sa.Text(), nullable=True),
        sa.Column("billing_status", sa.Text(), nullable=True),
        sa.Column("payment_status", sa.Text(), nullable=True),
        sa.Column("delivered_pct", types.DecimalText((9, 6)), nullable=True),
        sa.Column("billed_pct", types.DecimalText((9, 6)), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("internal_note", sa.Text(), nullable=True),
        sa.Column("terms", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=True),
        sa.Column("original", sa.String(length=36), nullable=True),
        sa.Column("closed_reason", sa.Text(), nullable=True),
        sa.Column("cancelled_reason", sa.Text(), nullable=True),
        sa.Column("tags", types.JsonValue(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sales_order")),
    )
    op.create_index(
        "ix_sales_order_customer_key",
        "sales_order",
        [sa.literal_column("lower(customer)")],
        unique=False,
    )
    op.create_index(
        "ix_sales_order_number_key",
        "sales_order",
        [sa.literal_column("lower(number)")],
        unique=False,
    )
    op.create_table(
        "sales_order_lines",
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("line_no", sa.BigInteger(), nullable=True),
        sa.Column("parent_line_no", sa.BigInteger(), nullable=True),
        sa.Column("line_type", sa.Text(), nullable=True),
        sa.Column("product", sa.String(length=36), nullable=True),
        sa.Column("sku", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("specification", sa.Text(), nullable=True),
        sa.Column("customer_sku", sa.Text(), nullable=True),
        sa.Column("qty", types.DecimalText((28, 10)), nullable=True),
        sa.Column("unit", sa.String(length=36), nullable=True),
        sa.Column("base_qty", types.DecimalText((28, 10)), nullable=True),
        sa.Column("ratio_num", types.DecimalText((28, 10)), nullable=True),
        sa.Column("ratio_den", types.DecimalText((28, 10)), nullable=True),
        sa.Column("price_unit", sa.String(length=36), nullable=True),
        sa.Column("price_per_qty", types.DecimalText((28, 10)), nullable=True),
        sa.Column("list_price", types.DecimalText((30, 10)), nullable=True),
        sa.Column("unit_price", types.DecimalText((30, 10)), nullable=True),
        sa.Column("net_unit_price", types.DecimalText((30, 10)), nullable=True),
        sa.Column("tax_incl_unit_price", types.DecimalText((30, 10)), nullable=True),
        sa.Column("price_entry", sa.Text(), nullable=True),
        sa.Column("price_locked", sa.Boolean(), nullable=True),
        sa.Column("discounts", types.JsonValue(), nullable=True),
        sa.Column("charges", types.JsonValue(), nullable=True),
        sa.Column("taxes", types.JsonValue(), nullable=True),
        sa.Column("gross_amount", types.DecimalText((20, 6)), nullable=True),
        sa.Column("discount_amount", types.DecimalText((20, 6)), nullable=True),
        sa.Column("net_amount", types.DecimalText((20, 6)), nullable=True),
        sa.Column("tax_amount", types.DecimalText((20, 6)), nullable=True),
        sa.Column("total_amount", types.DecimalText((20, 6)), nullable=True),
        sa.Column("warehouse", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("lot", sa.Text(), nullable=True),
        sa.Column("serials", types.JsonValue(), nullable=True),
        sa.Column("requested_on", types.DateText(), nullable=True),
        sa.Column("promised_on", types.DateText(), nullable=True),
        sa.Column("schedule_lines", types.JsonValue(), nullable=True),
        sa.Column("cost_price", types.DecimalText((30, 10)), nullable=True),
        sa.Column("cost_amount", types.DecimalText((20, 6)), nullable=True),
        sa.Column("reserved_qty", types.DecimalText((28, 10)), nullable=True),
        sa.Column("shipped_qty", types.DecimalText((28, 10)), nullable=True),
        sa.Column("delivered_qty", types.DecimalText((28, 10)), nullable=True),
        sa.Column("returned_qty", types.DecimalText((28, 10)), nullable=True),
        sa.Column("invoiced_qty", types.DecimalText((28, 10)), nullable=True),
        sa.Column("cancelled_qty", types.DecimalText((28, 10)), nullable=True),
        sa.Column("line_status", sa.Text(), nullable=True),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("commission_eligible", sa.Boolean(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("record_id", "position", name=op.f("pk_sales_order_lines")),
    )
    op.create_table(
        "seen",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("link_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "link_id", name=op.f("pk_seen")),
        comment="Links met by a full read that is under way: what is not in here when it ends is gone.",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "source",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("connection", sa.String(length=64), nullable=False),
        sa.Column("stream", sa.String(length=255), nullable=False),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.String(length=24), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source")),
        sa.UniqueConstraint("connection", "stream", name=op.f("uq_source_connection_stream")),
        comment="One stream of one connection; its lease lets one worker at a time read and write it.",
    )
    op.create_table(
        "tax_code",
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
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("rate", types.DecimalText((9, 6)), nullable=True),
        sa.Column("included_in_price", sa.Boolean(), nullable=True),
        sa.Column("valid_from", types.DateText(), nullable=True),
        sa.Column("valid_to", types.DateText(), nullable=True),
        sa.Column("exemption_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_code")),
    )
    op.create_index(
        "ix_tax_code_code_key", "tax_code", [sa.literal_column("lower(code)")], unique=False
    )
    op.create_table(
        "uom",
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
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column("dimension", sa.Text(), nullable=True),
        sa.Column("ratio_num", types.DecimalText((28, 10)), nullable=True),
        sa.Column("ratio_den", types.DecimalText((28, 10)), nullable=True),
        sa.Column("is_reference", sa.Boolean(), nullable=True),
        sa.Column("rounding", types.DecimalText((28, 10)), nullable=True),
        sa.Column("digits", sa.BigInteger(), nullable=True),
        sa.Column("integer_only", sa.Boolean(), nullable=True),
        sa.Column("unece_code", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uom")),
    )
    op.create_index("ix_uom_code_key", "uom", [sa.literal_column("lower(code)")], unique=False)
    op.create_index(
        "ix_uom_unece_code_key", "uom", [sa.literal_column("lower(unece_code)")], unique=False
    )
    op.create_table(
        "link",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column(
            "source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("part", sa.String(length=64), nullable=False),
        sa.Column("entity", sa.String(length=64), nullable=False),
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("row_hash", sa.String(length=16), nullable=True),
        sa.Column("mapping_version", sa.String(length=16), nullable=True),
        sa.Column("external_version", sa.String(length=255), nullable=True),
        sa.Column("external_modified_at", sa.String(length=32), nullable=True),
        sa.Column("last_in_at", sa.String(length=24), nullable=True),
        sa.Column("last_out_at", sa.String(length=24), nullable=True),
        sa.Column("shadow", sa.Text(), nullable=True),
        sa.Column("sent", sa.Text(), nullable=True),
        sa.Column("row", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_link_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link")),
        sa.UniqueConstraint(
            "source_id", "external_id", "part", name=op.f("uq_link_source_id_external_id_part")
        ),
        sa.UniqueConstraint(
            "source_id", "record_id", "part", name=op.f("uq_link_source_id_record_id_part")
        ),
    )
    op.create_index(op.f("ix_link_record_id"), "link", ["record_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_link_record_id"), table_name="link")
    op.drop_table("link")
    op.drop_index("ix_uom_unece_code_key", table_name="uom")
    op.drop_index("ix_uom_code_key", table_name="uom")
    op.drop_table("uom")
    op.drop_index("ix_tax_code_code_key", table_name="tax_code")
    op.drop_table("tax_code")
    op.drop_table("source")
    op.drop_table("seen")
    op.drop_table("sales_order_lines")
    op.drop_index("ix_sales_order_number_key", table_name="sales_order")
    op.drop_index("ix_sales_order_customer_key", table_name="sales_order")
    op.drop_table("sales_order")
    op.drop_index(op.f("ix_run_flow_state"), table_name="run")
    op.drop_table("run")
    op.drop_table("product_variants")
    op.drop_index("ix_product_category_code_key", table_name="product_category")
    op.drop_table("product_category")
    op.drop_index("ix_product_code_key", table_name="product")
    op.drop_index("ix_product_barcode_key", table_name="product")
    op.drop_table("product")
    op.drop_table("price_list_rules")
    op.drop_index("ix_price_list_code_key", table_name="price_list")
    op.drop_table("price_list")
    op.drop_index("ix_payment_term_code_key", table_name="payment_term")
    op.drop_table("payment_term")
    op.drop_index("ix_party_tax_id_key", table_name="party")
    op.drop_index("ix_party_supplier_code_key", table_name="party")
    op.drop_index("ix_party_registration_number_key", table_name="party")
    op.drop_index("ix_party_phone_key", table_name="party")
    op.drop_index("ix_party_name_key", table_name="party")
    op.drop_index("ix_party_mobile_key", table_name="party")
    op.drop_index("ix_party_email_key", table_name="party")
    op.drop_index("ix_party_customer_code_key", table_name="party")
    op.drop_index("ix_party_contact_code_key", table_name="party")
    op.drop_table("party")
    op.drop_index(op.f("ix_parked_waits_source_waits_key"), table_name="parked")
    op.drop_index(op.f("ix_parked_flow_state_external_id"), table_name="parked")
    op.drop_table("parked")
    op.drop_index(op.f("ix_outbox_waits_for"), table_name="outbox")
    op.drop_index(op.f("ix_outbox_flow_state_due_at"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(op.f("ix_journal_run_id"), table_name="journal")
    op.drop_index(op.f("ix_journal_record_id"), table_name="journal")
    op.drop_table("journal")
    op.drop_index(
        "uq_intent_open",
        table_name="intent",
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.drop_index(op.f("ix_intent_record_id"), table_name="intent")
    op.drop_table("intent")
    op.drop_table("flow_state")
    op.drop_table("connection_state")
    op.drop_index(op.f("ix_conflict_state_record_id"), table_name="conflict")
    op.drop_table("conflict")
