"""Records on their way out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hub.connector import Change, Row, WriteResult
from hub.errors import Problem
from hub.store.records import Record
from hub.store.types import load
from hub.sync.links import Link


@dataclass(slots=True)
class Mark:
    """One record on its way out.  `sent`: the canonical values of the write, references as record ids."""

    record_id: str
    version: int
    attempts: int
    record: Record | None = None
    link: Link | None = None
    op: Literal["create", "update", "delete", ""] = ""
    sent: dict[str, Any] = field(default_factory=dict)
    change: Change | None = None
    intent: Mapping[str, Any] | None = None
    result: WriteResult | None = None
    stored: Row | None = None
    outcome: str = ""
    waits_for: str | None = None
    problem: Problem | None = None
    reuse: str = ""
    """The key of an idempotent create whose outcome is unknown: it is sent again under it."""

    sent_at: str = ""
    unproven: bool = False
    """A refusal that does not say what became of the first sending."""

    @property
    def needs_call(self) -> bool:
        """Something is to be written there, or to be looked for."""
        return self.change is not None or self.intent is not None

    @property
    def key(self) -> str:
        return self.change.key if self.change else ""

    @property
    def values(self) -> dict[str, Any]:
        """The canonical values of this write, or of the one whose outcome is unknown."""
        return self.sent if self.intent is None else dict(load(str(self.intent["sent"])))

    @property
    def kind(self) -> str:
        """What this write does, or the one whose outcome is unknown."""
        return self.op if self.intent is None else str(self.intent["op"])
