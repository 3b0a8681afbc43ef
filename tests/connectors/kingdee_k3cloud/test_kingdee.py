"""What is peculiar to Kingdee: signatures, sessions, organisations, errors in a 200, batches in part."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from hub.connector import BadRow, Change, SecretText, Stream
from hub.connectors.kingdee_k3cloud import KingdeeK3Cloud
from hub.connectors.kingdee_k3cloud.signing import SignedAuth
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

from .fake import ACCOUNT, APP_ID, PASSWORD, SECRET, USER
from .test_contract import seeded, settings

CUSTOMERS = Stream("BD_Customer", ("FNumber",), "FModifyDate")
ORDERS = Stream("SAL_SaleOrder", ("FID",), "FModifyDate")
QUERY = "/k3cloud/Kingdee.BOS.WebApi.ServicesStub.DynamicFormService.ExecuteBillQuery.common.kdsvc"


@pytest.fixture
def erp():
    with seeded() as fake:
        yield fake


def opened(server, **more):
    connector = KingdeeK3Cloud(settings(server, **more))
    connector.open()
    return connector


def rows(pages):
    return [row for page in pages for row in page.rows]


def numbers(pages):
    return [row["FNumber"] for row in rows(pages)]


def create(key="k", **values):
    return Change(key, "create", {"FNumber": key, "FName": f"Name {key}", **values})


# ------------------------------------------------------------------------------- signing in


def test_the_headers_are_those_of_the_vendors_sdk():
    clock = StillClock(datetime.fromtimestamp(1700000000, UTC))
    auth = SignedAuth(
        ACCOUNT, USER, APP_ID, SecretText(SECRET), organization="100", locale=2052, clock=clock
    )

    signed = auth.sign("POST", f"https://erp.example{QUERY}", b"")

    assert signed["X-Api-Signature"] == (
        "N2M1YmZlZTUyZjc5YTRjMzU0MjkxMWVjODQ0YWEwZjQ0NzQyNWZjZjcwNGFhNzg0MzMxOGI5ZmI4YjNlMzUxOA=="
    )
    assert signed["X-Kd-Signature"] == (
        "MmU4M2JmZDBkMzVlMzRiNGMwMTMwMzY4MDIyZDk2ZmMzNGU3YmVmYTg1ZDQ3MmQ2NDY0YmI4YzM1MzE1NTQ4Yw=="
    )
    assert signed["X-Kd-Appdata"] == "MDEyMzQ1Njc4OWFiY2QsYXBpdXNlciwyMDUyLDEwMA=="


@pytest.mark.parametrize("auth", ["signed", "secret", "sign", "password"])
def test_a_wrong_secret_is_refused_without_a_second_try(erp, auth):
    wrong = "wrong-secret"

    with pytest.raises(AuthError) as caught:
        opened(erp, auth=auth, app_secret=wrong, password=wrong).check()

    assert wrong not in str(caught.value)
    assert erp.logins == (auth != "signed")


@pytest.mark.parametrize("auth", ["secret", "sign", "password"])
def test_one_session_serves_a_whole_run_and_is_renewed_when_it_is_lost(erp, auth):
    connector = opened(erp, auth=auth, password=PASSWORD)
    connector.capabilities = replace(connector.capabilities, read_page=2)
    pages = connector.read(CUSTOMERS, None)
    seen = numbers([next(pages), next(pages)])
    erp.end_sessions()

    seen += numbers(pages)

    assert seen == [f"C{n:03}" for n in range(1, 8)]
    assert erp.logins == 2


def test_a_session_that_was_idle_for_twenty_minutes_is_over(erp):
    connector = opened(erp, auth="secret")
    connector.check()
    erp.clock.sleep(timedelta(minutes=21))

    connector.check()

    assert erp.logins == 2


def test_a_session_that_cannot_be_renewed_is_an_auth_error(erp):
    connector = opened(erp, auth="secret")
    erp.before = lambda call: "AuthService" in call.path or erp.end_sessions()

    with pytest.raises(AuthError):
        connector.check()


def test_an_application_id_of_another_form_is_refused_before_any_call(erp):
    with pytest.raises(ConfigError, match="app_id"):
        KingdeeK3Cloud({**settings(erp), "app_id": "123456"})


# ---------------------------------------------------------------------------- what is read


def test_only_the_rows_of_the_organisation_are_read(erp):
    assert "Elsewhere" not in [r["FName"] for r in rows(opened(erp).read(CUSTOMERS, None))]
    elsewhere = opened(erp, organization="101").read(CUSTOMERS, None)
    assert [r["FName"] for r in rows(elsewhere)] == ["Elsewhere"]


def test_an_order_brings_its_lines_once_and_its_head_once(erp):
    found = rows(opened(erp).read(ORDERS, None))

    assert [len(r["FSaleOrderEntry"]) for r in found] == [0, 1, 2, 3, 4, 5]
    assert found[2]["FBillAllAmount"] == Decimal("33.90")
    assert [e["FSeq"] for e in found[5]["FSaleOrderEntry"]] == [1, 2, 3, 4, 5]
    assert found[2]["FSaleOrderFinance"]["FSettleCurrId"] == {"FNumber": "PRE001"}


@pytest.mark.parametrize("cap", [1, 2, 3])
def test_a_server_that_gives_fewer_rows_than_asked_loses_none(erp, cap):
    erp.cap = cap

    found = rows(opened(erp).read(ORDERS, None))

    assert sum(len(r["FSaleOrderEntry"]) for r in found) == 15


def test_rows_that_change_while_they_are_read_hide_no_other(erp):
    connector = opened(erp)
    connector.capabilities = replace(connector.capabilities, read_page=2)
    pages = connector.read(CUSTOMERS, None)
    seen = numbers([next(pages)])
    erp.put("BD_Customer", FNumber="C001", FName="changed")
    erp.remove("BD_Customer", "C003")

    seen += numbers(pages)

    assert set(seen) == {f"C{n:03}" for n in range(1, 8)} - {"C003"}
    assert seen.count("C001") == 2


def test_a_filter_of_the_mapping_is_asked_for(erp):
    where = {"FDocumentStatus": ["A", "B"], "filter": "FTEL like '%0003'"}

    assert numbers(opened(erp).read(replace(CUSTOMERS, where=where), None)) == ["C003"]


def test_blanks_are_nothing_and_local_time_is_an_instant(erp):
    (row,) = opened(erp).fetch(CUSTOMERS, ["C001"])

    assert row["FADDRESS"] is None and row["FTRADINGCURRID"] is None
    assert row["FModifyDate"].utcoffset() == timedelta(hours=8)
    assert abs(row["FModifyDate"] - erp.clock.now()) < timedelta(minutes=5)


def test_a_number_with_a_quote_is_found_and_case_counts(erp):
    erp.put("BD_Customer", FNumber="O'N", FName="x")
    connector = opened(erp)

    assert [r["FNumber"] for r in connector.fetch(CUSTOMERS, ["O'N"])] == ["O'N"]
    assert list(connector.fetch(CUSTOMERS, ["o'n", "c001"])) == []


def test_custom_fields_are_discovered_read_and_written(erp):
    connector = opened(erp)
    (customers,) = [s for s in connector.discover() if s.name == "BD_Customer"]

    assert customers.columns["F_PAEZ_Level"].label == "字段F_PAEZ_Level"
    (result,) = connector.write(CUSTOMERS, [create("X", F_PAEZ_Level={"FNumber": "A"})])
    (row,) = connector.fetch(CUSTOMERS, [result.remote_id])
    assert row["F_PAEZ_Level"] == {"FNumber": "A"}


def test_a_form_that_the_tenant_lacks_columns_of_is_asked_for_the_others(erp):
    del erp.schemas["BD_Customer"].head["FFAX"]

    row = rows(opened(erp).read(CUSTOMERS, None))[0]

    assert "FFAX" not in row and row["FNumber"] == "C001"


def test_a_form_of_your_own_is_declared_in_the_settings(erp):
    form = {
        "pk": "FSupplierId",
        "number": "FNumber",
        "columns": {"FNumber": "text", "FName": "text"},
    }
    erp.schemas["PAEZ_X"] = erp.schemas["BD_Supplier"]
    erp.tables["PAEZ_X"] = {}
    erp.put("PAEZ_X", FNumber="X1", FName="mine")
    connector = opened(erp, forms={"PAEZ_X": form})

    assert [r["FName"] for r in rows(connector.read(Stream("PAEZ_X", ("FSupplierId",)), None))] == [
        "mine"
    ]
    with pytest.raises(ConfigError, match="PAEZ_Y"):
        opened(erp, forms={"PAEZ_Y": {"colour": 1}})
    with pytest.raises(NotFoundError, match="PAEZ_Z"):
        list(connector.read(Stream("PAEZ_Z"), None))


# -------------------------------------------------------------------------- what is written


def test_a_batch_that_succeeds_in_part_and_out_of_order_is_told_apart(erp):
    erp.disorder = True
    batch = [
        create("A"),
        create("C001"),
        create("B", FTRADINGCURRID={"FNumber": "XXX"}),
        create("C"),
        Change("u", "update", {"FTEL": "1"}, remote_id="C002"),
        Change("g", "update", {"FTEL": "1"}, remote_id="C999"),
        Change("d", "delete", remote_id="C003"),
    ]

    results = {r.key: r for r in opened(erp).write(CUSTOMERS, batch)}

    outcomes = {k: r.outcome for k, r in results.items()}
    assert outcomes == {
        "A": "applied", "C001": "rejected", "B": "rejected", "C": "applied",
        "u": "applied", "g": "gone", "d": "applied",
    }  # fmt: skip
    assert (results["A"].remote_id, results["C"].remote_id) == ("A", "C")
    assert "编码唯一" in results["C001"].message and results["C001"].column == "FNumber"
    assert results["B"].column == "FTRADINGCURRID"


def test_a_record_that_the_answer_does_not_speak_of_has_no_result(erp):
    erp.forget.add(1)

    results = list(opened(erp).write(CUSTOMERS, [create("A"), create("B"), create("C")]))

    assert [r.key for r in results] == ["A", "C"]


def test_an_update_touches_only_what_it_names(erp):
    erp.put("BD_Customer", FNumber="C001", FADDRESS="郭守敬路498号")
    change = Change("u", "update", {"FTEL": "1"}, remote_id="C001")

    assert next(opened(erp).write(CUSTOMERS, [change])).outcome == "applied"

    row = erp.row("BD_Customer", "C001")
    assert (row["FTEL"], row["FADDRESS"], row["FName"]) == ("1", "郭守敬路498号", "客户1")
    sent = erp.calls[-1].json["data"]
    assert sent["NeedUpDateFields"] == ["FCUSTID", "FTEL"]


def test_none_clears_a_text_and_a_reference(erp):
    erp.put("BD_Customer", FNumber="C001", FTRADINGCURRID="PRE001")
    change = Change("u", "update", {"FTEL": None, "FTRADINGCURRID": None}, remote_id="C001")

    list(opened(erp).write(CUSTOMERS, [change]))

    row = erp.row("BD_Customer", "C001")
    assert (row["FTEL"], row["FTRADINGCURRID"]) == ("", {"FNumber": None})


def test_audited_rows_are_closed_unless_the_setting_says_otherwise(erp):
    erp.row("BD_Customer", "C001")["FDocumentStatus"] = "C"
    change = Change("u", "update", {"FTEL": "1"}, remote_id="C001")

    (refused,) = opened(erp).write(CUSTOMERS, [change])
    (applied, new) = opened(erp, audit=True).write(CUSTOMERS, [change, create("N")])

    assert refused.outcome == "rejected" and "已审核" in refused.message
    assert {applied.outcome, new.outcome} == {"applied"}
    assert erp.row("BD_Customer", "C001")["FDocumentStatus"] == "C"
    assert erp.row("BD_Customer", "N")["FDocumentStatus"] == "C"


def test_a_refusal_that_names_no_row_is_raised_for_the_batch_to_be_taken_apart():
    status = {"IsSuccess": False, "Errors": [{"Message": "整批失败"}], "MsgCode": 11}
    body = json.dumps({"Result": {"ResponseStatus": {**status, "SuccessEntitys": []}}})
    with FaultProxy() as proxy:
        proxy.next(reply(200, body.encode()))
        connector = opened(proxy, custom_fields=False)

        with pytest.raises(RejectedError, match="整批失败"):
            list(connector.write(CUSTOMERS, [create("A"), create("B")]))


# ------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (2, AuthError),
        (4, UnavailableError),
        (6, UnavailableError),
        (7, AuthError),
        (8, ProtocolError),
        (9, ConfigError),
        (13, UnavailableError),
        (14, RateLimitError),
        (15, AuthError),
    ],
)
def test_a_code_in_a_200_says_what_happens_next(erp, code, kind):
    connector = opened(erp, custom_fields=False)
    erp.say(code)

    with pytest.raises(kind, match="told to say"):
        list(connector.read(CUSTOMERS, None))


def test_no_rows_may_be_an_error_that_is_none(erp):
    connector = opened(erp, custom_fields=False)
    erp.say(10)

    assert list(connector.read(CUSTOMERS, None)) == []


def test_a_storm_of_rate_limits_writes_nothing_twice(erp):
    connector = opened(erp)
    for _ in range(3):
        erp.say(14)
        with pytest.raises(RateLimitError) as caught:
            list(connector.write(CUSTOMERS, [create("A")]))
        assert caught.value.retry_after == timedelta(minutes=1)

    (result,) = connector.write(CUSTOMERS, [create("A")])

    assert result.outcome == "applied"


@pytest.mark.parametrize("applied", [True, False])
def test_a_save_without_an_answer_may_have_acted(erp, applied):
    connector = opened(erp, custom_fields=False)
    erp.drop_next(applied=applied)

    with pytest.raises(UnavailableError) as caught:
        list(connector.write(CUSTOMERS, [create("A")]))

    assert caught.value.may_have_acted
    assert len(list(connector.fetch(CUSTOMERS, ["A"]))) == applied


def test_with_a_key_column_a_repeated_create_is_found_again(erp):
    connector = opened(erp, key_column="F_PAEZ_HubKey")
    erp.drop_next(applied=True)
    with pytest.raises(UnavailableError):
        list(connector.write(CUSTOMERS, [create("A")]))

    (result,) = connector.write(CUSTOMERS, [create("A")])

    assert (result.outcome, result.remote_id) == ("applied", "A")


ANSWERS = [
    (b"<html><title>Runtime Error</title></html>", ProtocolError),
    (b'<html><input type="password"></html>', AuthError),
    (b"response_error: null reference", UnavailableError),
    (b'{"rows": 1}', ProtocolError),
    (b"[[1, 2]]", ProtocolError),
    (b"[7]", ProtocolError),
    (b'"text"', ProtocolError),
    (b"[[NaN]]", ProtocolError),
    (b"[" * 200 + b"]" * 200, ProtocolError),
]


@pytest.mark.parametrize(("body", "kind"), ANSWERS, ids=lambda v: str(v)[:20])
def test_a_hostile_answer_is_one_of_the_known_errors(body, kind):
    with FaultProxy() as proxy:
        proxy.next(reply(200, body))

        with pytest.raises(kind):
            opened(proxy).check()


def test_an_id_that_is_no_number_never_reaches_a_filter():
    cells = ["1) or (1=1", "C1"]
    with FaultProxy() as proxy:
        keys = {"pk": "FID", "number": "FNo", "columns": {"FNo": "text"}}
        connector = opened(proxy, forms={"X": keys}, custom_fields=False)
        proxy.next(reply(200, json.dumps([cells]).encode()))

        with pytest.raises(ProtocolError, match="no number"):
            list(connector.read(Stream("X", ("FID",)), None))


def test_a_row_with_an_impossible_value_is_set_aside_and_the_others_come(erp):
    erp.row("BD_Customer", "C002")["FCreateDate"] = "yesterday"

    found = rows(opened(erp).read(CUSTOMERS, None))

    (bad,) = [r for r in found if isinstance(r, BadRow)]
    assert bad.place == "BD_Customer C002"
    assert len(found) == 7


@pytest.mark.parametrize("fault", [reset(applied=False), cut(40), reply(502, b"bad gateway")])
def test_a_broken_wire_is_unavailable_and_the_next_try_works(erp, fault):
    with FaultProxy(upstream=erp.url) as proxy:
        connector = opened(proxy, custom_fields=False)
        proxy.next(fault)
        with pytest.raises(UnavailableError):
            list(connector.read(CUSTOMERS, None))

        assert len(rows(connector.read(CUSTOMERS, None))) == 7
