"""What the wire can do to a call, and what the caller gets."""

import gzip
import io
import socket
import ssl
import threading
import time
import traceback
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_address

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from requests.adapters import BaseAdapter

from hub.connector import SecretText
from hub.errors import (
    AuthError,
    ProtocolError,
    RateLimitError,
    RejectedError,
    RemoteError,
    UnavailableError,
)
from hub.http import (
    MAX_WAIT,
    ApiKeyQuery,
    BasicAuth,
    BearerAuth,
    ClientCredentials,
    HeaderAuth,
    Response,
    RestClient,
    TokenAuth,
    dumps,
    lifetime,
    loads,
    retry_after,
)
from hub.testing.clock import StillClock
from hub.testing.fault_proxy import (
    FaultProxy,
    cut,
    drip,
    endless,
    hang,
    http,
    reply,
    reset,
)

SHORT = timedelta(seconds=0.3)
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
PASSWORD = "s3cret-pass/word"


@pytest.fixture
def server():
    with FaultProxy() as proxy:
        yield proxy


@pytest.fixture
def client(server):
    with RestClient(server.url + "/api/v1", timeout=timedelta(seconds=10)) as rest:
        yield rest


@pytest.fixture
def hurried(server):
    with RestClient(server.url, timeout=SHORT) as rest:
        yield rest


def caught(kind, call):
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind, caught.value
    return caught.value


# ------------------------------------------------------------------------------------- deadline


@pytest.mark.parametrize(
    "fault",
    [
        hang(),
        drip(http(200, b'{"a": 1}')),
        drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 500),
        endless(http(200, Content_Length="99999999999"), b"x"),
    ],
    ids=["hang", "drip", "dripping headers", "endless body"],
)
def test_a_call_ends_at_its_deadline(server, hurried, fault):
    server.next(fault)
    begun = time.monotonic()

    error = caught(UnavailableError, lambda: hurried.get("rows"))

    assert time.monotonic() - begun < 2
    assert not error.may_have_acted


def test_a_write_that_ran_out_of_time_may_have_acted(server, hurried):
    server.next(hang())

    assert caught(UnavailableError, lambda: hurried.post("rows", json={})).may_have_acted


def test_a_deadline_also_ends_a_hang_while_connecting():
    # a listener whose backlog is full answers no SYN; the next attempt hangs
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        with RestClient(f"http://127.0.0.1:{port}", timeout=SHORT) as rest:
            begun = time.monotonic()
            error = caught(UnavailableError, lambda: rest.post("rows", json={}))
        for sock in waiting:
            sock.close()

    assert time.monotonic() - begun < 2
    assert not error.may_have_acted


def test_the_deadline_holds_on_a_connection_that_is_used_again(server, hurried):
    assert hurried.get("first").json() == {}
    server.next(drip(http(200, b"{}")))

    caught(UnavailableError, lambda: hurried.get("second"))


def test_the_deadline_holds_over_tls(tls):
    context, ca_file = tls
    second = timedelta(seconds=1)
    with (
        FaultProxy(tls=context) as server,
        RestClient(server.url, timeout=second, ca_file=ca_file) as rest,
    ):
        assert rest.get("a").json() == {}
        server.next(drip(http(200, b"{}")))
        begun = time.monotonic()

        error = caught(UnavailableError, lambda: rest.post("b", json={}))

    assert time.monotonic() - begun < 3
    assert error.may_have_acted


def test_an_unknown_certificate_is_refused_before_anything_is_sent(tls):
    context, _ = tls
    with FaultProxy(tls=context) as server, RestClient(server.url) as rest:
        error = caught(UnavailableError, lambda: rest.post("rows", json={}))

    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    assert not error.may_have_acted
    assert server.received == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[1,2]",
        http(200, b"[1,2]"),
    ],
    ids=["chunked", "until the end", "with its length"],
)
def test_the_proxy_passes_on_every_kind_of_answer(answer):
    with FaultProxy() as upstream, FaultProxy(upstream.url) as proxy:
        upstream.next(lambda exchange: (exchange.send(answer), exchange.sock.close()))
        with RestClient(proxy.url, timeout=timedelta(seconds=5)) as rest:
            assert rest.post("rows", json={"a": 1}).json() == [1, 2]

    assert upstream.received[0].endswith(b'{"a":1}')


# ------------------------------------------------------------------------------ lost connections


def test_a_refused_connection_has_not_acted(server):
    server.__exit__()
    with RestClient(server.url) as rest:
        error = caught(UnavailableError, lambda: rest.post("rows", json={}))

    assert not error.may_have_acted
    assert "refused" in str(error)


@pytest.mark.parametrize("applied", [True, False])
def test_a_reset_write_may_have_acted_and_a_reset_read_has_not(server, client, applied):
    server.next(reset(applied=applied), reset(applied=applied))

    assert caught(UnavailableError, lambda: client.post("rows", json={})).may_have_acted
    assert not caught(UnavailableError, lambda: client.get("rows")).may_have_acted


def test_a_post_that_only_asks_has_not_acted(server, client):
    server.next(reset(applied=True))

    error = caught(UnavailableError, lambda: client.post("rpc", json={}, acts=False))

    assert not error.may_have_acted


@pytest.mark.parametrize("fault", [cut(60), cut(20), reply(200, b"{", Content_Length="9")])
def test_a_truncated_answer_is_no_answer(server, hurried, fault):
    server.next(fault)

    assert caught(UnavailableError, lambda: hurried.put("rows/1", json={})).may_have_acted


def test_a_retry_is_never_made_here(server, client):
    server.next(reset(applied=True))

    caught(UnavailableError, lambda: client.post("rows", json={}))

    assert len(server.received) == 1


# ----------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("status", "kind", "acted"),
    [
        (400, RejectedError, False),
        (401, AuthError, False),
        (403, AuthError, False),
        (404, RejectedError, False),
        (405, ProtocolError, False),
        (408, UnavailableError, True),
        (409, RejectedError, False),
        (422, RejectedError, False),
        (429, RateLimitError, False),
        (500, UnavailableError, True),
        (501, ProtocolError, False),
        (502, UnavailableError, True),
        (503, UnavailableError, True),
        (504, UnavailableError, True),
    ],
)
def test_a_status_says_what_happens_next(server, client, status, kind, acted):
    server.next(reply(status, b'{"message": "because"}'))

    error = caught(kind, lambda: client.post("rows", json={}))

    assert error.may_have_acted is acted
    assert f"POST {server.url}/api/v1/rows: answer {status} application/json" in str(error)
    assert "because" in str(error)


def test_an_accepted_status_is_returned(server, client):
    server.next(reply(412))

    assert client.put("rows/1", json={}, accept={412}).status == 412


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("1.5", timedelta(seconds=1.5)),
        ("0", timedelta(0)),
        ("-5", timedelta(0)),
        ("864000", MAX_WAIT),
        ("999999999999", MAX_WAIT),
        ("Sat, 31 Jan 2026 12:00:30 GMT", timedelta(seconds=30)),
        ("Sat, 31 Jan 2026 11:00:00 GMT", timedelta(0)),
        ("Tue, 10 Feb 2026 12:00:00 GMT", MAX_WAIT),
        ("soon", None),
        ("", None),
        ("9" * 500, None),
        ("Sat, 99 Jan 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_in_all_its_forms(text, wait):
    answer = Response("GET", "http://x/", 429, {"Retry-After": text}, received_at=NOW)

    assert retry_after(answer) == wait


def test_a_retry_date_is_read_against_the_clock_of_the_sender():
    headers = {
        "Retry-After": "Sat, 31 Jan 2026 15:00:30 GMT",
        "Date": "Sat, 31 Jan 2026 15:00:00 GMT",
    }

    assert retry_after(Response("GET", "http://x/", 429, headers, received_at=NOW)) == timedelta(
        seconds=30
    )


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        (b"<html><form><input type=password name=p>", AuthError),
        (b"<!doctype html><title>Sign in - Acme</title>", AuthError),
        ("<title>登录</title>".encode(), AuthError),
        (b"<html>502 Bad Gateway</html>", UnavailableError),
        (b"<html>We are down for maintenance</html>", UnavailableError),
        (b"<html><h1>Acme</h1></html>", ProtocolError),
    ],
)
def test_a_web_page_instead_of_json_is_told_apart(server, client, page, kind):
    server.next(reply(200, page, Content_Type="text/html; charset=utf-8"))

    error = caught(kind, lambda: client.get("rows", params={"q": "private"}).json())

    assert "200 text/html" in str(error)
    assert "private" not in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"a": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b"[1e-999999]",
        b"[" + b"9" * 5000 + b"]",
        b'{"a": 1, "a": 2}',
        b"[" * 100_000,
        b"[" * 101 + b"]" * 101,
        b'"\xff"',
        b'{"a": "\\ud800"}',
        b'{"\\uDC00": 1}',
    ],
)
def test_json_that_two_readers_would_read_differently_is_refused(server, client, body):
    server.next(reply(200, body))

    error = caught(ProtocolError, lambda: client.get("rows").json())

    assert "not usable JSON" in str(error)


def test_fractions_are_decimals_and_deep_enough_is_allowed():
    assert loads('{"a": 10.10, "b": 3}') == {"a": Decimal("10.10"), "b": 3}
    assert str(loads("[10.10]")[0]) == "10.10"
    loads("[" * 99 + "]" * 99)
    assert loads(r'"\ud83d\ude00"') == "😀"


def test_a_gzip_bomb_is_stopped_at_the_cap(server):
    bomb = gzip.compress(bytes(50_000_000))
    server.next(reply(200, bomb, Content_Encoding="gzip"))
    with RestClient(server.url, max_bytes=1_000_000) as rest:
        error = caught(ProtocolError, lambda: rest.get("rows"))

    assert "larger than 1000000 bytes" in str(error)


def test_a_body_within_the_cap_is_decompressed(server, client):
    server.next(reply(200, gzip.compress(b'{"a": 1}'), Content_Encoding="gzip"))

    assert client.get("rows").json() == {"a": 1}


def test_a_broken_compression_is_no_answer(server, client):
    server.next(reply(200, b"not gzip", Content_Encoding="gzip"))

    caught(UnavailableError, lambda: client.get("rows"))


# --------------------------------------------------------------------------------- redirects


def test_a_redirect_of_a_read_on_the_same_host_is_followed(server, client):
    server.next(reply(301, Location="/other"), reply(200, b'{"a": 1}'))

    assert client.get("rows").json() == {"a": 1}
    assert server.received[1].startswith(b"GET /other ")


def test_a_redirect_to_another_host_is_refused_and_carries_no_token(server):
    with FaultProxy() as other, RestClient(server.url, auth=BearerAuth("t0ken-t0ken")) as rest:
        server.next(reply(302, Location=other.url + "/rows?x=1"))

        error = caught(ProtocolError, lambda: rest.get("rows"))

        assert other.url in str(error)
        assert other.received == []


def test_a_redirect_to_a_sign_in_page_is_an_auth_error(server, client):
    server.next(reply(302, Location="/login?next=/rows"))

    caught(AuthError, lambda: client.get("rows"))


def test_a_redirect_of_a_write_is_not_followed(server, client):
    server.next(reply(307, Location="/other"))

    assert caught(ProtocolError, lambda: client.post("rows", json={})).may_have_acted
    assert len(server.received) == 1


def test_redirects_in_a_circle_end(server, client):
    server.next(*[reply(302, Location="/again")] * 20)

    caught(ProtocolError, lambda: client.get("rows"))

    assert len(server.received) <= 5


def test_a_link_to_another_origin_is_refused(client):
    error = caught(ProtocolError, lambda: client.get("https://evil.example/rows?t=1"))

    assert "https://evil.example/rows" in str(error)


def test_a_path_cannot_name_another_host(server, client):
    client.get("//evil.example/rows")

    assert server.received[0].startswith(b"GET /api/v1/evil.example/rows ")


# ------------------------------------------------------------------------------------ requests


def test_a_query_is_spelled_so_that_every_server_understands(server, client):
    client.get("rows", params={"q": "a b+c&d/上", "n": 2, "none": None, "many": ["x", "y"]})

    line = server.received[0].split(b"\r\n")[0].decode()
    assert line == ("GET /api/v1/rows?q=a%20b%2Bc%26d%2F%E4%B8%8A&n=2&many=x&many=y HTTP/1.1")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("10.50"), "10.50"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.000000001"), "0.000000001"),
        (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"),
        (date(2026, 1, 31), '"2026-01-31"'),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), '"2026-01-31T12:00:00Z"'),
        (
            datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=8))),
            '"2026-01-31T12:00:00+08:00"',
        ),
        ({"a": [1, True, None, '上\u2028"']}, '{"a":[1,true,null,"上\u2028\\""]}'),
        (b"\x00\xff", '"AP8="'),
    ],
)
def test_values_are_written_exactly(value, text):
    assert dumps(value) == text


def test_decimals_may_be_written_as_text():
    assert dumps({"a": Decimal("10.50")}, decimals="text") == '{"a":"10.50"}'


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("1E+999999"), float("inf")])
def test_what_is_no_number_is_not_written(value):
    with pytest.raises(ValueError):
        dumps([value])


def test_no_cookie_is_kept(server, client):
    server.next(reply(200, b"{}", Set_Cookie="sid=1; Path=/"))
    client.get("one")

    client.get("two")

    assert b"sid=1" not in server.received[1]


def test_the_transport_can_be_replaced():
    class Canned(BaseAdapter):
        def send(self, request, **options):
            if request.method == "POST":
                raise requests.ConnectionError("lost")
            answer = requests.Response()
            answer.status_code, answer.raw = 200, io.BytesIO(b'{"via": "memory"}')
            return answer

        def close(self):
            pass

    rest = RestClient("http://nowhere.example", transport=Canned())

    assert rest.get("rows").json() == {"via": "memory"}
    assert caught(UnavailableError, lambda: rest.post("rows", json={})).may_have_acted


# ---------------------------------------------------------------------------------- signing in


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        (BearerAuth(SecretText("abc-def")), b"Authorization: Bearer abc-def"),
        (BasicAuth("me", SecretText("pass")), b"Authorization: Basic bWU6cGFzcw=="),
        (HeaderAuth("X-Api-Key", "k-1234"), b"X-Api-Key: k-1234"),
        (ApiKeyQuery("key", "k 1234"), b"GET /rows?a=1&key=k%201234 "),
    ],
)
def test_calls_are_signed(server, auth, sent):
    with RestClient(server.url, auth=auth) as rest:
        rest.get("rows", params={"a": 1})

    assert sent in server.received[0]


@pytest.mark.parametrize(
    "auth",
    [
        BearerAuth(PASSWORD),
        BasicAuth("me", PASSWORD),
        HeaderAuth("X-Key", PASSWORD),
        ApiKeyQuery("key", PASSWORD),
    ],
    ids=lambda auth: type(auth).__name__,
)
@pytest.mark.parametrize(
    "fault",
    [
        reset(applied=False),
        reply(400, b"no such key: s3cret-pass/word s3cret-pass%2Fword"),
        reply(302, Location="/rows?key=s3cret-pass/word"),
        reply(302, Location="https://other.example/s3cret-pass/word"),
        reply(200, b"s3cret-pass/word"),
    ],
)
def test_no_secret_in_any_message(server, auth, fault):
    server.next(fault, reply(400, PASSWORD.encode()))
    with RestClient(server.url, auth=auth) as rest, pytest.raises(RemoteError) as caught:
        rest.get("rows").json()

    shown = "".join(traceback.format_exception(caught.value))
    shown += repr(caught.value) + repr(vars(caught.value))
    assert "s3cret" not in shown


def test_client_credentials_are_fetched_once_and_renewed_after_a_401(server):
    auth = ClientCredentials(server.url + "/token", "me", SecretText(PASSWORD), scope="sync")
    server.next(
        reply(200, b'{"access_token": "first", "expires_in": 3600}'),
        reply(200, b"{}"),
        reply(401),
        reply(200, b'{"access_token": "second", "expires_in": 3600}'),
        reply(200, b'{"ok": true}'),
    )
    with RestClient(server.url, auth=auth) as rest:
        rest.get("one")
        answer = rest.post("two", json={}).json()

    assert answer == {"ok": True}
    assert b"grant_type=client_credentials&scope=sync" in server.received[0]
    tokens = [r.split(b"Bearer ")[1].split(b"\r")[0] for r in server.received if b"Bearer" in r]
    assert tokens == [b"first", b"first", b"second"]


def test_client_credentials_are_renewed_before_they_expire(server):
    clock = Clock()
    auth = ClientCredentials(server.url + "/token", "me", PASSWORD)
    grant = reply(200, b'{"access_token": "t", "expires_in": "120"}')
    server.next(grant, reply(200), grant, reply(200))
    with RestClient(server.url, auth=auth, clock=clock) as rest:
        rest.get("one")
        clock.moment += 115
        rest.get("two")

    assert sum(b"/token" in r for r in server.received) == 2


def test_threads_share_one_token(server):
    auth = ClientCredentials(server.url + "/token", "me", PASSWORD)
    server.next(reply(200, b'{"access_token": "t"}'))
    with RestClient(server.url, auth=auth) as rest:
        threads = [threading.Thread(target=rest.get, args=("rows",)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sum(b"/token" in r for r in server.received) == 1
    assert len(server.received) == 6


@pytest.mark.parametrize("answer", [reply(400, b'{"error": "invalid_client"}'), reply(200, b"{}")])
def test_refused_client_credentials_are_an_auth_error(server, answer):
    auth = ClientCredentials(server.url + "/token", "me", PASSWORD)
    server.next(answer)
    with RestClient(server.url, auth=auth) as rest:
        error = caught(AuthError, lambda: rest.post("rows", json={}))

    assert not error.may_have_acted
    assert PASSWORD not in str(error)


def test_a_second_401_is_not_tried_again(server):
    auth = ClientCredentials(server.url + "/token", "me", PASSWORD)
    grant = reply(200, b'{"access_token": "t"}')
    server.next(grant, reply(401), grant, reply(401))
    with RestClient(server.url, auth=auth) as rest:
        caught(AuthError, lambda: rest.get("rows"))

    assert len(server.received) == 4


# --------------------------------------------------------------------------------------- means


class Clock:
    def __init__(self):
        self.moment = 1000.0

    def now(self):
        return NOW

    def monotonic(self):
        return self.moment

    def sleep(self, duration):
        raise AssertionError("nothing here sleeps")


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """A server context for 127.0.0.1, and the file a client must trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    return context, str(chain)


# ------------------------------------------------------------------- what connectors build on


class Soft(TokenAuth):
    """A system that takes its token in the body, and says in a 200 that it is over."""

    def __init__(self):
        super().__init__()
        self.issued = 0

    def issue(self, client):
        self.issued += 1
        return f"token-{self.issued}", 7200

    def headers(self, client):
        self.token(client)
        return {}

    def fields(self):
        return {"token": self._token}

    def sign(self, method, url, body):
        return {"X-Signed": f"{method} {len(body)}"}

    def refused(self, response):
        return b"expired" in response.content


def test_a_token_that_a_200_says_is_over_is_renewed_once():
    with FaultProxy() as proxy:
        proxy.next(reply(200, b'{"code": "expired"}'), reply(200, b'{"code": "ok"}'))
        proxy.next(*[reply(200, b'{"code": "expired"}')] * 2)
        auth = Soft()
        with RestClient(proxy.url, auth=auth) as client:
            assert client.post("x", json={"a": 1}).json() == {"code": "ok"}
            assert client.post("x", json={"a": 1}).json() == {"code": "expired"}

    assert auth.issued == 3
    assert proxy.received[1].endswith(b'{"a":1,"token":"token-2"}')
    assert b"X-Signed: POST 25" in proxy.received[1]


def test_a_token_is_renewed_before_it_expires():
    clock, auth = StillClock(), Soft()
    with FaultProxy() as proxy, RestClient(proxy.url, auth=auth, clock=clock) as client:
        client.get("x")
        clock.sleep(timedelta(seconds=7100))
        client.get("x")
        clock.sleep(timedelta(seconds=100))
        client.get("x")

    assert auth.issued == 2


@pytest.mark.parametrize("said", [None, "x", -1, 0, 10**12, "NaN", []])
def test_a_lifetime_that_is_none_is_the_usual_one(said):
    assert lifetime(said, 3600.0) == 3600.0


def test_calls_are_spread_to_the_rate_that_is_allowed():
    clock = StillClock()
    with FaultProxy() as proxy, RestClient(proxy.url, clock=clock, per_second=4) as client:
        begun = clock.monotonic()
        for _ in range(5):
            client.get("x")

    assert clock.monotonic() - begun == pytest.approx(1.0, abs=0.1)
