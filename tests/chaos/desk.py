"""A remote system in a file: it outlives the process that writes to it, and logs every write.

Unlike a database it applies a batch row by row, each for good, so that a kill can fall between two
rows of one call.  Nothing is fsynced: a killed process loses nothing that it handed to the kernel.
"""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.connector import Change, Stream, WriteResult
from hub.errors import AuthError, RemoteError, UnavailableError
from hub.testing.memory import MemoryConnector, MemorySystem

TROUBLES: dict[str, type[RemoteError]] = {"auth": AuthError, "unavailable": UnavailableError}
KEPT = ("streams", "made", "ids", "born", "log", "troubles")


@dataclass
class Desk(MemorySystem):
    """`log`: what the hub wrote, as (op, stream, code).  `troubles`: names of the errors that the
    next calls meet, one each."""

    path: Path = Path()
    log: list[tuple[str, str, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def load(self) -> None:
        if self.path.exists():
            vars(self).update(pickle.loads(self.path.read_bytes()))

    def save(self) -> None:
        part = self.path.with_suffix(".part")
        part.write_bytes(pickle.dumps({name: getattr(self, name) for name in KEPT}))
        part.replace(self.path)

    def id_of(self, code: str) -> str:
        return next(k for k, row in self.rows("customers").items() if row["code"] == code)

    def everything(self) -> list[dict[str, Any]]:
        """All rows, with the customers of the orders by code."""
        names = {k: row.get("code") for k, row in self.rows("customers").items()}
        orders = [
            {**row, "customer": names.get(row.get("customer"), row.get("customer"))}
            for row in self.rows("orders").values()
        ]
        return [*self.rows("customers").values(), *orders]


class DeskConnector(MemoryConnector):
    system: Desk

    def open(self) -> None:
        self.system.load()

    def _call(self, kind: str) -> None:
        self.system.load()  # another process may have written
        super()._call(kind)
        if self.system.troubles:
            trouble = self.system.troubles.pop(0)
            self.system.save()
            raise TROUBLES[trouble]("the desk is closed: {trouble}", trouble=trouble)

    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        self._call("write")
        for change in batch:
            before, writes = self._row(stream, change), self.system.writes
            result = self._apply(stream, change)
            if self.system.writes > writes:
                row = {**before, **change.values}
                code = str(row.get("code") or row.get("number"))
                self.system.log.append((change.op, stream.name, code))
                self.system.save()
            yield result

    def _row(self, stream: Stream, change: Change) -> dict[str, Any]:
        return dict(self.system.rows(stream.name).get(change.remote_id, {}))
