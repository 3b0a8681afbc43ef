"""What is peculiar to Fxiaoke: 200 for all, two styles of tokens, lines apart, invalid rows, events."""

import base64
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from hub.connector import BadRow, Change, Delivery, Stream
from hub.connectors.fxiaoke import Fxiaoke, pushing
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

from .fake import AES_KEY, CODE, SECRET, USER
from .test_contract import seeded, settings

ACCOUNTS = Stream("AccountObj", ("_id",), "last_modified_time")
ORDERS = Stream("SalesOrderObj", ("_id",), "last_modified_time")
TOKEN = b'{"errorCode": 0, "corpAccessToken": "token-1", "corpId": "c", "expiresIn": 7200}'
DESCRIBED = json.dumps(
    {"errorCode": 0, "data": {"describe": {"fields": {"name": {"type": "text"}}}}}
).encode()


@pytest.fixture
def crm():
    with seeded() as fake:
        yield fake


def opened(server, **more):
    connector = Fxiaoke(settings(server, **more))
    connector.open()
    return connector


def rows(pages):
    return [row for page in pages for row in page.rows]


def queries(crm, verb="query"):
    return [c.json["data"] for c in crm.calls if c.path.endswith(f"data/{verb}")]


# -------------------------------------------------------------------------------- signing in


@pytest.mark.parametrize("auth", ["body", "header"])
@pytest.mark.parametrize("wrong", ["app_secret", "permanent_code"])
def test_a_wrong_secret_is_refused_and_not_shown(crm, auth, wrong):
    with pytest.raises(AuthError) as caught:
        opened(crm, auth=auth, **{wrong: "wrong-secret"}).check()

    assert not any(s in str(caught.value) for s in ("wrong-secret", SECRET, CODE))


@pytest.mark.parametrize("auth", ["body", "header"])
def test_one_token_serves_a_run_and_is_renewed_when_it_is_over(crm, auth):
    connector = opened(crm, auth=auth)
    connector.capabilities = replace(connector.capabilities, read_page=2)
    pages = connector.read(ACCOUNTS, None)
    seen = [r["account_no"] for r in next(pages).rows]
    crm.end_tokens()

    seen += [r["account_no"] for r in rows(pages)]

    assert seen == [f"C{n}" for n in range(1, 8)]
    assert crm.tokens == 2


def test_a_token_that_stays_refused_is_an_auth_error_after_one_new_one(crm):
    connector = opened(crm)
    crm.before = lambda call: "Token" in call.path or crm.end_tokens()

    with pytest.raises(AuthError):
        connector.check()

    assert crm.tokens == 2


def test_every_call_has_an_id_of_its_own(crm):
    connector = opened(crm)
    connector.check()
    connector.check()

    ids = [c.query["thirdTraceId"] for c in crm.calls]
    assert len(set(ids)) == len(ids) == 3


# ----------------------------------------------------------------------------------- reading


def test_records_of_one_moment_are_read_once_each_in_pages_of_any_size(crm):
    for size in (1, 2, 3, 100):
        connector = opened(crm)
        connector.capabilities = replace(connector.capabilities, read_page=size)

        found = [r["account_no"] for r in rows(connector.read(ACCOUNTS, None))]

        assert found == [f"C{n}" for n in range(1, 8)]


@pytest.mark.parametrize("page", [1, 2])
def test_a_list_that_is_cut_short_and_totals_of_zero_lose_none(crm, page):
    crm.page = page

    assert len(rows(opened(crm).read(ACCOUNTS, None))) == 7
    assert all(q["find_explicit_total_num"] is False for q in queries(crm))


def test_no_page_begins_anywhere_but_at_the_first(crm):
    list(opened(crm).read(ACCOUNTS, None))

    assert {q["search_query_info"]["offset"] for q in queries(crm)} == {0}


def test_an_order_that_is_none_is_reported():
    wrong = [{"_id": "b", "last_modified_time": 2}, {"_id": "a", "last_modified_time": 1}]
    answer = json.dumps({"errorCode": 0, "data": {"dataList": wrong}}).encode()
    with FaultProxy() as proxy:
        proxy.next(reply(200, TOKEN), reply(200, DESCRIBED), reply(200, answer))

        with pytest.raises(ProtocolError, match="not in the order"):
            list(opened(proxy).read(ACCOUNTS, None))


def test_values_are_what_they_mean_and_empty_ones_are_null(crm):
    row_id = crm.put(
        "AccountObj", name="x", field_limit__c="88.00", field_since__c=1767542400000,
        field_vip__c=True, field_kinds__c=["a", "b"],
    )  # fmt: skip

    (row,) = opened(crm).fetch(ACCOUNTS, [row_id])

    assert row["field_limit__c"] == Decimal("88")
    assert row["field_since__c"] == date(2026, 1, 5)
    assert (row["field_vip__c"], row["field_kinds__c"], row["fax"]) == (True, ["a", "b"], None)
    assert "old__c" not in row


def test_invalid_records_are_no_rows_and_are_named_as_deleted(crm):
    connector = opened(crm)
    *_, page = connector.read(ACCOUNTS, None)
    first = next(iter(crm.tables["AccountObj"]))
    crm.put("AccountObj", first, life_status="invalid")

    pages = list(connector.read(ACCOUNTS, page.cursor))

    assert [gone for p in pages for gone in p.deleted] == [first]
    assert list(connector.fetch(ACCOUNTS, [first])) == []


def test_custom_objects_have_paths_of_their_own(crm):
    crm.put("thing__c", name="mine")
    connector = opened(crm, objects={"thing__c": {}})

    assert [r["name"] for r in rows(connector.read(Stream("thing__c", ("_id",)), None))] == ["mine"]
    assert crm.calls[-1].path == "/cgi/crm/custom/v2/data/query"
    assert "thing__c" in [s.name for s in connector.discover()]


def test_objects_that_are_not_there_are_left_out_and_named(crm):
    connector = opened(crm, objects={"LeadsObj": {}})

    assert "LeadsObj" not in [s.name for s in connector.discover()]
    with pytest.raises(NotFoundError, match="LeadsObj"):
        list(connector.read(Stream("LeadsObj"), None))
    with pytest.raises(ConfigError, match="LeadsObj"):
        opened(crm, objects={"LeadsObj": {"colour": 1}})
    with pytest.raises(ConfigError, match="colour"):
        list(connector.fetch(ACCOUNTS, [{"colour": 1}]))


# ----------------------------------------------------------------------------------- writing


def order(crm, **more):
    account = crm.by("AccountObj", account_no="C1")["_id"]
    product = crm.put("ProductObj", name="Chai", product_code="P1")
    line = {"product_id": product, "quantity": Decimal("2.5"), "sales_price": Decimal("11.30")}
    return {"name": "O-1", "account_id": account, "SalesOrderProductObj": [line], **more}


def test_an_order_and_its_lines_are_created_in_one_call(crm):
    connector = opened(crm)

    (result,) = connector.write(ORDERS, [Change("k", "create", order(crm))])

    (row,) = connector.fetch(ORDERS, [result.remote_id])
    assert [e["quantity"] for e in row["SalesOrderProductObj"]] == [Decimal("2.5")]
    (sent,) = queries(crm, "create")
    assert sent["object_data"]["owner"] == [USER]
    assert sent["details"]["SalesOrderProductObj"][0]["sales_price"] == "11.30"


def test_lines_are_written_one_by_one_and_only_where_they_differ(crm):
    connector = opened(crm)
    given = order(crm)
    given["SalesOrderProductObj"] *= 2
    (made,) = connector.write(ORDERS, [Change("k", "create", given)])
    (row,) = connector.fetch(ORDERS, [made.remote_id])
    first, second = row["SalesOrderProductObj"]
    new = {k: v for k, v in given["SalesOrderProductObj"][0].items()}
    crm.calls.clear()
    lines = [first, {**second, "quantity": Decimal(9)}, new]

    change = Change("u", "update", {"SalesOrderProductObj": lines}, made.remote_id, row=row)
    (result,) = connector.write(ORDERS, [change])

    assert result.outcome == "applied"
    (update,) = queries(crm, "update")
    assert update["object_data"] == {
        "dataObjectApiName": "SalesOrderProductObj", "_id": second["_id"], "quantity": "9",
    }  # fmt: skip
    assert len(queries(crm, "create")) == 1
    assert not queries(crm, "delete")


def test_a_delete_is_an_invalidation_which_a_person_can_take_back(crm):
    first = next(iter(crm.tables["AccountObj"]))

    (result,) = opened(crm).write(ACCOUNTS, [Change("d", "delete", remote_id=first)])

    assert result.outcome == "applied"
    assert crm.record("AccountObj", first)["life_status"] == "invalid"


def test_outcomes_of_a_batch_are_told_apart(crm):
    first, second = list(crm.tables["AccountObj"])[:2]
    crm.locked.add(second)
    batch = [
        Change("a", "create", {"name": "A", "account_no": "A"}),
        Change("b", "create", {"name": "B", "account_no": "C3"}),
        Change("c", "update", {"name": "x"}, remote_id="66ffffffffffffffffffffff"),
        Change("d", "update", {"name": "x"}, remote_id=first),
        Change("e", "update", {"name": "x"}, remote_id=second),
    ]

    results = {r.key: r for r in opened(crm).write(ACCOUNTS, batch)}

    outcomes = [results[c.key].outcome for c in batch]
    assert outcomes == ["applied", "rejected", "gone", "applied", "rejected"]
    assert "数据重复" in results["b"].message and results["b"].code == "32004"
    assert "审批" in results["e"].message


def test_approvals_and_workflows_begin_only_when_told_to(crm):
    change = [Change("a", "create", {"name": "A"})]
    list(opened(crm).write(ACCOUNTS, change))
    list(opened(crm, trigger_approval=True, trigger_workflow=True).write(ACCOUNTS, change))

    flags = [c.json["triggerApprovalFlow"] for c in crm.calls if c.path.endswith("create")]
    assert flags == [False, True]


def test_with_a_key_column_a_repeated_create_is_found_again(crm):
    connector = opened(crm, key_column="field_hub__c")
    crm.drop_next(applied=True)
    create = [Change("k", "create", {"name": "A"})]
    with pytest.raises(UnavailableError) as caught:
        list(connector.write(ACCOUNTS, create))

    (result,) = connector.write(ACCOUNTS, create)

    assert caught.value.may_have_acted
    assert result.remote_id == crm.by("AccountObj", name="A")["_id"]


# ---------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("code", "kind", "wait"),
    [
        (-1, UnavailableError, None),
        (50009, UnavailableError, None),
        (10006, ProtocolError, None),
        (15003, AuthError, None),
        (30003, AuthError, None),
        (14001, RateLimitError, timedelta(seconds=20)),
        (30004, RateLimitError, timedelta(seconds=1)),
        (32000, RejectedError, None),
        (77777, RejectedError, None),
    ],
)
def test_a_code_in_a_200_says_what_happens_next(crm, code, kind, wait):
    connector = opened(crm)
    crm.say(code)

    with pytest.raises(kind, match="told to say") as caught:
        connector.check()

    assert getattr(caught.value, "retry_after", None) == wait


def test_a_used_up_day_is_waited_for_until_midnight_in_china(crm):
    connector = opened(crm)
    crm.say(30002)

    with pytest.raises(RateLimitError) as caught:
        connector.check()

    assert timedelta(0) < caught.value.retry_after <= timedelta(days=1, minutes=1)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'{"errorCode": "0"}',
        b'{"errorCode": 0}',
        b'{"errorCode": 0, "data": {"dataList": [7]}}',
        b"<html>hello</html>",
        b'{"errorCode": NaN}',
    ],
)
def test_a_hostile_answer_is_a_protocol_error(body):
    with FaultProxy() as proxy:
        proxy.next(reply(200, TOKEN), reply(200, body))

        with pytest.raises(ProtocolError):
            opened(proxy).check()


@pytest.mark.parametrize("said", [{}, {"_id": 7, "last_modified_time": 1}, {"_id": "a"}])
def test_a_record_without_id_or_time_is_refused(said):
    answer = json.dumps({"errorCode": 0, "data": {"dataList": [said]}}).encode()
    with FaultProxy() as proxy:
        proxy.next(reply(200, TOKEN), reply(200, DESCRIBED), reply(200, answer))

        with pytest.raises(ProtocolError):
            list(opened(proxy).read(ACCOUNTS, None))


def test_a_record_with_an_impossible_value_is_set_aside(crm):
    crm.put("AccountObj", name="x", field_vip__c=True)
    record = crm.by("AccountObj", name="x")
    record["field_limit__c"] = "a lot"

    found = rows(opened(crm).read(ACCOUNTS, None))

    (bad,) = [r for r in found if isinstance(r, BadRow)]
    assert bad.values["column"] == "field_limit__c"
    assert len(found) == 8


@pytest.mark.parametrize("fault", [reset(applied=False), cut(40), reply(502, b"bad gateway")])
def test_a_broken_wire_is_unavailable_and_the_next_try_works(crm, fault):
    with FaultProxy(upstream=crm.url) as proxy:
        connector = opened(proxy)
        proxy.next(fault)
        with pytest.raises(UnavailableError):
            list(connector.read(ACCOUNTS, None))

        assert len(rows(connector.read(ACCOUNTS, None))) == 7


# ------------------------------------------------------------------------------------ events

PLAIN = (
    '{"tenantId":1,"eventType":"update","apiName":"AccountObj","dataId":"d1",'
    '"timestamp":1700000000000,"messageId":"M1"}'
)
VECTOR = {
    "signature": "d34e14853e82e4ef17468fb86b6c323eacb5e7e8",
    "timestamp": 1700000000000,
    "nonce": "nonce1",
    "messageId": "M1",
    "retryTimes": 1,
    "enterpriseAccount": "demo_ea",
    "encryptedContent": (
        "MlKnXZvDqfHyUaB+1VwH1cqeL+br0ckLrN/h7qObSC0zGSpPUMFV3XD1AAu/wDcjSe72JlGJpjb01YFuidL2CYVx"
        "mgeZDE9V+sl620D6R6jN+L9BfWit4zxpGqThqpDp/pnq8DSfGAPVlAxeF+TwAj2jPgmWGiGfdKfqvgfLucA="
    ),
}


@pytest.fixture
def listening(crm):
    connector = opened(crm)
    connector.clock = crm.clock
    return connector


def test_the_vendors_vector_is_read_and_answered():
    then = datetime.fromtimestamp(1700000000, UTC)

    event = pushing.verified(Delivery(json.dumps(VECTOR).encode()), AES_KEY, then)
    answer = json.loads(pushing.answer(AES_KEY, then + timedelta(milliseconds=1), "42"))

    assert event == json.loads(PLAIN)
    assert answer["encryptedResult"] == "ArsKAyhvk7QKghXe0zdCeQ=="
    assert answer["signature"] == "7af5e48af2cabcc17493826c9cbfefa60b92f086"


def test_an_event_names_a_record_to_fetch_or_one_that_is_gone(crm, listening):
    changed = next(listening.receive(crm.event("update", "AccountObj", "a")))
    again = next(listening.receive(crm.event("update", "AccountObj", "a", retryTimes=2)))
    gone = next(listening.receive(crm.event("invalid", "AccountObj", "a")))
    unknown = next(listening.receive(crm.event("something", "AccountObj", "a")))

    assert (changed.stream, changed.changed, changed.key) == ("AccountObj", ["a"], "M1")
    assert again.changed == unknown.changed == ["a"]
    assert (gone.deleted, gone.changed) == (["a"], ())


def test_an_event_that_was_touched_or_is_old_is_refused(crm, listening):
    push = crm.event("update", "AccountObj", "a")
    body = json.loads(push.body)
    touched = [
        {**body, "nonce": "x"},
        {**body, "retryTimes": 1},
        {**body, "signature": ""},
        {k: v for k, v in body.items() if k != "signature"},
        {**body, "encryptedContent": base64.b64encode(b"x" * 32).decode()},
    ]

    for said in touched:
        with pytest.raises(AuthError):
            list(listening.receive(Delivery(json.dumps(said).encode())))
    crm.clock.sleep(timedelta(days=2))
    with pytest.raises(AuthError, match="another day"):
        list(listening.receive(push))


@pytest.mark.parametrize("text", ["AAAA", "!", base64.b64encode(b"x" * 32).decode()])
def test_an_event_that_cannot_be_decrypted_is_a_protocol_error(crm, listening, text):
    with pytest.raises(ProtocolError):
        list(listening.receive(crm.event("update", "AccountObj", "a", encryptedContent=text)))


def test_events_that_are_none_are_refused_and_a_wrong_key_is_named(crm, listening):
    for body in (b"", b"[]", b"<xml/>"):
        with pytest.raises(ProtocolError):
            list(listening.receive(Delivery(body)))
    with pytest.raises(AuthError):
        list(opened(crm, push_key="").receive(crm.event("update", "AccountObj", "a")))
    with pytest.raises(ConfigError, match="push_key"):
        opened(crm, push_key="short").acknowledge(Delivery(b""))
