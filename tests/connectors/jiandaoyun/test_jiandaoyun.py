"""What is peculiar to Jiandaoyun: no reads by time, wrapped values, whole sub-forms, pushes."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from hub.connector import BadRow, Change, Stream
from hub.connectors.jiandaoyun import Jiandaoyun
from hub.errors import (
    AuthError,
    ConfigError,
    NotFoundError,
    ProtocolError,
    RateLimitError,
    RejectedError,
    UnavailableError,
)
from hub.testing.clock import StillClock
from hub.testing.fault_proxy import FaultProxy, cut, reply, reset

from .fake import APP, _iso
from .test_contract import seeded, settings

CUSTOMERS = Stream("customer", ("_id",), "updateTime")
ORDERS = Stream("sales_order", ("_id",), "updateTime")
SECOND = "65" + f"{2:022x}"


@pytest.fixture
def jdy():
    with seeded() as fake:
        yield fake


def opened(server, **more):
    connector = Jiandaoyun(settings(server, **more))
    connector.open()
    return connector


def rows(pages):
    return [row for page in pages for row in page.rows]


def lists(jdy):
    return [c for c in jdy.calls if c.path.endswith("data/list")]


# ----------------------------------------------------------------------------------- reading


def test_changed_records_come_in_the_order_of_their_change(jdy):
    found = rows(opened(jdy).read(CUSTOMERS, None))

    assert [r["code"] for r in found] == ["C1", "C3", "C4", "C5", "C6", "C7", "C2"]
    assert found[0]["phone"] == "13800000001"


def test_what_changes_behind_the_look_is_found_by_the_next_one(jdy):
    connector = opened(jdy)
    *_, page = connector.read(CUSTOMERS, None)
    jdy.put("customer", SECOND, name="again")

    found = rows(connector.read(CUSTOMERS, page.cursor))

    assert [r["name"] for r in found] == ["again"]
    *_, later = connector.read(CUSTOMERS, None)
    assert later.cursor["at"] < _iso(jdy.clock.now())


def test_a_cursor_never_lies_behind_the_moment_the_look_began(jdy):
    ahead = StillClock(datetime(2126, 1, 1, tzinfo=UTC))
    jdy.clock = ahead
    jdy.put("customer", SECOND, name="later than the look")

    *_, page = opened(jdy).read(CUSTOMERS, None)

    assert datetime.fromisoformat(page.cursor["at"]) < ahead.now() - timedelta(days=1)


def test_a_form_that_has_not_moved_is_not_looked_through_when_told_so(jdy):
    connector = opened(jdy, skip_unchanged=True)
    *_, page = connector.read(CUSTOMERS, None)
    jdy.calls.clear()
    with Jiandaoyun(connector.config) as another:
        assert list(another.read(CUSTOMERS, page.cursor)) == []
    assert lists(jdy) == []

    jdy.put("customer", code="C8", name="new")
    with Jiandaoyun(connector.config) as another:
        assert [r["code"] for r in rows(another.read(CUSTOMERS, page.cursor))][-1] == "C8"


@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_list_that_is_cut_short_loses_none(jdy, page):
    jdy.page = page

    assert len(rows(opened(jdy).read(CUSTOMERS, None))) == 7


def test_a_filter_of_the_mapping_is_asked_for(jdy):
    where = {"code": ["C1", "C3"]}

    found = rows(opened(jdy).read(replace(CUSTOMERS, where=where), None))

    assert [r["code"] for r in found] == ["C1", "C3"]
    with pytest.raises(ConfigError, match="address"):
        rows(opened(jdy).read(replace(CUSTOMERS, where={"address": "x"}), None))


def test_forms_are_discovered_with_their_labels_when_none_is_named(jdy):
    found = {s.name: s for s in opened(jdy, forms={}).discover()}

    place = f"{APP}/{jdy.forms['customer'].entry_id}"
    assert found[place].label == "CRM / customer"
    assert found[place].columns["code"].label == "客户编码"
    assert not found[place].columns["serial"].writable
    assert "line" not in found[place].columns
    with pytest.raises(NotFoundError, match="nowhere"):
        list(opened(jdy).read(Stream("nowhere"), None))


def test_ids_are_fetched_also_where_lists_lag_behind(jdy):
    jdy.lag = timedelta(days=1)
    connector = opened(jdy)

    ids = list(jdy.forms["customer"].records)[:3]

    assert [r["_id"] for r in connector.fetch(CUSTOMERS, ids)] == ids
    assert list(connector.fetch(CUSTOMERS, [{"code": "C1"}])) == []
    assert connector.capabilities.settle > timedelta(0)


def test_a_phone_is_found_exactly_though_only_like_is_offered(jdy):
    connector = opened(jdy)

    assert len(list(connector.fetch(CUSTOMERS, [{"phone": "13800000001"}]))) == 1
    assert list(connector.fetch(CUSTOMERS, [{"phone": "1380000000"}])) == []


# ----------------------------------------------------------------------------------- writing


def test_values_are_wrapped_on_the_way_out_and_plain_on_the_way_in(jdy):
    values = {
        "code": "X",
        "phone": "139",
        "owner": "ada",
        "tags": ["a", "b"],
        "address": {
            "province": "上海市",
            "city": "上海市",
            "district": "浦东新区",
            "detail": "1 号",
        },
        "credit_limit": Decimal("10.50"),
        "signed_on": datetime(2026, 1, 5, 16, tzinfo=UTC),
        "serial": "mine",
    }
    connector = opened(jdy)

    (result,) = connector.write(CUSTOMERS, [Change("k", "create", values)])

    sent = jdy.calls[-1].json["data_list"][0]
    assert sent["owner"] == {"value": "ada"} and "serial" not in sent
    (row,) = connector.fetch(CUSTOMERS, [result.remote_id])
    assert {k: row[k] for k in values if k != "serial"} == {
        k: v for k, v in values.items() if k != "serial"
    }


def test_an_update_answers_with_the_record_and_leaves_the_rest_alone(jdy):
    change = Change("k", "update", {"name": "new"}, remote_id=SECOND)

    (result,) = opened(jdy).write(CUSTOMERS, [change])

    assert (result.row["name"], result.row["code"]) == ("new", "C2")


def test_lines_are_written_whole_and_keep_their_ids(jdy):
    product = jdy.put("product", code="P1", name="Chai")
    lines = [{"line_no": 1, "product": product, "qty": 2}, {"line_no": 2, "product": product}]
    order = jdy.put("sales_order", number="O1", lines=lines)
    connector = opened(jdy)
    (row,) = connector.fetch(ORDERS, [order])
    first, second = row["lines"]

    after = [{**second, "qty": Decimal(5)}, {"line_no": 3, "product": product}]
    (result,) = connector.write(ORDERS, [Change("k", "update", {"lines": after}, remote_id=order)])

    assert [(e["line_no"], e["qty"]) for e in result.row["lines"]] == [(2, 5), (3, None)]
    assert result.row["lines"][0]["_id"] == second["_id"] != first["_id"]


def test_a_date_that_is_to_be_cleared_is_refused_and_none_is_left_out_of_a_create(jdy):
    connector = opened(jdy)
    update = Change("u", "update", {"signed_on": None}, remote_id=SECOND)

    refused, made = connector.write(
        CUSTOMERS, [update, Change("c", "create", {"code": "X", "signed_on": None})]
    )

    assert (refused.outcome, refused.column) == ("rejected", "signed_on")
    assert made.outcome == "applied"


def test_outcomes_of_a_batch_are_told_apart(jdy):
    batch = [
        Change("a", "create", {"code": "A"}),
        Change("b", "create", {"code": "B", "owner": "nobody"}),
        Change("c", "update", {"name": "x"}, remote_id="65ffffffffffffffffffffff"),
        Change("d", "delete", remote_id=SECOND),
        Change("e", "delete", remote_id=SECOND),
    ]

    results = {r.key: r for r in opened(jdy).write(CUSTOMERS, batch)}

    outcomes = [results[c.key].outcome for c in batch]
    assert outcomes == ["applied", "rejected", "gone", "applied", "gone"]
    assert (results["b"].code, results["b"].message) == ("1010", "成员不存在")


def test_a_create_sent_twice_within_the_hour_is_one_and_later_only_with_a_key(jdy):
    plain, keyed = opened(jdy), opened(jdy, key_column="hub_key")
    create = [Change("k", "create", {"code": "X"})]

    first, second = [next(plain.write(CUSTOMERS, create)).remote_id for _ in range(2)]
    jdy.clock.sleep(timedelta(hours=2))
    third = next(plain.write(CUSTOMERS, create)).remote_id
    ours = []
    for _ in range(2):
        ours.append(next(keyed.write(CUSTOMERS, [Change("m", "create", {"code": "Y"})])).remote_id)
        jdy.clock.sleep(timedelta(hours=2))

    assert first == second != third
    assert ours[0] == ours[1]


def test_a_transaction_met_again_with_other_values_is_looked_for_not_refused(jdy):
    connector = opened(jdy)
    list(connector.write(CUSTOMERS, [Change("k", "create", {"code": "X"})]))

    assert list(connector.write(CUSTOMERS, [Change("k", "create", {"code": "Y"})])) == []


# ---------------------------------------------------------------------------------- failures


def test_a_storm_of_limits_is_waited_out_and_nothing_is_written_twice(jdy):
    connector = opened(jdy)
    connector.check()
    for _ in range(2):
        jdy.storm(1)
        with pytest.raises(RateLimitError) as caught:
            list(connector.read(CUSTOMERS, None))
        assert caught.value.retry_after == timedelta(seconds=1)

    assert len(rows(connector.read(CUSTOMERS, None))) == 7


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (8301, AuthError),
        (8302, AuthError),
        (17018, AuthError),
        (3000, NotFoundError),
        (7212, RateLimitError),
        (9007, UnavailableError),
        (17034, RejectedError),
    ],
)
def test_a_code_says_what_happens_next(jdy, code, kind):
    connector = opened(jdy)
    jdy.fail_next(400, {"code": code, "msg": "told to"})

    with pytest.raises(kind, match="told to"):
        connector.check()


def test_a_workflow_refuses_in_a_200(jdy):
    connector = opened(jdy)
    jdy.fail_next(200, {"status": "failure", "code": 17018, "message": "told to"})

    with pytest.raises(AuthError, match="told to"):
        connector.check()


@pytest.mark.parametrize("applied", [True, False])
def test_a_create_without_an_answer_may_have_acted(jdy, applied):
    connector = opened(jdy)
    connector.check()
    jdy.drop_next(applied=applied)

    with pytest.raises(UnavailableError) as caught:
        list(connector.write(CUSTOMERS, [Change("k", "create", {"code": "X"})]))

    assert caught.value.may_have_acted


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"apps": 7}', b'{"apps": [7]}', b"[]", b"<html>hello</html>", b'{"apps": NaN}'],
)
def test_a_hostile_answer_is_a_protocol_error(body):
    with FaultProxy() as proxy:
        proxy.next(reply(200, body))

        with pytest.raises(ProtocolError):
            opened(proxy).check()


@pytest.mark.parametrize("said", [{}, {"_id": 7}, "x", {"_id": "a", "flowState": "?"}])
def test_a_record_that_is_none_is_refused_or_set_aside(said):
    with FaultProxy() as proxy:
        proxy.next(
            reply(200, b'{"widgets": []}'), reply(200, json.dumps({"data": [said]}).encode())
        )
        proxy.next(reply(200, b'{"data": []}'))
        pages = opened(proxy).read(Stream("a/b", ("_id",)), None)
        if isinstance(said, dict) and isinstance(said.get("_id"), str):
            assert isinstance(rows(pages)[0], BadRow)
        else:
            with pytest.raises(ProtocolError):
                list(pages)


@pytest.mark.parametrize("fault", [reset(applied=False), cut(40), reply(502, b"bad gateway")])
def test_a_broken_wire_is_unavailable_and_the_next_try_works(jdy, fault):
    with FaultProxy(upstream=jdy.url) as proxy:
        connector = opened(proxy, forms=jdy.streams)
        proxy.next(fault)
        with pytest.raises(UnavailableError):
            list(connector.read(CUSTOMERS, None))

        assert len(rows(connector.read(CUSTOMERS, None))) == 7


# -------------------------------------------------------------------------------------- push


@pytest.fixture
def listening(jdy):
    connector = opened(jdy)
    connector.clock = jdy.clock
    return connector


def test_what_people_change_is_pushed_and_what_the_api_writes_is_not(jdy, listening):
    row_id = jdy.put("customer", code="P", name="pushed")
    jdy.remove("customer", row_id)
    list(listening.write(CUSTOMERS, [Change("k", "create", {"code": "silent"})]))

    made, gone = [p for d in jdy.pushes for p in listening.receive(d)]

    assert (made.stream, made.rows[0]["name"], made.key) == ("customer", "pushed", "deliver-0")
    assert (gone.deleted, gone.key) == ([row_id], "deliver-1")
    assert listening.acknowledge(jdy.pushes[0]) == b"success"


def test_a_push_that_was_touched_or_is_old_is_refused(jdy, listening):
    jdy.put("customer", code="P")
    (push,) = jdy.pushes
    touched = [
        replace(push, body=push.body.replace(b'"P"', b'"Q"')),
        replace(push, headers={}),
        replace(push, query={**push.query, "nonce": "other"}),
        replace(push, query={}),
    ]

    for delivery in touched:
        with pytest.raises(AuthError):
            list(listening.receive(delivery))
    jdy.clock.sleep(timedelta(days=2))
    with pytest.raises(AuthError, match="another day"):
        list(listening.receive(push))


def test_without_a_secret_every_push_is_refused(jdy):
    jdy.put("customer", code="P")

    with pytest.raises(AuthError):
        list(opened(jdy, push_secret="").receive(jdy.pushes[0]))


def test_a_push_of_another_kind_says_nothing(jdy, listening):
    form = jdy.forms["customer"]
    jdy._push(form, "form_update", {"appId": APP, "entryId": form.entry_id, "name": "x"})
    jdy._push(form, "flow_message", {"anything": 1})

    assert [p for d in jdy.pushes for p in listening.receive(d)] == []
