"""`Hub`: the one facade that commands, pages and jobs use."""

import copy
import graphlib
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Select, Table, select

from hub import mapping as field_mapping
from hub.connector import Connector, Stream, load_settings
from hub.declare import Action, Job, Report
from hub.entity import Entity
from hub.errors import ConfigError, NotFoundError, Problem, quoted
from hub.extensions import connector_class
from hub.i18n import _
from hub.jobs import applying, firstload, planning, runner, runs
from hub.jobs.module_jobs import ModuleJobs
from hub.jobs.work import Jobs, Progress
from hub.model import ENTITIES
from hub.modules import Modules, load_modules
from hub.seams import Clock, FaultPoint, Ids, SystemClock, fault_from_environment
from hub.secrets import Secrets, resolve_settings
from hub.settings import HubSettings, not_found
from hub.settings import load_settings as load_hub_settings
from hub.store import migrate
from hub.store.session import Store
from hub.store.tables import stamp
from hub.sync import edit, export, leases, listing, plans, steward, trial, undo
from hub.sync.edit import Changes
from hub.sync.explain import explain
from hub.sync.flow import Env, Flow
from hub.sync.verify import verify
from hub.sync.verify.remote import compare
from hub.sync.why_not import why_not_record, why_not_row
from hub.values.moments import moment_of

T = TypeVar("T", Action, Report)


@dataclass(frozen=True)
class Seams:
    """What a test or a simulation may put in place of the real thing."""

    clock: Clock
    rng: random.Random
    fault: FaultPoint

    @classmethod
    def real(cls) -> "Seams":
        return cls(SystemClock(), random.SystemRandom(), fault_from_environment())


def _quiet(event: Mapping[str, Any]) -> None:
    """Progress that nobody watches."""


class Hub:
    """A hub at one home folder: its settings, database, connections and flows."""

    def __init__(
        self,
        settings: HubSettings,
        store: Store,
        seams: Seams | None = None,
        modules: Modules | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.seams = seams or Seams.real()
        self.entities: Mapping[str, Entity] = store.entities
        self.modules = modules or Modules(ENTITIES)
        self.actor = _person()
        self.secrets = Secrets(settings.home)
        self._closing = ExitStack()
        self._closing.callback(store.close)

    @classmethod
    def open(
        cls,
        home: Path,
        overrides: Mapping[str, str] | None = None,
        *,
        seams: Seams | None = None,
        upgrade: bool = False,
    ) -> Self:
        """The hub of *home*.  ConfigError if it was never made (unless *upgrade*, which makes it)."""
        settings = load_hub_settings(home, overrides or {})
        hub = cls.unready(settings, seams)
        store = hub.store
        if upgrade:
            hub.upgrade()
        elif not (state := hub.schema_state())["ok"]:
            store.close()
            raise ConfigError(
                "the hub's database {url} is not ready (schema {current!r}, needed {head!r})",
                url=store.engine.url.render_as_string(hide_password=True),
                current=state["current"] or "none",
                head=state["head"],
                hint="Run `hub init` for a new hub, `hub db upgrade` for an older one.",
            )
        return hub

    @classmethod
    def unready(cls, settings: HubSettings, seams: Seams | None = None) -> Self:
        """The hub with whatever state its database is in."""
        seams = seams or Seams.real()
        modules = load_modules(
            ENTITIES, settings.modules, folders=settings.plugin_dirs, wanted=settings.plugins
        )
        store = Store.open(settings.database_url, modules.entities, fault=seams.fault)
        return cls(settings, store, seams, modules)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.close()

    # ------------------------------------------------------------------------------- database

    def upgrade(self) -> list[str]:
        """Bring the database's tables up to this version; the steps taken."""
        return migrate.upgrade(self.store, self._migrations)

    def draft_migration(self, module: str, message: str) -> str:
        """Write the module's next migration, from what its tables lack; the file's path."""
        if module not in self.modules.used:
            raise not_found(
                _("there is no module {name!r}"), module, self.modules.used, name=module
            )
        declared = self.modules.used[module]
        folder = Path(declared.package.__file__ or "").parent / "migrations"
        folder.mkdir(exist_ok=True)
        own = [
            [e.name, *(f"{e.name}_{f.name}" for f in e.fields if f.rows)] for e in declared.entities
        ]
        tables = frozenset(name for names in own for name in names)
        return migrate.draft(self.store, migrate.Branch(module, str(folder), tables), message)

    def schema_state(self) -> dict[str, Any]:
        return migrate.state(self.store, self._migrations)

    @property
    def _migrations(self) -> dict[str, str]:
        return {name: module.migrations for name, module in self.modules.used.items()}

    # ---------------------------------------------------------------------------- connections

    def connector(self, name: str) -> Connector:
        """The connection's connector, settings checked, secrets resolved, not opened."""
        declared = self.settings.connections.get(name)
        if declared is None:
            known = self.settings.connections
            raise not_found(_("there is no connection {name!r}"), name, known, name=name)
        cls = connector_class(declared.connector)
        resolved = resolve_settings(declared, cls.settings, self.secrets)
        return cls(load_settings(cls.settings, resolved, where=f"connection {name!r}"))

    @contextmanager
    def opened(self, name: str) -> Iterator[Connector]:
        with self.connector(name) as connector:
            yield connector

    def check_connection(self, name: str) -> str:
        with self.opened(name) as connector:
            return connector.check()

    def discover(self, name: str) -> Iterator[Stream]:
        with self.opened(name) as connector:
            yield from connector.discover()

    # ------------------------------------------------------------------------------- mappings

    def mapping_names(self) -> list[str]:
        found: set[str] = set()
        for folder in self._mapping_folders():
            for system in folder.iterdir():
                if system.is_dir() and not system.name.startswith(("_", ".")):
                    found.update(
                        f"{system.name}/{f.name.removesuffix('.yaml')}"
                        for f in system.iterdir()
                        if f.name.endswith(".yaml") and not f.name.endswith(".pins.yaml")
                    )
        return sorted(found)

    def mappings(self) -> dict[str, field_mapping.Mapping]:
        return {name: self.mapping(name) for name in self.mapping_names()}

    def mapping(self, name: str) -> field_mapping.Mapping:
        """The mapping *name* ("northwind/customer"), from the home folder or as shipped."""
        document = self.document(name)
        return field_mapping.compile(document, self.entities[document.entity])

    def document(self, name: str) -> field_mapping.Document:
        return field_mapping.load(
            self.mapping_path(name), entities=self.entities, find=self.mapping_path, name=name
        )

    def shipped_document(self, name: str) -> field_mapping.Document:
        """The mapping of that name as the hub came with it."""
        path = self.mapping_path(name, self._mapping_folders()[-1:])
        return field_mapping.load(path, entities=self.entities, find=self.mapping_path, name=name)

    def mapping_path(self, name: str, folders: Sequence[Any] = ()) -> Path:
        """The file of a mapping, the home folder's before the shipped one; or a file by its path."""
        if name.endswith(".yaml") and Path(name).is_file():
            return Path(name)
        for folder in folders or self._mapping_folders():
            path = folder.joinpath(*f"{name}.yaml".split("/"))
            if path.is_file():
                return Path(str(path))
        raise not_found(_("there is no mapping {name!r}"), name, self.mapping_names(), name=name)

    def _trial(self, name: str, connection: str = "") -> trial.Trial:
        """The mapping, to be tried on the rows of *connection*, else of the first flow's system."""
        mapping, stream = self.mapping(name), ""
        for flow in self.settings.flows.values() if not connection else ():
            if flow.mapping == name:
                connection, stream = flow.connection, flow.stream
                break
        wanted = Stream(stream or mapping.stream, key=mapping.key, where=mapping.where)
        return trial.Trial(mapping, connection, wanted, self.store, self.opened)

    def check_mapping(self, name: str, *, offline: bool = False) -> list[Problem]:
        """Everything that is wrong with a mapping; `values["level"]` "warning" may stay."""
        return self._trial(name).check(self.pins_path(name), offline=offline)

    def try_mapping(self, name: str, connection: str = "", rows: int = 3) -> list[dict[str, Any]]:
        return self._trial(name, connection).rows(rows)

    def pin(self, name: str, external_id: str, connection: str = "") -> Path:
        """Keep a row and what becomes of it as a test of the mapping; the file of the pins."""
        self._trial(name, connection).pin(external_id, self.pins_path(name))
        return self.pins_path(name)

    def pins_path(self, name: str) -> Path:
        return field_mapping.pins_path(self.settings.home.joinpath("mappings", f"{name}.yaml"))

    def suggest_mapping(
        self, connection: str, stream: str, entity: str, known: str = ""
    ) -> trial.Suggested:
        """Columns and fields that look alike; *known*: a mapping whose rows are left out."""
        document = self.document(known) if known else None
        with self.opened(connection) as connector:
            found = self.entity(entity)
            return trial.suggest_mapping(self.store, connector, stream, found, known=document)

    def entity(self, name: str) -> Entity:
        if name not in self.entities:
            raise not_found(_("there is no entity {name!r}"), name, self.entities, name=name)
        return self.entities[name]

    def _mapping_folders(self) -> list[Any]:
        own = self.settings.home / "mappings"
        shipped = resources.files("hub.mappings")
        return [own, shipped] if own.is_dir() else [shipped]

    # ---------------------------------------------------------------------------------- flows

    @cached_property
    def env(self) -> Env:
        """Everything a step of the engine needs; built once, with all enabled flows."""
        clock = self.seams.clock
        flows = {
            name: self._flow(name)
            for name, declared in self.settings.flows.items()
            if declared.enabled
        }
        return Env(
            self.store,
            clock,
            Ids(clock, self.seams.rng),
            self.seams.rng,
            self.seams.fault,
            flows,
            self.settings.engine,
            self.modules.rules,
        )

    def _flow(self, name: str) -> Flow:
        declared = self.settings.flows[name]
        try:
            compiled = self.mapping(declared.mapping)
        except NotFoundError as e:
            told = {**e.values, "flow": name, "reason": quoted(e)}
            raise ConfigError("flow {flow!r}: {reason}", hint=e.hint, **told) from e
        connector = self.connector(declared.connection)
        source_id = self._source(declared.connection, declared.stream or compiled.stream)
        can, pins = connector.capabilities, self.pins_path(declared.mapping)
        return Flow(name, declared, compiled, compiled.entity, source_id, can, pins)

    def _source(self, connection: str, stream: str) -> int:
        source = self.store.metadata.tables["source"]
        query = select(source.c.id).where(
            source.c.connection == connection, source.c.stream == stream
        )
        with self.store.read() as reading:
            found = reading.execute(query).scalar()
        if found is None:
            with self.store.write("source") as writing:
                found = writing.execute(query).scalar()
                if found is None:
                    made = writing.execute(
                        source.insert().values(connection=connection, stream=stream)
                    )
                    assert made.inserted_primary_key is not None
                    found = made.inserted_primary_key[0]
        return int(found)

    @cached_property
    def order(self) -> list[str]:
        """Flow names, so that what others refer to, or are set `after`, comes first."""
        flows = self.env.flows
        graph: dict[str, set[str]] = {name: set() for name in flows}
        for flow in flows.values():
            graph[flow.name].update(n for n in flow.settings.after if n in flows)
            targets = {self.env.source_of(flow, r) for r in flow.mapping.refs if not r.by}
            graph[flow.name].update(
                f.name
                for f in flows.values()
                if f.source_id in targets and f.source_id != flow.source_id
            )
        try:
            return list(graphlib.TopologicalSorter(graph).static_order())
        except graphlib.CycleError:
            return list(flows)

    def jobs(self, progress: Progress = _quiet) -> Jobs:
        return Jobs(
            self.env,
            self.opened,
            {name: c.calls_per_minute for name, c in self.settings.connections.items()},
            leases.owner_name(),
            self.order,
            progress,
            planning.make,
        )

    # ----------------------------------------------------------------------------------- sync

    def sync(
        self,
        flows: Sequence[str] = (),
        *,
        full: bool = False,
        progress: Progress = _quiet,
    ) -> list[dict[str, Any]]:
        """Run these flows (all, if none are named) to their end: first all reading, then all writing."""
        names = self._flow_names(flows)
        for name in names:
            runs.admit(self.env, self.env.flows[name])
        ids = [
            runs.request(self.env, self.env.flows[name], trigger="manual", full=full)
            for name in names
        ]
        runner.run_until_done(self.jobs(progress), ids)
        return [steward.run_json(self.env, run_id) for run_id in ids]

    def _flow_names(self, flows: Sequence[str]) -> list[str]:
        """The flows named, all if none are, in the order in which they run."""
        for unknown in set(flows) - set(self.order):
            raise self._no_flow(unknown)
        return [n for n in self.order if n in flows or not flows]

    def _no_flow(self, name: str) -> NotFoundError:
        return not_found(_("there is no flow {name!r}"), name, self.order, name=name)

    def run_forever(self, stop: Callable[[], bool], progress: Progress = _quiet) -> None:
        runner.run_forever(self.jobs(progress), stop, self.module_jobs())

    def module_jobs(self) -> ModuleJobs:
        def run(job: Job, moment: datetime) -> None:
            job.run(self.acting_as(f"module:{job.name}"), moment)

        return ModuleJobs(self.env, self.modules.jobs, run)

    def resume(self, flow: str, *, approve: int = 0) -> None:
        """Let a paused flow run again; *approve*: so many deletes may pass its brake once."""
        if flow not in self.env.flows:
            raise self._no_flow(flow)
        runs.resume(self.env, flow, approved=approve)

    def promote(self, flow: str, mode: str = "live") -> None:
        """The flow's runs act from now on; with mode "observe" they only plan again."""
        if flow not in self.env.flows:
            raise self._no_flow(flow)
        runs.promote(self.env, self.env.flows[flow], mode=mode)

    def modes(self) -> dict[str, str]:
        """Whether each flow acts (live) or only plans (observe)."""
        state = self.store.metadata.tables["flow_state"]
        with self.store.read() as connection:
            rows = connection.execute(select(state.c.flow, state.c.mode)).all()
        promoted = {name: mode for name, mode in rows if mode}
        return {n: promoted.get(n, f.mode) for n, f in self.settings.flows.items()}

    # ---------------------------------------------------------------------------------- plans

    def plan(
        self, flows: Sequence[str] = (), *, full: bool = False, progress: Progress = _quiet
    ) -> str:
        """Plan what a sync of these flows (all, if none are named) would do; the plan's id."""
        names = self._flow_names(flows)
        return planning.make(self.jobs(progress), names, "manual", full, by=_person())

    def plans_list(self, limit: int = 20) -> list[dict[str, Any]]:
        return plans.listed(self.env, limit)

    def plan_show(
        self, id: str, only: plans.Filter | None = None, limit: int = 0
    ) -> dict[str, Any]:
        """The plan with those of its steps that pass the filter, up to *limit* (0: all)."""
        return plans.show(self.env, id, only, limit)

    def plan_delete(self, id: str) -> str:
        return plans.forget(self.env, id)

    def plan_apply(self, id: str, progress: Progress = _quiet) -> dict[str, Any]:
        """Do what the plan says, and nothing else; with the steps that were skipped."""
        return applying.apply(self.jobs(progress), id)

    def firstload(self, first: str, second: str, progress: Progress = _quiet) -> str:
        """Match the systems of two flows, writing nothing; the id of the plan with the buckets."""
        self._flow_names([first, second])
        return firstload.make(self.jobs(progress), first, second, by=_person())

    def firstload_apply(
        self, id: str, choices: Mapping[str, str], progress: Progress = _quiet
    ) -> dict[str, Any]:
        """Do with each bucket what is chosen for it: see `firstload.CHOICES`."""
        return firstload.apply(self.jobs(progress), id, choices)

    # -------------------------------------------------------------------------------- records

    def acting_as(self, actor: str) -> "Hub":
        """The same hub on behalf of somebody else: `user:li`, `module:sales`."""
        other = copy.copy(self)
        other.actor = actor
        return other

    @contextmanager
    def changes(self) -> Iterator[Changes]:
        """One transaction of reads and writes; all of it happens or none."""
        with self.env.work("edit", self.actor) as work:
            yield Changes(work)

    def get(self, entity: str, key: str) -> dict[str, Any]:
        """The record with this id or code; NotFoundError."""
        with self.store.read() as reading:
            return edit.get(reading, self.store, self.entity(entity), key)

    def create(self, entity: str, values: Mapping[str, Any]) -> dict[str, Any]:
        with self.changes() as changes:
            return changes.create(entity, values)

    def update(
        self,
        entity: str,
        key: str,
        values: Mapping[str, Any],
        *,
        expect: Mapping[str, Any] | None = None,
        version: int | None = None,
    ) -> dict[str, Any]:
        """The record with these fields changed; ChangedError if it is not as expected."""
        with self.changes() as changes:
            return changes.update(entity, key, values, expect=expect, version=version)

    def archive(self, entity: str, key: str) -> dict[str, Any]:
        with self.changes() as changes:
            return changes.archive(entity, key)

    def table(self, name: str) -> Table:
        """The table of an entity, or of a list of one (`opportunity_stages`): to read from."""
        return self.store.tables[self.entities[name].stored if name in self.entities else name]

    def rows(self, query: Select[Any]) -> list[dict[str, Any]]:
        """What the query finds, as dicts by column name."""
        with self.store.read() as reading:
            return [dict(row) for row in reading.execute(query).mappings()]

    # -------------------------------------------------------------------------------- modules

    def act(self, name: str, key: str = "", params: Mapping[str, Any] | None = None) -> Any:
        """Have the action done to the record (if it is on one); what it returns is JSON."""
        action = _declared(self.modules.actions, name)
        given = _params(action, params or {})
        record = [self.get(action.on, key)] if action.on else []
        return action.run(self, *record, **given)

    def report(self, name: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The figures of a report, in the order of its columns."""
        report = _declared(self.modules.reports, name)
        given = _params(report, params or {})
        names = [column.name for column in report.columns]
        return [{n: row.get(n) for n in names} for row in report.run(self, **given)]

    # ---------------------------------------------------------------------- what there is to see

    def status(self) -> dict[str, Any]:
        return steward.status(self.env, self.order)

    def runs(self, flow: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
        return steward.run_list(self.env, flow, limit)

    def show(self, entity: str, key: str, at: str | None = None) -> dict[str, Any]:
        """One record; *at*: as of an instant, as people give it ("2h ago", "2026-01-31")."""
        moment = self._stamp(at)
        if moment is None:
            return steward.show(self.env, self.entity(entity), key)
        return steward.show_at(self.env, self.entity(entity), key, moment)

    def _stamp(self, at: str | None) -> str | None:
        """The instant as the engine's tables keep it; without zone it is local time."""
        if at is None:
            return None
        try:
            return stamp(moment_of(at, now=self.seams.clock.now(), zone=None))
        except ValueError as e:
            raise ConfigError(
                str(e),
                value=at,
                hint="Give a time such as 2h ago, yesterday, 2026-01-31 or 2026-01-31T09:30+08:00.",
            ) from e

    def verify(
        self, *, repair: bool = False, remote: bool = False, progress: Progress = _quiet
    ) -> dict[str, Any]:
        """The invariants of this database: every difference in words; *repair*: and mended.

        *remote*: what the systems hold is read in full and compared too.
        """
        limits = {name: c.calls_per_minute for name, c in self.settings.connections.items()}
        return verify(
            self.env,
            declared=self.settings.flows,
            jobs=self.jobs() if repair else None,
            repair=repair,
            more=lambda: compare(self.env, self.opened, limits, progress) if remote else iter(()),
            progress=progress,
        )

    # ------------------------------------------------------------------------- what was, and why

    def explain(self, entity: str, key: str, path: str = "") -> dict[str, Any]:
        """Why a field (a part of one, or all) of a record is as it is, and who has it now."""
        return explain(self.env, self.entity(entity), key, path)

    def why_not(self, connection: str, row: str, *, look: bool = False) -> dict[str, Any]:
        """Why a row of the connection did not arrive; *look*: the system is asked, too."""
        opener = self.opened if look else None
        return why_not_row(self.env, self.settings.flows, connection, row, look=opener)

    def why_not_record(self, connection: str, entity: str, key: str) -> dict[str, Any]:
        """Why a record is not in the connection's system as it is here."""
        return why_not_record(self.env, self.settings.flows, connection, self.entity(entity), key)

    def undo_plan(
        self,
        run: str | None,
        *,
        seq: int | None = None,
        fields: Sequence[str] = (),
        remake: bool = False,
    ) -> dict[str, Any]:
        """What `undo` would do, and what it could not; nothing is written."""
        self._check_fields(fields)
        return undo.plan(self.env, undo.Target(run, seq), fields, remake=remake)

    def undo(
        self,
        run: str | None,
        *,
        seq: int | None = None,
        fields: Sequence[str] = (),
        remake: bool = False,
        progress: Progress = _quiet,
    ) -> dict[str, Any]:
        """Take back a run, or one line of the journal; the systems follow with the next sync."""
        self._check_fields(fields)
        target = undo.Target(run, seq)
        return undo.undo(self.env, target, fields, by=_person(), remake=remake, progress=progress)

    def _check_fields(self, fields: Sequence[str]) -> None:
        known = {name for entity in self.entities.values() for name in entity.field}
        for name in fields:
            if name not in known and not name.startswith("ext."):
                raise not_found(_("no entity has a field {name!r}"), name, known, name=name)

    def history(self, entity: str, key: str, limit: int = 50) -> dict[str, Any]:
        return steward.timeline(self.env, self.entity(entity), key, limit)

    def records(
        self,
        entity: str,
        *,
        where: Sequence[str] = (),
        at: str | None = None,
        after: str = "",
        limit: int = 50,
    ) -> dict[str, Any]:
        """One page of records, oldest first; `next` is what *after* takes for the next page."""
        found = self.entity(entity)
        return listing.listed(
            self.env, found, where=where, at=self._stamp(at), after=after, limit=limit
        )

    def export(
        self,
        entity: str,
        kind: str,
        target: Path | None,
        *,
        where: Sequence[str] = (),
        at: str | None = None,
        progress: Progress = _quiet,
    ) -> dict[str, Any]:
        """Write all records to *target*, None: standard output; how many they were."""
        found, moment = self.entity(entity), self._stamp(at)
        count = export.export(
            self.env, found, kind, target, where=where, at=moment, progress=progress
        )
        return {"entity": entity, "at": moment, "records": count, "file": str(target or "")}

    # ----------------------------------------------------------------------------- duplicates

    def duplicates_list(
        self, entity: str | None = None, state: str = "open", limit: int = 100
    ) -> list[dict[str, Any]]:
        """Pairs in this state, the likeliest first."""
        of = self.entity(entity) if entity else None
        return steward.duplicates_list(self.env, of, state, limit)

    def duplicates_count(self) -> dict[str, int]:
        return steward.duplicates_count(self.env)

    def duplicates_next(self, entity: str | None = None) -> dict[str, Any] | None:
        """The pair to decide next, side by side with what speaks for it; None: nothing waits."""
        return steward.duplicates_next(self.env, self.entity(entity) if entity else None)

    def duplicates_show(self, id: str) -> dict[str, Any]:
        return steward.duplicates_show(self.env, id)

    def duplicates_compare(self, entity: str, one: str, other: str) -> dict[str, Any]:
        return steward.explain_pair(self.env, self.entity(entity), (one, other))

    def duplicates_decide(self, id: str, state: str) -> dict[str, Any]:
        """*state*: distinct, later or open."""
        return steward.duplicates_decide(self.env, id, state, by=_person())

    def duplicates_merge(
        self, id: str, *, keep: str = "", choices: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Merge a pair; *keep*: left or right; *choices*: field → left, right or {"value": …}."""
        return steward.duplicates_merge(self.env, id, by=_person(), keep=keep, choices=choices)

    def distinct(self, entity: str, one: str, other: str) -> dict[str, Any]:
        """Remember that the two are not the same."""
        return steward.distinct(self.env, self.entity(entity), (one, other), by=_person())

    def duplicates_scan(self, entity: str, progress: Progress = _quiet) -> dict[str, Any]:
        return steward.duplicates_scan(self.env, self.entity(entity), progress)

    def duplicates_train(
        self, entity: str, progress: Progress = _quiet, *, reset: bool = False
    ) -> dict[str, Any]:
        return steward.duplicates_train(self.env, self.entity(entity), progress, reset=reset)

    def merge(
        self,
        entity: str,
        one: str,
        other: str,
        *,
        keep: str = "",
        choices: Mapping[str, Any] | None = None,
        anyway: bool = False,
    ) -> dict[str, Any]:
        """Make one record of two, given by code or id; *choices*: field → key or {"value": …}."""
        return steward.merge(
            self.env,
            self.entity(entity),
            (one, other),
            by=_person(),
            keep=keep,
            choices=choices,
            anyway=anyway,
        )

    def unmerge(self, entity: str, key: str, *, edits: str = "auto") -> dict[str, Any]:
        """Split the merge that ended this record, or the last one into it."""
        return steward.unmerge(self.env, self.entity(entity), key, by=_person(), edits=edits)

    # ------------------------------------------------------------------------------ set aside

    def quarantine_list(
        self, flow: str | None = None, code: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        return steward.quarantine_list(self.env, flow, code, limit)

    def quarantine_show(self, id: str) -> dict[str, Any]:
        return steward.quarantine_show(self.env, id)

    def quarantine_fix(self, id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Correct the row's columns as given, and take it again; what became of it."""
        return steward.quarantine_fix(self.env, self.jobs(), id, changes, by=_person())

    def quarantine_replay(self, ids: Sequence[str] = (), flow: str | None = None) -> dict[str, int]:
        return steward.quarantine_replay(self.env, self.jobs(), ids, flow)

    def quarantine_dismiss(self, ids: Sequence[str], reason: str) -> int:
        return steward.quarantine_dismiss(self.env, ids, reason, by=_person())

    def conflicts_list(self, limit: int = 100) -> list[dict[str, Any]]:
        return steward.conflicts_list(self.env, limit)

    def conflict_resolve(self, id: str, choice: str, value: Any = None) -> dict[str, Any]:
        return steward.conflict_resolve(self.env, id, choice, value, by=_person())


def _declared(known: Mapping[str, T], name: str) -> T:
    if name not in known:
        raise not_found(_("no module offers {name!r}"), name, known, name=name)
    return known[name]


def _params(declared: Action | Report, given: Mapping[str, Any]) -> dict[str, Any]:
    return load_settings(declared.params, given, where=declared.name)


def _person() -> str:
    return "user:" + (os.environ.get("USER") or os.environ.get("USERNAME") or "unknown")
