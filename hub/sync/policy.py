"""Who wins, per flow and field: owner, latest, hub, remote, fill, review."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from hub.sync.flow import Flow
from hub.sync.merge import ABSENT, Verdict

Since = Callable[[str], str | None]
"""When our value of a stored field was last changed, as an instant; None if nobody knows."""


class Policy:
    """The decisions of one flow about one record.  `theirs_at`: when the row was changed there."""

    def __init__(self, flow: Flow, theirs_at: str | None, since: Since) -> None:
        self._flow = flow
        self._theirs_at = theirs_at
        self._since = since

    def __call__(self, path: str, base: Any, ours: Any, theirs: Any) -> Verdict:
        policy, owner = self._of(path)
        if owner:
            return "theirs" if owner == self._flow.connection or ours is None else "ours"
        match policy:
            case "hub":
                return "ours"
            case "remote":
                return "theirs"
            case "fill":
                return "theirs" if ours in (None, "", []) else "ours"
            case "review":
                return "review"
        return self._latest(path, first=base is ABSENT)

    def refuses(self, path: str, ours: Any) -> bool:
        policy, owner = self._of(path)
        if owner:
            return owner != self._flow.connection and ours is not None
        return policy == "fill" and ours not in (None, "", [])

    def name(self, path: str) -> str:
        policy, owner = self._of(path)
        return f"owner {owner}" if owner else policy

    def _of(self, path: str) -> tuple[str, str]:
        rule = self._flow.mapping.rules.get(
            path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0]
        )
        settings = self._flow.settings
        policy = (rule.policy if rule else "") or ""
        owner = (rule.owner if rule else "") or ""
        if owner or policy:
            return policy, owner
        return settings.policy, settings.owner if settings.policy == "owner" else ""

    def _latest(self, path: str, *, first: bool) -> Verdict:
        """The later change; of two values that never met and have no times, the one we have."""
        column = self._flow.entity.column(path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0])
        ours_at = self._since(column)
        if not ours_at or not self._theirs_at:
            return "ours" if first and not self._theirs_at else "theirs"
        later = datetime.fromisoformat(self._theirs_at) >= datetime.fromisoformat(ours_at)
        return "theirs" if later else "ours"
