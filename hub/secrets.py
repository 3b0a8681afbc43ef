"""Secrets: an encrypted store, the references that point into it, and the mask over all output.

`data/secrets.json` holds AES-256-GCM texts, each bound to its name, so that one cannot stand for
another.  The master key is `HUB_SECRET_KEY` (32 bytes in base64), the file `HUB_SECRET_KEY_FILE`
names, or `data/secret.key`.  Nothing falls back to plain text.
"""

import base64
import binascii
import hashlib
import json
import logging
import os
import stat
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from marshmallow import fields

from hub.connector import Secret, SecretText, Settings, Text, load_settings
from hub.errors import ConfigError, NotFoundError
from hub.layers import scalar
from hub.settings import ConnectionSettings

Resolver = Callable[[str], SecretText]
MASK = "••••••"
WAYS = "Refer to it as secret: store:NAME (see hub config set-secret), env:NAME or file:/path."


# ----------------------------------------------------------------------------------- the mask


class Redactor(logging.Filter):
    """Masks every secret that was ever revealed, in whatever passes through it."""

    def __init__(self) -> None:
        super().__init__()
        self._texts: list[str] = []

    def add(self, secret: SecretText) -> SecretText:
        """Remember the secret.  Texts under four characters would mask innocent ones."""
        text = secret.reveal()
        if len(text) > 3:
            encoded = base64.b64encode(text.encode()).decode()
            spelt = {text, quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1], encoded}
            # The longest first: a secret may be part of another.
            self._texts = sorted({*self._texts, *spelt}, key=len, reverse=True)
        return secret

    def scrub(self, text: str) -> str:
        for secret in self._texts:
            text = text.replace(secret, MASK)
        return text

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.scrub(record.getMessage()), ()
        if record.exc_info:
            text = "".join(traceback.format_exception(*record.exc_info))
            record.exc_text = self.scrub(text.rstrip("\n"))
        return True


redactor = Redactor()


# ---------------------------------------------------------------------------------- the store


class Secrets:
    """The encrypted store of one home.  Names are shown; texts only through `get`."""

    def __init__(self, home: Path, environ: Mapping[str, str] = os.environ) -> None:
        self.path = home / "data" / "secrets.json"
        self.key_path = home / "data" / "secret.key"
        self._environ = environ

    def create_key(self) -> bool:
        """Make the key file unless there is a key already; whether it was made."""
        if self._given() or self.key_path.exists():
            return False
        _write_private(self.key_path, _encode(os.urandom(32)))
        return True

    def names(self) -> list[str]:
        return sorted(self._read())

    def get(self, name: str) -> SecretText:
        sealed = self._read()
        if name not in sealed:
            raise NotFoundError(
                "there is no secret {name!r} in {path}",
                name=name,
                path=str(self.path),
                hint="Set it: hub config set-secret {name}",
            )
        return redactor.add(SecretText(self._open(name, sealed[name])))

    def set(self, name: str, text: str) -> None:
        if not text:
            raise ConfigError("secret {name!r}: an empty text is no secret", name=name)
        sealed = self._read()
        sealed[name] = _seal(self._key(), name, text)
        self._write(sealed)

    def resolve(self, connection: ConnectionSettings, schema: type[Settings]) -> dict[str, Any]:
        """The connection's settings with every secret in place; see `resolve_settings`."""
        return resolve_settings(connection, schema, self, self._environ)

    def remove(self, name: str) -> None:
        sealed = self._read()
        sealed.pop(name, None)
        self._write(sealed)

    def rotate(self) -> int:
        """Encrypt everything under a new key, kept in the key file; how many secrets there are."""
        if place := self._given():
            raise ConfigError(
                "the key comes from {place}, which the hub cannot change",
                place=place,
                hint="Change the key there, then set each secret again: hub config set-secret NAME",
            )
        texts = {name: self._open(name, sealed) for name, sealed in self._read().items()}
        key = os.urandom(32)
        # A crash between any two of these leaves a state that `_key` understands.
        _write_private(self._next, _encode(key))
        self._write({name: _seal(key, name, text) for name, text in texts.items()})
        self._next.replace(self.key_path)
        return len(texts)

    @property
    def _next(self) -> Path:
        return self.key_path.with_suffix(".next")

    def _given(self) -> str:
        """The variable that gives the key, if one does."""
        names = ("HUB_SECRET_KEY", "HUB_SECRET_KEY_FILE")
        return next((n for n in names if self._environ.get(n)), "")

    def _key(self) -> bytes:
        place = self._given()
        if place == "HUB_SECRET_KEY":
            return _decode(self._environ[place], place)
        if place:
            path = Path(self._environ[place])
            return _decode(_content(path, place), str(path))
        self._finish_rotation()
        _check_private(self.key_path)
        return _decode(_content(self.key_path, ""), str(self.key_path))

    def _finish_rotation(self) -> None:
        if not self._next.exists():
            return
        following = _key_id(_decode(_content(self._next, ""), str(self._next)))
        if all(sealed["key"] == following for sealed in self._read().values()):
            self._next.replace(self.key_path)
        else:
            self._next.unlink()

    def _open(self, name: str, sealed: Mapping[str, str]) -> str:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, text = (base64.b64decode(sealed[part]) for part in ("nonce", "text"))
        try:
            return AESGCM(self._key()).decrypt(nonce, text, name.encode()).decode()
        except InvalidTag as e:
            raise ConfigError(
                "secret {name!r} does not open with this key",
                name=name,
                hint="Give the key it was set with, or set it again: hub config set-secret {name}",
            ) from e

    def _read(self) -> dict[str, dict[str, str]]:
        if not self.path.exists():
            return {}
        try:
            return dict(json.loads(self.path.read_text(encoding="utf-8"))["secrets"])
        except (ValueError, KeyError, TypeError) as e:
            template = "{path} is damaged: {reason}"
            hint = "Restore it from a backup, or remove it and set the secrets again."
            raise ConfigError(template, path=str(self.path), reason=str(e), hint=hint) from e

    def _write(self, sealed: Mapping[str, Mapping[str, str]]) -> None:
        document = {"version": 1, "secrets": dict(sorted(sealed.items()))}
        _write_private(self.path, json.dumps(document, indent=1, ensure_ascii=False))


def _seal(key: bytes, name: str, text: str) -> dict[str, str]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    sealed = AESGCM(key).encrypt(nonce, text.encode(), name.encode())
    return {"key": _key_id(key), "nonce": _encode(nonce), "text": _encode(sealed)}


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"hub key id" + key).hexdigest()[:8]


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decode(text: str, place: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), altchars=b"-_" if set(text) & set("-_") else None)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != 32:
        hint = "Make one: openssl rand -base64 32"
        raise ConfigError("{place} is not a key of 32 bytes in base64", place=place, hint=hint)
    return key


def _content(path: Path, place: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as e:
        raise ConfigError(
            "there is no secret key: {path} does not exist",
            path=str(path),
            hint="hub init makes one; after a restore, give the old one in HUB_SECRET_KEY_FILE.",
        ) from e
    except (OSError, ValueError) as e:
        raise ConfigError(
            "{place}: cannot read the file {path!r}: {reason}",
            place=place or path.name,
            path=str(path),
            reason=str(e),
        ) from e


def _check_private(path: Path) -> None:
    if os.name == "posix" and path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(
            "{path} can be read by others", path=str(path), hint="Close it: chmod 600 {path}"
        )


def _write_private(path: Path, text: str) -> None:
    """Replace the file in one step; at no instant can anyone else read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


# ------------------------------------------------------------------------------- references


def is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"secret"}


def resolve(
    reference: str, secrets: Secrets, environ: Mapping[str, str] = os.environ
) -> SecretText:
    """The secret that `env:NAME`, `file:/path` or `store:name` refers to."""
    kind, _, name = str(reference).partition(":")
    if kind == "store" and name:
        return secrets.get(name)
    if kind == "env" and name:
        return redactor.add(SecretText(_from_environment(name, environ)))
    if kind == "file" and name:
        return redactor.add(SecretText(_content(Path(name), reference).rstrip("\r\n")))
    template = "{reference!r} is not a secret reference"
    raise ConfigError(template, reference=str(reference), hint=WAYS)


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if text := environ.get(name):
        return text
    raise ConfigError(
        "the environment variable {name} is not set",
        name=name,
        hint="A secret refers to it; set it where the hub is started.",
    )


def resolve_settings(
    connection: ConnectionSettings,
    schema: type[Settings],
    secrets: Secrets,
    environ: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """The connector's settings with every secret in place, for `Connector(config)` to check.

    What the environment or the command line gave as text becomes what the setting is declared as.
    """
    return _settings(connection, schema, lambda reference: resolve(reference, secrets, environ))


def check_settings(connection: ConnectionSettings, schema: type[Settings], where: str) -> None:
    """ConfigError if the connector would refuse its settings; no secret is needed or opened."""
    # An address passes for any text that a reference may stand for.
    standing_in = SecretText("https://secret.invalid/")
    load_settings(schema, _settings(connection, schema, lambda _: standing_in), where=where)


def _settings(
    connection: ConnectionSettings, schema: type[Settings], resolved: Resolver
) -> dict[str, Any]:
    known = schema().fields
    config: dict[str, Any] = {}
    for name, value in connection.settings.items():
        declared = known.get(name)
        if isinstance(declared, Secret):
            _refuse_literal(connection, name, value)
        given = name not in connection.from_files
        config[name] = _typed(_resolved(value, resolved), declared, given=given)
    return config


def _refuse_literal(connection: ConnectionSettings, name: str, value: Any) -> None:
    if name in connection.from_files and value is not None and not is_reference(value):
        raise ConfigError(
            "connection {connection!r}: setting {name!r} is a secret; it cannot be in a file",
            connection=connection.name,
            name=name,
            hint=WAYS,
        )


def _resolved(value: Any, resolved: Resolver) -> Any:
    if is_reference(value):
        return resolved(value["secret"])
    if isinstance(value, Mapping):
        return {k: _resolved(v, resolved) for k, v in value.items()}
    if isinstance(value, list):
        return [_resolved(v, resolved) for v in value]
    return value


def _typed(value: Any, declared: fields.Field[Any] | None, *, given: bool) -> Any:
    if isinstance(declared, Secret):
        return redactor.add(SecretText(value)) if isinstance(value, str) else value
    if isinstance(declared, Text):
        # An address may hold a password, and so be a secret as a whole.
        return value.reveal() if isinstance(value, SecretText) else value
    return scalar(value) if given and isinstance(value, str) else value


def references(settings: Mapping[str, Any]) -> Iterable[str]:
    """Every reference in a connection's settings."""
    for value in settings.values():
        if is_reference(value):
            yield str(value["secret"])
        elif isinstance(value, Mapping):
            yield from references(value)
