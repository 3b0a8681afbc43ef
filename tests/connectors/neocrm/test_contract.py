"""The connector contract on the fake Neocrm."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from hub.connectors.neocrm import Neocrm
from hub.testing.clock import StillClock
from hub.testing.connector_contract import ConnectorContract

from .fake import CLIENT, PASSWORD, SECRET, SECURITY, USER, FakeNeocrm

CREATE = {
    n: {"entityType": 11, "dimDepart": 22} for n in ("account", "contact", "order", "product")
}


def settings(server, **more):
    return {
        "token_url": f"{server.url}/auc/oauth2/token",
        "client_id": CLIENT,
        "client_secret": SECRET,
        "user": USER,
        "password": PASSWORD,
        "security_token": SECURITY,
        "create": CREATE,
        "calls_per_second": 0,
        **more,
    }


def seeded(clock=None):
    fake = FakeNeocrm(clock or StillClock())
    for n in range(1, 8):
        fake.put("account", accountName=f"客户{n}", code__c=f"C{n}", entityType=11)
    stamps = [1, 1, 1, 2, 2, 3, 3]  # several records share a moment
    for stamp, record in zip(stamps, fake.tables["account"].values(), strict=True):
        record["updatedAt"] = 1767600000000 + stamp
    fake.clock.sleep(timedelta(hours=1))
    return fake


class TestAccounts(ConnectorContract):
    options: dict = {}
    keeps_blank = False
    text_column = "accountName"
    decimal_column = "limit__c"
    date_column = "since__c"
    integer_column = "size__c"

    @pytest.fixture
    def server(self):
        with seeded() as fake:
            yield fake

    @pytest.fixture
    def connector(self, server):
        with Neocrm(settings(server, **self.options)) as crm:
            yield crm

    @pytest.fixture
    def stream(self, connector):
        return next(s for s in connector.discover() if s.name == "account")

    @pytest.fixture
    def new_row(self):
        return lambda n: {
            "accountName": f"Customer {n}",
            "code__c": f"N{n}",
            "level": "2",
            "limit__c": Decimal("10.50"),
            "since__c": date(2026, 1, n % 28 + 1),
            "vip__c": True,
        }

    @pytest.fixture
    def refused_row(self, new_row):
        return {**new_row(99), "level": "9"}

    def _column(self, stream, kind, *, optional=False):
        return "comment" if optional else super()._column(stream, kind)


class TestAccountsRepeatable(TestAccounts):
    options = {"key_column": "hubKey__c"}
