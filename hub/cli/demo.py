"""`hub demo`: three systems that disagree, a hub between them, and what it does about it.

A legacy ERP in a SQL database, a CRM as a REST server in this process, a shop as a folder of
spreadsheets (in GB18030).  Nothing here goes round the product: the demo writes configuration as
an administrator would, edits the systems as their users would, and calls the same facade.
"""

import csv
import os
import shutil
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hub.cli.base import Outcome
from hub.cli.home import create_home
from hub.cli.screen import Screen
from hub.errors import ConfigError
from hub.i18n import _, render
from hub.secrets import Secrets

TOKEN = "demo-crm-token"  # noqa: S105 - of a server that lives as long as the demo
MARKER = ".hub-demo"

CUSTOMERS = (
    ("K001", "北京华信科技有限公司", "91110108MA01ABCD7T", "010-62345678", "info@huaxin.example",
     "中关村大街1号", "北京", "CN", "500000.00", "Y"),
    ("K002", "深圳市百川电子有限公司", "91440300MA5F1234XW", "0755-26001234", "sales@baichuan.example",
     "科技园路9号", "深圳", "CN", "300000.00", "Y"),
    ("K003", "上海瑞丰贸易有限公司", "91310115MA1H56789B", "021-58001111", "office@ruifeng.example",
     "世纪大道88号", "上海", "CN", "200000.00", "Y"),
    ("K004", "Nordlicht Logistics GmbH", "DE136695976", "+49 89 1234567", "kontakt@nordlicht.example",
     "Hauptstraße 12", "München", "DE", "120000.00", "Y"),
    ("K005", "Harbour Foods Ltd", "GB123456789", "+44 113 496 0123", "orders@harbour.example",
     "4 Dock Street", "Leeds", "GB", "80000.00", "Y"),
    ("K006", "杭州龙腾信息技术有限公司", "91330106MA2B00001C", "0571-87001234", "hi@longteng.example",
     "文三路20号", "杭州", "CN", "n/a", "Y"),
    ("K007", "Océan Textiles SARL", "FR40303265045", "+33 1 42 68 53 00", "bonjour@ocean.example",
     "Rue de la Paix 7", "Paris", "FR", "60000.00", "N"),
)  # fmt: skip
CRM_CUSTOMERS = (
    {"name": "北京华信科技有限公司", "tax_number": "91110108MA01ABCD7T", "phone": None,
     "email": "info@huaxin.example", "city": "北京", "country": "中国", "tier": "A", "tags": "VIP;重点"},
    {"name": "深圳市百川电子有限公司", "tax_number": "91440300MA5F1234XW", "phone": "0755-26001234",
     "email": "sales@baichuan.example", "city": "深圳", "country": "CN", "tier": "B", "tags": ""},
    {"name": "Nordlicht Logistics GmbH", "tax_number": None, "phone": "+49 89 1234567",
     "email": "KONTAKT@nordlicht.example", "city": "Munich", "country": "Germany", "tier": "B",
     "tags": "export"},
    {"name": "Falcon Machining AB", "tax_number": "SE556036079301", "phone": "+46 40 123456",
     "email": "info@falcon.example", "city": "Malmö", "country": "SE", "tier": "C", "tags": "lead"},
)  # fmt: skip
SHOP_CUSTOMERS = (
    ("客户号", "姓名", "类型", "电话", "邮箱", "城市"),
    ("S1", "北京华信科技", "公司", "010-62345678", "info@huaxin.example", "北京"),
    ("S2", "王晓雪", "个人", "13800138000", "xiaoxue@mail.example", "成都"),
    ("S3", "Harbour Foods", "公司", "+44 113 496 0123", "orders@harbour.example", "Leeds"),
)
ITEMS = (
    ("M-100", "精密轴承 20型", "6900000000014", "35.50", "Y"),
    ("M-200", "高温电缆 (卷)", "6900000000021", "480.00", "Y"),
    ("M-300", "工业传感器 50型", "6900000000038", "1299.00", "Y"),
)
SHOP_PRODUCTS = (
    ("货号", "品名", "条码", "售价"),
    ("Z-1", "轴承 20型", "6900000000014", "39.90"),
    ("Z-2", "Temperature sensor 50", "6900000000038", "1299.00"),
)
SHOP_ORDERS = (
    ("订单号", "客户号", "日期"),
    ("W-2001", "S1", "2026-03-02"),
    ("W-2002", "S2", "2026-03-03"),
    ("W-2003", "S9", "2026-03-03"),
)
SHOP_LINES = (
    ("订单号", "行号", "货号", "数量", "单价"),
    ("W-2001", "1", "Z-1", "200", "39.90"),
    ("W-2001", "2", "Z-2", "2", "1299.00"),
    ("W-2002", "1", "Z-2", "1", "1299.00"),
    ("W-2003", "1", "Z-1", "10", "39.90"),
)

ERP_SCHEMA = """
CREATE TABLE customers (cust_no VARCHAR(20) PRIMARY KEY, cust_name VARCHAR(120), tax_no VARCHAR(30),
  phone VARCHAR(30), email VARCHAR(80), street VARCHAR(120), city VARCHAR(40), country VARCHAR(40),
  credit_limit VARCHAR(20), active CHAR(1), changed_at TIMESTAMP);
CREATE TABLE items (item_no VARCHAR(20) PRIMARY KEY, item_name VARCHAR(120), ean VARCHAR(14),
  price DECIMAL(12, 2), active CHAR(1), changed_at TIMESTAMP);
CREATE TABLE orders (order_no VARCHAR(20) PRIMARY KEY, cust_no VARCHAR(20), order_date DATE,
  currency CHAR(3), state CHAR(1), amount DECIMAL(14, 2), changed_at TIMESTAMP);
CREATE TABLE order_lines (order_no VARCHAR(20), line_no INTEGER, item_no VARCHAR(20),
  qty DECIMAL(14, 3), price DECIMAL(14, 4), amount DECIMAL(14, 2), PRIMARY KEY (order_no, line_no));
CREATE TRIGGER customers_touch AFTER UPDATE ON customers WHEN NEW.changed_at IS OLD.changed_at
  BEGIN UPDATE customers SET changed_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '+8 hours')
  WHERE cust_no = NEW.cust_no; END;
"""

CONFIG = """\
# Three systems that disagree.  Made by `hub demo`; change what you like.
connections:
  erp:
    connector: sql
    title: 老 ERP / Legacy ERP
    settings:
      url: "sqlite:///{erp}"
      streams:
        customers: {{key: [cust_no], cursor_column: changed_at}}
        items: {{key: [item_no], cursor_column: changed_at}}
        orders:
          key: [order_no]
          cursor_column: changed_at
          children:
            lines: {{table: order_lines, parent: {{order_no: order_no}}, key: [line_no]}}
  crm:
    connector: rest
    title: CRM
    settings:
      base_url: {crm}
      auth: bearer
      secret: {{secret: "store:crm_token"}}
      check: {{path: me, show: login}}
      idempotency_header: Idempotency-Key
      streams:
        customers:
          path: customers
          rows: data
          total: total
          paging: {{type: offset, param: offset, size_param: limit}}
          since: {{column: updated_at, param: updated_since, order: {{sort: "updated_at,id"}}}}
          fetch: {{find: {{name: name, email: email}}}}
          columns:
            updated_at: {{kind: datetime, writable: false}}
            created_at: {{kind: datetime, writable: false}}
            credit_limit: decimal
          create: {{}}
          update: {{}}
          delete: {{}}
          version: {{column: version, template: '"{{}}"'}}
  shop:
    connector: files
    title: 网店 / Shop
    settings:
      folder: "{shop}"
      streams:
        customers: {{file: customers.csv, encoding: gb18030, key: 客户号}}
        products: {{file: products.csv, encoding: gb18030, key: 货号}}
        orders:
          file: orders.csv
          encoding: gb18030
          key: 订单号
          children:
            lines: {{file: order_lines.csv, encoding: gb18030, parent: {{订单号: 订单号}}, key: 行号}}
flows:
  erp-customers: {{connection: erp, mapping: demo/erp_customer, mode: live, create: false}}
  crm-customers: {{connection: crm, mapping: demo/crm_customer, mode: live}}
  shop-customers: {{connection: shop, mapping: demo/shop_customer, mode: live, direction: in}}
  erp-items: {{connection: erp, mapping: demo/erp_product, mode: live, direction: in}}
  shop-products: {{connection: shop, mapping: demo/shop_product, mode: live, create: false}}
  shop-orders: {{connection: shop, mapping: demo/shop_order, mode: live, direction: in}}
"""


def run_demo(home: Path, screen: Screen) -> Outcome:
    """Build, sync, edit on several sides, sync, sync again; the hub stays in *home* to look at."""
    from hub.testing.fake_rest import FakeRest

    _clear(home)
    with FakeRest({"customers": [dict(c) for c in CRM_CUSTOMERS]}, token=TOKEN) as crm:
        erp = _build(home, crm.url)
        story = _Story(home, screen, erp, crm)
        story.tell()
    return Outcome({"home": str(home), "runs": story.runs}, lambda s: _ending(s, home, story))


def _clear(home: Path) -> None:
    """Only a folder that a demo made is made anew."""
    if home.exists() and any(home.iterdir()):
        if not (home / MARKER).exists():
            raise ConfigError(
                "the folder {path} is not empty, and no demo made it",
                path=str(home),
                hint="Name another folder: hub demo DIR",
            )
        shutil.rmtree(home)


def _build(home: Path, crm_url: str) -> Path:
    """The three systems and the hub's home; the path of the ERP's database."""
    create_home(home)
    (home / MARKER).write_text("made by hub demo\n", encoding="utf-8")
    shop, erp = home / "systems" / "shop", home / "systems" / "legacy_erp.db"
    shop.mkdir(parents=True)
    _fill_erp(erp)
    for name, rows in (
        ("customers", SHOP_CUSTOMERS),
        ("products", SHOP_PRODUCTS),
        ("orders", SHOP_ORDERS),
        ("order_lines", SHOP_LINES),
    ):
        _write_csv(shop / f"{name}.csv", rows)
    text = CONFIG.format(erp=erp.resolve(), crm=crm_url, shop=shop.resolve())
    (home / "config" / "hub.yaml").write_text(text, encoding="utf-8")
    Secrets(home).set("crm_token", TOKEN)
    return erp


def _fill_erp(path: Path) -> None:
    with sqlite3.connect(path) as erp:
        erp.executescript(ERP_SCHEMA)
        at = "2026-01-05 09:00:00.000"
        marks = ", ".join("?" * 11)
        erp.executemany(f"INSERT INTO customers VALUES ({marks})", [(*c, at) for c in CUSTOMERS])
        erp.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", [(*i, at) for i in ITEMS])
    erp.close()


def _write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="gb18030", newline="") as file:
        csv.writer(file).writerows(rows)


COUNTED = (
    *(_("flow"), _("read"), _("created"), _("updated"), _("unchanged")),
    *(_("waiting"), _("quarantined"), _("conflicted"), _("written")),
)


class _Story:
    """The chapters, each of which does something real and shows what came of it."""

    def __init__(self, home: Path, screen: Screen, erp: Path, crm: Any) -> None:
        self.home, self.screen, self.erp, self.crm = home, screen, erp, crm
        self.runs: list[list[dict[str, Any]]] = []
        self.conflict = ""

    def tell(self) -> None:
        from hub.context import Hub

        self._chapter(_("1. Three systems that disagree"))
        self._say(_("A legacy ERP (SQL), a CRM (REST) and a shop (spreadsheets in GB18030)."))
        if not self.screen.state.json:
            self._table(
                (_("system"), _("customers"), _("products"), _("orders")),
                [
                    ("ERP", len(CUSTOMERS), len(ITEMS), 0),
                    ("CRM", len(CRM_CUSTOMERS), 0, 0),
                    (
                        self.screen.text(_("shop")),
                        len(SHOP_CUSTOMERS) - 1,
                        len(SHOP_PRODUCTS) - 1,
                        len(SHOP_ORDERS) - 1,
                    ),
                ],
            )
        with Hub.open(self.home, upgrade=True) as hub:
            self._first(hub)
            self._second(hub)
            self._third(hub)

    def _first(self, hub: Any) -> None:
        self._chapter(_("2. First sync: the same customer is found in three systems"))
        runs = self._sync(hub)
        self._say(
            _("{rows} rows of customers in three systems are {records} customers in the hub."),
            rows=sum(r["read"] for r in runs if r["flow"].endswith("-customers")),
            records=hub.status()["records"]["customer"],
        )
        shown = hub.show("customer", "K001")
        self._record(shown, ("name", "tax_id", "phone", "email", "credit_limit", "level", "tags"))
        self._say(_("These rows are one record:"))
        self._table(
            (_("connection"), _("stream"), _("key")),
            [(ln["connection"], ln["stream"], ln["external_id"]) for ln in shown["links"]],
        )
        self._say(_("What could not come in is set aside, with the reason:"))
        self._table(
            (_("flow"), _("row"), _("reason")),
            [
                (q["flow"], q["external_id"], self._reasons(q["problems"]))
                for q in hub.quarantine_list()
            ],
        )

    def _second(self, hub: Any) -> None:
        self._chapter(_("3. People edit on several sides"))
        self._edit_erp("K001", phone="010-88886666")
        self._say(_("ERP: {name} gets the phone {value}."), name="K001", value="010-88886666")
        row = self._crm_row("91110108MA01ABCD7T")
        self.crm.save("customers", row, tier="A+")
        self._say(_("CRM: the same customer gets the level {value}."), value="A+")
        self._edit_erp("K002", cust_name="深圳市百川电子股份有限公司")
        row = self._crm_row("91440300MA5F1234XW")
        self.crm.save("customers", row, name="百川电子(深圳)")
        self._say(_("ERP and CRM both rename K002, each in its own way."))
        self._edit_erp("K006", credit_limit="150000.00")
        self._say(_("ERP: the credit limit of K006 is corrected."))
        self._sync(hub)
        self._say(_("Both edits of K001 survive, in every system that has the field:"))
        self._record(hub.show("customer", "K001"), ("name", "phone", "level"))
        crm = self.crm.rows["customers"][str(self._crm_row("91110108MA01ABCD7T"))]
        self._say(_("In the CRM: phone {phone}, level {level}."), phone=crm["phone"],
                  level=crm["tier"])  # fmt: skip
        self._say(_("K006 came in, because its credit limit can be read now."))
        self._say(_("The name of K002 waits for a person, the rest goes on:"))
        self._table(
            (_("conflict"), _("field"), _("the hub has"), _("the CRM has")),
            [(c["id"], c["field"], c["ours"], c["theirs"]) for c in hub.conflicts_list()],
        )
        self.conflict = next((c["id"] for c in hub.conflicts_list()), "ID")

    def _third(self, hub: Any) -> None:
        self._chapter(_("4. A sync with nothing to do writes nothing"))
        before = sum(self.crm.writes.values())
        runs = self._sync(hub)
        written = sum(sum(_effects(r["written"])) for r in runs)
        at_crm = sum(self.crm.writes.values()) - before
        self._say(
            _("Writes by the hub: {written}; writes counted in the CRM: {counted}."),
            written=written,
            counted=at_crm,
        )

    # -- what is done

    def _sync(self, hub: Any) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = hub.sync()
        self.runs.append(runs)
        self._table(
            COUNTED,
            [
                (r["flow"], r["read"], r["created"], r["updated"], r["unchanged"], r["waiting"],
                 r["quarantined"], r["conflicted"], sum(_effects(r["written"])))
                for r in runs
            ],
        )  # fmt: skip
        return runs

    def _edit_erp(self, number: str, **columns: str) -> None:
        sets = ", ".join(f"{name} = ?" for name in columns)
        with sqlite3.connect(self.erp) as erp:
            erp.execute(
                f"UPDATE customers SET {sets} WHERE cust_no = ?", [*columns.values(), number]
            )
        erp.close()

    def _crm_row(self, tax_number: str) -> int:
        rows = self.crm.rows["customers"].values()
        return int(next(r["id"] for r in rows if r.get("tax_number") == tax_number))

    # -- what is shown

    def _chapter(self, title: str) -> None:
        self._say("")
        self._say(title)

    def _say(self, template: str, **values: Any) -> None:
        if not self.screen.state.json:
            self.screen.line(template, **values)

    def _table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        if not self.screen.state.json:
            self.screen.table(columns, rows)

    def _record(self, shown: Mapping[str, Any], names: Sequence[str]) -> None:
        if not self.screen.state.json:
            self.screen.pairs({n: shown["record"].get(n) for n in names})

    def _reasons(self, problems: Sequence[Mapping[str, Any]]) -> str:
        from hub.errors import Problem

        found = [Problem.from_json({k: v for k, v in p.items() if k != "text"}) for p in problems]
        return "; ".join(render(p, self.screen.language) for p in found)


def _effects(written: Mapping[str, int]) -> list[int]:
    return [written.get(k, 0) for k in ("created", "updated", "deleted")]


def _ending(screen: Screen, home: Path, story: _Story) -> None:
    screen.line("")
    screen.line(_("The hub stays in {home}. Look around, and decide:"), home=str(home))
    called = f"{_program()} --home {home}"
    for command, about in (
        ("status", _("every flow, and what waits")),
        ("show customer K001", _("one record, who holds it, what happened to it")),
        ("quarantine list", _("what was set aside, and why")),
        (f"conflicts resolve {story.conflict} theirs", _("decide the name of K002")),
        ("mappings show demo/crm_customer", _("which column is which field")),
        ("serve", _("the status page")),
    ):
        screen.line("  {about}:", about=screen.text(about))
        screen.line("    {called} {command}", called=called, command=command)
    screen.line(_("The CRM lived in this process and has ended with it: its flow cannot run now."))


def _program() -> str:
    """How this program was called, so that a line can be copied."""
    if sys.argv[0].endswith(".py"):
        python = os.path.relpath(sys.executable) if sys.prefix != sys.base_prefix else "python"
        return f"{python if len(python) < len(sys.executable) else sys.executable} {sys.argv[0]}"
    return sys.argv[0] if os.sep in sys.argv[0] and not shutil.which("hub") else "hub"
