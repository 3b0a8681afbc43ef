"""The independent client `fxiaoke-python` against the fake: its calls are understood and answered."""

import pytest
from requests.adapters import HTTPAdapter

from .fake import APP, CODE, SECRET, USER, FakeFxiaoke

client = pytest.importorskip("fxiaoke.api", reason="pip install '.[conformance]' brings the client")
from fxiaoke.baseObj import baseObj  # noqa: E402
from fxiaoke.op_create import createObj  # noqa: E402
from fxiaoke.op_get import getObj  # noqa: E402
from fxiaoke.op_query import queryObj  # noqa: E402


class Here(HTTPAdapter):
    """Its address is a constant: calls to it are sent to the fake."""

    def __init__(self, url):
        self.url = url
        super().__init__()

    def send(self, request, **options):
        request.url = request.url.replace("https://open.fxiaoke.com", self.url)
        return super().send(request, **options)


@pytest.fixture
def crm():
    with FakeFxiaoke() as fake:
        for n in range(5):
            fake.put("AccountObj", name=f"客户{n}", account_no=f"C{n}")
        yield fake


@pytest.fixture
def api(crm):
    made = client.FxiaokeApi.init(APP, SECRET, CODE, USER)
    made._session.requests.mount("https://open.fxiaoke.com", Here(crm.url))
    yield made
    made._session.requests.close()


def test_it_signs_in_and_reads_page_by_page(api, crm):
    found = list(queryObj(dataObjectApiName="AccountObj").execute(limit=2))

    assert [r["account_no"] for r in found] == ["C4", "C3", "C2", "C1", "C0"]
    assert crm.tokens == 1


def test_it_filters_and_orders(api):
    filters = [{"field_name": "account_no", "operator": "IN", "field_values": ["C1", "C3"]}]
    orders = [{"fieldName": "_id", "isAsc": True}]

    found = list(queryObj(dataObjectApiName="AccountObj").execute(filters=filters, orders=orders))

    assert [r["account_no"] for r in found] == ["C1", "C3"]


def test_without_totals_it_stops_after_one_page(api, crm):
    crm.totals = False

    assert len(list(queryObj(dataObjectApiName="AccountObj").execute(limit=2))) == 2


def test_it_creates_and_gets(api):
    made = createObj(dataObjectApiName="AccountObj").execute(
        object_data={"name": "Ada", "owner": [USER]}
    )

    found = getObj(dataObjectApiName="AccountObj").execute(made["dataId"])

    assert found["name"] == "Ada"


def test_it_describes(api):
    described = baseObj(dataObjectApiName="AccountObj").describe()

    assert "account_no" in described["describe"]["fields"]


def test_a_refusal_reaches_it_as_one(api):
    with pytest.raises(RuntimeError, match="32002"):
        createObj(dataObjectApiName="AccountObj").execute(object_data={"owner": [USER]})
