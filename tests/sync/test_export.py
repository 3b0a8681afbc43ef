"""Exports hold every value as it is, and no formula."""

import csv
import json

import pytest
from python_calamine import CalamineWorkbook

from hub.errors import HubError
from hub.model import ENTITIES
from hub.sync import export as exporting
from hub.sync.export import export
from hub.testing.world import CUSTOMER, World

CUSTOMERS = ENTITIES["customer"]
HOSTILE = ["=1+1", "+49 30", "-2+3", "@SUM(A1)", "\t=1", "＝1+1", "'=1", "plain", "-5", "张三"]


@pytest.fixture
def world(tmp_path):
    made = World(f"sqlite:///{tmp_path / 'hub.db'}")
    erp = made.system("erp")
    made.flow("erp-customers", "erp", CUSTOMER)
    for n, name in enumerate(HOSTILE):
        erp.put(
            "customers",
            {"id": f"{n}", "code": f"C{n}", "name": name.strip() or "x", "tags": ["a", "b"]},
        )
    made.sync()
    yield made
    made.store.close()


def written(world, kind, target, **options):
    return export(world.env, CUSTOMERS, kind, target, progress=lambda e: None, **options)


def test_csv_has_no_formula_and_loses_nothing(world, tmp_path):
    assert written(world, "csv", tmp_path / "c.csv") == len(HOSTILE)

    with (tmp_path / "c.csv").open(encoding="utf-8-sig", newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    for name in names:
        assert not name.startswith(("=", "@", "+", "\t", "＝")), name
        assert not name.startswith("-") or name == "-5"
    plain = [n[1:] if n.startswith("'") else n for n in names]
    assert plain == [n.strip() for n in HOSTILE]


def test_xlsx_has_texts_where_there_were_formulas(world, tmp_path):
    written(world, "xlsx", tmp_path / "c.xlsx")

    rows = CalamineWorkbook.from_path(str(tmp_path / "c.xlsx")).get_sheet_by_index(0).to_python()
    column = rows[0].index("name")
    assert [row[column] for row in rows[1:]] == [n.strip() for n in HOSTILE]
    assert rows[1][rows[0].index("tags")] == "a, b"


def test_json_lines_have_the_values(world, tmp_path):
    written(world, "jsonl", tmp_path / "c.jsonl", where=["name=plain"])

    (line,) = (tmp_path / "c.jsonl").read_text().splitlines()
    assert json.loads(line)["name"] == "plain" and json.loads(line)["tags"] == ["a", "b"]


def test_a_broken_export_leaves_no_half_file(world, tmp_path, monkeypatch):
    (tmp_path / "c.xlsx").write_bytes(b"before")
    monkeypatch.setattr(exporting, "XLSX_ROWS", 3)

    with pytest.raises(HubError, match="holds 3 rows"):
        written(world, "xlsx", tmp_path / "c.xlsx")

    assert (tmp_path / "c.xlsx").read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []
