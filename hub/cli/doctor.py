"""`hub doctor`: one finding per thing the hub needs, each with its remedy."""

import platform
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

from hub.cli.base import State
from hub.cli.checks import config_errors
from hub.errors import ConfigError, HubError
from hub.i18n import _, render, render_hint, said, say
from hub.secrets import Secrets, references, resolve
from hub.settings import HubSettings, load_settings

MEGABYTE = 1_000_000
SQLITE = (3, 35, 0)


@dataclass(frozen=True)
class Finding:
    """`state` is ok, warn or fail."""

    check: str
    state: str
    message: str
    remedy: str = ""
    exit_code: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Doctor:
    state: State

    def found(
        self, check: str, state: str, message: str, remedy: str = "", **values: Any
    ) -> Finding:
        language = self.state.language
        code = 1 if state == "fail" else 0
        said = say(message, language, **values)
        return Finding(check, state, said, say(remedy, language, **values), code)

    def failed(self, check: str, error: HubError) -> Finding:
        language = self.state.language
        message, hint = render(error, language), render_hint(error, language)
        return Finding(check, "fail", message, hint, error.exit_code)

    # ---------------------------------------------------------------------- without a hub

    def python(self) -> Finding:
        version = platform.python_version()
        return self.found("python", "ok", _("Python {version}"), version=version)

    def sqlite(self) -> Finding:
        state = "ok" if sqlite3.sqlite_version_info >= SQLITE else "fail"
        remedy = "" if state == "ok" else _("Install a Python with SQLite 3.35 or later.")
        version = sqlite3.sqlite_version
        return self.found("sqlite", state, _("SQLite {version}"), remedy, version=version)

    def disk(self) -> Finding:
        folder = self.state.home / "data"
        if not folder.is_dir():
            return self.found(
                "disk", "fail", _("There is no hub in {home}."), "hub init", home=self.state.home
            )
        free = shutil.disk_usage(folder).free // MEGABYTE
        state = "ok" if free > 1000 else "warn" if free > 100 else "fail"
        remedy = "" if state == "ok" else _("Make room; the hub pauses when the disk is full.")
        return self.found("disk", state, _("{free} MB free on disk"), remedy, free=free)

    def config(self) -> Iterator[Finding]:
        try:
            errors = config_errors(self.state)
        except ConfigError as e:
            errors = [e]
        yield from (self.failed("config", e) for e in errors)
        if not errors:
            yield self.found("config", "ok", _("The configuration is valid."))

    def secrets(self, settings: HubSettings) -> Iterator[Finding]:
        store = Secrets(self.state.home)
        for name, connection in settings.connections.items():
            for reference in references(connection.settings):
                try:
                    resolve(reference, store)
                except HubError as e:
                    yield self.failed(f"secret {name}", e)

    # ------------------------------------------------------------------------- with a hub

    def database(self, hub: Any) -> Finding:
        schema = hub.schema_state()
        if schema["ok"]:
            message = _("The database is up to date ({current}).")
            return self.found("database", "ok", message, current=schema["current"])
        return self.found(
            "database",
            "fail",
            _("The database is at {current}; this version needs {head}."),
            "hub db upgrade",
            **schema,
        )

    def mappings(self, hub: Any) -> Finding:
        try:
            count = len(hub.mappings())
        except HubError as e:
            return self.failed("mappings", e)
        return self.found("mappings", "ok", _("{count} mappings are valid."), count=count)

    def connections(self, hub: Any) -> Iterator[Finding]:
        if not hub.settings.connections:
            yield self.found(
                "connections",
                "warn",
                _("No systems are connected yet."),
                _("Describe one in {path}."),
                path=self.state.home / "config" / "hub.yaml",
            )
        for name in hub.settings.connections:
            try:
                said = hub.check_connection(name)
            except HubError as e:
                failed = self.failed(f"connection {name}", e)
                yield replace(failed, message=f"{name}: {failed.message}")
            else:
                message = _("{name}: {said}")
                yield self.found(f"connection {name}", "ok", message, name=name, said=said)

    def flows(self, hub: Any) -> Iterator[Finding]:
        """Why nothing moves, if nothing does: the question without an error message."""
        flows = hub.settings.flows
        if flows and not any(f.enabled for f in flows.values()):
            yield self.found("flows", "warn", _("No flow is enabled."), _("Set enabled: true."))
        for flow in hub.status()["flows"]:
            if flow.get("paused_reason"):
                reason, _hint = said(flow["paused_reason"], self.state.language)
                yield self.found(
                    f"flow {flow['flow']}",
                    "warn",
                    _("Flow {flow} is paused: {reason}"),
                    "hub flows resume {flow}",
                    flow=flow["flow"],
                    reason=reason,
                )


def examine(state: State, *, offline: bool) -> Iterator[Finding]:
    """The findings, cheap ones first; what needs a hub only if there is one."""
    doctor = _Doctor(state)
    yield doctor.python()
    yield doctor.sqlite()
    disk = doctor.disk()
    yield disk
    config = list(doctor.config())
    yield from config
    if "fail" in {disk.state, *(f.state for f in config)}:
        return
    yield from doctor.secrets(load_settings(state.home, state.overrides))
    with ExitStack() as opened:
        try:
            hub = opened.enter_context(state.unready_hub())
        except HubError as e:
            yield doctor.failed("database", e)
            return
        yield from _inside(doctor, hub, offline=offline)


def _inside(doctor: _Doctor, hub: Any, *, offline: bool) -> Iterator[Finding]:
    database = doctor.database(hub)
    yield database
    yield doctor.mappings(hub)
    if not offline:
        yield from doctor.connections(hub)
    if database.state == "ok":
        yield from doctor.flows(hub)
