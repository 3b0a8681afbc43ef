"""Defects on purpose: every one ends in quarantine with its reason, everything else arrives."""

import csv
import json
from collections import Counter

import pytest
import yaml

from hub.context import Hub
from tests.data import generate

CUSTOMERS = 3000
REASON = {
    "no_name": "name",
    "bad_email": "email",
    "bad_date": "updated_at",
    "bad_number": "credit_limit",
    "unknown_country": "address.country",
    "duplicate_key": "customer_no",
}


@pytest.fixture
def home(tmp_path):
    generate.generate(
        tmp_path / "shop", customers=CUSTOMERS, products=1, orders=0, dirty=0.05, formats=("jsonl",)
    )
    config = {
        "connections": {
            "shop": {
                "connector": "files",
                "settings": {
                    "folder": str(tmp_path / "shop"),
                    "streams": {"customers": {"file": "customers.jsonl", "key": ["customer_no"]}},
                },
            }
        },
        "flows": {
            "shop": {
                "connection": "shop",
                "mapping": "sample/customer",
                "direction": "in",
                "mode": "live",
            }
        },
    }
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "hub.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return tmp_path


def test_every_defect_is_quarantined_with_its_reason_and_nothing_is_uncounted(home):
    with (home / "shop" / "defects.csv").open(encoding="utf-8") as file:
        defects = list(csv.DictReader(file))
    rows = (home / "shop" / "customers.jsonl").read_text(encoding="utf-8").splitlines()
    keys = Counter(json.loads(row)["customer_no"] for row in rows)

    with Hub.open(home, upgrade=True) as hub:
        (run,) = hub.sync()
        parked = hub.quarantine_list(limit=10_000)
        (again,) = hub.sync(full=True)

    assert run["read"] == CUSTOMERS == run["created"] + run["quarantined"]
    assert run["quarantined"] == len(defects) == len(parked)
    found = Counter(p["field"] for entry in parked for p in entry["problems"])
    wanted = Counter(REASON[d["defect"]] for d in defects)
    assert found == wanted
    assert {e["external_id"] for e in parked if e["problems"][0]["code"] == "duplicate-key"} <= {
        k for k, n in keys.items() if n > 1
    }
    assert (again["unchanged"], again["quarantined"]) == (run["created"], run["quarantined"])
