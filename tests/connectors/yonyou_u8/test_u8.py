"""What is peculiar to U8: keys in the query, texts for all, outcomes later, lists that shift."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from hub.connector import BadRow, Change, Stream
from hub.connectors.yonyou_u8 import YonyouU8
from hub.errors import (
    AuthError,
    ConfigError,
    NotFoundError,
    ProtocolError,
    RateLimitError,
    RejectedError,
    UnavailableError,
)
from hub.testing.fault_proxy import FaultProxy, cut, reply, reset

from .fake import SECRET
from .test_contract import seeded, settings

CUSTOMERS = Stream("customer", ("code",), "timestamp")
INVENTORY = Stream("inventory", ("code",), "ModifyDate")
ORDERS = Stream("saleorder", ("code",), "timestamp")
TOKEN = b'{"errcode": "0", "token": {"id": "token-1", "expiresIn": 7200}}'


@pytest.fixture
def erp():
    with seeded() as fake:
        yield fake


def opened(server, **more):
    connector = YonyouU8(settings(server, **more))
    connector.open()
    return connector


def rows(pages):
    return [row for page in pages for row in page.rows]


def lists(erp, name):
    return [c for c in erp.calls if c.path == f"/api/{name}/batch_get"]


def order(**more):
    line = {
        "inventorycode": "I1",
        "quantity": Decimal("2.5"),
        "rowno": 1,
        "taxunitprice": Decimal("11.30"),
    }
    return {"custcode": "C1", "date": date(2026, 1, 5), "entry": [line], **more}


# -------------------------------------------------------------------------------- signing in


@pytest.mark.parametrize("wrong", ["app_key", "app_secret", "from_account", "to_account"])
def test_wrong_credentials_are_refused_and_not_shown(erp, wrong):
    with pytest.raises(AuthError) as caught:
        opened(erp, **{wrong: "wrong-value"}).check()

    assert SECRET not in str(caught.value)
    assert wrong != "app_secret" or "wrong-value" not in str(caught.value)


def test_one_token_serves_a_run_and_is_renewed_when_it_is_over(erp):
    connector = opened(erp, page_size=2)
    list(connector.read(CUSTOMERS, None))
    erp.end_tokens()

    assert len(rows(connector.read(CUSTOMERS, None))) == 7
    assert erp.tokens == 2


def test_a_token_that_stays_refused_is_an_auth_error(erp):
    connector = opened(erp)
    erp.before = lambda call: "/api/" in call.path and erp.end_tokens()

    with pytest.raises(AuthError):
        connector.check()


# ----------------------------------------------------------------------------------- reading


def test_changed_rows_come_by_their_row_version(erp):
    connector = opened(erp, page_size=3)
    *_, page = connector.read(CUSTOMERS, None)
    erp.put("customer", code="C4", memo="x")

    found = rows(connector.read(CUSTOMERS, page.cursor))

    assert [r["code"] for r in found] == ["C4"]
    assert lists(erp, "customer")[-1].query["timestamp_begin"] == str(page.cursor["at"])
    again = replace(CUSTOMERS, overlap=timedelta(minutes=2))
    assert len(rows(connector.read(again, page.cursor))) == 7


def test_changed_inventory_comes_by_the_day_and_new_ones_too(erp):
    connector = opened(erp)
    erp.put("inventory", code="I3", name="changed")
    *_, page = connector.read(INVENTORY, None)
    erp.put("inventory", code="I9", name="new", sort_code="01")

    found = {
        r["code"]
        for r in rows(connector.read(replace(INVENTORY, overlap=timedelta(1)), page.cursor))
    }

    assert {"I3", "I9"} <= found
    asked = [set(c.query) for c in lists(erp, "inventory")[-2:]]
    assert [a & {"modifydate_begin", "start_date_begin"} for a in asked] == [
        {"modifydate_begin"},
        {"start_date_begin"},
    ]


@pytest.mark.parametrize("replaced", [True, False])
def test_a_list_that_shifts_while_it_is_read_is_read_again(erp, replaced):
    connector = opened(erp, page_size=3)
    calls = iter(range(100))

    def shift():
        if next(calls) == 1:
            del erp.tables["customer"]["C7"]  # every later row moves up by one

    erp.on_page = shift

    assert {r["code"] for r in rows(connector.read(CUSTOMERS, None))} == {
        f"C{n}" for n in range(1, 7)
    }


def test_a_list_that_never_stands_still_is_not_taken_for_complete(erp):
    connector = opened(erp, page_size=2)
    names = iter(range(1000))
    erp.on_page = lambda: erp.put("customer", code=f"X{next(names)}", name="x")

    with pytest.raises(UnavailableError, match="changes while it is read"):
        list(connector.read(CUSTOMERS, None))


def test_nothing_found_is_an_error_there_and_none_here(erp):
    erp.tables["customer"].clear()

    assert list(opened(erp).read(CUSTOMERS, None)) == []
    assert list(opened(erp).fetch(CUSTOMERS, ["C1", {"code": "C1"}])) == []


def test_values_are_texts_there_and_what_they_mean_here(erp):
    erp.put("inventory", code="I1", ref_sale_price=Decimal("494"), tax_rate=Decimal(13))

    (row,) = opened(erp).fetch(INVENTORY, ["I1"])

    assert (row["ref_sale_price"], row["tax_rate"]) == (Decimal("494"), Decimal(13))
    assert isinstance(row["start_date"], date) and row["barcode"] is None


def test_documents_are_asked_for_one_by_one_for_their_lines(erp):
    erp.put("saleorder", code="S1", define1="mine", **{**order(), "date": "2026-01-05"})

    (row,) = rows(opened(erp).read(ORDERS, None))

    assert row["entry"][0]["quantity"] == Decimal("2.5")
    assert (row["sum"], row["state"], row["define1"]) == (Decimal("28.25"), "开立", "mine")


def test_rows_are_found_by_what_lists_can_be_asked_for_and_compared(erp):
    connector = opened(erp)
    erp.put("customer", code="C10", name="客户1x")

    assert [r["code"] for r in connector.fetch(CUSTOMERS, [{"name": "客户1"}])] == ["C1"]
    with pytest.raises(ConfigError, match="phone"):
        list(connector.fetch(CUSTOMERS, [{"phone": "1"}]))
    with pytest.raises(NotFoundError, match="nowhere"):
        list(connector.read(Stream("nowhere"), None))


# ----------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("synchronous", [True, False])
def test_an_order_is_created_and_its_amounts_are_u8s(erp, synchronous):
    connector = opened(erp, synchronous=synchronous)
    erp.pending = 2

    (result,) = connector.write(ORDERS, [Change("k", "create", order())])

    (row,) = connector.fetch(ORDERS, [result.remote_id])
    (line,) = row["entry"]
    assert (line["taxunitprice"], line["money"], line["bgift"]) == (
        Decimal("11.30"),
        Decimal("25.00"),
        False,
    )


def test_an_outcome_that_does_not_come_is_unknown_and_the_repetition_tells(erp):
    connector = opened(erp, poll_times=2)
    erp.pending = 5
    create = [Change("k", "create", order())]

    assert list(connector.write(ORDERS, create)) == []
    erp.pending = 0
    (result,) = connector.write(ORDERS, create)

    assert [result.remote_id] == list(erp.tables["saleorder"])
    assert {c.query["biz_id"] for c in erp.calls if c.path.endswith("/add")} == {"k"}
    assert not any("tradeid" in c.query for c in erp.calls)


def test_an_accepted_write_that_is_refused_later_is_refused(erp):
    erp.pending = 1

    (result,) = opened(erp).write(ORDERS, [Change("k", "create", order(custcode="NO"))])

    assert (result.outcome, result.code) == ("rejected", "3000")
    assert "客户 NO 不存在" in result.message


def test_an_address_of_an_outcome_that_leads_away_is_not_followed():
    answer = b'{"errcode": "0", "errmsg": "", "url": "http://evil.example/result"}'
    with FaultProxy() as proxy:
        proxy.next(reply(200, TOKEN), reply(200, answer))

        with pytest.raises(ProtocolError, match=r"evil\.example"):
            list(opened(proxy).write(CUSTOMERS, [Change("k", "create", {"code": "A"})]))


def test_an_edit_carries_the_whole_record(erp):
    connector = opened(erp)
    (row,) = connector.fetch(CUSTOMERS, ["C1"])

    (result,) = connector.write(
        CUSTOMERS, [Change("u", "update", {**row, "memo": "new"}, remote_id="C1", row=row)]
    )

    assert result.outcome == "applied"
    record = erp.record("customer", "C1")
    assert (record["memo"], record["phone"], record["name"]) == ("new", "021-1", "客户1")
    assert not connector.capabilities.patches


def test_documents_are_neither_changed_nor_deleted(erp):
    erp.put("saleorder", code="S1", **{**order(), "date": "2026-01-05"})
    batch = [
        Change("u", "update", order(), remote_id="S1"),
        Change("d", "delete", remote_id="S1"),
    ]

    results = list(opened(erp).write(ORDERS, batch))

    assert [(r.outcome, r.code) for r in results] == [("rejected", "not-possible")] * 2
    assert not opened(erp).capabilities.deletes


# ---------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("用友开放平台客户端不在线", UnavailableError),
        ("请求超时", UnavailableError),
        ("app_key 错误", AuthError),
        ("调用次数已用完", RateLimitError),
        ("预发货日期不能早于单据日期", RejectedError),
    ],
)
def test_a_refusal_is_told_from_its_words(erp, message, kind):
    connector = opened(erp)
    erp.say("3001", message)

    with pytest.raises(kind, match=message):
        connector.check()


@pytest.mark.parametrize("applied", [True, False])
def test_a_create_without_an_answer_may_have_acted_and_is_repeated_safely(erp, applied):
    connector = opened(erp)
    connector.check()
    erp.drop_next(applied=applied)
    create = [Change("k", "create", {"code": "N1", "name": "x"})]
    with pytest.raises(UnavailableError) as caught:
        list(connector.write(CUSTOMERS, create))

    (result,) = connector.write(CUSTOMERS, create)

    assert caught.value.may_have_acted
    assert (result.outcome, result.remote_id) == ("applied", "N1")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'{"errcode": "0"}',
        b'{"errcode": "0", "customer": [7]}',
        b'{"errcode": "0", "customer": [{"code": "A"}], "row_count": "x", "page_count": "1"}',
        b'{"errcode": "0", "customer": [{}], "row_count": "1", "page_count": "1"}',
        b"<html>hello</html>",
        b'{"errcode": NaN}',
    ],
)
def test_a_hostile_answer_is_a_protocol_error(body):
    with FaultProxy() as proxy:
        proxy.next(reply(200, TOKEN), reply(200, body))

        with pytest.raises(ProtocolError):
            list(opened(proxy).read(CUSTOMERS, None))


def test_a_row_with_an_impossible_value_is_set_aside(erp):
    erp.put("customer", code="C3", end_date="someday")

    found = rows(opened(erp).read(CUSTOMERS, None))

    (bad,) = [r for r in found if isinstance(r, BadRow)]
    assert bad.values["column"] == "end_date"
    assert len(found) == 7


def test_json_that_calls_itself_a_web_page_is_read_all_the_same(erp):
    connector = opened(erp)
    connector.check()

    assert erp.answer(erp.calls[-1]).headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("fault", [reset(applied=False), cut(40), reply(502, b"bad gateway")])
def test_a_broken_wire_is_unavailable_and_the_next_try_works(erp, fault):
    with FaultProxy(upstream=erp.url) as proxy:
        connector = opened(proxy)
        proxy.next(fault)
        with pytest.raises(UnavailableError):
            list(connector.read(CUSTOMERS, None))

        assert len(rows(connector.read(CUSTOMERS, None))) == 7
