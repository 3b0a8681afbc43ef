"""What a seed draws: systems with their abilities and habits, users, faults, crashes and workers."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hub.connector import Capabilities
from hub.settings import Brake, Deletes

RATES = (0.0, 0.0, 0.02, 0.1, 0.3)
"""How often a kind of fault strikes; each seed draws one rate for each kind (swarm testing)."""
FAULTS = (
    "unavailable",  # before the system did anything
    "lost",  # it acted, and the answer never came
    "late",  # the caller gave up, and it acts afterwards
    "rate",  # 429
    "protocol",  # an HTML page
    "rejected",  # refused for its content, for now
    "partial",  # a batch breaks off in the middle
    "missing",  # a batch answer lacks some of its results
    "hollow",  # a reading ends early, without an error
)
TEXTS = ("name", "note", "city", "short")
LEASE = timedelta(seconds=7)

Habit = Callable[[Any], Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class SystemPlan:
    """One simulated system and the flows between it and the hub.

    `habits`: what it does to a column's value.  `policies`: mapping options by column, as YAML.
    """

    name: str
    capabilities: Capabilities
    habits: Mapping[str, str]
    policies: Mapping[str, str]
    echo: bool
    tick: timedelta
    ahead: timedelta
    lag: timedelta
    counts_rows: bool
    tells_version: bool
    overlap: timedelta = timedelta(minutes=2)
    direction: str = "both"
    deletes: Deletes = field(default_factory=Deletes)
    brake: Brake = field(default_factory=Brake)
    full: bool = False

    def normalise(self, row: Row) -> Row:
        """The row as the system stores it."""
        return {k: HABITS[self.habits[k]](v) if k in self.habits else v for k, v in row.items()}


@dataclass(frozen=True)
class Scenario:
    seed: int
    systems: tuple[SystemPlan, ...]
    faults: Mapping[str, float]
    workers: int
    crash: float
    crashes: int
    pauses: int
    edits: int
    span: timedelta
    orders: bool
    deletes: float
    late_commits: bool
    every: int
    """Seconds between two runs of a flow."""


def draw(seed: int) -> Scenario:
    rng = random.Random(seed)
    count = rng.choice((2, 2, 2, 2, 2, 2, 2, 3, 3, 4))
    orders = count == 2 and rng.random() < 0.3
    names = ("erp", "crm", "shop", "mail")[:count]
    plain = rng.random() < 0.5  # every clock is right, and the later write wins
    systems = tuple(_system(rng, name, names, plain=plain) for name in names)
    overlaps = random.Random(~seed)
    systems = tuple(
        replace(plan, overlap=timedelta(seconds=overlaps.choice((8, 120)))) for plan in systems
    )
    faults = {kind: rng.choice(RATES) for kind in FAULTS}
    if rng.random() < 0.15:
        faults = dict.fromkeys(FAULTS, 0.0)
    return Scenario(
        seed,
        systems,
        faults,
        workers=rng.choice((1, 1, 1, 2, 2, 3)),
        crash=rng.choice((0.0, 0.0, 0.02, 0.08)),
        crashes=rng.choice((1, 2, 4)),
        pauses=rng.choice((0, 0, 1, 2)),
        edits=rng.choice((1, 2, 3, 4, 6)),
        span=timedelta(seconds=rng.choice((20, 40, 60))),
        orders=orders,
        deletes=rng.choice((0.0, 0.0, 0.15)),
        late_commits=not plain and rng.random() < 0.5,
        every=rng.choice((20, 30)),
    )


def _system(rng: random.Random, name: str, names: tuple[str, ...], *, plain: bool) -> SystemPlan:
    lag = timedelta(seconds=rng.choice((0, 0, 5, 20)))
    can = Capabilities(
        read_page=rng.choice((1, 2, 3, 50)),
        write_batch=rng.choice((1, 2, 10)),
        deletes=True,
        patches=rng.random() < 0.7,
        conditional_writes=rng.random() < 0.5,
        idempotent_writes=rng.random() < 0.4,
        fetch_by_columns=rng.random() < 0.85,
        settle=lag * 2,
    )
    return SystemPlan(
        name,
        can,
        _habits(rng),
        {} if plain else _policies(rng, names),
        echo=rng.random() < 0.6,
        tick=timedelta(seconds=0 if plain else rng.choice((0, 1, 2))),
        ahead=timedelta(seconds=0 if plain else rng.choice((0, -20, 20))),
        lag=lag,
        counts_rows=rng.random() < 0.3,
        tells_version=rng.random() < 0.7,
        deletes=Deletes(rng.choice(("archive", "archive", "ignore", "ask", "detach", "delete"))),
        full=rng.random() < 0.3,
    )


def _habits(rng: random.Random) -> dict[str, str]:
    found = {}
    for column in TEXTS:
        if rng.random() < 0.3:
            found[column] = rng.choice(("trim", "upper", "lower", "cut"))
    if rng.random() < 0.3:
        found["short"] = "default"
    if rng.random() < 0.4:
        found["credit"] = rng.choice(("whole", "cents"))
    return found


def _policies(rng: random.Random, names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for column in ("name", "note", "city", "credit"):
        if rng.random() < 0.2:
            policy = rng.choice(("hub", "remote", "review", "fill", "owner"))
            found[column] = (
                f"owner: {rng.choice(names)}" if policy == "owner" else f"policy: {policy}"
            )
    return found


# ---------------------------------------------------------------------------------------- habits


def _round(places: str) -> Habit:
    def habit(value: Any) -> Any:
        return value if value is None else Decimal(value).quantize(Decimal(places))

    return habit


def _on_text(change: Callable[[str], str]) -> Habit:
    return lambda value: change(value) if isinstance(value, str) else value


HABITS: Mapping[str, Habit] = {
    "trim": _on_text(str.strip),
    "upper": _on_text(str.upper),
    "lower": _on_text(str.lower),
    "cut": _on_text(lambda text: text[:9]),
    "default": lambda value: value or "none",
    "whole": _round("1"),
    "cents": _round("0.01"),
}


# -------------------------------------------------------------------------------------- mappings

CUSTOMER = """
entity: customer
stream: customers
key: id
modified: modified
match: [[code]]
rows:
- {{field: code, from: code}}
- {{field: name, from: name{name}}}
- {{field: note, from: note{note}}}
- {{field: short_name, from: short}}
- {{field: address.city, from: city{city}}}
- {{field: credit_limit, from: credit{credit}}}
- {{field: tags, from: tags, list: set}}
"""
PRODUCT = """
entity: product
stream: products
key: id
modified: modified
match: [[code]]
rows:
- {field: code, from: code}
- {field: name, from: name}
"""
ORDER = """
entity: sales_order
stream: orders
key: id
modified: modified
match: [[number]]
rows:
- {field: number, from: code}
- {field: customer, from: customer, ref: customer}
- {field: currency, const: EUR}
- {field: doc_date, from: day}
- {field: customer_ref, from: mark}
- {field: untaxed_total, from: total}
- field: lines
  from: lines
  list: {key: line_no}
  rows:
  - {field: line_no, from: no}
  - {field: product, from: product, ref: product}
  - {field: qty, from: qty}
  - {field: net_amount, from: amount}
"""
COLUMN_OF = {
    "name": "name",
    "note": "note",
    "short_name": "short",
    "address": "city",
    "credit_limit": "credit",
    "tags": "tags",
}
"""Canonical field → column of a simulated customer."""


def customer_mapping(plan: SystemPlan) -> str:
    options = {name: "" for name in ("name", "note", "city", "credit")}
    options.update({name: f", {option}" for name, option in plan.policies.items()})
    return CUSTOMER.format(**options)
