"""The connector contract on CSV (UTF-8 and GB18030), JSON Lines and Excel files."""

import json
from datetime import date
from decimal import Decimal

import pytest
import xlsxwriter

from hub.connectors.files import Files
from hub.testing.connector_contract import ConnectorContract

HEADER = ["code", "name", "note", "size", "credit", "born", "updated_at"]
ORDER = "a file is read in its own order"


def rows(count=7):
    return [
        {
            "code": f"C{n}",
            "name": f"客户 {n}",
            "note": "seeded",
            "size": n,
            "credit": Decimal(f"{n}.5"),
            "born": date(2000, 1, 31),
            "updated_at": f"2024-01-0{n + 1}T10:00:00",
        }
        for n in range(count)
    ]


def created(n):
    return {
        "code": f"N{n}",
        "name": f"New {n}",
        "note": None,
        "size": n,
        "credit": Decimal("10.5"),
        "born": date(1999, 12, 31),
        "updated_at": f"2025-01-0{n}T10:00:00",
    }


class FilesContract(ConnectorContract):
    exempt = {"test_rows_come_in_the_order_of_the_cursor_column": ORDER}
    text_column = "note"
    integer_column = "size"
    decimal_column = "credit"
    date_column = "born"
    layout: dict = {}

    @pytest.fixture
    def connector(self, tmp_path):
        self.seed(tmp_path / self.layout["file"])
        told = {"key": "code", "cursor_column": "updated_at", **self.layout}
        with Files({"folder": str(tmp_path), "streams": {"customers": told}}) as files:
            yield files

    @pytest.fixture
    def stream(self, connector):
        [stream] = connector.discover()
        return stream

    @pytest.fixture
    def new_row(self):
        return created

    @pytest.fixture
    def refused_row(self, new_row):
        return {**new_row(9), "code": None}

    def seed(self, path):
        raise NotImplementedError


class TestCsv(FilesContract):
    layout = {"file": "customers.csv"}
    keeps_blank = False
    encoding = "utf-8"

    def seed(self, path):
        lines = [HEADER, *([str(v) for v in row.values()] for row in rows())]
        text = "".join(",".join(line) + "\r\n" for line in lines)
        path.write_bytes(text.encode(self.encoding))


class TestCsvWithMark(TestCsv):
    encoding = "utf-8-sig"


class TestCsvWithEmptyTexts(TestCsv):
    layout = {"file": "customers.csv", "empty": "text", "guard_formulas": False}

    @pytest.fixture
    def new_row(self):
        return lambda n: {**created(n), "note": ""}


class TestGb18030(TestCsv):
    layout = {"file": "客户.csv", "encoding": "gb18030"}
    encoding = "gb18030"


class TestJsonLines(FilesContract):
    layout = {"file": "customers.jsonl"}

    def seed(self, path):
        lines = (json.dumps(row, ensure_ascii=False, default=str) for row in rows())
        path.write_text("\n".join(lines), encoding="utf-8")


class TestXlsx(FilesContract):
    layout = {"file": "customers.xlsx", "sheet": "客户"}
    keeps_blank = False

    def seed(self, path):
        with xlsxwriter.Workbook(str(path), {"default_date_format": "yyyy-mm-dd"}) as book:
            book.add_worksheet("other").write_row(0, 0, ["a", 1.5])
            sheet = book.add_worksheet("客户")
            for n, line in enumerate([HEADER, *(row.values() for row in rows())]):
                sheet.write_row(n, 0, line)
