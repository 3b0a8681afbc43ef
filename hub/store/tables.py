"""The tables: one per stored entity, and what the engine keeps beside them.

Times of the engine are fixed-width text in UTC ("2026-01-31T09:30:00.125Z"), so that they sort as
text on every database.  `row`, `shadow`, `sent` and `changes` are JSON text: they are compared and
folded in Python, never queried.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.types import TypeEngine

from hub.entity import Entity, Field
from hub.store.types import DateText, DecimalText, InstantText, JsonValue

CORE = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)
BIG = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers rows only in INTEGER keys
ID = String(36)
MOMENT = String(24)
NAME = String(64)


def stamp(moment: datetime) -> str:
    """The instant as the engine's tables keep it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


source = Table(
    "source",
    CORE,
    Column("id", BIG, Identity(), primary_key=True),
    Column("connection", NAME, nullable=False),
    Column("stream", String(255), nullable=False),
    Column("lease_owner", String(128)),
    Column("lease_until", MOMENT),
    Column("fence", BigInteger, nullable=False, default=0),
    UniqueConstraint("connection", "stream"),
    comment="One stream of one connection; its lease lets one worker at a time read and write it.",
)

link = Table(
    "link",
    CORE,
    Column("id", BIG, Identity(), primary_key=True),
    Column("source_id", BIG, ForeignKey("source.id"), nullable=False),
    Column("external_id", String(255), nullable=False),
    Column("part", NAME, nullable=False, default=""),
    Column("entity", NAME, nullable=False),
    Column("record_id", ID, nullable=False),
    Column("state", String(16), nullable=False, default="active"),
    Column("row_hash", String(16)),
    Column("mapping_version", String(16)),
    Column("external_version", String(255)),
    Column("external_modified_at", String(32)),
    Column("last_in_at", MOMENT),
    Column("last_out_at", MOMENT),
    Column("shadow", Text),
    Column("sent", Text),
    Column("row", Text),
    UniqueConstraint("source_id", "external_id", "part"),
    # A source may have had a thing twice: the row of the record that was merged away points here too.
    Index(
        "uq_link_record",
        "source_id",
        "record_id",
        "part",
        unique=True,
        sqlite_where=text("state <> 'merged'"),
        postgresql_where=text("state <> 'merged'"),
    ),
    Index(
        "ix_link_held_differently",
        "source_id",
        sqlite_where=text("sent IS NOT NULL"),
        postgresql_where=text("sent IS NOT NULL"),
    ),
    Index(None, "record_id"),
)

journal = Table(
    "journal",
    CORE,
    Column("seq", BIG, Identity(), primary_key=True),
    Column("at", MOMENT, nullable=False),
    Column("entity", NAME, nullable=False),
    Column("record_id", ID, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("op", String(16), nullable=False),
    Column("origin", String(128), nullable=False),
    Column("run_id", ID),
    Column("source_id", BIG),
    Column("external_id", String(255)),
    Column("mapping_version", String(16)),
    Column("source_at", String(32)),
    Column("changes", Text, nullable=False),
    Column("reason", String(128)),
    Index(None, "record_id"),
    Index(None, "run_id"),
)

outbox = Table(
    "outbox",
    CORE,
    Column("flow", NAME, nullable=False),
    Column("record_id", ID, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state", String(16), nullable=False, default="due"),
    Column("due_at", MOMENT, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("waits_for", ID),
    Column("error", Text),
    PrimaryKeyConstraint("flow", "record_id"),
    Index(None, "flow", "state", "due_at"),
    Index(None, "waits_for"),
)

intent = Table(
    "intent",
    CORE,
    Column("id", ID, primary_key=True),
    Column("flow", NAME, nullable=False),
    Column("source_id", BIG, nullable=False),
    Column("record_id", ID, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("op", String(8), nullable=False),
    Column("external_id", String(255), nullable=False, default=""),
    Column("sent", Text, nullable=False),
    Column("at", MOMENT, nullable=False),
    Column("state", String(16), nullable=False, default="open"),
    Column("settled_at", MOMENT),
    Column("run_id", ID),
    Index(
        "uq_intent_open",
        "source_id",
        "record_id",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index(None, "record_id"),
)

parked = Table(
    "parked",
    CORE,
    Column("id", ID, primary_key=True),
    Column("flow", NAME, nullable=False),
    Column("direction", String(3), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False, default="open"),
    Column("external_id", String(255), nullable=False, default=""),
    Column("record_id", ID),
    Column("place", Text, nullable=False, default=""),
    Column("row_hash", String(16), nullable=False, default=""),
    Column("row", Text),
    Column("problems", Text, nullable=False),
    Column("waits_source", BIG),
    Column("waits_key", String(255)),
    Column("mapping_version", String(16)),
    Column("since", MOMENT, nullable=False),
    Column("last_at", MOMENT, nullable=False),
    Column("run_id", ID),
    Column("decided_by", String(128)),
    Column("reason", Text),
    Index(None, "flow", "state", "external_id"),
    Index(None, "waits_source", "waits_key"),
    comment="Rows that wait for a reference, and rows in quarantine.",
)

conflict = Table(
    "conflict",
    CORE,
    Column("id", ID, primary_key=True),
    Column("entity", NAME, nullable=False),
    Column("record_id", ID, nullable=False),
    Column("field", String(128), nullable=False),
    Column("flow", NAME, nullable=False),
    Column("source_id", BIG, nullable=False),
    Column("external_id", String(255), nullable=False),
    Column("kind", String(16), nullable=False, default="edit"),
    Column("base", Text),
    Column("ours", Text),
    Column("theirs", Text),
    Column("at", MOMENT, nullable=False),
    Column("run_id", ID),
    Column("state", String(16), nullable=False, default="open"),
    Column("choice", String(16)),
    Column("decided_by", String(128)),
    Column("decided_at", MOMENT),
    Index(None, "state", "record_id"),
)

run = Table(
    "run",
    CORE,
    Column("id", ID, primary_key=True),
    Column("flow", NAME, nullable=False),
    Column("state", String(16), nullable=False),
    Column("phase", String(16), nullable=False, default="pull"),
    Column("full_read", Boolean, nullable=False, default=False),
    Column("complete", Boolean, nullable=False, default=False),
    Column("generation", BigInteger, nullable=False, default=0),
    Column("cursor", Text),
    Column("trigger", String(32), nullable=False),
    Column("requested_at", MOMENT, nullable=False),
    Column("started_at", MOMENT),
    Column("finished_at", MOMENT),
    Column("mapping_version", String(16)),
    Column("counts", Text, nullable=False, default="{}"),
    Column("error", Text),
    Index(None, "flow", "state"),
)

flow_state = Table(
    "flow_state",
    CORE,
    Column("flow", NAME, primary_key=True),
    Column("source_id", BIG, nullable=False),
    Column("cursor", Text),
    Column("state", String(16), nullable=False, default="active"),
    Column("mode", String(16)),
    Column("paused", Text),
    Column("identity", String(16)),
    Column("mapping_version", String(16)),
    Column("last_rows", BigInteger, nullable=False, default=0),
    Column("next_at", MOMENT),
    Column("next_full_at", MOMENT),
    Column("attempts", Integer, nullable=False, default=0),
    Column("retry_at", MOMENT),
)

connection_state = Table(
    "connection_state",
    CORE,
    Column("connection", NAME, primary_key=True),
    Column("tokens", Float, nullable=False, default=0.0),
    Column("tokens_at", MOMENT),
    Column("failures", Integer, nullable=False, default=0),
    Column("open_until", MOMENT),
)

seen = Table(
    "seen",
    CORE,
    Column("run_id", ID, nullable=False),
    Column("link_id", BIG, nullable=False),
    PrimaryKeyConstraint("run_id", "link_id"),
    sqlite_with_rowid=False,
    comment="Links met by a full read that is under way: what is not in here when it ends is gone.",
)


match_key = Table(
    "match_key",
    CORE,
    Column("key", BigInteger, nullable=False),
    Column("record_id", ID, nullable=False),
    PrimaryKeyConstraint("key", "record_id"),
    Index(None, "record_id"),
    sqlite_with_rowid=False,
    comment="Blocking keys of the records: those that share one are compared.",
)

match_feature = Table(
    "match_feature",
    CORE,
    Column("record_id", ID, primary_key=True),
    Column("entity", NAME, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("keys", Text, nullable=False),
    Column("features", Text, nullable=False),
    Index(None, "entity"),
    comment="What records are compared by, in normal form, as JSON.",
)

match_state = Table(
    "match_state",
    CORE,
    Column("entity", NAME, primary_key=True),
    Column("seq", BigInteger, nullable=False, default=0),
    Column("weights", Text),
    Column("trained_at", MOMENT),
    comment="How far in the journal the blocking keys are, and the learnt weights.",
)

match_candidate = Table(
    "match_candidate",
    CORE,
    Column("id", ID, primary_key=True),
    Column("entity", NAME, nullable=False),
    Column("left_id", ID, nullable=False),
    Column("right_id", ID, nullable=False),
    Column("score", Float, nullable=False),
    Column("explanation", Text, nullable=False),
    Column("state", String(16), nullable=False, default="open"),
    Column("at", MOMENT, nullable=False),
    Column("run_id", ID),
    Column("decided_by", String(128)),
    Column("decided_at", MOMENT),
    UniqueConstraint("left_id", "right_id"),
    Index(None, "right_id"),
    Index(None, "state", "score"),
    comment="Pairs that may be one thing: open, merged, distinct or later.",
)

match_verdict = Table(
    "match_verdict",
    CORE,
    Column("candidate_id", ID, nullable=False),
    Column("side", String(8), nullable=False),
    Column("source_id", BIG, nullable=False),
    Column("external_id", String(255), nullable=False),
    PrimaryKeyConstraint("candidate_id", "side", "source_id", "external_id"),
    Index(None, "source_id", "external_id"),
    comment="The rows of two things that a person called distinct: they outlive the records.",
)

record_merge = Table(
    "record_merge",
    CORE,
    Column("id", ID, primary_key=True),
    Column("entity", NAME, nullable=False),
    Column("survivor_id", ID, nullable=False),
    Column("loser_id", ID, nullable=False),
    Column("state", String(16), nullable=False, default="merged"),
    Column("at", MOMENT, nullable=False),
    Column("by", String(128), nullable=False),
    Column("kept", Text, nullable=False),
    Column("undone_at", MOMENT),
    Column("undone_by", String(128)),
    Index(None, "survivor_id"),
    Index(None, "loser_id"),
    comment="Merges of two records, with all that is needed to split them again.",
)

module_job = Table(
    "module_job",
    CORE,
    Column("name", String(128), primary_key=True),
    Column("next_at", MOMENT, nullable=False),
    Column("lease_until", MOMENT),
    Column("last_at", MOMENT),
    Column("attempts", Integer, nullable=False, default=0),
    Column("error", Text),
    comment="When each scheduled job of a module is due, and how it went.",
)


plan = Table(
    "plan",
    CORE,
    Column("id", ID, primary_key=True),
    Column("at", MOMENT, nullable=False),
    Column("by", String(128), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("flows", Text, nullable=False),
    Column("full_read", Boolean, nullable=False, default=False),
    Column("mappings", Text, nullable=False),
    Column("counts", Text, nullable=False, default="{}"),
    Column("errors", Text, nullable=False, default="[]"),
    Column("exceeded", Text, nullable=False, default="[]"),
    Column("runs", Text, nullable=False, default="{}"),
    Column("finished_at", MOMENT),
    Column("applied_at", MOMENT),
    Index(None, "at"),
    comment="What runs would do; `mappings`: the version each flow had; `runs`: those that apply it.",
)

plan_step = Table(
    "plan_step",
    CORE,
    Column("plan_id", ID, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("flow", NAME, nullable=False),
    Column("connection", NAME, nullable=False),
    Column("direction", String(3), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("entity", NAME, nullable=False),
    Column("record_id", ID),
    Column("external_id", String(255), nullable=False, default=""),
    Column("title", Text, nullable=False, default=""),
    Column("fields", Text, nullable=False, default=""),
    Column("changes", Text, nullable=False, default="{}"),
    Column("reasons", Text, nullable=False, default="[]"),
    Column("base_version", BigInteger),
    Column("base_row", String(16)),
    Column("bucket", String(16)),
    Column("other_id", String(255)),
    Column("state", String(16), nullable=False, default="planned"),
    Column("why", Text),
    PrimaryKeyConstraint("plan_id", "seq"),
    Index(None, "plan_id", "state"),
    comment="One effect on one record; base: the record's version and the row's hash it rests on.",
)


def envelope() -> list[Column[Any]]:
    """The columns every record has."""
    return [
        Column("id", ID, primary_key=True),
        Column("version", BigInteger, nullable=False),
        Column("active", Boolean, nullable=False, default=True),
        Column("ext", JsonValue()),
        Column("created_at", MOMENT, nullable=False),
        Column("created_by", String(128), nullable=False),
        Column("updated_at", MOMENT, nullable=False),
        Column("updated_by", String(128), nullable=False),
        Column("deleted_at", MOMENT),
        Column("deletion_reason", String(16)),
        Column("merged_into", ID),
    ]


def column_type(field: Field) -> TypeEngine[Any]:
    match field.kind:
        case "decimal":
            return DecimalText(field.precision or (38, 10))
        case "integer":
            return BigInteger()
        case "boolean":
            return Boolean()
        case "date":
            return DateText()
        case "datetime":
            return InstantText()
        case "object" | "list" | "set":
            return JsonValue()
        case "ref":
            return ID
        case _:
            return Text()


def build(entities: Iterable[Entity], metadata: MetaData) -> dict[str, Table]:
    """The tables of the stored entities, by name; a list with `rows` gets `<entity>_<list>` beside."""
    tables: dict[str, Table] = {}
    entities = list(entities)
    for entity in entities:
        if entity.view_of:
            continue
        columns = [
            Column(f.name, column_type(f)) for f in entity.fields if not (f.rows or f.custom)
        ]
        tables[entity.name] = Table(entity.name, metadata, *envelope(), *columns)
        for field in entity.fields:
            if field.rows:
                name = f"{entity.name}_{field.name}"
                tables[name] = _child(name, field, entity.name, metadata)
    for entity in entities:
        _index(entity, tables[entity.stored])
    return tables


def _child(name: str, field: Field, parent: str, metadata: MetaData) -> Table:
    return Table(
        name,
        metadata,
        Column("record_id", ID, nullable=False),
        Column("position", Integer, nullable=False),
        *[Column(f.name, column_type(f)) for f in field.fields],
        PrimaryKeyConstraint("record_id", "position"),
    )


def _index(entity: Entity, table: Table) -> None:
    wanted = [rule[0] for rule in entity.match] + [entity.code]
    existing = {str(index.name) for index in table.indexes}
    if entity.role and f"ix_{table.name}_deleted_at_roles" not in existing:  # counted by role
        Index(f"ix_{table.name}_deleted_at_roles", table.c.deleted_at, table.c.roles)
    for name in wanted:
        if name not in entity.field:
            continue
        column = table.c[entity.column(name)]
        index = f"ix_{table.name}_{column.name}_key"
        if index not in existing:
            Index(index, func.lower(column))
            existing.add(index)
