"""The status page and the health checks.  Read-only; everything comes from `hub.context.Hub`."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from flask import Flask, Response, jsonify, render_template, request

from hub import i18n
from hub.entity import Entity
from hub.errors import ConfigError, HubError
from hub.i18n import DIRECTIONS, STATES, _, said

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
YEAR = 365 * 24 * 3600
# A state is shown as mark and word, so that colour is never the only sign.
MARKS = {"done": "✓", "active": "✓", "partial": "!", "paused": "!", "failed": "✗", "running": "…"}


class Status(Protocol):
    """What the pages need of the hub."""

    entities: Mapping[str, Entity]

    def status(self) -> dict[str, Any]: ...

    def runs(self, flow: str | None = None, limit: int = 20) -> list[dict[str, Any]]: ...

    def schema_state(self) -> dict[str, Any]: ...


def create_app(hub: Status) -> Flask:
    """The WSGI application over an opened hub."""
    app = Flask(__name__)
    app.jinja_env.globals["mark"] = lambda state: MARKS.get(state, "·")

    @app.get("/")
    def page() -> Response:
        return _page(hub)

    @app.get("/status.json")
    def status() -> Response:
        found = {"hub": 1, "status": hub.status(), "runs": hub.runs()}
        return jsonify(_plain(i18n.spoken(found, _language())))

    @app.get("/health/live")
    def live() -> Response:
        return jsonify({"live": True})

    @app.get("/health/ready")
    def ready() -> Response:
        return _ready(hub)

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    @app.errorhandler(HubError)
    def failed(error: HubError) -> tuple[Response, int]:
        chosen = _language()
        found = {"code": error.code, "message": i18n.render(error, chosen)}
        return jsonify({"error": {**found, "hint": i18n.render_hint(error, chosen)}}), 503

    return app


def _page(hub: Status) -> Response:
    language, status = _language(), hub.status()
    text = render_template(
        "status.html",
        language=language,
        status=status,
        troubles=list(_troubles(status["flows"], language)),
        lag=lambda flow: _lag(status.get("at"), flow.get("current_at"), language),
        runs=hub.runs(limit=20),
        _=lambda text, **values: i18n.say(text, language, **values),
        moment=_moment,
        states=STATES,
        directions=DIRECTIONS,
        said=lambda error: said(error, language),
        label=lambda name: hub.entities[name].label(language) if name in hub.entities else name,
    )
    response = Response(text, content_type="text/html; charset=utf-8")
    if request.args.get("lang") in i18n.LANGUAGES:
        response.set_cookie("lang", language, max_age=YEAR, httponly=True, samesite="Lax")
    response.headers["Vary"] = "Accept-Language, Cookie"
    return response


PAUSED = _("It is paused, and nothing runs until somebody lets it go on: {reason}")
FAILED = _("Its last run failed: {reason}")
ASIDE = _("Records set aside: {count}")
DECIDE = _("Conflicts to decide: {count}")
AGES = (
    (90, 1, _("now")),
    (90 * 60, 60, _("{count} min ago")),
    (36 * 3600, 3600, _("{count} h ago")),
    (float("inf"), 86400, _("{count} days ago")),
)


def _troubles(flows: list[dict[str, Any]], language: str) -> Iterator[tuple[str, str, str, str]]:
    """What needs a person: (flow, what is wrong, what to do, the command that goes on)."""
    for flow in flows:
        name, last = flow["flow"], flow.get("last_run") or {}
        for template, error, command in (
            (PAUSED, flow.get("paused_reason"), f"hub flows resume {name}"),
            (FAILED, last.get("error") if last.get("state") == "failed" else None, "hub sync"),
        ):
            if error:
                reason, hint = said(error, language)
                yield name, i18n.say(template, language, reason=reason), hint, command
                break
        for template, count, command in (
            (ASIDE, flow.get("quarantined"), f"hub quarantine list --flow {name}"),
            (DECIDE, flow.get("conflicts"), "hub conflicts list"),
        ):
            if count:
                yield name, i18n.say(template, language, count=count), "", command


def _lag(now: str | None, current: str | None, language: str) -> str:
    """How long ago the flow was last up to date."""
    if not now or not current:
        return "—"
    span = datetime.fromisoformat(now) - datetime.fromisoformat(current)
    seconds = max(span.total_seconds(), 0)
    unit, template = next((unit, text) for most, unit, text in AGES if seconds < most)
    return i18n.say(template, language, count=round(seconds / unit))


def _language() -> str:
    """What the reader chose, else what the browser asks for."""
    wish = request.args.get("lang") or request.cookies.get("lang")
    if wish in i18n.LANGUAGES:
        return str(wish)
    return i18n.from_header(request.headers.get("Accept-Language", ""))


def _ready(hub: Status) -> Response:
    """200 when the database answers and fits this version, otherwise 503 and why."""
    try:
        schema = hub.schema_state()
    except HubError as e:
        return _json({"ready": False, "reason": e.code}, 503)
    reason = "" if schema["ok"] else "upgrade"
    return _json({"ready": bool(schema["ok"]), "reason": reason}, 200 if schema["ok"] else 503)


def _json(found: dict[str, Any], code: int) -> Response:
    response = jsonify(found)
    response.status_code = code
    return response


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _moment(value: datetime | str | None) -> str:
    """An instant in UTC, to the minute; the page says that it is UTC."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return str(value or "—")[:16].replace("T", " ")


def serve_forever(
    app: Flask, host: str, port: int, stop: threading.Event, announce: Callable[[str], None]
) -> None:
    """Serve until *stop* is set.  ConfigError if the address cannot be had."""
    from waitress import create_server, wasyncore  # type: ignore[import-untyped]

    sockets: dict[int, Any] = {}
    with _listening(host, port) as listening:
        server = create_server(app, sockets=[listening], map=sockets, ident="")
        announce(f"http://{_shown(host)}:{listening.getsockname()[1]}/")
        try:
            while not stop.is_set():
                wasyncore.loop(timeout=0.2, map=sockets, count=1)
        finally:
            server.task_dispatcher.shutdown()
            server.close()
            wasyncore.close_all(sockets)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_rest, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError) as e:
        raise ConfigError(
            "cannot serve on {host}:{port}: {reason}",
            host=host,
            port=port,
            reason=getattr(e, "strerror", None) or str(e),
            hint="Choose another port: hub serve --port 8766",
        ) from e
