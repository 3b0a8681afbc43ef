"""The verdict: every invariant, checked exactly, over every table and every system."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hub.store import records
from hub.store.records import Record
from hub.store.types import load
from hub.sync.flow import Counts, Flow
from hub.sync.rows import encode, fingerprint
from hub.testing.simulation import model
from hub.testing.simulation.scenario import COLUMN_OF, SystemPlan

if TYPE_CHECKING:
    from hub.testing.simulation.run import Simulation

Rows = list[dict[str, Any]]


def check_reads(sim: "Simulation") -> None:
    """I6: after a read by cursor alone, the hub has every row as it stands."""
    sim.outcome.violations += _unread(sim)


def check(sim: "Simulation") -> None:
    """Everything that must hold once the hub has come to rest."""
    verdict = _Verdict(sim)
    for part in (
        verdict.runs,
        verdict.at_rest,
        verdict.journal,
        verdict.links,
        verdict.agreement,
        verdict.writes,
        verdict.orders,
    ):
        sim.outcome.violations += part()


def rows_of(sim: "Simulation", table: str) -> Rows:
    cursor = sim.raw.execute(f'SELECT * FROM "{table}"')
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _unread(sim: "Simulation") -> Iterator[str]:
    known = {
        (r["source_id"], r["external_id"], fingerprint(r["row"] or ""))
        for r in rows_of(sim, "link")
    }
    for parked in rows_of(sim, "parked"):
        source = sim.world.flows[parked["flow"]].source_id
        known.add((source, parked["external_id"], parked["row_hash"]))
    for flow in sim.world.flows.values():
        system = sim.world.systems[flow.connection]
        for key, row in sorted(system.rows(flow.stream.name).items()):
            if (flow.source_id, key, fingerprint(encode(row))) not in known:
                yield f"I6: {flow.name} never saw {key} as it is: {row}"


class _Verdict:
    """The tables at rest, loaded once."""

    def __init__(self, sim: "Simulation") -> None:
        self.sim, self.world = sim, sim.world
        self.plans: Mapping[str, SystemPlan] = {p.name: p for p in sim.scenario.systems}
        self.link_rows = rows_of(sim, "link")
        self.by_row = {(r["source_id"], r["external_id"]): r for r in self.link_rows}
        self.record: dict[str, Record] = {}
        with self.world.store.read() as connection:
            for entity in ("party", "product", "sales_order"):
                ids = [r[0] for r in sim.raw.execute(f'SELECT id FROM "{entity}"')]
                self.record |= records.load(connection, self.world.store, entity, ids)

    # -- I7, I5, I10 and what else must be clean

    def runs(self) -> Iterator[str]:
        for run in rows_of(self.sim, "run"):
            counts = Counts.from_json(load(run["counts"]))
            if not counts.check():
                yield f"I7: run of {run['flow']} lost count: {counts.to_json()}"
            if run["state"] in ("queued", "running"):
                yield f"a run of {run['flow']} never ended"

    def at_rest(self) -> Iterator[str]:
        for intent in rows_of(self.sim, "intent"):
            if intent["state"] == "open":
                yield f"I5: an intent of {intent['flow']} is open at rest: {intent['sent']}"
        for mark in rows_of(self.sim, "outbox"):
            yield f"a mark of {mark['flow']} is left: {mark['state']} {mark['record_id']}"
        for parked in rows_of(self.sim, "parked"):
            if parked["state"] == "open":
                what = f"{parked['kind']} {parked['direction']}"
                yield f"{parked['flow']}: {what} is left: {parked['problems']}"
        for conflict in rows_of(self.sim, "conflict"):
            if conflict["state"] == "open":
                yield f"a conflict is left: {conflict['field']}"
        for source in rows_of(self.sim, "source"):
            if source["lease_owner"] is not None:
                yield f"I10: the lease of {source['connection']} is held at rest"
        for state in rows_of(self.sim, "flow_state"):
            if state["state"] != "active":
                yield f"{state['flow']} is {state['state']}: {state['paused']}"
        if rows_of(self.sim, "seen"):
            yield "rows of a finished read are left in `seen`"

    # -- I5: the journal alone gives the tables

    def journal(self) -> Iterator[str]:
        folded: dict[str, Record] = {}
        links: dict[tuple[int, str], tuple[str, str]] = {}
        for line in sorted(rows_of(self.sim, "journal"), key=lambda r: r["seq"]):
            record = folded.setdefault(line["record_id"], Record(line["record_id"], line["entity"]))
            yield from _fold(record, line)
            _fold_link(links, line)
        for id_, record in self.record.items():
            yield from _compare(folded.pop(id_, None), record)
        for id_ in folded:
            yield f"I5: the journal knows a record that no table has: {id_}"
        for line in self.link_rows:
            known = links.pop((line["source_id"], line["external_id"]), ("", ""))
            if known != (line["record_id"], line["state"]):
                yield f"I5: link {line['external_id']} is {line['state']}, the journal says {known}"
        for key, (_, state) in links.items():
            yield f"I5: the journal knows a link that is not there: {key} {state}"

    # -- I1: systems and hub agree

    def links(self) -> Iterator[str]:
        for flow in self.world.flows.values():
            system = self.world.systems[flow.connection]
            there = system.rows(flow.stream.name)
            for key in there:
                link = self.by_row.get((flow.source_id, key))
                if link is None or link["state"] != "active":
                    yield f"{flow.name}: row {key} is there, its link is {link and link['state']}"
            for link in self.link_rows:
                if link["source_id"] != flow.source_id or link["state"] != "active":
                    continue
                ignored = flow.settings.deletes.inbound == "ignore"
                if link["external_id"] not in there and not ignored:
                    yield f"{flow.name}: row {link['external_id']} is gone, its link is active"
        yield from self._missing()

    def _missing(self) -> Iterator[str]:
        """Every live record has a row in every system, unless somebody deleted one."""
        linked = {(r["source_id"], r["record_id"]) for r in self.link_rows}
        for record in self.record.values():
            code = record.values.get("customer_code") or record.values.get("code")
            if not record.active or record.deleted_at or code in self._beyond():
                continue
            for flow in self.world.flows.values():
                if flow.stored == record.entity and (flow.source_id, record.id) not in linked:
                    yield f"I1: {code or record.id} never arrived in {flow.name}"

    def agreement(self) -> Iterator[str]:
        for flow in self.world.flows.values():
            rows = self.world.systems[flow.connection].rows(flow.stream.name)
            for link in self.link_rows:
                if link["source_id"] != flow.source_id or link["state"] != "active":
                    continue
                record, row = self.record[link["record_id"]], rows.get(link["external_id"])
                if row is not None and not record.deleted_at:
                    yield from self._agree(flow, record, row)

    def _agree(self, flow: Flow, record: Record, row: dict[str, Any]) -> Iterator[str]:
        theirs = self._referred(flow, flow.mapping.get(row).values)
        ours = flow.project(record.values)
        for name, our in ours.items():
            their = theirs.get(name)
            if flow.mapping.equal(name, our, their) or self._spelled(flow, name, our, row):
                continue
            if _says(our, their):
                continue
            yield f"I1: {flow.name} {row['id']}.{name}: the hub has {our!r}, the row {their!r}"

    def _spelled(self, flow: Flow, name: str, our: Any, row: dict[str, Any]) -> bool:
        """The row is exactly what the system makes of our value."""
        if name not in COLUMN_OF:
            return False
        columns = flow.mapping.put({name: our}, row, fields={name})
        stored = self.plans[flow.connection].normalise({**row, **columns})
        return bool(stored == row)

    def _referred(self, flow: Flow, theirs: dict[str, Any]) -> dict[str, Any]:
        """Their values with references as record ids."""
        if flow.entity.name != "sales_order":
            return theirs
        theirs["customer"] = self._target(flow, "customers", theirs.get("customer"))
        for line in theirs.get("lines") or ():
            line["product"] = self._target(flow, "products", line.get("product"))
        return theirs

    def _target(self, flow: Flow, stream: str, key: Any) -> str | None:
        source = self.world.flows[f"{flow.connection}-{stream}"].source_id
        link = self.by_row.get((source, str(key)))
        return str(link["record_id"]) if link else None

    # -- I3: no write is lost

    def writes(self) -> Iterator[str]:
        told = self._told()
        for record in self.record.values():
            code = str(record.values.get("customer_code"))
            if record.entity != "party" or code in self._beyond():
                continue
            for name, column in COLUMN_OF.items():
                final = record.values.get(name)
                if name == "address":
                    final = (final or {}).get("city")
                known = told.get(record.id, set())
                by_time = self._by_time(column)
                for fault in self.sim.model.lost(code, column, final, known, by_time=by_time):
                    yield f"I3: {fault}"
        yield from self._same_customer()

    def _by_time(self, column: str) -> bool:
        """The later write wins this field, and what is later can be told."""
        scenario = self.sim.scenario
        right = not any(p.ahead or p.tick or column in p.policies for p in scenario.systems)
        return right and not scenario.late_commits

    def _told(self) -> dict[str, set[int]]:
        """Writes that a conflict tells of, by record."""
        told: dict[str, set[int]] = {}
        for conflict in rows_of(self.sim, "conflict"):
            for side in ("base", "ours", "theirs"):
                value = load(conflict[side]) if conflict[side] else None
                values = value.values() if isinstance(value, dict) else [value]
                for each in values:
                    told.setdefault(conflict["record_id"], set()).update(model.tokens(each))
        return told

    def _same_customer(self) -> Iterator[str]:
        """I2: a code names one record."""
        beyond = self._beyond()
        codes = [r.values.get("customer_code") for r in self.record.values() if r.entity == "party"]
        for code in sorted({c for c in codes if c and codes.count(c) > 1} - beyond):
            yield f"I2: {code} is {codes.count(code)} records"

    def _beyond(self) -> set[str]:
        """Codes of which nothing can be promised: deleted somewhere, or made twice at once."""
        return self.sim.model.deleted | self.sim.model.raced

    # -- I8, I9: orders are whole, and money is conserved

    def orders(self) -> Iterator[str]:
        for record in self.record.values():
            if record.entity != "sales_order":
                continue
            number = record.values["number"]
            states = self.sim.model.orders[number]
            shown = _order(record.values)
            if shown != _state(states[-1]):
                yield f"I8: order {number} is {shown}, its writer left {states[-1]}"
            for flow in self.world.flows.values():
                if flow.stored != "sales_order":
                    continue
                for row in self.world.systems[flow.connection].rows("orders").values():
                    if row["code"] == number and _order(flow.mapping.get(row).values) != shown:
                        yield f"I9: order {number} in {flow.connection} differs: {row}"


def _order(values: Mapping[str, Any]) -> tuple[Any, ...]:
    lines = values.get("lines") or []
    amounts = sorted(str(model.plain(line.get("net_amount"))) for line in lines)
    return (values.get("customer_ref"), model.plain(values.get("untaxed_total")), tuple(amounts))


def _state(state: Mapping[str, Any]) -> tuple[Any, ...]:
    amounts = sorted(str(model.plain(amount)) for amount in state["amounts"])
    return (state["mark"], model.plain(state["total"]), tuple(amounts))


def _fold(record: Record, line: Mapping[str, Any]) -> Iterator[str]:
    for name, (old, new) in load(line["changes"]).items():
        if name.startswith("$"):
            now = getattr(record, name[1:])
            setattr(record, name[1:], new)
        else:
            now = record.values.get(name)
            record.values[name] = new
            if new is None:
                del record.values[name]
        if now != old:
            yield f"I5: journal line {line['seq']} says {name} was {old!r}; it was {now!r}"
    record.version = line["version"]


def _fold_link(links: dict[tuple[int, str], tuple[str, str]], line: Mapping[str, Any]) -> None:
    if line["source_id"] is None or line["external_id"] is None:
        return
    key = (line["source_id"], line["external_id"])
    match line["op"]:
        case "create" | "link" | "revive":
            links[key] = (line["record_id"], "active")
        case "archive" | "delete" | "unlink":
            links[key] = (line["record_id"], "ghost")
        case "forget":
            links.pop(key, None)


def _compare(folded: Record | None, stored: Record) -> Iterator[str]:
    if folded is None:
        yield f"I5: no journal line for {stored.id}"
        return
    for name in ("version", "active", "deleted_at", "deletion_reason", "merged_into", "values"):
        one, other = getattr(folded, name), getattr(stored, name)
        if one != other:
            yield f"I5: {stored.id}.{name} is {other!r}, the journal says {one!r}"


def _says(our: Any, their: Any) -> bool:
    """An object's parts that the row speaks of agree."""
    if isinstance(our, dict) and isinstance(their, dict):
        return all(our.get(k) == v for k, v in their.items())
    if isinstance(our, list) and isinstance(their, list) and len(our) == len(their):
        return all(isinstance(o, dict) and _says(o, t) for o, t in zip(our, their, strict=True))
    return our in (None, "", [], {}) and their in (None, "", [], {})
