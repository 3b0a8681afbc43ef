"""What is peculiar to Neocrm: two codes for success, ids of 64 bits, lines apart, the host of the token."""

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from hub.connector import BadRow, Change, Stream
from hub.connectors.neocrm import Neocrm
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

from .fake import PASSWORD, SECRET, SECURITY
from .test_contract import seeded, settings

ACCOUNTS = Stream("account", ("id",), "updatedAt")
ORDERS = Stream("order", ("id",), "updatedAt")
TOKEN = b'{"access_token": "token-1", "expires_in": 7199}'
DESCRIBED = b'{"code": "200", "data": {"fields": [{"apiKey": "accountName", "type": "text"}]}}'


@pytest.fixture
def crm():
    with seeded() as fake:
        yield fake


def opened(server, **more):
    connector = Neocrm(settings(server, **more))
    connector.open()
    return connector


def rows(pages):
    return [row for page in pages for row in page.rows]


def statements(crm):
    return [c.form["xoql"] for c in crm.calls if c.path.endswith("/xoql")]


# -------------------------------------------------------------------------------- signing in


@pytest.mark.parametrize("wrong", ["client_secret", "password", "security_token"])
@pytest.mark.parametrize("path", ["/auc/oauth2/token", "/oauth2/token"])
def test_a_wrong_secret_is_refused_and_not_shown(crm, wrong, path):
    with pytest.raises(AuthError) as caught:
        opened(crm, token_url=crm.url + path, **{wrong: "wrong-secret"}).check()

    shown = f"{caught.value} {caught.value.hint}"
    assert not any(s in shown for s in ("wrong-secret", SECRET, PASSWORD, SECURITY))


def test_the_host_that_the_sign_in_names_is_used_if_it_is_the_vendors(crm):
    crm.instance = "https://evil.example"
    with pytest.raises(ProtocolError, match=r"evil\.example"):
        opened(crm).check()
    crm.instance = "https://xiaoshouyi.com.evil.example"
    with pytest.raises(ProtocolError, match=r"evil\.example"):
        opened(crm).check()
    crm.instance = ""
    with pytest.raises(ConfigError, match="names no host"):
        opened(crm).check()

    assert opened(crm, url=crm.url).check()


def test_one_token_serves_a_run_and_is_renewed_when_it_is_over(crm):
    connector = opened(crm)
    connector.capabilities = replace(connector.capabilities, read_page=2)
    pages = connector.read(ACCOUNTS, None)
    seen = [r["code__c"] for r in next(pages).rows]
    crm.end_tokens()

    seen += [r["code__c"] for r in rows(pages)]

    assert seen == [f"C{n}" for n in range(1, 8)]
    assert crm.tokens == 2


# ----------------------------------------------------------------------------------- reading


def test_records_of_one_moment_are_read_once_each_in_pages_of_any_size(crm):
    for size in (1, 2, 3, 100):
        connector = opened(crm)
        connector.capabilities = replace(connector.capabilities, read_page=size)

        found = [r["code__c"] for r in rows(connector.read(ACCOUNTS, None))]

        assert found == [f"C{n}" for n in range(1, 8)]


@pytest.mark.parametrize("page", [1, 2])
def test_a_list_that_is_cut_short_loses_none(crm, page):
    crm.page = page

    assert len(rows(opened(crm).read(ACCOUNTS, None))) == 7


def test_ids_are_exact_though_no_floating_point_number_holds_them(crm):
    ids = [str(i) for i in crm.tables["account"]]

    assert [r["id"] for r in rows(opened(crm).read(ACCOUNTS, None))] == ids


def test_values_are_what_they_mean(crm):
    row_id = crm.put(
        "account", accountName="x", limit__c="88.00", since__c=1767542400000, vip__c=True,
        kinds__c=[1, 3], level=2, ownerId=7,
    )  # fmt: skip

    (row,) = opened(crm).fetch(ACCOUNTS, [str(row_id)])

    assert (row["limit__c"], row["since__c"]) == (Decimal("88"), date(2026, 1, 5))
    assert (row["vip__c"], row["kinds__c"], row["level"]) == (True, ["1", "3"], "2")
    assert (row["ownerId"], row["phone"]) == ("7", None)


def test_a_filter_of_the_mapping_is_asked_for(crm):
    where = {"code__c": ["C1", "C3"]}

    found = rows(opened(crm).read(replace(ACCOUNTS, where=where), None))

    assert [r["code__c"] for r in found] == ["C1", "C3"]
    with pytest.raises(ConfigError, match="colour"):
        rows(opened(crm).read(replace(ACCOUNTS, where={"colour": 1}), None))


@pytest.mark.parametrize(
    "text", ["O'Neil", "' or '1'='1", "a\\' or id > 0 or accountName = 'b", "50%_x"]
)
def test_a_hostile_text_finds_itself_and_nothing_else(crm, text):
    row_id = crm.put("account", accountName=text)

    found = list(opened(crm).fetch(ACCOUNTS, [{"accountName": text}, {"accountName": "' or 1=1"}]))

    assert [r["id"] for r in found] == [str(row_id)]


def test_names_of_objects_and_fields_are_only_names(crm):
    with pytest.raises(NotFoundError):
        list(opened(crm).read(Stream("account where 1=1"), None))
    with pytest.raises(NotFoundError, match="lead"):
        list(opened(crm).read(Stream("lead"), None))
    assert " " not in opened(crm)._fields("account")


def test_objects_that_are_not_there_are_left_out(crm):
    connector = opened(crm, objects={"lead": {}, "thing__c": {}})

    assert [s.name for s in connector.discover()][-1] == "thing__c"
    with pytest.raises(ConfigError, match="lead"):
        opened(crm, objects={"lead": {"colour": 1}})


def test_an_order_that_is_none_is_reported():
    wrong = [{"id": 2, "updatedAt": 2}, {"id": 1, "updatedAt": 1}]
    answer = json.dumps({"code": "200", "data": {"records": wrong}}).encode()
    with FaultProxy() as proxy:
        proxy.next(reply(200, TOKEN), reply(200, DESCRIBED), reply(200, answer))

        with pytest.raises(ProtocolError, match="not in the order"):
            list(opened(proxy, url=proxy.url).read(ACCOUNTS, None))


# ----------------------------------------------------------------------------------- writing


def order(crm, **line):
    account = next(iter(crm.tables["account"]))
    product = crm.put("product", productName="Chai", code__c="P1")
    lines = [{"productId": str(product), "quantity": Decimal("2.5"), **line}]
    return {"po": "O-1", "accountId": str(account), "orderProduct": lines}


def test_an_order_is_created_before_its_lines_and_only_with_a_key(crm):
    connector = opened(crm, key_column="hubKey__c")
    (refused,) = opened(crm).write(ORDERS, [Change("k", "create", order(crm))])
    assert refused.outcome == "rejected" and "key_column" in refused.message

    (result,) = connector.write(ORDERS, [Change("k", "create", order(crm))])

    (row,) = connector.fetch(ORDERS, [result.remote_id])
    (line,) = row["orderProduct"]
    assert (line["orderId"], line["quantity"]) == (result.remote_id, Decimal("2.5"))


def test_an_order_whose_line_is_refused_goes_again(crm):
    connector = opened(crm, key_column="hubKey__c")

    (result,) = connector.write(ORDERS, [Change("k", "create", order(crm, productId="999"))])

    assert result.outcome == "rejected" and "关联" in result.message
    assert crm.tables["order"] == crm.tables["orderProduct"] == {}


def test_an_order_that_is_not_whole_is_not_shown_and_gone_on_with(crm):
    connector = opened(crm, key_column="hubKey__c")
    given = order(crm)
    given["orderProduct"] = [{**given["orderProduct"][0], "lineNo__c": n} for n in (1, 2, 3)]
    cut = iter([False, True])
    crm.before = lambda call: (
        call.path.endswith("orderProduct") and next(cut, False) and crm.drop_next(applied=True)
    )
    with pytest.raises(UnavailableError):
        list(connector.write(ORDERS, [Change("k", "create", given)]))

    assert (
        rows(connector.read(ORDERS, None)) == list(connector.fetch(ORDERS, [{"po": "O-1"}])) == []
    )
    (result,) = connector.write(ORDERS, [Change("k", "create", given)])
    (row,) = connector.fetch(ORDERS, [result.remote_id])
    assert [e["lineNo__c"] for e in row["orderProduct"]] == [1, 2, 3]
    assert (row["hubKey__c"], len(crm.tables["order"])) == ("k", 1)


def test_outcomes_of_a_batch_are_told_apart(crm):
    first, second = list(crm.tables["account"])[:2]
    crm.locked.add(second)
    batch = [
        Change("a", "create", {"accountName": "A"}),
        Change("b", "create", {"accountName": "B", "code__c": "C3"}),
        Change("c", "update", {"accountName": "x"}, remote_id="999"),
        Change("d", "update", {"accountName": "x"}, remote_id=str(first)),
        Change("e", "update", {"accountName": "x"}, remote_id=str(second)),
        Change("f", "delete", remote_id=str(first)),
    ]

    results = {r.key: r for r in opened(crm).write(ACCOUNTS, batch)}

    outcomes = [results[c.key].outcome for c in batch]
    assert outcomes == ["applied", "rejected", "gone", "applied", "rejected", "applied"]
    assert "数据重复" in results["b"].message
    assert "锁定" in results["e"].message


def test_a_new_record_has_what_the_settings_say_and_no_nulls(crm):
    values = {"accountName": "A", "phone": None}
    list(opened(crm).write(ACCOUNTS, [Change("k", "create", values)]))

    assert crm.calls[-1].json == {"data": {"entityType": 11, "dimDepart": 22, "accountName": "A"}}


def test_with_a_key_column_a_repeated_create_is_found_again(crm):
    connector = opened(crm, key_column="hubKey__c")
    connector.check()
    crm.drop_next(applied=True)
    create = [Change("k", "create", {"accountName": "A"})]
    with pytest.raises(UnavailableError) as caught:
        list(connector.write(ACCOUNTS, create))

    (result,) = connector.write(ACCOUNTS, create)

    assert caught.value.may_have_acted
    assert result.remote_id == str(crm.by("account", accountName="A")["id"])


# ---------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("1020025", RateLimitError),
        ("401", AuthError),
        ("500", UnavailableError),
        ("300010", RejectedError),
    ],
)
def test_a_code_in_a_200_says_what_happens_next(crm, code, kind):
    connector = opened(crm)
    crm.say(code)

    with pytest.raises(kind, match="told to say"):
        connector.check()


def test_a_storm_of_limits_is_waited_out(crm):
    connector = opened(crm)
    for _ in range(3):
        crm.say("1020025")
        with pytest.raises(RateLimitError) as caught:
            list(connector.read(ACCOUNTS, None))
        assert caught.value.retry_after == timedelta(seconds=2)

    assert len(rows(connector.read(ACCOUNTS, None))) == 7


@pytest.mark.parametrize(
    "body", [b'{"code": 200, "data": {"records": []}}', b'{"code": 0, "data": {"records": []}}']
)
def test_success_has_several_codes(body):
    with FaultProxy() as proxy:
        proxy.next(reply(200, TOKEN), reply(200, body))

        assert opened(proxy, url=proxy.url).check()


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'{"code": "200"}',
        b'{"code": "200", "data": {"records": [7]}}',
        b"<html>hello</html>",
        b'{"code": NaN}',
    ],
)
def test_a_hostile_answer_is_a_protocol_error(body):
    with FaultProxy() as proxy:
        proxy.next(reply(200, TOKEN), reply(200, body))

        with pytest.raises(ProtocolError):
            opened(proxy, url=proxy.url).check()


@pytest.mark.parametrize(
    "said", [{}, {"id": "7 or 1=1", "updatedAt": 1}, {"id": True, "updatedAt": 1}, {"id": 7}]
)
def test_a_record_without_id_or_time_is_refused(said):
    answer = json.dumps({"code": "200", "data": {"records": [said]}}).encode()
    with FaultProxy() as proxy:
        proxy.next(reply(200, TOKEN), reply(200, DESCRIBED), reply(200, answer))

        with pytest.raises(ProtocolError):
            list(opened(proxy, url=proxy.url).read(ACCOUNTS, None))


def test_a_record_with_an_impossible_value_is_set_aside(crm):
    crm.put("account", accountName="x")
    crm.by("account", accountName="x")["size__c"] = "a lot"

    found = rows(opened(crm).read(ACCOUNTS, None))

    (bad,) = [r for r in found if isinstance(r, BadRow)]
    assert bad.values["column"] == "size__c"
    assert len(found) == 8


@pytest.mark.parametrize("fault", [reset(applied=False), cut(40), reply(502, b"bad gateway")])
def test_a_broken_wire_is_unavailable_and_the_next_try_works(crm, fault):
    with FaultProxy(upstream=crm.url) as proxy:
        connector = opened(proxy, url=proxy.url)
        proxy.next(fault)
        with pytest.raises(UnavailableError):
            list(connector.read(ACCOUNTS, None))

        assert len(rows(connector.read(ACCOUNTS, None))) == 7
