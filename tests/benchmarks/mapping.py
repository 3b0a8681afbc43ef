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
    assert compiled.get(ROW).values == by_hand(ROW), (compiled.get(ROW), by_hand(ROW))
    results = {"compiled mapping": [], "hand-written": []}
    for _ in range(15):  # interleaved, so that a busy machine hits both
        for name, function in (("compiled mapping", compiled.get), ("hand-written", by_hand)):
            start = time.perf_counter()
            for _ in range(300):
                function(ROW)
            results[name].append((time.perf_counter() - start) / 300 * 1e6)
    mapped, hand = (statistics.median(results[n]) for n in results)
    print(
        f"compiled mapping {mapped:6.1f} µs   hand-written {hand:6.1f} µs   {mapped / hand:.1f} ×"
    )


if __name__ == "__main__":
    main()
