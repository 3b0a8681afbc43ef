"""A driver's exception → what happens next.

Sources: PostgreSQL 16 manual, appendix A (SQLSTATE); MariaDB "Error Codes"; sqlite3 result codes.
Only the database's own words are passed on: SQLAlchemy's message would repeat statement and values.
"""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from hub.errors import (
    AuthError,
    ConfigError,
    ProtocolError,
    RemoteError,
    UnavailableError,
)

# SQLSTATE (PostgreSQL and others) or its class; MySQL's numbers; SQLite's words
UNAVAILABLE = ("08", "53", "57", "40", "55P03", "XX000")
AUTH = ("28", "42501")
UNKNOWN = ("42P01", "42703", "42S02", "42S22", "3F000")
CONTENT = ("22", "23", "42804", "P0001", "44000", "45000", "HY000")
CONFIG = ("3D000",)
MYSQL_UNAVAILABLE = {1040, 1053, 1203, 1205, 1213, 1317, 1969, 2002, 2003, 2005, 2006, 2013, 2055}
MYSQL_AUTH = {1044, 1045, 1130, 1142, 1143, 1698, 1370}
MYSQL_UNKNOWN = {1054, 1109, 1146}
MYSQL_CONFIG = {1049, 1290, 1836}
MYSQL_CODES = {
    1048: "not-null",
    1364: "not-null",
    1062: "unique",
    1586: "unique",
    1216: "foreign-key",
    1217: "foreign-key",
    1451: "foreign-key",
    1452: "foreign-key",
    1406: "too-long",
    3819: "check",
    4025: "check",
}
SQLSTATE_CODES = {
    "23502": "not-null",
    "23505": "unique",
    "23503": "foreign-key",
    "23514": "check",
    "22001": "too-long",
}
SQLITE_CODES = {
    "NOT NULL": "not-null",
    "UNIQUE": "unique",
    "FOREIGN KEY": "foreign-key",
    "CHECK": "check",
}
AUTH_WORDS = re.compile(
    r"password authentication failed|authentication failed|no password supplied|access denied"
    r"|no pg_hba\.conf entry|role .* does not exist|login failed|permission denied for",
    re.I,
)
LOCKED_WORDS = re.compile(r"database( table| schema)? is (locked|busy)", re.I)
ABSENT_WORDS = re.compile(r"no such (table|column)|has no column named", re.I)
CONFIG_WORDS = re.compile(
    r"database .* does not exist|unknown database|unable to open database file|not a database"
    r"|readonly database|malformed",
    re.I,
)
COLUMN_WORDS = (
    re.compile(r"(?:NOT NULL|UNIQUE) constraint failed: [^.]+\.([^,]+)"),
    re.compile(r"(?:[Cc]olumn|[Ff]ield) ['\"`]([^'\"`]+)['\"`]"),
    re.compile(r"Key \(\"?([^),\"]+)\"?[^)]*\)="),
    re.compile(r"for key '(?:[^'.]+\.)?([^']+)'"),
    re.compile(r"FOREIGN KEY \(`([^`]+)`"),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The database refused one row for its content."""

    code: str
    message: str
    column: str | None


def words(error: BaseException) -> str:
    """What the database said, on one line."""
    original = getattr(error, "orig", None) or error
    arguments = original.args
    text = arguments[1] if len(arguments) > 1 and isinstance(arguments[0], int) else str(original)
    return " ".join(str(text).split())


def refusal(error: SQLAlchemyError | ValueError | OverflowError) -> Refusal | None:
    """The refusal, if that is what the error is; None: it concerns more than the row."""
    if not isinstance(error, DBAPIError):
        # the driver, or this connector, could not spell the value
        content = isinstance(error, StatementError | ValueError | OverflowError)
        return Refusal("value", words(error), None) if content else None
    state, number, text = _state(error), _number(error), words(error)
    if _remote_class(error) is not ProtocolError:
        return None
    if number is not None:
        code = MYSQL_CODES.get(number, "value")
    elif state:
        if not state.startswith(CONTENT):
            return None
        code = SQLSTATE_CODES.get(state, "value")
    elif type(error).__name__ in ("IntegrityError", "DataError", "InterfaceError"):
        code = next((c for w, c in SQLITE_CODES.items() if text.startswith(w)), "value")
    elif "Error binding parameter" in text or "type '" in text or "too big" in text:
        code = "value"
    else:
        return None
    return Refusal(code, text, _column(error, text))


def remote_error(
    error: SQLAlchemyError, *, where: str, may_have_acted: bool = False
) -> RemoteError | ConfigError:
    """The error to raise; *where* names database or table."""
    kind = _remote_class(error)
    if not issubclass(kind, RemoteError):
        return ConfigError("sql: {where}: {words}", where=where, words=words(error), hint=HINT)
    hint = HINTS.get(kind, "")
    return kind(
        "sql: {where}: {words}",
        where=where,
        words=words(error),
        may_have_acted=may_have_acted,
        hint=hint,
    )


HINT = "Check the settings `url` and `schema`."
HINTS: dict[type[RemoteError], str] = {
    AuthError: "Check user and `password`, and what the user may do.",
    UnavailableError: "It is tried again by itself; if it lasts, look at the database server.",
}


def _remote_class(error: SQLAlchemyError) -> type[RemoteError] | type[ConfigError]:
    if not isinstance(error, DBAPIError):
        return ProtocolError
    state, number, text = _state(error), _number(error), words(error)
    if number is not None:
        return _mysql_class(number)
    if state.startswith(AUTH) or (not state and AUTH_WORDS.search(text)):
        return AuthError
    if state.startswith(CONFIG) or (not state and CONFIG_WORDS.search(text)):
        return ConfigError
    if error.connection_invalidated or state.startswith(UNAVAILABLE):
        return UnavailableError
    if LOCKED_WORDS.search(text) or (not state and _is_unreachable(error, text)):
        return UnavailableError
    return ProtocolError


def _mysql_class(number: int) -> type[RemoteError] | type[ConfigError]:
    if number in MYSQL_AUTH:
        return AuthError
    if number in MYSQL_CONFIG:
        return ConfigError
    return UnavailableError if number in MYSQL_UNAVAILABLE else ProtocolError


def _is_unreachable(error: DBAPIError, text: str) -> bool:
    """An operational error without a code: the server was not reached, or the disk is at fault."""
    operational = type(error).__name__ in ("OperationalError", "InternalError")
    return operational and not ABSENT_WORDS.search(text) and "syntax error" not in text


def _state(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _number(error: DBAPIError) -> int | None:
    """MySQL's error number; it is the first argument of PyMySQL's exceptions."""
    arguments: tuple[Any, ...] = getattr(error.orig, "args", ())
    return arguments[0] if len(arguments) > 1 and isinstance(arguments[0], int) else None


def _column(error: DBAPIError, text: str) -> str | None:
    diag = getattr(error.orig, "diag", None)
    if diag is not None and diag.column_name:
        return str(diag.column_name)
    found = (pattern.search(text) for pattern in COLUMN_WORDS)
    return next((match[1] for match in found if match), None)
