"""The connector contract on the fake Jiandaoyun."""

from datetime import timedelta

import pytest

from hub.connectors.jiandaoyun import Jiandaoyun
from hub.testing.clock import StillClock
from hub.testing.connector_contract import ConnectorContract

from .fake import KEY, SECRET, FakeJiandaoyun


def settings(server, **more):
    return {
        "url": f"{server.url}/api/v5",
        "api_key": KEY,
        "push_secret": SECRET,
        "forms": server.streams if isinstance(server, FakeJiandaoyun) else {},
        "calls_per_second": 0,
        **more,
    }


def seeded(clock=None):
    fake = FakeJiandaoyun(clock or StillClock())
    for n in range(1, 8):
        fake.put("customer", code=f"C{n}", name=f"客户{n}", phone={"phone": f"1380000000{n}"})
        fake.clock.sleep(timedelta(seconds=1))
    fake.put("customer", "65" + f"{2:022x}", name="客户2 changed")
    fake.pushes.clear()
    fake.clock.sleep(timedelta(hours=1))
    return fake


class TestCustomers(ConnectorContract):
    options: dict = {}
    keeps_blank = False
    integer_column = None  # numbers are floating-point there
    date_column = None
    text_column = "name"

    @pytest.fixture
    def server(self):
        with seeded() as fake:
            yield fake

    @pytest.fixture
    def connector(self, server):
        with Jiandaoyun(settings(server, **self.options)) as jdy:
            yield jdy

    @pytest.fixture
    def stream(self, connector):
        return next(s for s in connector.discover() if s.name == "customer")

    @pytest.fixture
    def new_row(self):
        return lambda n: {"code": f"N{n}", "name": f"Customer {n}", "phone": f"1390000000{n}"}

    @pytest.fixture
    def refused_row(self):
        return {"code": "N99", "name": "x", "owner": "nobody"}

    @pytest.fixture
    def absent_id(self):
        return "65ffffffffffffffffffffff"


class TestRepeatable(TestCustomers):
    options = {"key_column": "hub_key"}
