"""The generic REST connector against the fake CRM, in all the ways an API can be described."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

import pytest
import yaml

from hub.connector import BadRow, Change, Stream
from hub.connectors import rest
from hub.connectors.rest import Rest
from hub.connectors.rest.coding import decode, encode
from hub.connectors.rest.spec import ColumnSpec
from hub.errors import (
    AuthError,
    ConfigError,
    ProtocolError,
    RateLimitError,
    RejectedError,
    UnavailableError,
)
from hub.http import dumps
from hub.testing.connector_contract import ConnectorContract
from hub.testing.fake_rest import FakeRest
from hub.testing.fault_proxy import FaultProxy, reply

TOKEN = "t0ken-secret"
OFFSET = {"type": "offset", "param": "offset", "size_param": "limit"}
ORDER = {"sort": "updated_at,id"}
VERSION = {"column": "version", "template": '"{}"'}
BULK = {
    "path": "customers/bulk",
    "values": "values",
    "version": "if_version",
    "result_id": "row.id",
    "column": "error.column",
    "idempotent": True,
}
CUSTOMERS = {
    "path": "customers",
    "rows": "data",
    "total": "total",
    "paging": OFFSET,
    "since": {"column": "updated_at", "param": "updated_since", "order": ORDER},
    "fetch": {"find": {"name": "name", "number": "number"}},
    "columns": {
        "updated_at": {"kind": "datetime", "writable": False},
        "created_at": {"kind": "datetime", "writable": False},
        "credit_limit": "decimal",
        "name": {"kind": "text", "required": True},
        "size": "integer",
        "signed_on": "date",
    },
    "create": {},
    "update": {},
    "delete": {},
    "version": VERSION,
}


def settings(server, **streams):
    return {
        "base_url": server.url,
        "auth": "bearer",
        "secret": TOKEN,
        "check": {"path": "me", "show": "login"},
        "idempotency_header": "Idempotency-Key",
        "streams": {"customers": CUSTOMERS, **streams},
    }


@pytest.fixture
def server():
    with FakeRest(token=TOKEN) as fake:
        yield fake


@pytest.fixture
def connector(server):
    with Rest(settings(server)) as rest:
        yield rest


def stream_of(connector, name="customers"):
    return next(s for s in connector.discover() if s.name == name)


def opened(server, page_size=2, **changes):
    """A connector whose stream differs from the usual one."""
    spec = {k: v for k, v in {**CUSTOMERS, **changes}.items() if v is not None}
    connector = Rest({**settings(server), "streams": {"customers": spec}, "page_size": page_size})
    connector.open()
    return connector


def ids(pages):
    return [row["id"] for page in pages for row in page.rows]


# -------------------------------------------------------------------------------------- contract


class Contract(ConnectorContract):
    changes: ClassVar[dict] = {}
    options: ClassVar[dict] = {}

    @pytest.fixture
    def server(self):
        with FakeRest(token=TOKEN) as fake:
            yield fake

    @pytest.fixture
    def connector(self, server):
        spec = {k: v for k, v in {**CUSTOMERS, **self.changes}.items() if v is not None}
        config = {**settings(server), **self.options, "streams": {"customers": spec}}
        with Rest(config) as rest:
            yield rest

    @pytest.fixture
    def stream(self, connector):
        return stream_of(connector)

    @pytest.fixture
    def new_row(self):
        return lambda n: {
            "name": f"Customer {n}",
            "credit_limit": Decimal("10.50"),
            "size": n,
            "signed_on": date(2026, 1, n % 28 + 1),
            "note": None,
        }


class TestOffset(Contract):
    text_column = "name"
    integer_column = "size"

    def test_an_empty_text_is_not_null(self, connector, stream, new_row):
        self.text_column = "note"
        stream = replace(stream, columns={**stream.columns, "note": stream.columns["number"]})
        super().test_an_empty_text_is_not_null(connector, stream, new_row)


class TestPages(TestOffset):
    changes: ClassVar = {"paging": {"type": "page", "param": "page", "size_param": "limit"}}


class TestTokens(TestOffset):
    changes: ClassVar = {
        "paging": {
            "type": "cursor",
            "param": "cursor",
            "size_param": "limit",
            "next": "next_cursor",
        }
    }


class TestLinks(TestOffset):
    changes: ClassVar = {"paging": {"type": "link", "size_param": "limit"}}


class TestKeyset(TestOffset):
    changes: ClassVar = {"paging": {"type": "keyset", "param": "after_id", "size_param": "limit"}}


class TestUnsorted(TestOffset):
    changes: ClassVar = {"since": {"column": "updated_at", "param": "updated_since"}}


class TestBulk(TestOffset):
    changes: ClassVar = {"bulk": BULK}


class TestWholeRows(TestOffset):
    changes: ClassVar = {"update": {"method": "PUT", "patch": False}}


class TestWithoutPromises(TestOffset):
    changes: ClassVar = {"version": None, "since": {}, "fetch": {}, "delete": None}
    options: ClassVar = {"idempotency_header": ""}


# ------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    "paging",
    [
        OFFSET,
        {"type": "page", "param": "page", "size_param": "limit"},
        {"type": "cursor", "param": "cursor", "size_param": "limit", "next": "next_cursor"},
        {"type": "link", "size_param": "limit"},
        {"type": "keyset", "param": "after_id", "size_param": "limit", "column": "id"},
    ],
    ids=lambda paging: paging["type"],
)
def test_a_server_may_give_fewer_rows_than_asked(server, paging):
    server.page_size = 3  # the connector asks for 100
    connector = opened(server, page_size=100, paging=paging, total=None, since={})

    assert ids(connector.read(stream_of(connector), None)) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("removed", [(1,), (1, 2), (2,), (1, 2, 3, 4)])
def test_rows_removed_while_pages_are_read_hide_no_other(server, removed):
    connector = opened(server, since={})
    pages = connector.read(stream_of(connector), None)
    seen = ids([next(pages), next(pages)])
    for row_id in removed:
        server.remove("customers", row_id)

    seen += ids(pages)

    assert set(seen) >= {5, 6, 7}


def test_rows_that_move_to_the_end_while_pages_are_read_hide_no_other(server):
    connector = opened(server)
    pages = connector.read(stream_of(connector), None)
    seen = ids([next(pages)])
    for row_id in (1, 2):
        server.save("customers", row_id, status="moved")

    seen += ids(pages)

    assert set(seen) == {1, 2, 3, 4, 5, 6, 7}
    assert seen.count(1) == seen.count(2) == 2


def test_more_rows_than_a_page_may_share_one_moment(server):
    for row in server.rows["customers"].values():
        row["updated_at"] = "2026-01-31T12:00:00.000000Z"
    connector = opened(server)

    assert sorted(ids(connector.read(stream_of(connector), None))) == [1, 2, 3, 4, 5, 6, 7]


def test_a_quiet_system_is_asked_once_or_twice(server):
    connector = opened(server, page_size=100)
    stream = stream_of(connector)
    *_, last = connector.read(stream, None)
    server.calls.clear()

    pages = list(connector.read(stream, last.cursor))

    assert [r["id"] for page in pages for r in page.rows] == [7]
    assert len(server.calls) == 1


def test_overlap_begins_before_the_cursor(server):
    connector = opened(server)
    stream = stream_of(connector)
    *_, last = connector.read(stream, None)

    early = replace(stream, overlap=timedelta(minutes=2, seconds=1))

    assert ids(connector.read(early, last.cursor)) == [5, 6, 7]


def test_an_exclusive_parameter_loses_no_tie(server):
    since = {**CUSTOMERS["since"], "exclusive": True}
    for row in server.rows["customers"].values():
        row["updated_at"] = "2026-01-31T12:00:00.000000Z"
    connector = opened(server, since=since)

    assert sorted(ids(connector.read(stream_of(connector), None))) == [1, 2, 3, 4, 5, 6, 7]
    assert any("12%3A00" not in path for _, path in server.calls)


def test_an_order_that_is_none_is_reported(server):
    moments = iter(["03", "03", "01", "02", "03", "01", "02"])
    for row in server.rows["customers"].values():
        row["updated_at"] = f"2026-01-{next(moments)}T00:00:00Z"
    since = {**CUSTOMERS["since"], "param": "ignored", "order": {"sort": "id"}}
    connector = opened(server, since=since)

    with pytest.raises(ProtocolError, match="not in the order of 'updated_at'"):
        list(connector.read(stream_of(connector), None))


def test_a_read_that_misses_rows_does_not_end_as_complete(server):
    paging = {"type": "page", "param": "page", "size_param": "limit", "size": 2}
    connector = opened(server, paging=paging, since={})
    pages = connector.read(stream_of(connector), None)
    next(pages)
    for _ in range(3):
        server.rows["customers"].pop(next(iter(server.rows["customers"])))
    server.rows["customers"]["70"] = {"id": 70}
    server.rows["customers"]["71"] = {"id": 71}

    rest = list(pages)

    assert 71 in ids(rest)
    with FaultProxy() as proxy:
        proxy.next(reply(200, b'{"data": [{"id": 1}, {"id": 2}], "total": 9}'))
        proxy.next(*[reply(200, b'{"data": [{"id": 3}], "total": 9}')])
        short = opened(proxy, paging=paging, since={})
        with pytest.raises(UnavailableError, match="3 rows came of 9"):
            list(short.read(Stream("customers"), None))


def test_an_expired_page_token_begins_again(server):
    paging = {"type": "cursor", "param": "cursor", "size_param": "limit", "next": "next_cursor"}
    connector = opened(server, paging=paging, since={})
    stream = stream_of(connector)
    first = next(connector.read(stream, None))
    server.fail_next(410)

    assert ids(connector.read(stream, first.cursor)) == [1, 2, 3, 4, 5, 6, 7]


def test_the_filter_of_the_mapping_goes_into_the_query(connector):
    stream = replace(stream_of(connector), where={"country": "GB"})

    [page] = connector.read(stream, None)

    assert [row["name"] for row in page.rows] == ["Around the Horn"]


def test_a_row_of_another_kind_is_set_aside_and_stops_nothing(server):
    server.rows["customers"]["3"]["credit_limit"] = "much"
    connector = opened(server, page_size=100)

    [page] = connector.read(stream_of(connector), None)

    [bad] = [row for row in page.rows if isinstance(row, BadRow)]
    assert bad.place == "customers 3"
    assert "credit_limit" in str(bad.values)
    assert len(page.rows) == 7


def test_types_are_inferred_from_the_first_rows(server):
    connector = Rest(settings(server, orders={"path": "orders", "rows": "data"}))
    with connector:
        columns = stream_of(connector, "orders").columns

    assert columns["total"].kind == "decimal"
    assert columns["customer_id"].kind == "integer"
    assert columns["ordered_on"].kind == "text"
    assert columns["lines"].columns["price"].kind == "decimal"


def test_a_list_that_is_elsewhere_is_reported(server):
    connector = opened(server, rows="result.items")

    with pytest.raises(ProtocolError, match=r"no list of rows at 'result.items'"):
        list(connector.discover())


def test_fetch_by_a_parameter_takes_many_ids_a_call(server):
    connector = opened(server, fetch={"param": "ids", "many": 3})
    stream = stream_of(connector)
    server.calls.clear()

    rows = list(connector.fetch(stream, ["1", "2", "3", "4", "999"]))

    assert [row["id"] for row in rows] == [1, 2, 3, 4]
    assert {path for _, path in server.calls} == {"/customers"}


def test_a_column_that_cannot_be_searched_is_named(connector):
    with pytest.raises(ConfigError, match="cannot be found by phone"):
        list(connector.fetch(Stream("customers"), [{"phone": "1"}]))


# -------------------------------------------------------------------------------- writing


def test_a_create_with_a_lost_answer_is_found_by_its_columns(server):
    connector = opened(server)
    server.drop_next(applied=True)
    change = Change("k1", "create", {"name": "Lost", "number": "C-1"})

    with pytest.raises(UnavailableError) as caught:
        list(connector.write(Stream("customers"), [change]))

    assert caught.value.may_have_acted
    assert server.writes["POST"] == 1
    [row] = connector.fetch(Stream("customers"), [{"number": "C-1"}])
    [result] = connector.write(Stream("customers"), [change])  # the same key: nothing twice
    assert result.remote_id == str(row["id"])
    assert server.writes["POST"] == 1


def test_a_write_that_was_dropped_before_it_acted_can_be_sent_again(server):
    connector = opened(server)
    server.drop_next(applied=False)
    change = Change("k1", "update", {"name": "New"}, remote_id="1")

    with pytest.raises(UnavailableError):
        list(connector.write(Stream("customers"), [change]))
    [result] = connector.write(Stream("customers"), [change])

    assert result.outcome == "applied"
    assert server.writes["PATCH"] == 1


def test_the_version_of_the_row_as_last_seen_wins_over_an_older_one(server):
    connector = opened(server)
    stream = Stream("customers")
    [row] = connector.fetch(stream, ["1"])
    old = Change("k", "update", {"name": "x"}, remote_id="1", version='"0"')

    [stale] = connector.write(stream, [old])
    [fresh] = connector.write(stream, [replace(old, row=row)])

    assert (stale.outcome, fresh.outcome) == ("conflict", "applied")


def test_a_refusal_names_code_message_and_column(connector):
    change = Change("k", "create", {"name": ""})

    [result] = connector.write(Stream("customers"), [change])

    assert (result.code, result.column) == ("required", "name")
    assert result.message == "name must not be empty"


def test_a_duplicate_is_a_refusal_and_no_conflict(server):
    products = {**CUSTOMERS, "path": "products", "columns": {}, "fetch": {}}
    with Rest(settings(server, products=products)) as connector:
        [result] = connector.write(
            Stream("products"),
            [Change("k", "create", {"code": "P-01", "name": "x"})],
        )

    assert (result.outcome, result.code, result.column) == ("rejected", "duplicate", "code")


def test_an_operation_that_is_not_declared_is_refused(server):
    connector = opened(server, delete=None)

    [result] = connector.write(Stream("customers"), [Change("k", "delete", remote_id="1")])

    assert (result.outcome, result.code) == ("rejected", "not-possible")


def test_bulk_sends_a_batch_in_one_call(server):
    connector = opened(server, bulk=BULK)
    batch = [
        Change("a", "create", {"name": "A"}),
        Change("b", "create", {"name": ""}),
        Change("c", "update", {"name": "C"}, remote_id="1", version='"99"'),
        Change("d", "delete", remote_id="2"),
        Change("e", "update", {"name": "E"}, remote_id="999"),
    ]

    results = {r.key: r for r in connector.write(Stream("customers"), batch)}

    outcomes = [results[c.key].outcome for c in batch]
    assert outcomes == ["applied", "rejected", "conflict", "applied", "gone"]
    assert results["b"].column == "name"
    assert [path for _, path in server.calls] == ["/customers/bulk"]


def test_a_record_missing_in_a_bulk_answer_has_no_result(server):
    with FaultProxy() as proxy:
        proxy.next(reply(200, b'{"results": [{"ref": "b", "status": 200, "id": 7}]}'))
        connector = opened(proxy, bulk={**BULK, "result_id": "id"})
        batch = [Change(k, "create", {"name": k}) for k in ("a", "b")]

        [result] = connector.write(Stream("customers"), batch)

    assert (result.key, result.remote_id) == ("b", "7")


def test_wrapped_bodies_and_answers_and_constants(server):
    with FaultProxy() as proxy:
        proxy.next(reply(201, b'{"customer": {"id": "x/1"}}'), reply(204))
        create = {"wrap": "customer", "id": "customer.id", "body": {"source": "hub"}}
        connector = opened(proxy, create=create, update={"method": "PUT"})
        changes = [
            Change("a", "create", {"credit_limit": Decimal("10.50")}),
            Change("b", "update", {"name": "B"}, remote_id="x/1"),
        ]

        results = list(connector.write(Stream("customers"), changes))

    assert [r.remote_id for r in results] == ["x/1", "x/1"]
    assert proxy.received[0].endswith(b'{"customer":{"credit_limit":10.50,"source":"hub"}}')
    assert proxy.received[1].startswith(b"PUT /customers/x%2F1 ")


def test_the_id_may_come_in_the_location_header():
    with FaultProxy() as proxy:
        proxy.next(reply(201, b"", Location="/customers/a%20b"))
        connector = opened(proxy)

        [result] = connector.write(Stream("customers"), [Change("a", "create", {"name": "A"})])

    assert result.remote_id == "a b"


def test_a_create_without_any_id_is_not_taken_for_done():
    with FaultProxy() as proxy:
        proxy.next(reply(200, b'{"ok": true}'))
        connector = opened(proxy)

        with pytest.raises(ProtocolError, match="no id of the new row") as caught:
            list(connector.write(Stream("customers"), [Change("a", "create", {"name": "A"})]))

    assert caught.value.may_have_acted


# ----------------------------------------------------------------------- errors in the body


@pytest.fixture
def soft():
    errors = {
        "code": "code",
        "ok": ["0"],
        "auth": ["unauthorized"],
        "gone": ["not-found"],
        "conflict": ["stale"],
        "rate": ["slow-down"],
        "retry": ["busy"],
    }
    with FakeRest(token=TOKEN, soft_errors=True) as server:
        connector = Rest({**settings(server), "errors": errors})
        connector.open()
        yield server, connector


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (Change("k", "create", {"name": ""}), "rejected"),
        (Change("k", "update", {"name": "x"}, remote_id="999"), "gone"),
        (Change("k", "update", {"name": "x"}, remote_id="1", version='"0"'), "conflict"),
        (Change("k", "update", {"name": "x"}, remote_id="1"), "applied"),
    ],
)
def test_a_200_with_a_code_in_it_is_what_the_code_says(soft, change, outcome):
    [result] = soft[1].write(Stream("customers"), [change])

    assert result.outcome == outcome
    if outcome == "rejected":
        assert (result.code, result.column) == ("required", "name")


def test_a_200_that_refuses_the_credentials_is_an_auth_error(soft):
    server, connector = soft
    server.token = "another"

    with pytest.raises(AuthError):
        connector.check()


@pytest.mark.parametrize(
    ("code", "kind"),
    [("busy", UnavailableError), ("slow-down", RateLimitError), ("17", RejectedError)],
)
def test_other_codes_in_the_body(code, kind):
    errors = {"code": "code", "ok": ["0"], "rate": ["slow-down"], "retry": ["busy"]}
    with FaultProxy() as proxy:
        proxy.next(reply(200, json.dumps({"code": code, "message": "no"}).encode()))
        connector = Rest({**settings(proxy), "errors": errors})
        connector.open()

        with pytest.raises(kind, match="no"):
            connector.check()


# -------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("spec", "said", "value"),
    [
        ({"kind": "decimal"}, "10.50", Decimal("10.50")),
        ({"kind": "decimal", "format": "text"}, "10.50", Decimal("10.50")),
        ({"kind": "date"}, "2026-01-31", date(2026, 1, 31)),
        ({"kind": "date", "format": "%d.%m.%Y"}, "31.01.2026", date(2026, 1, 31)),
        ({"kind": "datetime"}, "2026-01-31T10:00:00Z", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        (
            {"kind": "datetime", "format": "epoch"},
            1769853600,
            datetime(2026, 1, 31, 10, tzinfo=UTC),
        ),
        (
            {"kind": "datetime", "format": "epoch_ms"},
            1769853600123,
            datetime(2026, 1, 31, 10, 0, 0, 123000, tzinfo=UTC),
        ),
        ({"kind": "boolean", "format": "Y/N"}, "Y", True),
        ({"kind": "boolean", "format": "1/0"}, "0", False),
        ({"kind": "integer"}, 9007199254740993, 9007199254740993),
        (
            {"kind": "rows", "columns": {"p": ColumnSpec("decimal", format="text")}},
            [{"p": "1.10"}],
            [{"p": Decimal("1.10")}],
        ),
    ],
)
def test_values_go_both_ways(spec, said, value):
    column = ColumnSpec(**spec)

    assert decode(column, said) == value
    if column.kind != "decimal" or column.format:
        assert json.loads(dumps(encode(column, value))) == said


def test_a_text_without_zone_is_in_the_zone_of_the_settings(server):
    server.rows["customers"]["1"]["created_at"] = "2026-01-31 20:00:00"
    connector = Rest({**settings(server), "zone": "Asia/Shanghai"})
    connector.open()

    [row] = connector.fetch(Stream("customers"), ["1"])

    assert row["created_at"] == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_the_cursor_is_kept_and_sent_in_the_spelling_of_the_api():
    body = b'{"data": [{"id": 1, "t": "2026-01-31 20:00:05"}], "total": 1}'
    with FaultProxy() as proxy:
        proxy.next(reply(200, body), reply(200, body))
        since = {"column": "t", "param": "from", "order": ORDER}
        connector = opened(proxy, since=since)
        stream = Stream("customers", cursor_column="t", overlap=timedelta(seconds=5))
        [page] = connector.read(stream, None)
        list(connector.read(stream, page.cursor))

    assert page.cursor == {"since": "2026-01-31 20:00:05"}
    assert b"from=2026-01-31T20%3A00%3A00&" in proxy.received[1]


# ------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pagging": {}}, r"streams.customers.pagging is unknown"),
        ({"paging": {"type": "pages"}}, r"streams.customers.paging.type is not possible: 'pages'"),
        ({"columns": {"a": "money"}}, r"columns.a.kind is not possible: 'money'"),
        ({"columns": {"a": {"kind": "text", "size": "x"}}}, r"a.size is not of type int: 'x'"),
        ({"create": "yes"}, r"create is not a mapping: 'yes'"),
    ],
)
def test_a_wrong_setting_is_named(server, changes, message):
    with pytest.raises(ConfigError, match=message):
        opened(server, **changes)


def test_a_stream_needs_its_path(server):
    with pytest.raises(ConfigError, match=r"streams.a.path is missing"):
        Rest({**settings(server), "streams": {"a": {}}})


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({"auth": "basic", "user": "me"}, b"Authorization: Basic bWU6dDBrZW4tc2VjcmV0"),
        ({"auth": "header", "header": "X-Key"}, b"X-Key: t0ken-secret"),
        ({"auth": "query", "header": "key"}, b"&key=t0ken-secret "),
        ({"auth": "none", "headers": {"X-Tenant": 7}}, b"X-Tenant: 7"),
    ],
)
def test_ways_to_sign_in(options, header):
    with FaultProxy() as proxy:
        proxy.next(reply(200, b'{"data": []}'))
        connector = Rest({**settings(proxy), "check": {}, **options})
        connector.open()
        connector.check()

    assert header in proxy.received[0]


def test_capabilities_follow_from_the_settings(server):
    assert opened(server).capabilities.conditional_writes
    assert opened(server).capabilities.idempotent_writes
    assert not opened(server, version=None).capabilities.conditional_writes
    assert not opened(server, create=None).capabilities.creates
    assert not opened(server, update={"patch": False}).capabilities.patches
    assert not opened(server, bulk={**BULK, "idempotent": False}).capabilities.idempotent_writes


def test_the_example_of_the_documentation_works(server):
    example = rest.__doc__.split("\n\n")[-1].replace("${secret:crm-token}", TOKEN)
    config = yaml.safe_load(example)
    with Rest({**config, "base_url": server.url}) as connector:
        assert ids(connector.read(stream_of(connector), None)) == [1, 2, 3, 4, 5, 6, 7]
