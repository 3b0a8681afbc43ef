"""The calls of the WebAPI that are made, and rows out of positional cells."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, Self

from hub.connector import keyset
from hub.errors import ConfigError, ProtocolError, RejectedError, UnavailableError
from hub.http import Auth, RestClient

from .answers import NO_ROWS, TRANSIENT, classify, status_of, words

SERVICE = "Kingdee.BOS.WebApi.ServicesStub.DynamicFormService"
ROWS = 2000
"""Rows of one query: what all patch levels allow."""

Cells = dict[str, Any]


class Api:
    def __init__(self, url: str, auth: Auth, timeout: timedelta) -> None:
        self._stack = ExitStack()
        self._client = self._stack.enter_context(
            RestClient(url, auth=auth, classify=classify, timeout=timeout)
        )
        self.url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def call(self, method: str, body: Mapping[str, Any], *, acts: bool = True) -> Any:
        return self._client.post(f"{SERVICE}.{method}.common.kdsvc", json=body, acts=acts).json()

    def query(
        self, form: str, keys: Sequence[str], where: str, order: str, limit: int
    ) -> list[Cells]:
        """The first rows, by key.  Cells come by position, so a row of another width is refused."""
        asked = {
            "FormId": form,
            "FieldKeys": ",".join(keys),
            "FilterString": where,
            "OrderString": order,
            "StartRow": 0,
            "Limit": limit,
            "TopRowCount": 0,
        }
        answer = self.call("ExecuteBillQuery", {"data": asked}, acts=False)
        status = status_of(answer)
        if status is not None:
            self._refused(form, status)
            return []
        if not isinstance(answer, list):
            raise ProtocolError("Kingdee {form}: the answer to a query is no list", form=form)
        for row in answer:
            if not isinstance(row, list) or len(row) != len(keys):
                raise ProtocolError(
                    "Kingdee {form}: a row of {width} cells, where {asked} were asked for",
                    form=form,
                    width=len(row) if isinstance(row, list) else 0,
                    asked=len(keys),
                )
        return [dict(zip(keys, row, strict=True)) for row in answer]

    def _refused(self, form: str, status: Mapping[str, Any]) -> None:
        code = status.get("MsgCode")
        if code == NO_ROWS:
            return
        values: dict[str, Any] = {"form": form, "message": words(status), "code": code}
        if code in TRANSIENT:
            raise UnavailableError("Kingdee {form}: the query fails: {message}", **values)
        raise ConfigError(
            "Kingdee {form}: the query is refused: {message} (MsgCode {code})",
            hint="See `hub connections discover` for the columns that this form has.",
            **values,
        )

    def all_of(
        self, form: str, keys: Sequence[str], where: str, by: tuple[str, str], size: int = ROWS
    ) -> Iterator[list[Cells]]:
        """Every row of a filter in the order of two integer columns."""
        first, second = by

        def ask(one: Any, two: Any) -> list[Cells]:
            behind = "" if two is None else behind_of(first, str(one), second, str(two))
            return self.query(form, keys, both(where, behind), f"{first} ASC, {second} ASC", size)

        yield from keyset(ask, lambda r: (whole(r[first]), whole(r[second])), None)

    def fields(self, form: str) -> Any:
        """The answer of QueryBusinessInfo; None where the user may not ask."""
        try:
            answer = self.call("QueryBusinessInfo", {"data": {"FormId": form}}, acts=False)
        except RejectedError:
            return None
        return answer


def behind_of(first: str, one: str, second: str, two: str) -> str:
    """The condition for what lies behind a place in the order of two columns."""
    return f"({first} > {one} or ({first} = {one} and {second} > {two}))"


def both(*conditions: str) -> str:
    return " and ".join(c for c in conditions if c)


def text(value: Any) -> str:
    """A literal; a quote inside is doubled."""
    return "'" + str(value).replace("'", "''") + "'"


def whole(value: Any) -> int:
    try:
        return int(str(value))
    except ValueError as e:
        raise ProtocolError(
            "Kingdee: an internal id that is no number: {id!r}", id=str(value)
        ) from e
