"""Column types that keep canonical values in normal form on SQLite and native on PostgreSQL.

SQLite's NUMERIC goes through binary floats, so decimals are text there.
"""

import datetime as dt
from typing import Any

import orjson
from sqlalchemy import Date, DateTime, Dialect, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

from hub.values import date_text, decimal_text, instant_text


class _Normal(TypeDecorator[Any]):
    """Text on SQLite, `native` elsewhere; always text in Python."""

    impl = Text
    cache_ok = True
    native: TypeEngine[Any]

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else self.native)


class DecimalText(_Normal):
    cache_ok = True

    def __init__(self, precision: tuple[int, int]) -> None:
        super().__init__()
        self.precision = precision
        self.native = Numeric(*precision)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else decimal_text(value)


class DateText(_Normal):
    cache_ok = True
    native = Date()

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None or dialect.name == "sqlite":
            return value
        return dt.date.fromisoformat(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else date_text(value)


class InstantText(_Normal):
    cache_ok = True
    native = DateTime(timezone=True)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None or dialect.name == "sqlite":
            return value
        return dt.datetime.fromisoformat(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else instant_text(value)


class JsonValue(TypeDecorator[Any]):
    """Any JSON value: text by orjson on SQLite, JSONB on PostgreSQL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return dump(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return orjson.loads(value) if isinstance(value, str) else value


def dump(value: Any) -> str:
    """JSON text, keys sorted: equal values give equal text."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def dump_as_is(value: Any) -> str:
    """JSON text with keys in their order: for what is read again, and never compared as text."""
    return orjson.dumps(value).decode()


def load(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)
