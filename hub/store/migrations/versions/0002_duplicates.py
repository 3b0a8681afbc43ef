"""Match candidates, merges, and what records are compared by."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.String(length=36)
MOMENT = sa.String(length=24)
NAME = sa.String(length=64)


def upgrade() -> None:
    _links_of_merged_records()
    op.create_table(
        "match_key",
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("record_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("key", "record_id", name=op.f("pk_match_key")),
        sqlite_with_rowid=False,
        comment="Blocking keys of the records: those that share one are compared.",
    )
    op.create_index(op.f("ix_match_key_record_id"), "match_key", ["record_id"])
    op.create_table(
        "match_feature",
        sa.Column("record_id", ID, nullable=False),
        sa.Column("entity", NAME, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("keys", sa.Text(), nullable=False),
        sa.Column("features", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_match_feature")),
        comment="What records are compared by, in normal form, as JSON.",
    )
    op.create_index(op.f("ix_match_feature_entity"), "match_feature", ["entity"])
    op.create_table(
        "match_state",
        sa.Column("entity", NAME, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("weights", sa.Text(), nullable=True),
        sa.Column("trained_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("entity", name=op.f("pk_match_state")),
        comment="How far in the journal the blocking keys are, and the learnt weights.",
    )
    op.create_table(
        "match_candidate",
        sa.Column("id", ID, nullable=False),
        sa.Column("entity", NAME, nullable=False),
        sa.Column("left_id", ID, nullable=False),
        sa.Column("right_id", ID, nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("run_id", ID, nullable=True),
        sa.Column("decided_by", sa.String(length=128), nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_match_candidate")),
        sa.UniqueConstraint(
            "left_id", "right_id", name=op.f("uq_match_candidate_left_id_right_id")
        ),
        comment="Pairs that may be one thing: open, merged, distinct or later.",
    )
    op.create_index(op.f("ix_match_candidate_right_id"), "match_candidate", ["right_id"])
    op.create_index(op.f("ix_match_candidate_state_score"), "match_candidate", ["state", "score"])
    op.create_table(
        "match_verdict",
        sa.Column("candidate_id", ID, nullable=False),
        sa.Column("side", sa.String(length=8), nullable=False),
        sa.Column("source_id", BIG, nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint(
            "candidate_id", "side", "source_id", "external_id", name=op.f("pk_match_verdict")
        ),
        comment="The rows of two things that a person called distinct: they outlive the records.",
    )
    op.create_index(
        op.f("ix_match_verdict_source_id_external_id"),
        "match_verdict",
        ["source_id", "external_id"],
    )
    op.create_table(
        "record_merge",
        sa.Column("id", ID, nullable=False),
        sa.Column("entity", NAME, nullable=False),
        sa.Column("survivor_id", ID, nullable=False),
        sa.Column("loser_id", ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("kept", sa.Text(), nullable=False),
        sa.Column("undone_at", MOMENT, nullable=True),
        sa.Column("undone_by", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_merge")),
        comment="Merges of two records, with all that is needed to split them again.",
    )
    op.create_index(op.f("ix_record_merge_survivor_id"), "record_merge", ["survivor_id"])
    op.create_index(op.f("ix_record_merge_loser_id"), "record_merge", ["loser_id"])


def _links_of_merged_records() -> None:
    """One live row per record and source, and any number of those that were merged into it."""
    with op.batch_alter_table("link") as batch:
        batch.drop_constraint(op.f("uq_link_source_id_record_id_part"), type_="unique")
    op.create_index(
        "uq_link_record",
        "link",
        ["source_id", "record_id", "part"],
        unique=True,
        sqlite_where=sa.text("state <> 'merged'"),
        postgresql_where=sa.text("state <> 'merged'"),
    )
