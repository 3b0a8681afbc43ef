import pytest

from hub.errors import ConfigError, fill
from hub.i18n import render_hint
from hub.mapping import DocumentError, export, load
from tests.mapping.conftest import ENTITIES, HEAD, document

ROWS = "- {field: code, from: id}\n- {field: name, from: name}\n"


def problems(text):
    with pytest.raises(DocumentError) as e:
        load(text, entities=ENTITIES, name="sys/customer")
    return e.value.problems


def only(row, head=""):
    (problem,) = problems(f"{HEAD}{head}\nrows:\n- {{field: code, from: id}}\n- {row}\n")
    return problem


def test_a_document_says_what_it_maps():
    made = document(
        ROWS,
        "modified: changed\nwhere: {A: 1}\nmatch: [code, [name, phone]]\n"
        "defaults: {zone: Asia/Shanghai, region: CN, currency: CNY}\npolicy: hub",
    )

    assert (made.stream, made.key, made.modified) == ("customers", ("id",), "changed")
    assert made.match == (("code",), ("name", "phone"))
    assert made.defaults.zone == "Asia/Shanghai"
    assert [r.field for r in made.rows] == ["code", "name"]
    assert made.where == {"A": 1}


def test_a_mapping_without_key_is_refused():
    (problem,) = problems("entity: customer\nstream: s\nrows:\n- {field: code, from: id}\n")

    assert problem.code == "no-key"
    assert "without it nothing can be synced safely" in problem.hint


def test_everything_wrong_is_said_at_once_with_place_and_line():
    text = (
        "entity: customer\nstream: customers\nkey: id\nrows:\n"
        "- {field: cod, from: id}\n- {field: name, from: name, upper: true}\n- {field: phone}\n"
    )

    found = problems(text)

    assert [str(p) for p in found] == [
        "cod: sys/customer [cod], line 5: the entity 'customer' has no field 'cod'",
        "name: sys/customer [name], line 6: there is no lens or option 'upper'",
        "phone: sys/customer [phone], line 7: the row names no column",
    ]
    assert render_hint(found[0], "en") == "Did you mean 'code'?"


@pytest.mark.parametrize(
    ("row", "code", "said", "hint"),
    [
        ("{field: nam, from: x}", "unknown-field", "has no field 'nam'", "'name'"),
        ("{field: address.cty, from: x}", "unknown-field", "'address.cty'", "'address.city'"),
        ("{field: name.first, from: x}", "unknown-field", "'name.first'", ""),
        ("{field: name, from: x, cods: {A: b}}", "unknown-lens", "'cods'", "'codes'"),
        ("{field: name, from: x, email: true, phone: true}", "two-lenses", "email, phone", ""),
        ("{field: name, from: 7}", "type", "not 7", ""),
        ("{field: name, from: 'a..b'}", "path", "'a..b'", "[0]"),
        ("{field: name, from: x, direction: up}", "choice", "'direction' cannot be 'up'", "both"),
        ("{field: name, from: x, blank: no}", "choice", "'blank' cannot be 'no'", "ignore"),
        ("{field: name, from: x, required: yes}", "choice", "'required' cannot be 'yes'", ""),
        ("{field: name, from: x, policy: mine}", "choice", "'policy' cannot be 'mine'", "latest"),
        ("{field: name, from: x, compare: fuzzy}", "choice", "'compare'", "casefold"),
        ("{field: name, from: x, text: {trimm: true}}", "option", "no option 'trimm'", "trim"),
        ("{field: name, from: x, text: {max: many}}", "option", "is a whole number", ""),
        ("{field: name, from: x, text: {case: title}}", "option", "upper, lower", ""),
        ("{field: name, from: x, codes: 7}", "option", "codes takes options by name", ""),
        ("{field: name, from: x, formula: 'x'}", "one-way", "no way back", "direction: in"),
        ("{field: name, from: x, text: {max: 3, cut: true}}", "one-way", "no way back", ""),
        ("{field: name, from: x, table: {rows: {a: x, b: x}}}", "one-way", "no way back", ""),
        ("{field: name, formula: 'IF(', direction: in}", "formula", "ends too early", ""),
        ("{field: name, formula: 'NOW()', direction: in}", "formula", "not allowed", "any time"),
        ("{field: name, from: x, when: 'a ='}", "formula", "ends too early", ""),
        ("{field: name, from: x, when: {if: 'a', codes: 3}}", "option", "by name", ""),
        ("{field: status, from: x, codes: {A: actif}}", "unknown-code", "'actif'", ""),
        ("{field: status, from: x, default: on}", "unknown-code", "'on'", ""),
        ("{field: vip, from: x, bool: {ja: J}}", "invalid", "'ja'", ""),
        ("{field: total, from: x, unit: {ratio: 1/0}}", "invalid", "'1/0'", ""),
        ("{field: total, from: x, unit: {from: kg, to: m}}", "invalid", "'kg'", ""),
        ("{field: since, from: x, date: {format: '%B'}}", "invalid", "'%B'", "%Y"),
        ("{field: since, from: x, date: {zone: Mars}}", "invalid", "'Mars'", "Asia/Shanghai"),
        ("{field: name, from: x, table: regions}", "unknown-table", "'regions'", ""),
        ("{field: name, from: x, inverse: 'x'}", "inverse", "`inverse`", ""),
        ("{field: name, from: x, rows: []}", "", "", ""),
        ("{field: name, from: x, rows: [{field: a, from: b}]}", "rows", "only a list", ""),
        ("{from: x, const: 1}", "no-field", "no field", "direction: out"),
        ("{field: code, from: y}", "twice", "'code' is mapped twice, first in line 6", ""),
        ("just text", "type", "'just text'", ""),
    ],
)  # fmt: skip
def test_a_wrong_row_is_told_with_its_remedy(row, code, said, hint):
    if not code:
        assert document(f"- {{field: code, from: id}}\n- {row}\n")
        return

    found = problems(f"{HEAD}\nrows:\n- {{field: code, from: id}}\n- {row}\n")

    assert found[0].code == code
    assert said in str(found[0])
    assert hint in fill(found[0].hint, found[0].values)
    assert found[0].values["line"] == 7 or code in ("rows", "type")


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("entity: custmer\nstream: s\nkey: id\nrows: []", "unknown-entity", "'custmer'"),
        (f"{HEAD}rows: {{a: 1}}", "type", "'rows' must be a list"),
        (f"{HEAD}rows: []", "no-rows", "maps nothing"),
        (f"{HEAD}strem: x\nrows:\n{ROWS}", "unknown-key", "'strem'"),
        ("entity: customer\nkey: id\nrows: []", "no-stream", "no stream"),
        (f"{HEAD}match: [[code, ful]]\nrows:\n{ROWS}", "unknown-field", "'ful'"),
        (f"{HEAD}match: [{{a: 1}}]\nrows:\n{ROWS}", "type", "'match'"),
        (f"{HEAD}defaults: {{zone: Asia/Shangai}}\nrows:\n{ROWS}", "default", "'Asia/Shangai'"),
        (f"{HEAD}defaults: {{currency: XQX}}\nrows:\n{ROWS}", "default", "'XQX'"),
        (f"{HEAD}defaults: {{region: China}}\nrows:\n{ROWS}", "default", "'China'"),
        (f"{HEAD}defaults: {{zon: x}}\nrows:\n{ROWS}", "unknown-key", "'zon'"),
        (f"{HEAD}policy: best\nrows:\n{ROWS}", "choice", "'best'"),
        (f"{HEAD}where: [1]\nrows:\n{ROWS}", "type", "'where'"),
        ("entity: customer\nstream: s\nkey: {a: 1}\nrows: []", "type", "'key'"),
        ("entity: customer\nstream: s\nkey: 'a..b'\nrows: []", "path", "'a..b'"),
        (f"{HEAD}extends: other\nrows: []", "extends", "'other'"),
        ("- a", "yaml", "not a mapping document"),
        ("a: [", "yaml", "line 1"),
        ("a: 1\na: 2", "yaml", "line 2: the key 'a' stands twice"),
    ],
)
def test_a_wrong_document_is_told(text, code, said):
    found = problems(text)

    assert code in [p.code for p in found]
    assert any(said in str(p) for p in found)


def test_a_wrong_document_is_a_config_error_that_lists_all():
    with pytest.raises(ConfigError, match=r"line 6(.|\n)*line 7"):
        document("- {field: cod, from: id}\n- {field: nam, from: name}\n")


def test_a_file_that_is_not_utf8_or_not_there_is_told(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"entity: \xff")

    with pytest.raises(ConfigError, match="not UTF-8 text: byte 0xff at position 8"):
        load(path, entities=ENTITIES)
    with pytest.raises(ConfigError, match=r"cannot be read"):
        load(tmp_path / "none.yaml", entities=ENTITIES)


def layered(tmp_path, base, *layers):
    """The last of the layers, each extending the one before."""
    texts = [f"{HEAD}{base}", *layers]
    for n, text in enumerate(texts):
        head = f"extends: m{n - 1}\n" if n else ""
        (tmp_path / f"m{n}.yaml").write_text(head + text, encoding="utf-8")
    last = tmp_path / f"m{len(texts) - 1}.yaml"
    return load(last, entities=ENTITIES, find=lambda name: tmp_path / f"{name}.yaml")


def test_a_layer_overlays_the_rows_of_its_template_by_field(tmp_path):
    base = "rows:\n- {field: code, from: id}\n- {field: name, from: n, text: {trim: true}}\n"
    base += "- {field: phone, from: tel}\n"

    made = layered(
        tmp_path,
        base,
        "rows:\n- {field: name, owner: erp}\n- {field: phone, drop: true}\n",
        "policy: hub\nrows:\n- {field: name, codes: {A: B}}\n- {field: email, from: mail}\n",
    )

    code, name, email = made.rows
    assert (code.field, email.field) == ("code", "email")
    assert (name.source, name.owner, name.lens, name.options) == ("n", "erp", "codes", {"A": "B"})
    assert made.policy == "hub"
    assert name.place.endswith("2.yaml")


def test_a_layer_overlays_the_rows_of_a_list(tmp_path):
    base = (
        "rows:\n- field: contacts\n  from: people\n  list: {key: no}\n  rows:\n"
        "  - {field: code, from: no}\n  - {field: name, from: n}\n"
    )

    made = layered(tmp_path, base, "rows:\n- {field: contacts, rows: [{field: name, from: nm}]}\n")

    assert [r.source for r in made.rows[0].rows] == ["no", "nm"]


def test_a_mapping_that_extends_itself_is_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("extends: a\n", encoding="utf-8")

    with pytest.raises(ConfigError, match="extends itself"):
        load(path, entities=ENTITIES, find=lambda name: path)


def test_importing_an_export_is_no_change():
    made = document(
        "- {note: first, from: id, field: code, direction: both}\n"
        "- {field: name, from: [a, b], join: {by: ' '}, blank: clear}\n"
        "- {field: status, from: s, codes: {'010': active, no: blocked}}\n"
        "- {field: total, formula: 'SUM(MAP(lines, a * b))', direction: in}\n"
        "- {field: tags, from: t, split: {by: ';'}, list: set}\n"
        "- field: contacts\n  from: c\n  list: {key: no, missing: leave}\n  rows:\n"
        "  - {field: code, from: no}\n",
        "kept: ['*']\nmatch: [code]",
    )

    text = export(made)
    again = load(text, entities=ENTITIES, name="sys/customer")

    assert export(again) == text
    assert again.version == made.version
    assert [r.options for r in again.rows] == [r.options for r in made.rows]


def test_the_version_counts_what_a_document_does():
    plain = document(ROWS)

    assert document(ROWS.replace("from: id", "from: id, note: why")).version == plain.version
    assert document(ROWS.replace("{field: code, from: id}", "{from: id, field: code}")).version == (
        plain.version
    )
    assert document(ROWS.replace("from: id", "from: ID")).version != plain.version
