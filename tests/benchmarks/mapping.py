"""The benchmark order, mapped by a compiled mapping and by a hand-written function, side by side.

Four header fields, twenty lines of which ten are kept, an amount per line and their total; back
again as a create, and as an update of one field.  Both produce the same values, which is checked.

    python tests/benchmarks/mapping.py
"""

import statistics
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hub.entity import PRICE, QUANTITY, Entity, Field
from hub.mapping import compile, load
from hub.values import clean_text, date_text, decimal_text, parse_decimal

LINE = (
    Field.text("line_no", required=True),
    Field.text("sku"),
    Field.decimal("qty", precision=QUANTITY),
    Field.decimal("price", precision=PRICE),
    Field.decimal("amount"),
)
ORDER = Entity(
    "order",
    (
        Field.text("number", required=True),
        Field.text("customer"),
        Field.date("doc_date"),
        Field.text("currency", size=3),
        Field.list("lines", LINE, key="line_no"),
        Field.decimal("total"),
    ),
    code="number",
)
DOCUMENT = """
entity: order
stream: orders
key: no
rows:
- {field: number, from: no}
- {field: customer, from: customer.name}
- {field: doc_date, from: date}
- {field: currency, from: currency}
- field: lines
  from: lines
  list: {key: line_no, where: 'status = "open"'}
  rows:
  - {field: line_no, from: line}
  - {field: sku, from: sku}
  - {field: qty, from: qty}
  - {field: price, from: price}
  - {field: amount, formula: 'qty * price', direction: in}
- {field: total, formula: 'SUM(MAP(FILTER(lines, status = "open"), qty * price))', direction: in}
"""
ROW: dict[str, Any] = {
    "no": "SO-2025-0001",
    "customer": {"name": "上海测试有限公司"},
    "date": "2025-03-01",
    "currency": "CNY",
    "lines": [
        {
            "line": str(n),
            "sku": f"SKU-{n:05d}",
            "qty": f"{n}.5",
            "price": f"{n * 3}.25",
            "status": "open" if n % 2 else "closed",
        }
        for n in range(20)
    ],
}


def by_hand(row: dict[str, Any]) -> dict[str, Any]:
    lines, total = [], Decimal(0)
    for line in row["lines"]:
        if line["status"] != "open":
            continue
        amount = parse_decimal(line["qty"]) * parse_decimal(line["price"])
        total += amount
        lines.append(
            {
                "line_no": clean_text(line["line"]),
                "sku": clean_text(line["sku"]),
                "qty": decimal_text(line["qty"]),
                "price": decimal_text(line["price"]),
                "amount": decimal_text(amount),
            }
        )
    return {
        "number": clean_text(row["no"]),
        "customer": clean_text(row["customer"]["name"]),
        "doc_date": date_text(row["date"]),
        "currency": clean_text(row["currency"]),
        "lines": lines,
        "total": decimal_text(total),
    }


def microseconds(call: Callable[[], Any], *, count: int = 400) -> float:
    started = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - started) / count * 1e6


def measure(rounds: int = 15) -> dict[str, float]:
    """Medians in microseconds; the rounds of all are interleaved, so that noise hits all alike."""
    mapping = compile(load(DOCUMENT, entities={"order": ORDER}, name="bench/order"), ORDER)
    candidate = mapping.get(ROW)
    assert candidate.values == by_hand(ROW) and not candidate.problems, candidate
    edited = {**candidate.values, "currency": "EUR"}
    assert mapping.put(edited, ROW) == {"currency": "EUR"}
    calls: dict[str, Callable[[], Any]] = {
        "get": lambda: mapping.get(ROW),
        "get by hand": lambda: by_hand(ROW),
        "put, create": lambda: mapping.put(candidate.values),
        "put, update": lambda: mapping.put(edited, ROW),
    }
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(microseconds(call))
    return {name: statistics.median(times) for name, times in found.items()}


if __name__ == "__main__":
    medians = measure()
    for name, time_us in medians.items():
        print(f"{name:12} {time_us:7.1f} µs")
    print(f"get / by hand {medians['get'] / medians['get by hand']:.2f}")
