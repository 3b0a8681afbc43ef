"""Every deliberate error of the hub.  The class says what happens next; nobody reads the message.

    HubError
    ├── ConfigError         a setting, mapping or command is wrong      → stop; show the field
    ├── NotFoundError       a named thing does not exist                → stop; show what exists
    ├── BusyError           another process holds the lease or lock     → try again later
    ├── StorageError        the hub's own database refused or is full   → pause; resumes by itself
    └── RemoteError         a connector's failure
        ├── AuthError         credentials refused or expired            → pause the connection
        ├── UnavailableError  no answer, 408, 5xx, deadlock             → again, exponential, jittered
        ├── RateLimitError    429, quota                                → again after that time
        ├── RejectedError     the remote refused the content            → set the record aside
        └── ProtocolError     an answer the connector does not know     → stop and keep the answer

A message is a template and its values, so that it can be shown in the reader's language:
`HubError("connection {name!r}: …", name=…)`.  Templates are the keys of `hub/locale/`.
"""

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any


class HubError(Exception):
    """A failure: a stable `code`, a message that names thing, value and cause, a `hint`: what to do."""

    code = "error"
    exit_code = 1

    def __init__(self, template: str, *, hint: str = "", **values: Any) -> None:
        self.template = template
        self.hint = hint
        self.values = values
        super().__init__(template, values)

    def __str__(self) -> str:
        return fill(self.template, self.values)


class ConfigError(HubError):
    code = "config"
    exit_code = 4


class NotFoundError(HubError):
    code = "not-found"


class BusyError(HubError):
    code = "busy"
    exit_code = 8


class StorageError(HubError):
    code = "storage"


class RemoteError(HubError):
    """A connector's failure.  `may_have_acted`: the call could have changed the remote system."""

    code = "remote"
    exit_code = 6

    def __init__(self, template: str, *, may_have_acted: bool = False, **values: Any) -> None:
        super().__init__(template, **values)
        self.may_have_acted = may_have_acted


class AuthError(RemoteError):
    code = "auth"
    exit_code = 5


class UnavailableError(RemoteError):
    code = "unavailable"


class RateLimitError(RemoteError):
    """`retry_after`: how long the remote asked to be left alone; None when it did not say."""

    code = "rate-limit"

    def __init__(
        self, template: str, *, retry_after: timedelta | None = None, **values: Any
    ) -> None:
        super().__init__(template, **values)
        self.retry_after = retry_after


class RejectedError(RemoteError):
    code = "rejected"


class ProtocolError(RemoteError):
    code = "protocol"


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One reason why one record was refused: which field, what was found, what is wrong, what to do.

    `message` and `hint` are templates over `values` (see `HubError`); `field` is a canonical path,
    or a remote one when the trouble lies before the mapping.  JSON both ways: it is stored.
    """

    code: str
    message: str
    field: str = ""
    value: Any = None
    hint: str = ""
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return where + fill(self.message, {"value": self.value, **self.values})

    def to_json(self) -> dict[str, Any]:
        parts = dataclasses.asdict(self)
        return {k: v for k, v in parts.items() if v is not None and (v or k == "value")}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Problem":
        return cls(**{"code": "unknown", "message": "", **stored})


def quoted(error: HubError | Problem) -> dict[str, Any]:
    """An error as a value in the message of another: JSON, and said in the reader's language."""
    template = error.template if isinstance(error, HubError) else error.message
    values = (
        {**error.values} if isinstance(error, HubError) else {"value": error.value, **error.values}
    )
    return {"message": template, "values": values}


def fill(template: str, values: Mapping[str, Any]) -> str:
    """The template with its values; a template that does not fit its values is shown as it is."""
    try:
        return template.format(**{name: _part(value) for name, value in values.items()})
    except (KeyError, IndexError, ValueError):
        return template


def _part(value: Any) -> Any:
    if isinstance(value, Mapping) and value.keys() == {"message", "values"}:
        return fill(value["message"], value["values"])
    return value
