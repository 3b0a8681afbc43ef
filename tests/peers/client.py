"""A small JSON-RPC client of our own for Tryton: what its users do in the tests."""

import base64
import itertools
from decimal import Decimal
from typing import Any

import requests


class TrytonUser:
    """`call("model.party.party.search_read", …)`; the context is added."""

    def __init__(self, server: dict[str, Any]) -> None:
        self.url, self.http, self.numbers = server["rpc_url"], requests.Session(), itertools.count()
        user, key = self._post(
            "common.db.login", [server["user"], {"password": server["password"]}]
        )[:2]
        session = base64.b64encode(f"{server['user']}:{user}:{key}".encode()).decode()
        self.http.headers["Authorization"] = f"Session {session}"
        self.context = self._post("model.res.user.get_preferences", [True, {}])

    def call(self, model: str, method: str, *params: Any) -> Any:
        context = {**self.context, "active_test": False}
        return _plain(self._post(f"model.{model}.{method}", [*params, context]))

    def all(self, model: str, *fields: str) -> list[dict[str, Any]]:
        return self.call(model, "search_read", [], 0, None, [["id", "ASC"]], list(fields))

    def _post(self, method: str, params: list[Any]) -> Any:
        body = {"id": next(self.numbers), "method": method, "params": params}
        answer = self.http.post(self.url, json=body, timeout=60)
        answer.raise_for_status()
        found = answer.json()
        assert "error" not in found, found
        return found["result"]

    def close(self) -> None:
        self.http.close()


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        if value.get("__class__") == "Decimal":
            return Decimal(value["decimal"])
        return {k: _plain(v) for k, v in value.items()}
    return value
