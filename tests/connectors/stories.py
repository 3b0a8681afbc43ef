"""The story every system is told: two ways through the real engine, and no write at rest."""

from pathlib import Path

from hub.testing.world import World
from tests.connectors.fakes import LiveWorld

SHIPPED = Path(__file__).parents[2] / "mappings"

# The other system, in memory, that the one under test is synced with.
CUSTOMERS = """
entity: customer
stream: customers
key: id
modified: modified
match: [[code]]
rows:
- {field: code, from: code}
- {field: name, from: name}
- {field: phone, from: phone}
- {field: address.street, from: street}
- {field: currency, from: currency}
"""
PRODUCTS = """
entity: product
stream: products
key: id
modified: modified
match: [[code]]
rows:
- {field: code, from: code}
- {field: name, from: name}
"""
ORDERS = """
entity: sales_order
stream: orders
key: id
modified: modified
match: [[number]]
rows:
- {field: number, from: number}
- {field: customer, from: customer, ref: customer}
- {field: doc_date, from: date}
- {field: currency, from: currency}
- field: lines
  from: lines
  list: {key: line_no}
  rows:
  - {field: line_no, from: line_no}
  - {field: product, from: product, ref: product}
  - {field: qty, from: qty}
  - {field: tax_incl_unit_price, from: price}
"""
OTHERS = {"customer": CUSTOMERS, "product": PRODUCTS, "sales_order": ORDERS}


def beside(world: LiveWorld, system: str, *entities: str, **settings: object) -> World:
    """Flows of the shipped mappings of `system`, and of a system in memory called shop."""
    shop = world.system("shop")
    shop.streams = {"customers": {}, "products": {}, "orders": {}}
    for entity in entities:
        text = (SHIPPED / system / f"{entity}.yaml").read_text(encoding="utf-8")
        world.flow(f"{system}-{entity}", system, text, **settings)
        world.flow(f"shop-{entity}", "shop", OTHERS[entity])
    return world


def at_rest(world: World) -> None:
    """Two more runs write nothing, and set nothing aside."""
    writes = world.writes
    for _ in range(2):
        for name, run in world.sync().items():
            assert not any(run["written"].values()) or set(run["written"]) == {"unchanged"}, (
                name,
                run["written"],
            )
            assert run["state"] == "done" and not run["quarantined"], (name, run)
    assert world.writes == writes
