"""The modules of a hub: found, checked, put in order, and what they declare gathered by kind.

Bundled ones are folders of `hub.plugins`, others folders of `plugin_dirs` or installed packages with
the entry point `hub.plugins`.  A module that cannot be used is named with its reason and left out,
as are those that require it; the hub runs without them.
"""

import importlib
import logging
import pkgutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from hub import hookspecs
from hub.connector import Settings, load_settings
from hub.declare import Action, Declaration, Extension, Job, Report, Rule
from hub.entity import Entity
from hub.errors import ConfigError, HubError
from hub.i18n import _

log = logging.getLogger(__name__)
GROUP = "hub.plugins"
MEND = _("The hub goes on without it.  Mend the module, or remove it.")
T = TypeVar("T", Action, Report, Job, Rule)


@dataclass(frozen=True)
class Module:
    """One module that is in use.  `place`: where it was found, for people."""

    name: str
    place: str
    package: ModuleType
    requires: tuple[str, ...]
    declarations: tuple[Declaration, ...]

    @property
    def zh(self) -> str:
        return str(getattr(self.package, "TITLE", {}).get("zh", self.name))

    @property
    def en(self) -> str:
        return str(getattr(self.package, "TITLE", {}).get("en", self.name))

    @property
    def migrations(self) -> str:
        """The folder of the module's own migrations; "" if it has no tables."""
        file = self.package.__file__ or ""
        folder = Path(file).parent / "migrations"
        return str(folder) if folder.is_dir() else ""

    def of(self, kind: type[T]) -> list[T]:
        return [d for d in self.declarations if isinstance(d, kind)]

    @property
    def entities(self) -> list[Entity]:
        return [d for d in self.declarations if isinstance(d, Entity)]


@dataclass(frozen=True)
class Modules:
    """Everything the modules in use declare.  `broken`: name → why a module is not in use."""

    core: Mapping[str, Entity]
    used: Mapping[str, Module] = field(default_factory=dict)
    broken: Mapping[str, HubError] = field(default_factory=dict)

    @cached_property
    def entities(self) -> dict[str, Entity]:
        """The entities of the core and of the modules, with all fields that modules add to them."""
        found = {**self.core}
        for module in self.used.values():
            found.update({e.name: e for e in module.entities})
        for module in self.used.values():
            for d in module.declarations:
                if isinstance(d, Extension):
                    _extend(found, d, module.name)
        return found

    @cached_property
    def actions(self) -> dict[str, Action]:
        return {d.name: d for m in self.used.values() for d in m.of(Action)}

    @cached_property
    def reports(self) -> dict[str, Report]:
        return {d.name: d for m in self.used.values() for d in m.of(Report)}

    @cached_property
    def jobs(self) -> dict[str, Job]:
        return {d.name: d for m in self.used.values() for d in m.of(Job)}

    @cached_property
    def rules(self) -> dict[str, tuple[tuple[Rule, Entity], ...]]:
        """The rules by stored entity, each with the entity that it is on."""
        found: dict[str, tuple[tuple[Rule, Entity], ...]] = {}
        for module in self.used.values():
            for rule in module.of(Rule):
                entity = self.entities[rule.on]
                found[entity.stored] = (*found.get(entity.stored, ()), (rule, entity))
        return found

    def owner(self, name: str) -> str:
        """The module that declares the entity, action, report or job; "" for the core's."""
        for module in self.used.values():
            if any(getattr(d, "name", "") == name for d in module.declarations):
                return module.name
        return ""


def _extend(entities: dict[str, Entity], extension: Extension, module: str) -> None:
    """Add the fields to the entity, and to the stored one if it is a view."""
    entity = entities[extension.entity]
    added = tuple(replace(f, name=f"ext.{module}.{f.name}") for f in extension.fields)
    for name in {entity.name, entity.stored}:
        entities[name] = replace(entities[name], fields=(*entities[name].fields, *added))


# --------------------------------------------------------------------------------------- loading


def load_modules(
    core: Mapping[str, Entity],
    settings: Mapping[str, Mapping[str, Any]],
    *,
    folders: Sequence[Path] = (),
    wanted: Iterable[str] | None = None,
) -> Modules:
    """The modules that there are.  *settings*: by module; *wanted*: no others than these."""
    found, broken = _find(folders)
    if wanted is not None:
        chosen = set(wanted)
        found = {name: place for name, place in found.items() if name in chosen}
        broken = {name: error for name, error in broken.items() if name in chosen}
    packages = _import(found, broken)
    used: dict[str, Module] = {}
    for name in _order(packages, broken):
        try:
            used[name] = _declared(name, found[name], packages[name], settings.get(name, {}))
            _check(core, used, used[name])
        except HubError as e:
            used.pop(name, None)
            broken[name] = e
    for name, error in broken.items():
        log.error("module %s is not used: %s", name, error)
    return Modules(core, used, broken)


def _find(folders: Iterable[Path]) -> tuple[dict[str, str], dict[str, HubError]]:
    """name → place of every module; a name found twice is broken, whichever was meant."""
    package = importlib.import_module("hub.plugins")
    for folder in folders:
        if str(folder) not in package.__path__:
            package.__path__.append(str(folder))
    places: dict[str, list[str]] = {}
    for place in package.__path__:  # one by one: pkgutil would hide a second of a name
        for found in pkgutil.iter_modules([place]):
            places.setdefault(found.name, []).append(str(Path(place) / found.name))
    for entry in entry_points(group=GROUP):
        places.setdefault(entry.name, []).append(entry.value)
    twice = {
        name: ConfigError(
            "module {name!r} is there twice: {places}",
            name=name,
            places=", ".join(where),
            hint="Remove one of the two, or give it another name.",
        )
        for name, where in places.items()
        if len(where) > 1
    }
    return {n: w[0] for n, w in sorted(places.items()) if n not in twice}, dict(twice)


def _import(found: Mapping[str, str], broken: dict[str, HubError]) -> dict[str, ModuleType]:
    entries = {e.name: e for e in entry_points(group=GROUP)}
    packages = {}
    for name in found:
        try:
            entry = entries.get(name)
            packages[name] = entry.load() if entry else importlib.import_module(f"{GROUP}.{name}")
        except Exception as e:  # the border to a module: whatever it raises, it is named
            broken[name] = _failure(name, _("it cannot be imported"), e)
    return packages


def _order(packages: Mapping[str, ModuleType], broken: dict[str, HubError]) -> Iterator[str]:
    """Names so that what a module requires comes first.  What cannot be had is put in *broken*."""
    done: set[str] = set()
    left = dict(packages)
    while left:
        ready = [n for n, p in left.items() if set(_requires(p)) <= done]
        for name in ready:
            del left[name]
            yield name
            if name not in broken:
                done.add(name)
        if ready:
            continue
        for name, package in left.items():
            missing = sorted(set(_requires(package)) - done)
            broken[name] = ConfigError(
                "module {name!r} requires {missing}, which cannot be used",
                name=name,
                missing=", ".join(missing),
                hint="Install or mend those first; `hub modules list` says what is wrong.",
            )
        return


def _requires(package: ModuleType) -> tuple[str, ...]:
    return tuple(getattr(package, "REQUIRES", ()))


def _declared(name: str, place: str, package: ModuleType, values: Mapping[str, Any]) -> Module:
    """Ask the module what it adds, through pluggy, which refuses misspelt hooks and arguments."""
    schema: type[Settings] = getattr(package, "SETTINGS", Settings)
    own = load_settings(schema, values, where=f"modules.{name}")
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(package, name)
        manager.check_pending()
        answers = manager.hook.hub_declare(settings=own)
        declarations = tuple(d for answer in answers for d in answer)
    except Exception as e:  # the border to a module, see above
        raise _failure(name, _("it cannot say what it adds"), e) from e
    if not answers:
        raise ConfigError(
            "module {name!r} has no hook `hub_declare`",
            name=name,
            hint="A module is a package with one function `hub_declare` marked with @hookimpl.",
        )
    return Module(name, place, package, _requires(package), declarations)


def _failure(name: str, message: str, error: Exception) -> ConfigError:
    return ConfigError(
        "module {name!r}: {message}: {words}",
        name=name,
        message=message,
        words=f"{type(error).__name__}: {error}",
        hint=MEND,
    )


# ---------------------------------------------------------------------------------------- checks


def _check(core: Mapping[str, Entity], used: Mapping[str, Module], module: Module) -> None:
    """Names are owned and unique, and what a declaration speaks of exists.  ConfigError if not."""
    others = Modules(core, {n: m for n, m in used.items() if n != module.name})
    for d in module.declarations:
        if not isinstance(d, Declaration):
            raise _wrong(module, repr(d), _("module {name!r}: {what} is no declaration"))
        if isinstance(d, Entity):
            _check_entity(others, module, d)
        elif isinstance(d, Extension):
            _check_known(others, module, d.entity, f"Extension({d.entity})")
            if any(f.required for f in d.fields):  # a system that lacks it could sync nothing
                raise _wrong(
                    module,
                    d.entity,
                    _("module {name!r}: a field added to {what} cannot be required"),
                )
        else:
            _check_name(module, d)
            on = getattr(d, "on", "")
            if on:
                _check_known(others, module, on, d.name)


def _check_entity(others: Modules, module: Module, entity: Entity) -> None:
    if entity.name in others.entities:
        owner = others.owner(entity.name) or "hub"
        raise _wrong(
            module,
            entity.name,
            _("module {name!r}: the name {what!r} belongs to {owner}"),
            owner=owner,
        )
    for declared in entity.fields:
        if declared.kind == "ref":
            _check_known(others, module, declared.target, f"{entity.name}.{declared.name}")


def _check_known(others: Modules, module: Module, entity: str, what: str) -> None:
    own = {e.name for e in module.entities}
    if entity not in others.entities and entity not in own:
        raise _wrong(
            module, what, _("module {name!r}, {what}: there is no entity {owner!r}"), owner=entity
        )


def _check_name(module: Module, d: Action | Report | Job | Rule) -> None:
    if not d.name.startswith(f"{module.name}."):
        wanted = f"{module.name}.…"
        raise _wrong(
            module,
            d.name,
            _("module {name!r}: the name {what!r} must begin with {owner}"),
            owner=wanted,
        )
    if sum(getattr(o, "name", "") == d.name for o in module.declarations) > 1:
        raise _wrong(module, d.name, _("module {name!r}: {what!r} is declared twice"))


def _wrong(module: Module, what: str, template: str, owner: str = "") -> ConfigError:
    return ConfigError(template, name=module.name, what=what, owner=owner, hint=MEND)
