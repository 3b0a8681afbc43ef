"""The connector contract on the fake Kingdee, signed and with sessions, for base data and bills."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from hub.connectors.kingdee_k3cloud import KingdeeK3Cloud
from hub.testing.clock import StillClock
from hub.testing.connector_contract import ConnectorContract

from .fake import ACCOUNT, APP_ID, PASSWORD, SECRET, USER, FakeKingdee


def settings(server, **more):
    return {
        "url": f"{server.url}/k3cloud",
        "account": ACCOUNT,
        "user": USER,
        "app_id": APP_ID,
        "app_secret": SECRET,
        "organization": "100",
        **more,
    }


def seeded(clock=None):
    """Customers in two organisations, materials and orders, written a while ago."""
    fake = FakeKingdee(clock or StillClock())
    for n in range(1, 8):
        fake.put("BD_Customer", FNumber=f"C{n:03}", FName=f"客户{n}", FTEL=f"021-5080{n:04}")
        fake.put(
            "BD_MATERIAL", FNumber=f"M{n}", FName=f"物料{n}", FBaseUnitId="Pcs", FBARCODE=str(n)
        )
        if n % 2:
            fake.clock.sleep(timedelta(seconds=1))  # two or so of each second
    fake.put("BD_Customer", FNumber="C001", FName="Elsewhere", FUseOrgId="101")
    for n in range(1, 7):
        lines = [
            {
                "FMaterialId": {"FNumber": f"M{k}"},
                "FQty": k,
                "FTaxPrice": "11.30",
                "FEntryTaxRate": 13,
            }
            for k in range(1, n)
        ]
        fake.put(
            "SAL_SaleOrder", FBillNo=f"XS{n}", FDate="2026-01-05", FCustId="C001", FNote=f"note {n}",
            FSettleCurrId="PRE001", FSaleOrderEntry=lines,
        )  # fmt: skip
    fake.clock.sleep(timedelta(minutes=1))
    return fake


class Contract(ConnectorContract):
    form = "BD_Customer"
    options: dict = {}
    keeps_blank = False
    dates = ()
    date_column = None
    integer_column = None
    texts = (
        "上海浦东软件园有限公司",
        "emoji 😀 👍🏽",
        'it\'s "quoted" \\ `so` ; -- % _',
        "first line\nsecond line",
        "tab\there, ünï©ödé",
    )

    @pytest.fixture
    def server(self):
        with seeded() as fake:
            yield fake

    @pytest.fixture
    def connector(self, server):
        with KingdeeK3Cloud(settings(server, **self.options)) as kingdee:
            yield kingdee

    @pytest.fixture
    def stream(self, connector):
        return next(s for s in connector.discover() if s.name == self.form)


class TestCustomersSigned(Contract):
    decimal_column = "F_PAEZ_Limit"
    text_column = "FName"

    def _column(self, stream, kind, *, optional=False):
        return "FShortName" if optional else super()._column(stream, kind)

    @pytest.fixture
    def new_row(self):
        return lambda n: {
            "FNumber": f"N{n}",
            "FName": f"Customer {n}",
            "FTRADINGCURRID": {"FNumber": "PRE001"},
        }

    @pytest.fixture
    def refused_row(self):
        return {"FNumber": "N99", "FName": "x", "FTRADINGCURRID": {"FNumber": "NONE"}}


class TestCustomersRepeatable(TestCustomersSigned):
    options = {"auth": "sign", "key_column": "F_PAEZ_HubKey"}


class TestOrders(Contract):
    form = "SAL_SaleOrder"
    options = {"auth": "password", "password": PASSWORD}
    text_column = "FNote"
    decimal_column = None

    @pytest.fixture
    def new_row(self):
        return lambda n: {
            "FBillNo": f"N{n}",
            "FDate": date(2026, 1, n % 28 + 1),
            "FCustId": {"FNumber": "C001"},
            "FNote": f"note {n}",
            "FSaleOrderFinance": {"FSettleCurrId": {"FNumber": "PRE001"}},
            "FSaleOrderEntry": [
                {
                    "FMaterialId": {"FNumber": "M1"},
                    "FQty": Decimal("2.5"),
                    "FTaxPrice": Decimal("11.30"),
                    "FEntryTaxRate": Decimal("13"),
                }
            ],
        }

    @pytest.fixture
    def refused_row(self, new_row):
        return {**new_row(99), "FCustId": {"FNumber": "NOBODY"}}
