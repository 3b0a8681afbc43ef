"""The connector contract on the fake Fxiaoke, with the token in the body and in a header."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from hub.connectors.fxiaoke import Fxiaoke
from hub.testing.clock import StillClock
from hub.testing.connector_contract import ConnectorContract

from .fake import AES_KEY, APP, CODE, SECRET, USER, FakeFxiaoke


def settings(server, **more):
    return {
        "url": server.url,
        "app_id": APP,
        "app_secret": SECRET,
        "permanent_code": CODE,
        "user": USER,
        "push_key": AES_KEY,
        "calls_per_second": 0,
        **more,
    }


def seeded(clock=None):
    fake = FakeFxiaoke(clock or StillClock())
    for n in range(1, 8):
        fake.put("AccountObj", name=f"客户{n}", account_no=f"C{n}", tel=f"021-{n}", owner=[USER])
    stamps = [1, 1, 1, 2, 2, 3, 3]  # several records share a moment
    for stamp, record in zip(stamps, fake.tables["AccountObj"].values(), strict=True):
        record["last_modified_time"] = 1767600000000 + stamp
    fake.clock.sleep(timedelta(hours=1))
    return fake


class TestAccounts(ConnectorContract):
    options: dict = {}
    keeps_blank = False
    integer_column = None
    text_column = "name"
    decimal_column = "field_limit__c"
    date_column = "field_since__c"

    @pytest.fixture
    def server(self):
        with seeded() as fake:
            yield fake

    @pytest.fixture
    def connector(self, server):
        with Fxiaoke(settings(server, **self.options)) as crm:
            yield crm

    @pytest.fixture
    def stream(self, connector):
        return next(s for s in connector.discover() if s.name == "AccountObj")

    @pytest.fixture
    def new_row(self):
        return lambda n: {
            "name": f"Customer {n}",
            "account_no": f"N{n}",
            "field_limit__c": Decimal("10.50"),
            "field_since__c": date(2026, 1, n % 28 + 1),
            "field_vip__c": True,
        }

    def _column(self, stream, kind, *, optional=False):
        return "remark" if optional else super()._column(stream, kind)


class TestAccountsRepeatable(TestAccounts):
    options = {
        "auth": "header",
        "key_column": "field_hub__c",
        "create": {"AccountObj": {"owner": [USER]}},
    }
