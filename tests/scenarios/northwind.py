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
  northwind-customers: {{connection: northwind, mapping: northwind/customer, create: false}}
  northwind-suppliers: {{connection: northwind, mapping: northwind/supplier, direction: in}}
  northwind-products: {{connection: northwind, mapping: northwind/product, create: false}}
  northwind-orders: {{connection: northwind, mapping: northwind/sales_order, direction: in}}
{tryton_flows}
"""
