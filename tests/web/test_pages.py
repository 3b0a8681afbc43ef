"""The status page and the health checks."""

import socket
import threading
import urllib.request
from html.parser import HTMLParser

import pytest

from hub.errors import ConfigError, StorageError
from hub.web import create_app, serve_forever
from tests.cli.conftest import FakeHub, flow_status, run

PAUSED = {"code": "brake", "message": "{count} rows are gone", "hint": "", "values": {"count": 12}}
HOSTILE = "<script>alert(1)</script>\"'&"


@pytest.fixture
def fake():
    return FakeHub(settings=None)


@pytest.fixture
def client(fake):
    return create_app(fake).test_client()


class Outside(HTMLParser):
    """Collects what a page loads, runs or styles by itself."""

    def __init__(self):
        super().__init__()
        self.found = []
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.found.append((tag, name))
            if name in ("src", "href") and (value or "").startswith(("http", "//")):
                self.found.append((tag, value))


def parsed(text):
    page = Outside()
    page.feed(text)
    return page


def test_the_page_shows_flows_runs_and_counts(client):
    text = client.get("/").text

    for word in ("customers", "erp", "both ways", "active", "2025-03-01 00:30", "hub quarantine"):
        assert word in text


def test_the_page_is_in_the_language_of_the_browser(client):
    assert 'lang="en"' in client.get("/").text
    chinese = client.get("/", headers={"Accept-Language": "fr, zh-CN;q=0.9, en;q=0.8"}).text
    assert '<html lang="zh-CN">' in chinese and "同步流" in chinese


def test_the_language_chosen_is_kept(client):
    assert '<html lang="zh-CN">' in client.get("/?lang=zh").text

    assert '<html lang="zh-CN">' in client.get("/").text
    assert '<html lang="en">' in client.get("/?lang=en").text
    assert '<html lang="en">' in client.get("/?lang=xx").text


@pytest.mark.parametrize(
    "path", ["/", "/status.json", "/health/live", "/nothing", "/static/hub.css"]
)
def test_every_answer_is_locked_down(client, path):
    with client.get(path) as answer:
        headers = answer.headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing(client):
    page = parsed(client.get("/").text)

    assert page.found == []
    assert "script" not in page.tags and "style" not in page.tags
    with client.get("/static/hub.css") as answer:
        assert "http" not in answer.text


def test_everything_is_escaped(client, fake):
    fake.answers["status"] = {
        "flows": [
            flow_status(
                HOSTILE,
                connection=HOSTILE,
                state=HOSTILE,
                direction=HOSTILE,
                paused_reason={"code": "x", "message": HOSTILE},
            )
        ],
        "records": {HOSTILE: 1},
    }
    fake.answers["runs"] = [run(HOSTILE, state=HOSTILE, error={"code": "x", "message": HOSTILE})]

    text = client.get("/").text

    assert "<script>" not in text and "&lt;script&gt;" in text
    assert parsed(text).found == []


def test_entities_have_their_names_in_the_language(client):
    assert "</b> Customer" in client.get("/").text
    assert "</b> 客户" in client.get("/?lang=zh").text


def test_an_empty_hub_says_what_to_do_first(client, fake):
    fake.answers["status"] = {"flows": [], "records": {}}
    fake.answers["runs"] = []

    text = client.get("/").text

    assert "No flows yet" in text and "hub doctor" in text and "hub sync" in text


def test_a_flow_that_never_ran_and_a_paused_one_are_shown(client, fake):
    fake.answers["status"] = {
        "flows": [
            flow_status(state="new", last_run=None, next_due_at=None),
            flow_status("orders", state="paused", paused_reason=PAUSED),
        ],
        "records": {},
    }

    text = client.get("/").text

    assert "never run" in text and "12 rows are gone" in text


def test_status_json_has_a_stable_shape_and_no_templates(client, fake):
    paused = flow_status(state="paused", paused_reason=PAUSED)
    fake.answers["status"] = {"flows": [paused], "records": {}}

    found = client.get("/status.json").json

    assert found["hub"] == 1
    assert found["status"]["flows"][0]["paused_reason"]["message"] == "12 rows are gone"
    assert found["runs"][0]["flow"] == "customers"


def test_live_asks_nothing_of_the_database(client, fake):
    assert client.get("/health/live").json == {"live": True}
    assert fake.calls == []


def test_ready_means_that_the_database_answers_and_fits(client, fake):
    assert client.get("/health/ready").status_code == 200

    fake.answers["schema_state"] = {"current": "1", "head": "2", "ok": False}
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json) == (503, {"ready": False, "reason": "upgrade"})

    fake.answers["schema_state"] = StorageError("x")
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json["reason"]) == (503, "storage")


def test_a_failure_is_told_without_a_traceback(client, fake):
    fake.answers["status"] = StorageError("the disk is full", hint="Make room.")

    answer = client.get("/status.json")

    assert answer.status_code == 503
    assert answer.json == {
        "error": {"code": "storage", "message": "the disk is full", "hint": "Make room."}
    }


def test_nothing_can_be_changed_through_the_pages(client):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.open("/", method=method).status_code == 405


def test_the_pages_are_served_until_they_are_stopped(fake):
    stop, ready, urls = threading.Event(), threading.Event(), []

    def announce(url):
        urls.append(url)
        ready.set()

    args = (create_app(fake), "127.0.0.1", 0, stop, announce)
    server = threading.Thread(target=serve_forever, args=args, daemon=True)
    server.start()
    assert ready.wait(10)

    with urllib.request.urlopen(urls[0] + "health/live", timeout=10) as answer:
        assert answer.read().strip() == b'{"live":true}'
    stop.set()
    server.join(10)
    assert not server.is_alive()


def test_a_port_that_is_taken_is_named(fake):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot serve on 127.0.0.1:{port}"):
            serve_forever(create_app(fake), "127.0.0.1", port, threading.Event(), print)


def test_what_needs_a_person_is_said_with_the_command_that_goes_on(client, fake):
    failed = run("orders", state="failed", error=PAUSED)
    flows = [
        flow_status(quarantined=3, conflicts=0, state="paused", paused_reason=PAUSED),
        flow_status("orders", quarantined=0, conflicts=2, last_run=failed),
    ]
    fake.answers["status"] = {"flows": flows, "records": {}}

    text = client.get("/").text

    for command in (
        "hub flows resume customers",
        "hub quarantine list --flow customers",
        "hub sync",
        "hub conflicts list",
    ):
        assert f"<code>{command}</code>" in text
    assert "Its last run failed: 12 rows are gone" in text and "All is well" not in text
    assert "需要人处理" in client.get("/?lang=zh").text


def test_a_hub_that_needs_nobody_says_so(client, fake):
    calm = flow_status(quarantined=0, conflicts=0)
    fake.answers["status"] = {"flows": [calm], "records": {}}

    assert "All is well" in client.get("/").text


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        ("2025-03-01T00:30:40.000Z", "now"),
        ("2025-03-01T01:00:02.000Z", "30 min ago"),
        ("2025-03-01T12:30:02.000Z", "12 h ago"),
        ("2025-03-11T00:30:02.000Z", "10 days ago"),
    ],
)
def test_the_page_says_how_far_behind_a_flow_is(client, fake, now, shown):
    flow = flow_status(current_at="2025-03-01T00:30:02.000Z")
    fake.answers["status"] = {"at": now, "flows": [flow], "records": {}}

    assert f">{shown}</td>" in client.get("/").text


def test_every_cell_has_its_title_for_narrow_screens(client):
    text = client.get("/").text

    assert text.count("<td ") == text.count("<td data-label=")
