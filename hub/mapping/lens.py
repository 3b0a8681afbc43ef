"""What a lens is: two pure functions between a remote value and a canonical one, and its promise.

`get(remote) → canonical` is not asked about absent, null and "" (the row's cell deals with these,
but text is given ""), unless `reads_blank`.  `put(canonical, old)` is never given null.
"""

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, ClassVar

from hub.entity import Field
from hub.i18n import _
from hub.mapping import kinds, samples
from hub.mapping.kinds import Defaults
from hub.mapping.paths import MISSING
from hub.mapping.problems import LensError
from hub.mapping.spec import RowSpec

LOSSLESS, KEEPING, ONE_WAY = "lossless", "keeping", "one-way"
LAWS = (LOSSLESS, KEEPING, ONE_WAY)

NO_OPTION = "{lens} has no option {value!r}"
OPTION_TYPE = "the option {option!r} of {lens} is {expected}, not {value!r}"
NEEDS_OPTION = "{lens} needs the option {option!r}"
NOT_BARE = "{lens} takes options by name, not {value!r}"
TAKEN = "the lens {name!r} exists already"

Check = Callable[[Any], bool]
_TYPES: Mapping[str, Check] = {
    _("a text"): lambda v: isinstance(v, str),
    _("true or false"): lambda v: isinstance(v, bool),
    _("a whole number"): lambda v: isinstance(v, int) and not isinstance(v, bool),
    _("a number"): lambda v: isinstance(v, int | float | str) and not isinstance(v, bool),
    _("a table"): lambda v: isinstance(v, Mapping),
    _("a list"): lambda v: isinstance(v, list),
    _("a value"): lambda v: not isinstance(v, Mapping | list),
}
TEXT, TRUTH, WHOLE, NUMBER, TABLE, LIST, SCALAR = _TYPES


Allowed = Mapping[str, str | tuple[Any, ...]]


class Lens:
    """The plain copy: reads by the canonical kind, writes in the remote value's own type.

    A subclass overrides `read` and `write`, and states its `law`.  `allowed`: its options and what
    they are, or the words they are one of; `bare`: the option that a value without name stands for.
    """

    law: str = LOSSLESS
    allowed: ClassVar[Allowed] = {}
    needed: ClassVar[tuple[str, ...]] = ()
    bare: ClassVar[str] = ""
    free: ClassVar[bool] = False
    """The options are a table of the author's own names."""
    needs_source: ClassVar[bool] = True
    reads_blank: bool = False
    """`get` is asked about absent, null and "" too."""
    says_empty: bool = False
    """`get` is given "" where the canonical field is a text; the plain copy always is."""
    writes_null: bool = False
    """`put` is given null: the system has a value that means it."""

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        self.spec, self.field, self.defaults = spec, field, defaults
        self.options: Any = spec.options
        if self.bare and not isinstance(self.options, Mapping):
            self.options = {self.bare: self.options}
        self._reader = kinds.reader(field, defaults)
        self._writer = kinds.writer(field, defaults)
        self.law = type(self).law
        if type(self) is Lens and (field.normal or field.kind in ("set", "object", "list")):
            self.law = KEEPING
        # the reader itself where nothing is between: one call less on the hot path
        self.get: Callable[[Any], Any] = self._reader if type(self).read is Lens.read else self.read

    # -- what a subclass overrides

    def read(self, value: Any) -> Any:
        """Remote → canonical; ValueError if the value has no canonical one."""
        return self._reader(value)

    def write(self, value: Any, old: Any) -> Any:
        """Canonical → remote, with nothing of the old value but its type and notation."""
        return self._writer(value, old)

    def lineage(self) -> tuple[str, ...]:
        """The remote paths that the canonical value is made of."""
        return self.spec.sources

    def remotes(self, rng: Random) -> Any:
        """A remote value to try the lens on."""
        return samples.remote(self.field, rng)

    def canonicals(self, rng: Random) -> Any:
        """A canonical value that the system should be able to hold; MISSING if none was found."""
        if self.law == LOSSLESS:
            return samples.canonical(self.field, rng)
        try:
            return self.get(self.remotes(rng))
        except ValueError:
            return MISSING

    # -- what the engine calls

    def put(self, value: Any, old: Any) -> Any:
        """The remote value: the old one wherever that says the same already."""
        return old if self.keeps(value, old) else self.write(value, old)

    def keeps(self, value: Any, old: Any) -> bool:
        if old is MISSING or (old is None and not self.reads_blank):
            return False
        try:
            return bool(self.get(old) == value)
        except ValueError:
            return False

    def generate(self, rng: Random, count: int) -> Iterator[Any]:
        """Sample remote values for the checks of the laws."""
        return (self.remotes(rng) for _ in range(count))

    def option(self, name: str, default: Any = None) -> Any:
        return self.options.get(name, default) if isinstance(self.options, Mapping) else default

    # -- checked when a document is loaded

    @classmethod
    def faults(cls, name: str, options: Any) -> Iterator[LensError]:
        """What is wrong with options as written."""
        if cls.free:
            if not isinstance(options, Mapping) or not options:
                yield LensError(NOT_BARE, code="option", lens=name, value=options)
            return
        if not isinstance(options, Mapping):
            if options is not True and not cls.bare:
                yield LensError(NOT_BARE, code="option", lens=name, value=options)
            options = {cls.bare: options} if cls.bare else {}
        for key, value in options.items():
            if key not in cls.allowed:
                known = ", ".join(cls.allowed) or "—"
                yield LensError(
                    NO_OPTION, code="option", hint="Known: {known}.", lens=name, value=key,
                    known=known,
                )  # fmt: skip
            elif fault := _type_fault(name, str(key), value, cls.allowed[key]):
                yield fault
        for key in cls.needed:
            if key not in options:
                yield LensError(NEEDS_OPTION, code="option", lens=name, option=key)


def _type_fault(lens: str, option: str, value: Any, kind: Any) -> LensError | None:
    if isinstance(kind, tuple):
        right, expected = value in kind, ", ".join(map(str, kind))
    else:
        right, expected = kind not in _TYPES or _TYPES[kind](value), kind
    if right:
        return None
    return LensError(
        OPTION_TYPE, code="option", lens=lens, option=option, value=value, expected=expected
    )


LENSES: dict[str, type[Lens]] = {"copy": Lens}
"""Every lens by the name it has in a document."""


def register(name: str, lens: type[Lens]) -> None:
    """Add a lens, under a name that no other has: for modules and connectors."""
    if name in LENSES and LENSES[name] is not lens:
        raise LensError(TAKEN, name=name)
    LENSES[name] = lens
