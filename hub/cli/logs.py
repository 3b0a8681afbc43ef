"""`data/hub.log`: what the engine reports, and where unexpected errors came from.  No secrets."""

import hashlib
import logging
import logging.handlers
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.cli.base import State

LAYOUT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
log = logging.getLogger("hub")


def begin(state: "State") -> None:
    """Send the hub's log to its file, and with -v to stderr too.  Twice is as good as once."""
    end()
    if (state.home / "data").is_dir():
        path = state.home / "data" / "hub.log"
        _add(logging.handlers.RotatingFileHandler(path, "a", 5_000_000, 3, encoding="utf-8"))
    if state.verbose:
        _add(logging.StreamHandler(sys.stderr))
    log.setLevel(logging.DEBUG if state.verbose > 1 else logging.INFO)
    log.propagate = False


def end() -> None:
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()


def _add(handler: logging.Handler) -> None:
    from hub.secrets import redactor

    handler.setFormatter(logging.Formatter(LAYOUT))
    handler.addFilter(redactor)
    log.addHandler(handler)


def record(error: BaseException, state: "State") -> tuple[str, Path | None]:
    """Write down an unexpected error; its code, and the file if there is one to write to."""
    code = fingerprint(error)
    begin(state)
    log.error("%s in %s", code, state.command or "hub", exc_info=error)
    path = state.home / "data" / "hub.log"
    return code, path if path.exists() else None


def fingerprint(error: BaseException) -> str:
    """A code that is the same whenever the same thing fails in the same place."""
    frames = traceback.extract_tb(error.__traceback__)
    place = "".join(f"{Path(f.filename).name}:{f.name};" for f in frames)
    return f"HUB-{hashlib.sha256(f'{type(error)}{place}'.encode()).hexdigest()[:6].upper()}"
