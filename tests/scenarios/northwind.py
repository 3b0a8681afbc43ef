"""Northwind in a database, and a hub between it and Tryton."""

import csv
from decimal import Decimal
from pathlib import Path

from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    create_engine,
)

from tests.data import generate

SHARED = Path(__file__).parents[3] / "shared" / "data" / "northwind"
TYPES = {
    "Customers": {"CustomerID": String(5)},
    "Suppliers": {"SupplierID": Integer},
    "Products": {
        "ProductID": Integer,
        "SupplierID": Integer,
        "CategoryID": Integer,
        "UnitPrice": Numeric(10, 2),
        "UnitsInStock": Integer,
        "UnitsOnOrder": Integer,
        "ReorderLevel": Integer,
        "Discontinued": String(1),
    },
    "Orders": {
        "OrderID": Integer,
        "CustomerID": String(5),
        "EmployeeID": Integer,
        "ShipVia": Integer,
        "Freight": Numeric(10, 2),
    },
    "OrderDetails": {
        "OrderID": Integer,
        "ProductID": Integer,
        "UnitPrice": Numeric(10, 2),
        "Quantity": Integer,
        "Discount": Numeric(4, 3),
    },
}
KEYS = {
    "Customers": ["CustomerID"],
    "Suppliers": ["SupplierID"],
    "Products": ["ProductID"],
    "Orders": ["OrderID"],
    "OrderDetails": ["OrderID", "ProductID"],
}


COUNTRIES = {
    "AR": "Argentina",
    "AT": "Austria",
    "BE": "Belgium",
    "BR": "Brazil",
    "CA": "Canada",
    "CH": "Switzerland",
    "DE": "Germany",
    "DK": "Denmark",
    "ES": "Spain",
    "FI": "Finland",
    "FR": "France",
    "GB": "United Kingdom",
    "IE": "Ireland",
    "IT": "Italy",
    "MX": "Mexico",
    "NO": "Norway",
    "PL": "Poland",
    "PT": "Portugal",
    "SE": "Sweden",
    "US": "United States",
    "VE": "Venezuela",
    "CN": "China",
    "CZ": "Czechia",
}
"""What an administrator imports into Tryton before the first sync."""


def load(url: str, folder: Path) -> None:
    """The CSV files of *folder* as tables; an empty cell is NULL."""
    engine = create_engine(url)
    metadata = MetaData()
    for name, types in TYPES.items():
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            columns = [
                Column(
                    c,
                    types.get(c, String(500)),
                    primary_key=c in KEYS[name],
                    autoincrement=False,
                )
                for c in reader.fieldnames or ()
            ]
            rows = [{k: _typed(v, types.get(k)) for k, v in row.items()} for row in reader]
        table = Table(name, metadata, *columns)
        with engine.begin() as connection:
            metadata.create_all(connection, [table])
            connection.execute(table.insert(), rows)
    engine.dispose()


def invent(folder: Path, *, customers: int = 30, products: int = 20, orders: int = 60) -> None:
    """Files of the same shape with generated content, for where the real ones are not."""
    people = [generate.customer(11, n) for n in range(customers)]
    goods = [generate.product(11, n) for n in range(products)]
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, "Customers", [
        {
            "CustomerID": f"N{n:04d}", "CompanyName": p["name"], "ContactName": p["contact_name"],
            "ContactTitle": "", "Address": p["street"], "City": p["city"], "Region": p["region"],
            "PostalCode": p["postal_code"], "Country": p["country"],
            "Phone": p["phone"] or "1", "Fax": "",
        }
        for n, p in enumerate(people)
    ])  # fmt: skip
    _write(folder, "Suppliers", [
        {
            "SupplierID": n + 1, "CompanyName": f"Supplier {n}", "ContactName": "",
            "ContactTitle": "", "Address": "", "City": "", "Region": "", "PostalCode": "",
            "Country": "", "Phone": "", "Fax": "", "HomePage": "",
        }
        for n in range(3)
    ])  # fmt: skip
    _write(folder, "Products", [
        {
            "ProductID": n + 1, "ProductName": g["name"], "SupplierID": 1, "CategoryID": 1,
            "QuantityPerUnit": "", "UnitPrice": g["price"], "UnitsInStock": 1, "UnitsOnOrder": 0,
            "ReorderLevel": 0, "Discontinued": "0",
        }
        for n, g in enumerate(goods)
    ])  # fmt: skip
    _write(folder, "Orders", [_order(n, customers) for n in range(orders)])
    _write(folder, "OrderDetails", [
        {
            "OrderID": 1 + n, "ProductID": 1 + (n * 3 + k) % products,
            "UnitPrice": goods[(n * 3 + k) % products]["price"], "Quantity": 1 + (n * k) % 40,
            "Discount": ("0.0", "0.05", "0.15")[k],
        }
        for n in range(orders)
        for k in range(3)
    ])  # fmt: skip


def _order(n: int, customers: int) -> dict:
    day = f"2026-0{1 + n % 9}-{1 + n % 28:02d} 00:00:00.000"
    return {
        "OrderID": 1 + n, "CustomerID": f"N{n % customers:04d}", "EmployeeID": 1, "OrderDate": day,
        "RequiredDate": day, "ShippedDate": "" if n % 5 == 0 else day, "ShipVia": 1,
        "Freight": f"{n % 50}.{n % 100:02d}", "ShipName": "", "ShipAddress": "", "ShipCity": "",
        "ShipRegion": "", "ShipPostalCode": "", "ShipCountry": "",
    }  # fmt: skip


def _write(folder: Path, name: str, rows: list[dict]) -> None:
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _typed(text: str, kind):
    if text == "":
        return None
    if kind is Integer:
        return int(text)
    return Decimal(text) if isinstance(kind, Numeric) else text


CONFIG = """
database: {{url: "{database}"}}
connections:
  northwind:
    connector: sql
    settings:
      url: "{url}"
      streams:
        Customers: {{key: [CustomerID]}}
        Suppliers: {{key: [SupplierID]}}
        Products: {{key: [ProductID]}}
        Orders:
          key: [OrderID]
          children:
            lines: {{table: OrderDetails, parent: {{OrderID: OrderID}}, key: [ProductID]}}
{tryton}
flows:
  northwind-customers: {{connection: northwind, mapping: northwind/customer, mode: live, create: false}}
  northwind-suppliers: {{connection: northwind, mapping: northwind/supplier, mode: live, direction: in}}
  northwind-products: {{connection: northwind, mapping: northwind/product, mode: live, create: false}}
  northwind-orders: {{connection: northwind, mapping: northwind/sales_order, mode: live, direction: in}}
{tryton_flows}
"""
