"""How the next page is asked for.  A state is JSON, so that a read can be resumed from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any
from urllib.parse import quote, urljoin

from hub.connector import join_key, split_key
from hub.errors import ProtocolError
from hub.http import Params, Response, RestClient

from .coding import at
from .spec import StreamSpec

State = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A list answer.  `rows` as they came."""

    response: Response
    body: Any
    rows: list[Any]
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A stream's declaration with the session to ask; `size`: rows per page; `key_header`: what
    carries the key of a change."""

    http: RestClient
    spec: StreamSpec
    size: int
    params: Mapping[str, Any] = field(default_factory=dict)
    zone: tzinfo = UTC
    key_header: str = ""

    def ask(self, state: State, more: Mapping[str, Any]) -> Answer:
        """The page of a state.  A link is followed as it is: it holds the parameters already."""
        paging = self.spec.paging
        if link := state.get("link"):
            return self._answer(self.http.get(link))
        size = {paging.size_param: self.size} if paging.size_param else {}
        params: Params = {**self.spec.params, **self.params, **size, **more, **self._place(state)}
        return self._answer(self.http.get(self.spec.path, params=params))

    def _place(self, state: State) -> dict[str, Any]:
        value = state.get("at")
        return {} if value is None else {self.spec.paging.param: value}

    def _answer(self, response: Response) -> Answer:
        body = response.json()
        rows = at(self.spec.rows, body)
        if not isinstance(rows, list):
            template = "{call}: no list of rows at {path!r}: {start!r}"
            hint = "Check the setting `rows` of the stream."
            raise response.error(ProtocolError, template, path=self.spec.rows, hint=hint)
        # the total of a keyset page may count what is left: it says nothing
        counts = self.spec.total and self.spec.paging.type != "keyset"
        total = str(at(self.spec.total, body)) if counts else ""
        return Answer(response, body, rows, int(total) if total.isdigit() else None)

    def first(self) -> State:
        paging = self.spec.paging
        return {"at": {"page": paging.first, "offset": 0}.get(paging.type), "seen": 0}

    def next(self, state: State, answer: Answer) -> State | None:
        """The state after an answer; None where it is known to be the last.

        A short page is no end: a server may give fewer rows than it was asked for.
        """
        seen = state["seen"] + len(answer.rows)
        match self.spec.paging.type:
            case "none":
                return None
            case "cursor":
                token = at(self.spec.paging.next, answer.body)
                return {"at": token, "seen": seen} if token not in (None, "", False) else None
            case "link":
                link = self._link(answer)
                return {"link": link, "seen": seen} if link else None
        if not answer.rows or self._is_last(answer, seen):
            return None
        return {"at": self._following(state, answer), "seen": seen}

    def _is_last(self, answer: Answer, seen: int) -> bool:
        paging = self.spec.paging
        most = min(paging.size, self.size) if paging.size_param else paging.size
        short = bool(paging.size) and len(answer.rows) < most
        return short or (answer.total is not None and seen >= answer.total)

    def _following(self, state: State, answer: Answer) -> Any:
        match self.spec.paging.type:
            case "page":
                return state["at"] + 1
            case "offset":
                return state["at"] + len(answer.rows)
        return at(self.spec.paging.column or self.spec.key[0], answer.rows[-1])

    def _link(self, answer: Answer) -> str:
        path = self.spec.paging.next
        link = at(path, answer.body) if path else answer.response.next_link()
        return urljoin(answer.response.url, link) if link else ""

    def id_of(self, row: Any) -> str:
        return join_key(at(name, row) for name in self.spec.key)

    def path_of(self, template: str, remote_id: str) -> str:
        """A path with {id}, or with the parts of the key by their names."""
        parts = dict(zip(self.spec.key, split_key(remote_id), strict=False))
        whole = next(iter(parts.values())) if len(self.spec.key) == 1 else remote_id
        named = {"id": whole, **parts}
        for name, value in named.items():
            template = template.replace(f"{{{name}}}", quote(value, safe=""))
        return template
