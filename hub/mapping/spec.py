"""What a mapping document says, checked: `Document` and its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from xxhash import xxh3_64_hexdigest

from hub.mapping.kinds import Defaults


@dataclass(frozen=True)
class RowSpec:
    """One row as written.  `lens` "" is the plain copy; `place` and `line` say where it stands.

    `field` is "" for a column that is only written (`const` or `formula` with `direction: out`).
    `law`: what the author promises of the lens, "" for what the lens itself states.
    """

    field: str
    source: str | tuple[str, ...] = ""
    lens: str = ""
    options: Any = None
    direction: str = "both"
    blank: str = "clear"
    owner: str = ""
    policy: str = ""
    compare: Any = "exact"
    required: bool = False
    inverse: str = ""
    law: str = ""
    rows: tuple["RowSpec", ...] = ()
    line: int = 0
    place: str = ""

    @property
    def sources(self) -> tuple[str, ...]:
        """The paths of the columns, however many."""
        if isinstance(self.source, tuple):
            return self.source
        return (self.source,) if self.source else ()

    @property
    def name(self) -> str:
        """What messages call the row."""
        return self.field or "→ " + ", ".join(self.sources)


@dataclass(frozen=True)
class Document:
    """A checked mapping document.  `raw` is its normal form.

    `kept`: columns nobody maps on purpose ("*": all others); `refused`: with the reason why.
    `tables`: value tables by name, for `table:`.
    """

    name: str
    place: str
    entity: str
    stream: str
    key: tuple[str, ...]
    modified: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)
    match: tuple[tuple[str, ...], ...] = ()
    defaults: Defaults = field(default_factory=Defaults)
    policy: str = ""
    owner: str = ""
    rows: tuple[RowSpec, ...] = ()
    kept: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def version(self) -> str:
        """The same for documents that do the same: notes and the order of keys do not count."""
        text = orjson.dumps(
            without_notes(self.raw), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
        )
        return xxh3_64_hexdigest(text)


def without_notes(raw: Mapping[str, Any]) -> dict[str, Any]:
    rest = {k: v for k, v in raw.items() if k != "note"}
    if isinstance(rest.get("rows"), list):
        rest["rows"] = [without_notes(r) for r in rest["rows"]]
    return rest
