"""What the files connector does beyond the contract."""

import os
import sqlite3
import threading
import zipfile
from datetime import date, time
from decimal import Decimal

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from hub.connector import BadRow, Change, Stream
from hub.connectors.files import Files, writing
from hub.connectors.files.folder import locked
from hub.connectors.files.rows import guard, unguard
from hub.errors import AuthError, ConfigError, UnavailableError

CUSTOMERS = "code,name,city\r\nA,Ada,Berlin\r\nB,'Bob','s-Hertogenbosch\r\nC,陈,\r\n".encode()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "customers.csv").write_bytes(CUSTOMERS)
    return tmp_path


@pytest.fixture
def open_files(folder):
    def open_(**streams):
        settings = {"folder": str(folder), "streams": streams}
        if "max_megabytes" in streams:
            settings["max_megabytes"] = streams.pop("max_megabytes")
        files = Files(settings)
        files.open()
        return files

    return open_


@pytest.fixture
def files(open_files):
    return open_files(customers={"file": "customers.csv", "key": "code"})


def stream_of(files, name="customers"):
    return next(s for s in files.discover() if s.name == name)


def pages(files, name="customers", cursor=None, size=1000, **asked):
    files.capabilities = type(files.capabilities)(read_page=size)
    return list(files.read(Stream(name, **asked), cursor))


def read(files, name="customers", **asked):
    return [row for page in pages(files, name, **asked) for row in page.rows]


def write(files, *batch, name="customers"):
    return {r.key: r for r in files.write(stream_of(files, name), batch)}


def update(remote_id, **values):
    return Change("u", "update", values, remote_id=remote_id)


# ----------------------------------------------------------------------------------------- reading


def test_rows_are_texts_and_empty_cells_are_null(files):
    assert read(files) == [
        {"code": "A", "name": "Ada", "city": "Berlin"},
        {"code": "B", "name": "'Bob'", "city": "'s-Hertogenbosch"},
        {"code": "C", "name": "陈", "city": None},
    ]


def test_every_file_is_a_stream(folder, open_files):
    (folder / "orders.jsonl").write_text('{"id": 1}\n')
    (folder / "notes.md").write_text("no rows")
    (folder / ".hidden.csv").write_text("a\n1\n")
    files = open_files()

    streams = {s.name: s for s in files.discover()}

    assert set(streams) == {"customers", "orders"}
    assert not streams["customers"].writable, "it has no key"
    assert "2 files, 2 streams" not in files.check()
    assert "2 streams" in files.check()


def test_an_unchanged_file_gives_no_page(folder, files):
    last = pages(files)[-1].cursor
    assert pages(files, cursor=last) == []

    os.utime(folder / "customers.csv")
    assert pages(files, cursor=last) == [], "the content is what counts"

    (folder / "customers.csv").write_bytes(CUSTOMERS.replace(b"Ada", b"Eva"))
    assert [row["name"] for row in read(files, cursor=last)] == ["Eva", "'Bob'", "陈"]


def test_a_file_that_changed_in_the_middle_of_a_read_is_read_from_its_beginning(folder, files):
    [first, *_] = pages(files, size=1)
    (folder / "customers.csv").write_bytes(CUSTOMERS.replace(b"Ada", b"Eva"))

    assert len(read(files, cursor=first.cursor)) == 3


def test_a_file_that_is_written_while_it_is_read_is_not_complete(folder, files):
    reading = files.read(Stream("customers"), None)
    with (folder / "customers.csv").open("ab") as file:
        files.capabilities = type(files.capabilities)(read_page=1)
        next(reading)
        file.write(b"D,Dora,\r\n")

    with pytest.raises(UnavailableError, match="changed while it was read"):
        list(reading)


def test_a_pattern_reads_its_files_in_order_and_new_ones_later(folder, open_files):
    for n in (2, 1):
        (folder / f"orders-{n}.csv").write_text(f"id,n\n{n}1,1\n{n}2,2\n")
    files = open_files(orders={"file": "orders-*.csv", "key": "id"})
    assert [row["id"] for row in read(files, "orders")] == ["11", "12", "21", "22"]
    last = pages(files, "orders")[-1].cursor

    (folder / "orders-3.csv").write_text("id,n\n31,1\n")
    (folder / "orders-1.csv").unlink()

    [page] = pages(files, "orders", last)
    assert [row["id"] for row in page.rows] == ["31"]
    assert set(page.cursor["done"]) == {"orders-2.csv", "orders-3.csv"}
    with pytest.raises(ConfigError, match="can only be read"):
        list(files.write(Stream("orders"), [Change("c", "create", {"id": "1"})]))


def test_an_absent_folder_is_unavailable_and_an_absent_file_names_its_neighbours(folder):
    gone = Files({"folder": str(folder / "share"), "streams": {"c": {"file": "*.csv"}}})
    gone.open()
    with pytest.raises(UnavailableError, match="share is not there"):
        list(gone.read(Stream("c"), None))

    files = Files({"folder": str(folder), "streams": {"c": {"file": "customer.csv"}}})
    files.open()
    with pytest.raises(ConfigError, match=r"no file 'customer\.csv'") as caught:
        list(files.read(Stream("c"), None))
    assert "customers.csv" in caught.value.values["known"]


@pytest.mark.parametrize(
    ("where", "codes"),
    [
        ({"city": None}, "C"),
        ({"code": ["A", "C"]}, "AC"),
        ({"code": {"gt": "A"}, "city": {"ne": None}}, "B"),
        ({"code": {"le": "B"}}, "AB"),
        ({"code": {"not_in": ["A"]}}, "BC"),
    ],
)
def test_where_selects_rows(files, where, codes):
    assert "".join(row["code"] for row in read(files, where=where)) == codes


def test_numbers_in_texts_are_compared_as_numbers(folder, open_files):
    (folder / "n.csv").write_text("id,n\n1,9\n2,10\n3,\n")

    assert [r["id"] for r in read(open_files(), "n", where={"n": {"ge": 10}})] == ["2"]
    with pytest.raises(ConfigError, match="unknown operator 'like'"):
        read(open_files(), "n", where={"n": {"like": 1}})


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(folder, open_files, sign):
    (folder / "a.csv").write_text(f'code{sign}name\nA{sign}"one, two"\n')

    assert read(open_files(), "a") == [{"code": "A", "name": "one, two"}]


def test_rows_above_the_header_are_skipped_and_kept(folder, open_files):
    path = folder / "report.csv"
    path.write_bytes(b"Customers, as of today\n\ncode,name\nA,Ada\n")
    files = open_files(report={"file": "report.csv", "key": "code", "skip_rows": 2})

    write(files, update("A", name="Eva"), name="report")

    assert path.read_bytes() == b"Customers, as of today\n\ncode,name\nA,Eva\n"
    assert read(files, "report") == [{"code": "A", "name": "Eva"}]


# -------------------------------------------------------------------------------------- broken rows


def test_broken_lines_are_bad_rows_with_their_place(folder, open_files):
    (folder / "b.csv").write_bytes(
        b"code,name\n"
        b"A,Ada\n"
        b"B\n"
        b'C,"open quote\n'
        b"D,Dora\n"
        b"E,\xc3(\n"
        b"F,nul \0 nul\n"
        b'G,"two\nlines"\n'
        b'H,"quote" and more\n'
        b"\n"
        b",\n"
        b"I,last\n"
    )

    rows = read(open_files(), "b")

    good = [row["code"] for row in rows if not isinstance(row, BadRow)]
    assert good == ["A", "D", "G", "I"]
    bad = {row.place: row for row in rows if isinstance(row, BadRow)}
    assert list(bad) == [f"b.csv line {n}" for n in (3, 4, 6, 7, 10)]
    assert bad["b.csv line 3"].text == "1 columns, the header has 2"
    assert bad["b.csv line 3"].raw == "B"
    assert "byte 41 (0xc3) is not utf-8" in bad["b.csv line 6"].text
    assert "gb18030" in bad["b.csv line 6"].text
    assert "NUL" in bad["b.csv line 7"].text


def test_resuming_after_a_broken_line_loses_nothing(folder, open_files):
    body = "".join(f'{n},"x\n' if n % 7 == 0 else f"{n},x\n" for n in range(1, 60))
    (folder / "b.csv").write_text("code,name\n" + body)
    files = open_files()
    whole = [str(row) for row in read(files, "b")]
    all_pages = pages(files, "b", size=1)

    for n, page in enumerate(all_pages):
        rest = [str(row) for row in read(files, "b", cursor=page.cursor)]
        assert [str(r) for p in all_pages[: n + 1] for r in p.rows] + rest == whole


def test_a_gb18030_file_taken_for_utf8_says_what_to_set(folder, open_files):
    (folder / "c.csv").write_bytes("code,name\n1,中文公司\n".encode("gb18030"))
    (folder / "h.csv").write_bytes("编号,名称\n1,中文公司\n".encode("gb18030"))

    [bad] = read(open_files(), "c")
    assert bad.place == "c.csv line 2"
    assert "encoding" in bad.text and "gb18030" in bad.text
    with pytest.raises(ConfigError, match=r"h\.csv line 1: byte 0 .* not utf-8") as caught:
        read(open_files(), "h")
    assert "gb18030" in caught.value.values["other"]


def test_utf_16_is_named(folder, open_files):
    (folder / "u.csv").write_bytes("code,name\n1,x\n".encode("utf-16"))

    with pytest.raises(ConfigError, match=r"u\.csv is UTF-16"):
        read(open_files(u={"file": "u.csv"}), "u")


def test_a_huge_field_and_a_huge_line_are_bad_rows(folder, open_files):
    huge = b"x" * 200_000
    line = b"y" * (3 << 20)
    (folder / "h.csv").write_bytes(b"a,b\n1," + huge + b"\n2," + line + b"\n3,z\n")

    first, second, third = read(open_files(), "h")

    assert "field larger than field limit" in first.text
    assert "longer than 1 MiB" in second.text
    assert len(first.raw) <= 2000
    assert third == {"a": "3", "b": "z"}


def test_a_header_that_names_a_column_twice_is_refused(folder, open_files):
    (folder / "t.csv").write_text("a,b,a\n1,2,3\n")

    with pytest.raises(ConfigError, match="names 'a' twice"):
        read(open_files(t={"file": "t.csv"}), "t")


def test_broken_json_lines_are_bad_rows(folder, open_files):
    (folder / "j.jsonl").write_bytes(
        b'\xef\xbb\xbf{"id": 1, "x": 0.10}\n[1]\n{"id": 2\n\n{"id": NaN}\n{"id": "\xff"}\n'
        + b"[" * 100_000
        + b"\n"
        + b'{"id": 9007199254740993}'
    )

    rows = read(open_files(), "j")

    good = [row for row in rows if not isinstance(row, BadRow)]
    assert good == [{"id": 1, "x": Decimal("0.10")}, {"id": 2**53 + 1}]
    bad = [row.place for row in rows if isinstance(row, BadRow)]
    assert bad == [f"j.jsonl line {n}" for n in (2, 3, 5, 6, 7)]


# ----------------------------------------------------------------------------------------- safety


@pytest.mark.parametrize(
    "name", ["../x.csv", "/etc/passwd.csv", "a/../../x.csv", "c:\\x.csv", "..\\x.csv"]
)
def test_no_name_leads_out_of_the_folder(open_files, name):
    with pytest.raises(ConfigError, match="out of the folder"):
        read(open_files(x={"file": name}), "x")


def test_no_link_leads_out_of_the_folder(folder, open_files, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.csv"
    outside.write_text("a\n1\n")
    (folder / "inside.csv").symlink_to(outside)

    with pytest.raises(ConfigError, match="out of the folder"):
        read(open_files(x={"file": "inside.csv"}), "x")
    assert read(open_files(x={"file": "i*.csv"}), "x") == []


def test_a_file_beyond_the_size_is_refused(folder, open_files):
    (folder / "big.csv").write_bytes(b"a\n" + b"1\n" * (1 << 20))
    with pytest.raises(ConfigError, match=r"big\.csv has 2 MiB, more than the 1 MiB"):
        read(open_files(max_megabytes=1), "big")

    with zipfile.ZipFile(folder / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("xl/workbook.xml", b" " * (5 << 20))
    with pytest.raises(ConfigError, match=r"bomb\.xlsx has 5 MiB"):
        read(open_files(max_megabytes=1), "bomb")


def test_a_workbook_that_is_none_is_named(folder, open_files):
    (folder / "w.xlsx").write_bytes(b"<html>not a workbook</html>")

    with pytest.raises(ConfigError, match=r"w\.xlsx cannot be read"):
        read(open_files(w={"file": "w.xlsx"}), "w")


@given(st.text(alphabet=st.sampled_from("'=+-@＝a1 .\t\r")) | st.text())
def test_what_is_guarded_comes_back_and_is_no_formula(text):
    guarded = guard(text)

    assert unguard(guarded) == text
    is_number = text.lstrip("+-").replace(".", "", 1).isdigit()
    assert not guarded.startswith(tuple("=+-@\t\r＝＋－＠")) or is_number or "e" in text.lower()


def test_formulas_are_written_as_text_and_read_back_exactly(folder, files):
    texts = ["=1+1", "@SUM(A1)", "-2+3", "+49 30 1234", "'=x", "-12.50", "+8613800138000", "＝1"]
    batch = [Change(t, "create", {"code": f"N{n}", "name": t}) for n, t in enumerate(texts)]

    results = write(files, *batch)

    assert [results[t].row["name"] for t in texts] == texts
    assert [row["name"] for row in read(files)[3:]] == texts
    written = (folder / "customers.csv").read_text().splitlines()[4:]
    assert [line.split(",")[1] for line in written] == [
        "'=1+1",
        "'@SUM(A1)",
        "'-2+3",
        "'+49 30 1234",
        "''=x",
        "-12.50",
        "+8613800138000",
        "'＝1",
    ]


# ----------------------------------------------------------------------------------------- writing


def test_an_update_changes_only_its_line(folder, files):
    results = write(files, update("B", name="Boris"))

    assert results["u"].row == {"code": "B", "name": "Boris", "city": "'s-Hertogenbosch"}
    expected = CUSTOMERS.replace(b"'Bob'", b"Boris")
    assert (folder / "customers.csv").read_bytes() == expected
    assert not [p.name for p in folder.iterdir() if p.name.endswith(".new")]


def test_a_batch_creates_updates_and_deletes(folder, files):
    results = write(
        files,
        Change("c", "create", {"code": "D", "name": "Dora, the\nfirst"}),
        update("A", city=None),
        Change("d", "delete", remote_id="B"),
        Change("g", "update", {"name": "x"}, remote_id="Z"),
    )

    assert {k: r.outcome for k, r in results.items()} == {
        "c": "applied",
        "u": "applied",
        "d": "applied",
        "g": "gone",
    }
    assert (folder / "customers.csv").read_bytes() == (
        "code,name,city\r\nA,Ada,\r\nC,陈,\r\n".encode() + b'D,"Dora, the\nfirst",\r\n'
    )


def test_encoding_mark_and_missing_last_newline_are_kept(folder, open_files):
    path = folder / "m.csv"
    path.write_bytes(b"\xef\xbb\xbfcode;name\nA;Ada")
    files = open_files(m={"file": "m.csv", "key": "code"})

    write(files, Change("c", "create", {"code": "B", "name": "Müller"}), name="m")

    assert path.read_bytes() == b"\xef\xbb\xbfcode;name\nA;Ada\n" + "B;Müller\n".encode()


def test_a_gb18030_file_stays_one(folder, open_files):
    path = folder / "g.csv"
    path.write_bytes("编号,名称\r\n1,上海\r\n".encode("gb18030"))
    files = open_files(g={"file": "g.csv", "key": "编号", "encoding": "gb18030"})

    results = write(files, Change("c", "create", {"编号": "2", "名称": "北京 😀"}), name="g")

    assert results["c"].outcome == "applied"
    assert path.read_bytes().decode("gb18030") == "编号,名称\r\n1,上海\r\n2,北京 😀\r\n"


def test_what_the_file_cannot_hold_is_refused(files, folder, open_files):
    (folder / "l.csv").write_bytes("code,name\n1,x\n".encode("latin-1"))
    latin = open_files(l={"file": "l.csv", "key": "code", "encoding": "latin-1"})

    results = write(
        files,
        Change("nul", "create", {"code": "N", "name": "a\0b"}),
        Change("half", "create", {"code": "H", "name": "\ud800"}),
        Change("column", "create", {"code": "X", "colour": "blue"}),
        Change("twice", "create", {"code": "A", "name": "Other"}),
        Change("key", "create", {"name": "nobody"}),
    )
    codes = {key: (r.code, r.column) for key, r in results.items()}
    refused = write(latin, Change("c", "create", {"code": "2", "name": "中"}), name="l")["c"]

    assert codes == {
        "nul": ("value", "name"),
        "half": ("encoding", "name"),
        "column": ("column", "colour"),
        "twice": ("unique", "code"),
        "key": ("not-null", "code"),
    }
    assert "it has: code, name, city" in results["column"].text
    assert (refused.code, refused.column) == ("encoding", "name")
    assert (folder / "customers.csv").read_bytes() == CUSTOMERS


def test_two_rows_with_one_key_are_both_read_and_neither_is_written(folder, files):
    path = folder / "customers.csv"
    path.write_bytes(CUSTOMERS + b"A,Adam,\r\n")

    [result] = write(files, update("A", name="Eva")).values()

    assert (result.outcome, result.code) == ("rejected", "ambiguous")
    assert len(list(files.fetch(stream_of(files), ["A"]))) == 2
    assert path.read_bytes() == CUSTOMERS + b"A,Adam,\r\n"


def test_a_key_can_be_changed_but_not_to_one_that_is_taken(files):
    assert write(files, update("A", code="D"))["u"].remote_id == "D"
    assert write(files, update("B", code="D"))["u"].code == "unique"
    assert [row["code"] for row in read(files)] == ["D", "B", "C"]


def test_a_change_by_a_person_in_the_middle_is_seen(folder, files, monkeypatch):
    path = folder / "customers.csv"
    rewrite = writing.Plan.edits
    others = iter([b"D,Dora,\r\n"])

    def edited_meanwhile(plan):
        if line := next(others, b""):
            path.write_bytes(path.read_bytes() + line)
        return rewrite(plan)

    monkeypatch.setattr(writing.Plan, "edits", edited_meanwhile)
    results = write(files, update("A", name="Eva"))

    assert results["u"].outcome == "applied"
    assert [row["name"] for row in read(files)] == ["Eva", "'Bob'", "陈", "Dora"]


def test_a_version_is_the_rows_content(folder, files):
    version = write(files, update("A", name="Eva"))["u"].version
    (folder / "customers.csv").write_bytes(CUSTOMERS)

    stale = Change("u", "update", {"name": "Eve"}, remote_id="A", version=version)

    assert write(files, stale)["u"].outcome == "conflict"


def test_one_writer_at_a_time(folder, files):
    with locked(folder / "customers.csv"), pytest.raises(UnavailableError, match="being written"):
        write(files, update("A", name="Eva"))
    assert write(files, update("A", name="Eva"))["u"].outcome == "applied"


def test_a_file_open_in_a_spreadsheet_is_left_alone(folder, files):
    (folder / "~$customers.csv").touch()

    with pytest.raises(UnavailableError, match="open in a spreadsheet"):
        write(files, update("A", name="Eva"))


def test_writers_of_many_connectors_lose_nothing(folder, open_files):
    def add(n):
        files = open_files(customers={"file": "customers.csv", "key": "code"})
        done = 0
        while done < 10:
            try:
                write(files, Change("c", "create", {"code": f"{n}-{done}"}))
            except UnavailableError:
                continue
            done += 1

    threads = [threading.Thread(target=add, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    files = open_files(customers={"file": "customers.csv", "key": "code"})
    assert len(read(files)) == 3 + 40


def test_a_file_that_is_not_there_is_made(folder, open_files):
    files = open_files(
        new={"file": "out/new.csv", "key": "code", "columns": ["code", "name"]},
        lines={"file": "lines.jsonl", "key": "id"},
        book={"file": "book.xlsx", "key": "id"},
    )
    (folder / "out").mkdir()

    write(files, Change("c", "create", {"name": "中", "code": "1"}), name="new")
    write(files, Change("c", "create", {"id": 1, "x": Decimal("0.10")}), name="lines")
    write(files, Change("c", "create", {"id": 1, "x": "y"}), name="book")

    assert (folder / "out/new.csv").read_bytes() == b"\xef\xbb\xbf" + "code,name\n1,中\n".encode()
    assert (folder / "lines.jsonl").read_text() == '{"id": 1, "x": 0.10}\n'
    assert read(files, "book") == [{"id": 1, "x": "y"}]


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_an_auth_error(folder, files):
    folder.chmod(0o555)
    try:
        with pytest.raises(AuthError, match="customers"):
            write(files, update("A", name="Eva"))
    finally:
        folder.chmod(0o755)


# ---------------------------------------------------------------------------------------- children


@pytest.fixture
def orders(folder, open_files):
    (folder / "orders.csv").write_text("OrderID,Customer\n1,A\n2,B\n3,C\n")
    (folder / "order_lines.csv").write_text(
        "OrderID,ProductID,Quantity\n1,11,12\n2,14,9\n1,42,10\n"
    )
    lines = {"file": "order_lines.csv", "parent": {"OrderID": "OrderID"}, "key": ["ProductID"]}
    return open_files(orders={"file": "orders.csv", "key": "OrderID", "children": {"lines": lines}})


def test_children_come_with_their_parent(orders):
    rows = {row["OrderID"]: row for row in read(orders, "orders")}

    assert [line["ProductID"] for line in rows["1"]["lines"]] == ["11", "42"]
    assert rows["3"]["lines"] == []
    stream = stream_of(orders, "orders")
    assert set(stream.columns["lines"].columns) == {"OrderID", "ProductID", "Quantity"}
    assert [s.name for s in orders.discover()] == ["orders", "customers"]


def test_a_change_of_a_child_alone_is_read(folder, orders):
    last = pages(orders, "orders")[-1].cursor
    with (folder / "order_lines.csv").open("a") as file:
        file.write("3,77,1\n")

    rows = {row["OrderID"]: row for row in read(orders, "orders", cursor=last)}

    assert rows["3"]["lines"] == [{"OrderID": "3", "ProductID": "77", "Quantity": "1"}]


def test_written_children_replace_the_stored_ones(folder, orders):
    lines = [{"ProductID": "42", "Quantity": 11}, {"ProductID": 77, "Quantity": 2}]

    results = write(
        orders,
        Change("u", "update", {"lines": lines}, remote_id="1"),
        Change("d", "delete", remote_id="2"),
        Change("c", "create", {"OrderID": "4", "lines": lines[:1]}),
        Change("bad", "create", {"OrderID": "5", "lines": [{"Quantity": 1}]}),
        name="orders",
    )

    assert [line["ProductID"] for line in results["u"].row["lines"]] == ["42", "77"]
    assert (results["bad"].code, results["bad"].column) == ("not-null", "ProductID")
    assert (folder / "orders.csv").read_text() == "OrderID,Customer\n1,A\n3,C\n4,\n"
    assert (folder / "order_lines.csv").read_text() == (
        "OrderID,ProductID,Quantity\n1,42,11\n1,77,2\n4,42,11\n"
    )


def test_broken_children_are_bad_rows(folder, orders):
    with (folder / "order_lines.csv").open("a") as file:
        file.write("3\n")

    [bad] = [row for row in read(orders, "orders") if isinstance(row, BadRow)]

    assert bad.place == "order_lines.csv line 5"


# ------------------------------------------------------------------------------------------- Excel


def test_a_workbook_keeps_its_other_sheets_and_the_kinds_of_its_cells(folder, open_files):
    with xlsxwriter.Workbook(str(folder / "w.xlsx"), {"default_date_format": "yyyy-mm-dd"}) as book:
        book.add_worksheet("Notes").write_string(2, 1, "keep me")
        sheet = book.add_worksheet("Orders")
        sheet.write_row(0, 0, ["Orders of the day"])
        sheet.write_row(1, 0, ["id", "day", "at", "total", "sum"])
        clock = book.add_format({"num_format": "hh:mm"})
        for n in (1, 2):
            sheet.write_row(n + 1, 0, [n, date(2024, 2, 29)])
            sheet.write_datetime(n + 1, 2, time(10, 30), clock)
            sheet.write_number(n + 1, 3, 10.5)
            sheet.write_formula(n + 1, 4, "=1+1", None, 2)
    told = {"file": "w.xlsx", "sheet": "Orders", "skip_rows": 1, "key": "id"}
    files = open_files(orders=told)
    expected = {
        "id": 1,
        "day": date(2024, 2, 29),
        "at": "10:30:00",
        "total": Decimal("10.5"),
        "sum": 2,
    }
    assert read(files, "orders")[0] == expected

    write(files, Change("u", "update", {"total": 2**60}, remote_id="1"), name="orders")

    assert read(files, "orders")[0] == {**expected, "total": str(2**60)}
    assert read(files, "orders")[1] == {**expected, "id": 2}
    with zipfile.ZipFile(folder / "w.xlsx") as packed:
        assert b"<f>" not in packed.read("xl/worksheets/sheet2.xml")
        assert b"keep me" in b"".join(packed.read(n) for n in packed.namelist())


def test_formulas_in_excel_are_text(folder, open_files):
    files = open_files(book={"file": "b.xlsx", "key": "id"})
    texts = ["=1+1", "http://example.com", "00123", "'x", "1e5"]
    batch = [Change(str(n), "create", {"id": n, "x": t}) for n, t in enumerate(texts, 1)]

    write(files, *batch, name="book")

    assert [row["x"] for row in read(files, "book")] == texts
    with zipfile.ZipFile(folder / "b.xlsx") as packed:
        assert b"<f>" not in packed.read("xl/worksheets/sheet1.xml")
        assert b"<hyperlink" not in packed.read("xl/worksheets/sheet1.xml")


def test_a_missing_sheet_names_those_there_are(folder, open_files):
    with xlsxwriter.Workbook(str(folder / "w.xlsx")) as book:
        book.add_worksheet("Orders")

    with pytest.raises(ConfigError, match="no sheet 'Order'") as caught:
        read(open_files(o={"file": "w.xlsx", "sheet": "Order"}), "o")
    assert "Orders" in caught.value.values["known"]


# ---------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, "file: Missing"),
        ({"file": "a.csv", "colour": 1}, "colour: Unknown"),
        ({"file": "a.pdf"}, "no known suffix"),
        ({"file": "a.csv", "encoding": "utf-16"}, "encoding: 'utf-16' cannot be read"),
        ({"file": "a.csv", "encoding": "klingon"}, "klingon"),
        ({"file": "a.csv", "delimiter": ", "}, "delimiter"),
        ({"file": "a.csv", "children": {"x": {"file": "b*.csv", "parent": {"a": "a"}}}}, "key"),
    ],
)
def test_a_wrong_stream_setting_is_named(told, message):
    with pytest.raises(ConfigError, match=f"stream 's': .*{message}"):
        Files({"folder": "/tmp", "streams": {"s": told}})


def test_northwind_as_csv_and_as_sqlite_agree(folder, open_files):
    """The same small table through a database export: what a cell holds is what was exported."""
    rows = [(1, "Chai", 18.0, None), (2, "Côte de Blaye", 263.5, ""), (3, "=Tofu", 23.25, "x")]
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE p (id INTEGER, name TEXT, price NUMERIC, note TEXT)")
        connection.executemany("INSERT INTO p VALUES (?, ?, ?, ?)", rows)
        exported = connection.execute("SELECT id, name, printf('%.2f', price), note FROM p")
        lines = [",".join("" if v is None else str(v) for v in row) for row in exported]
    connection.close()
    (folder / "p.csv").write_text("id,name,price,note\n" + "\n".join(lines) + "\n")

    found = read(open_files(), "p")

    assert found[1] == {"id": "2", "name": "Côte de Blaye", "price": "263.50", "note": None}
    assert found[2]["name"] == "=Tofu"
