"""The connector contract on the fake U8, with outcomes asked for later and in the call itself."""

from datetime import timedelta

import pytest

from hub.connectors.yonyou_u8 import YonyouU8
from hub.testing.clock import StillClock
from hub.testing.connector_contract import ConnectorContract

from .fake import APP_KEY, CALLER, PROVIDER, SECRET, FakeU8

CREATE = {
    "customer": {"sort_code": "01"},
    "inventory": {"sort_code": "01"},
    "saleorder": {
        "businesstype": "普通销售",
        "typecode": "01",
        "deptcode": "0101",
        "entry": {"bgift": False},
    },
}


def settings(server, **more):
    return {
        "url": server.url,
        "from_account": CALLER,
        "to_account": PROVIDER,
        "app_key": APP_KEY,
        "app_secret": SECRET,
        "create": CREATE,
        "poll_seconds": 0,
        "calls_per_second": 0,
        **more,
    }


def seeded(clock=None):
    fake = FakeU8(clock or StillClock())
    for n in range(1, 8):
        fake.put("customer", code=f"C{n}", name=f"客户{n}", sort_code="01", phone=f"021-{n}")
        fake.put("inventory", code=f"I{n}", name=f"存货{n}", sort_code="01")
    fake.put("customer", code="C2", memo="changed last")
    fake.clock.sleep(timedelta(hours=1))
    return fake


class TestCustomers(ConnectorContract):
    options: dict = {}
    keeps_blank = False
    text_column = "name"
    integer_column = None
    decimal_column = None
    date_column = None

    @pytest.fixture
    def server(self):
        with seeded() as fake:
            fake.pending = 1
            yield fake

    @pytest.fixture
    def connector(self, server):
        with YonyouU8(settings(server, page_size=3, **self.options)) as u8:
            yield u8

    @pytest.fixture
    def stream(self, connector):
        return next(s for s in connector.discover() if s.name == "customer")

    @pytest.fixture
    def new_row(self):
        return lambda n: {"code": f"N{n}", "name": f"Customer {n}", "sort_code": "02"}

    @pytest.fixture
    def refused_row(self):
        return {"code": "N99", "name": "x", "sort_code": "99"}

    def _column(self, stream, kind, *, optional=False):
        return "memo" if optional else super()._column(stream, kind)


class TestCustomersAtOnce(TestCustomers):
    options = {"synchronous": True}
