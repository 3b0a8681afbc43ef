"""The vendor's own Python SDK against the fake: what it sends is understood, what it gets it reads."""

import json
import time

import pytest

from .fake import ACCOUNT, APP_ID, SECRET, USER, FakeKingdee

sdk = pytest.importorskip(
    "k3cloud_webapi_sdk.main", reason="pip install '.[conformance]' brings the vendor's SDK"
)


@pytest.fixture
def erp():
    with FakeKingdee() as fake:
        fake.put("BD_Customer", FNumber="C1", FName="上海浦东", FTRADINGCURRID="PRE001")
        fake.put("BD_Customer", FNumber="C2", FName="O'Neil")
        yield fake


@pytest.fixture
def api(erp, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # it polls once a second
    client = sdk.K3CloudApiSdk(f"{erp.url}/k3cloud/")
    client.InitConfig(ACCOUNT, USER, APP_ID, SECRET, f"{erp.url}/k3cloud/", 2052, 100)
    return client


def said(text):
    return json.loads(text)


def status(text):
    return said(text)["Result"]["ResponseStatus"]


def test_it_queries_with_text_filters_and_with_structured_ones(api):
    para = {"FormId": "BD_Customer", "FieldKeys": "FNumber,FName,FTRADINGCURRID.FNumber"}
    text = said(api.ExecuteBillQuery({**para, "FilterString": "FName='O''Neil'"}))
    cond = {"Left": "(", "FieldName": "FNumber", "Compare": "67", "Value": "C1", "Right": ")"}
    array = said(api.ExecuteBillQuery({**para, "FilterString": [{**cond, "Logic": "0"}]}))

    assert text == [["C2", "O'Neil", " "]]
    assert array == [["C1", "上海浦东", "PRE001"]]
    assert said(api.BillQuery(para))[0].keys() == {"FNumber", "FName", "FTRADINGCURRID.FNumber"}


def test_a_refused_query_looks_like_one_row(api):
    rows = said(api.ExecuteBillQuery({"FormId": "BD_Customer", "FieldKeys": "FNo"}))

    assert rows[0][0]["Result"]["ResponseStatus"]["MsgCode"] == 9


def test_it_saves_submits_audits_and_deletes(api, erp):
    model = {"FCUSTID": 0, "FNumber": "C3", "FName": "Ada", "FUseOrgId": {"FNumber": "100"}}

    assert status(api.Save("BD_Customer", {"Model": model}))["IsSuccess"]
    again = status(api.Save("BD_Customer", {"Model": model}))
    assert "编码唯一" in again["Errors"][0]["Message"]
    assert status(api.Submit("BD_Customer", {"Numbers": ["C3"]}))["IsSuccess"]
    assert status(api.Audit("BD_Customer", {"Numbers": ["C3"]}))["IsSuccess"]
    assert not status(api.Delete("BD_Customer", {"Numbers": ["C3"]}))["IsSuccess"]
    assert status(api.UnAudit("BD_Customer", {"Numbers": ["C3"]}))["IsSuccess"]
    assert status(api.Delete("BD_Customer", {"Numbers": ["C3"]}))["IsSuccess"]
    assert erp.find("BD_Customer", "C3") is None


def test_it_saves_batches_in_part_at_once_and_later(api):
    models = [{"FNumber": "N1", "FName": "one"}, {"FNumber": "C1", "FName": "twice"}]

    at_once = status(api.BatchSave("BD_Customer", {"Model": models}))
    later = said(api.BatchSaveQuery("BD_Customer", {"Model": [{"FNumber": "N2", "FName": "two"}]}))

    assert [e["DIndex"] for e in at_once["SuccessEntitys"]] == [0]
    assert [e["DIndex"] for e in at_once["Errors"]] == [1]
    assert later["Result"]["ResponseStatus"]["SuccessEntitys"][0]["Number"] == "N2"


def test_it_views_forbids_and_describes(api, erp):
    assert said(api.View("BD_Customer", {"Number": "C1"}))["Result"]["Result"]["Number"] == "C1"
    assert status(api.ExcuteOperation("BD_Customer", "Forbid", {"Numbers": ["C1"]}))["IsSuccess"]
    assert erp.row("BD_Customer", "C1")["FForbidStatus"] == "B"
    info = said(api.QueryBusinessInfo({"FormId": "SAL_SaleOrder"}))
    entries = info["Result"]["NeedReturnData"]["Entrys"]
    assert [e["Key"] for e in entries] == ["FBillHead", "FSaleOrderFinance", "FSaleOrderEntry"]


def test_a_wrong_secret_is_a_failed_sign_in_in_a_200(erp):
    client = sdk.K3CloudApiSdk(f"{erp.url}/k3cloud/")
    client.InitConfig(ACCOUNT, USER, APP_ID, "wrong", f"{erp.url}/k3cloud/", 2052, 100)

    answer = said(client.View("BD_Customer", {"Number": "C1"}))

    assert (answer["LoginResultType"], answer["MessageCode"]) == (0, "002005000003016")
