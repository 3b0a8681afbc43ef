"""A compiled mapping beside a hand-written function, on one order: 4 header fields, 20 lines of which
10 are kept, an amount per line and a total.

    python -m tests.benchmarks.mapping
"""

import statistics
import time
from decimal import ROUND_HALF_UP, Decimal

from hub import mapping
from hub.model import ENTITIES
from hub.values import decimal_text

DOCUMENT = """
entity: sales_order
stream: orders
key: no
rows:
- {field: number, from: no}
- {field: customer_ref, from: ref}
- {field: currency, from: currency}
- {field: doc_date, from: date}
- {field: grand_total, formula: 'SUM(MAP(FILTER(lines, kind = "item"), qty * price))', direction: in}
- field: lines
  from: lines
  list: {key: line_no, where: 'kind = "item"'}
  rows:
  - {field: line_no, from: no}
  - {field: qty, from: qty}
  - {field: unit_price, from: price}
  - {field: net_amount, formula: 'ROUND(qty * price, 2)', direction: in}
"""
ROW = {
    "no": "S1",
    "ref": "PO-7",
    "currency": "CNY",
    "date": "2026-03-02",
    "lines": [
        {"no": n, "kind": "item" if n % 2 else "note", "qty": Decimal(n), "price": Decimal("9.95")}
        for n in range(20)
    ],
}
CENT = Decimal("0.01")


def by_hand(row):
    lines, total = [], Decimal(0)
    for line in row["lines"]:
        if line["kind"] != "item":
            continue
        amount = line["qty"] * line["price"]
        total += amount
        lines.append(
            {
                "line_no": line["no"],
                "qty": decimal_text(line["qty"]),
                "unit_price": decimal_text(line["price"]),
                "net_amount": decimal_text(amount.quantize(CENT, ROUND_HALF_UP)),
            }
        )
    return {
        "number": row["no"],
        "customer_ref": row["ref"],
        "currency": row["currency"],
        "doc_date": row["date"],
        "grand_total": decimal_text(total),
        "lines": lines,
    }


def main() -> None:
    compiled = mapping.compile(mapping.load(DOCUMENT, entities=ENTITIES), ENTITIES["sales_order"])
    values = compiled.get(ROW).values
    assert values == by_hand(ROW), (values, by_hand(ROW))
    edited = {**values, "currency": "EUR"}
    assert compiled.put(edited, ROW) == {"currency": "EUR"}
    calls = {
        "compiled mapping": lambda: compiled.get(ROW),
        "hand-written": lambda: by_hand(ROW),
        "put, create": lambda: compiled.put(values),
        "put, update": lambda: compiled.put(edited, ROW),
    }
    results = {name: [] for name in calls}
    for _ in range(15):  # interleaved, so that a busy machine hits all alike
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(300):
                call()
            results[name].append((time.perf_counter() - start) / 300 * 1e6)
    medians = {name: statistics.median(times) for name, times in results.items()}
    print("   ".join(f"{name} {found:5.1f} µs" for name, found in medians.items()))
    print(f"{medians['compiled mapping'] / medians['hand-written']:.1f} × hand-written")


if __name__ == "__main__":
    main()
