"""The two languages: choosing, rendering, and a Chinese text for every English one."""

import re
import shutil
import string
import subprocess
import sys
import textwrap
from collections import Counter

import pytest
from babel.messages import pofile

from hub import i18n
from hub.cli.app import root
from hub.errors import ConfigError, HubError, NotFoundError, Problem
from hub.i18n import choose, from_header, render, render_hint, said, say, spoken, translate
from hub.testing import messages
from hub.testing.messages import Message, scan, untranslated

PO = i18n.LOCALE / "zh" / "LC_MESSAGES" / "hub.po"
CATALOG = i18n._catalog("zh")._catalog
TEXT = "there is no flow {name!r}"


# ----------------------------------------------------------------------------------- the catalog


def test_every_text_has_a_chinese_translation():
    """If not: make locale, then fill what is empty in hub/locale/zh/LC_MESSAGES/hub.po."""
    found, _built = scan()

    missing = untranslated(CATALOG, found)

    assert not missing, "\n".join(f"{m.place}:{m.line}: {m.text!r}" for m in missing)


def test_the_scan_finds_what_it_is_for():
    """A scan that finds nothing would let the test above pass."""
    found = Counter(m.place for m in scan()[0])

    for place in (
        "hub/secrets.py",
        "hub/settings.py",
        "hub/cli/app.py",
        "connectors/sql/tables.py",
    ):
        assert found[place] > 3
    assert found["hub/web/templates/status.html"] > 20


def names_in(template):
    try:
        return {name for _text, name, _spec, _conv in string.Formatter().parse(template) if name}
    except ValueError:
        return set()


def test_every_translation_has_the_same_values_as_its_text():
    for key, translation in CATALOG.items():
        text = key[0] if isinstance(key, tuple) else key
        if text:
            assert names_in(translation) == names_in(text), text
            assert text.endswith(" ") == translation.endswith(" ") or text.endswith(": "), text


def test_the_compiled_catalog_is_that_of_the_source():
    """If not: make locale."""
    with PO.open("rb") as file:
        source = pofile.read_po(file)

    written = {m.id: m.string for m in source if isinstance(m.id, str) and m.id and m.string}
    assert {k: v for k, v in CATALOG.items() if k and isinstance(k, str)} == written
    assert not any(m.fuzzy for m in source if m.id)


COMMAND = r"hub ([a-z]+)(?: ([a-z-]+))?"


def commands_in(text):
    """The commands a text tells the reader to run: `hub …`, or one at its end after a colon."""
    ended = re.search(rf"(?:: |：|→ ){COMMAND}(?: [A-Z{{-].*)?$", text)
    found = [*re.finditer(f"`{COMMAND}", text), *([ended] if ended else [])]
    return [(match[1], match[2]) for match in found]


def test_every_command_that_a_text_names_exists():
    texts = {m.text for m in scan()[0]} | {v for v in CATALOG.values() if v}

    for text in texts:
        for first, second in commands_in(text):
            assert first in root.commands, text
            below = getattr(root.commands[first], "commands", {})
            assert not below or second in below, text


def test_what_we_say_is_never_put_together_from_pieces():
    """An f-string cannot be translated; a template and its values can."""
    assert scan()[1] == []


def test_nothing_of_babel_is_needed_at_run_time():
    code = (
        "import sys, hub.i18n as i; assert i.translate('done', 'zh') != 'done'; print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "babel" not in ran.stdout.split()


# --------------------------------------------------------------------------------- the extractor


@pytest.fixture
def found(tmp_path):
    def scan_text(text, place="hub/x.py", **others):
        for name, content in {place: text, **others}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content), encoding="utf-8")
        texts, built = scan(tmp_path)
        return [m.text for m in texts], [m.text for m in built]

    return scan_text


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("raise ConfigError('a', hint='b', name='c')", ["a", "b"]),
        ("raise hub.errors.ConfigError('a')", ["a"]),
        ("class MineError(ConfigError): ...\nraise MineError('a')", ["a"]),
        ("Problem('code', 'a', 'field', 1, 'b')", ["a", "b"]),
        ("Problem('code', message='a', hint='b')", ["a", "b"]),
        ("BadRow('place', {}, 'a')", ["a"]),
        ("x = _('a')", ["a"]),
        ("Text('a', load_default='no')", ["a"]),
        ("Choice('no', 'no', help='a')", ["a"]),
        ("fields.Dict(metadata={'help': 'a'})", ["a"]),
        ("PLURALS = (('a', 'b'),)", ["a"]),
        ("raise ConfigError('a' if x else 'b')", ["a", "b"]),
        ("raise ConfigError(x or 'a')", ["a"]),
        ("def f():\n  t = 'a'\n  raise ConfigError(t)", ["a"]),
        ("def f():\n  t, u = 'a', 'b'\n  raise ConfigError(t, hint=u)", ["a", "b"]),
        ("T = {'k': 'a', 'l': 'b'}\nraise ConfigError(T[k])", ["a", "b"]),
        ("T: dict = {'k': 'a'}\nraise ConfigError(T.get(k, 'b'))", ["a", "b"]),
        ("raise ConfigError('{place}: ' + 'a')", ["{place}: ", "a"]),
        (
            "def w(code, text, hint=''):\n  return Problem(code, text, hint=hint)\nw(1, 'a', 'b')",
            "ab",
        ),
        ("def w(text): raise ConfigError('{place}: ' + text)\nw('a')", ["{place}: ", "a"]),
        ("def w(text): return v(text)\ndef v(text): raise ConfigError(text)\nw('a')", ["a"]),
        ("class C:\n  def w(self, text): raise ConfigError(text)\n  x = C().w('a')", ["a"]),
        ("def w(*, help): return Text(help)\nw(help='a')", ["a"]),
        ("def w(template, /): raise ConfigError(template)\nw('a')", ["a"]),
        ("raise ValueError('no')", []),
        ("print('no')", []),
        ("def get(name): raise ConfigError(name)\nget('no')", []),
    ],
)
def test_texts_are_found(found, source, texts):
    assert sorted(found(source)[0]) == sorted(texts)


def test_constants_of_other_files_are_found(found):
    others = {"hub/y.py": "NOT_SO = 'a'\nclass YError(HubError): ..."}

    texts, _built = found("from hub.y import NOT_SO\nraise YError(NOT_SO)", **others)

    assert texts == ["a"]


def test_what_a_value_or_lens_says_is_found(found):
    assert found("raise ValueError('a: {value!r}')", place="hub/values/x.py")[0] == ["a: {value!r}"]


def test_texts_of_pages_are_found(found):
    assert found("<p>{{ _('a') }} {{ _(\"b's\") }} {{ x_('no') }}", place="hub/web/x.html")[0] == [
        "a",
        "b's",
    ]


def test_texts_that_are_put_together_are_told(found):
    for source in ("f'x {name}'", "'x ' + name", "'x %s' % name"):
        assert len(found(f"raise ConfigError({source})")[1]) == 1


def test_private_wrappers_are_those_of_their_file(found):
    wrapper = "def _w(text): raise ConfigError(text)"

    assert found("_w('no')", **{"hub/y.py": wrapper})[0] == []


# ---------------------------------------------------------------------------------- make locale


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(PO.parent, tmp_path / "copy")
    return tmp_path / "copy"


def read(path):
    with path.open("rb") as file:
        return pofile.read_po(file)


def test_an_update_without_new_texts_changes_nothing(copy):
    messages.update(copy)
    before = (copy / "hub.po").read_bytes()

    messages.update(copy)

    assert (copy / "hub.po").read_bytes() == before


def test_an_update_names_the_texts_that_need_a_translation(copy, monkeypatch):
    monkeypatch.setattr(messages, "scan", lambda: ([Message("new {x}", "a.py", 1)], []))

    assert messages.update(copy) == ["new {x}"]


def test_a_text_that_is_gone_and_comes_back_keeps_its_translation(copy, monkeypatch):
    found = scan()
    with monkeypatch.context() as gone:
        gone.setattr(messages, "scan", lambda: ([], []))
        messages.update(copy)
    assert len(read(copy / "hub.po")) == 0

    monkeypatch.setattr(messages, "scan", lambda: found)
    messages.update(copy)

    assert read(copy / "hub.po")["there is no flow {name!r}"].string == "没有同步流 {name!r}"


# ------------------------------------------------------------------------------------ rendering


def test_a_template_is_translated_before_it_is_filled():
    assert say(TEXT, "en", name="x") == "there is no flow 'x'"
    assert say(TEXT, "zh", name="x") == "没有同步流 'x'"


def test_a_text_without_translation_is_shown_as_it_is():
    assert translate("nobody translated this {x}", "zh") == "nobody translated this {x}"
    assert translate("", "zh") == ""


def test_an_error_has_a_message_and_a_hint():
    error = NotFoundError(TEXT, name="x", hint="There are: {known}.", known="a, b")

    assert (render(error, "en"), render_hint(error, "en")) == (
        "there is no flow 'x'",
        "There are: a, b.",
    )
    assert (render(error, "zh"), render_hint(error, "zh")) == ("没有同步流 'x'", "现有：a, b。")


def test_a_problem_names_its_field_and_value():
    problem = Problem(
        "x", "not a currency: {value!r}", "currency", "¥¥", "Possible from here: {states}."
    )

    assert render(problem, "en") == str(problem) == "currency: not a currency: '¥¥'"
    assert render(problem, "zh") == "currency: 不是货币：'¥¥'"


def test_several_problems_are_a_line_each():
    class DocumentError(ConfigError):
        problems = (
            Problem(
                "a",
                "{place}, line {line}: the mapping has no key",
                values={"place": "x", "line": 1},
            ),
            Problem("b", "a value is required", "name"),
        )

    assert render(DocumentError("x"), "zh") == "x，第 1 行：该映射没有键\nname: 必须有值"


def test_a_place_before_a_message_is_translated_by_itself():
    assert translate("{place}, line {line}: the mapping has no key", "zh") == (
        "{place}，第 {line} 行：该映射没有键"
    )


def test_a_message_within_a_message_is_translated_too():
    template = "{place}: setting {path!r} is {found!r}: {message}"
    values = {"place": "a:1", "path": "b", "found": 0, "message": "not a whole number above 0"}

    assert render(ConfigError(template, **values), "zh").endswith("不是大于 0 的整数")


def test_a_broken_template_is_shown_not_raised():
    assert render(HubError("{missing} {0} {", x=1), "zh") == "{missing} {0} {"


def test_a_stored_error_is_said_in_the_language():
    stored = {
        "code": "x",
        "message": TEXT,
        "hint": "There are: {known}.",
        "values": {"name": 1, "known": 2},
    }

    assert said(stored, "zh") == ("没有同步流 1", "现有：2。")
    assert said({}, "zh") == ("", "")
    plain = spoken({"runs": [{"error": stored}, {"error": None}]}, "zh")
    assert plain["runs"][0]["error"]["message"] == "没有同步流 1"
    assert plain["runs"][1] == {"error": None}


# ------------------------------------------------------------------------------------- choosing


@pytest.mark.parametrize(
    ("option", "setting", "environ", "language"),
    [
        (None, "auto", {}, "en"),
        (None, "auto", {"LANG": "zh_CN.UTF-8"}, "zh"),
        (None, "auto", {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        (None, "auto", {"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US"}, "en"),
        (None, "auto", {"LANG": "de_DE", "LC_ALL": ""}, "en"),
        (None, "zh", {"LANG": "en_US"}, "zh"),
        (None, "en", {"HUB_LANG": "zh"}, "zh"),
        (None, "zh", {"HUB_LANG": "fr"}, "zh"),
        ("en", "zh", {"HUB_LANG": "zh"}, "en"),
        ("zh-CN", "en", {}, "zh"),
    ],
)
def test_the_language_comes_from_the_nearest_wish(option, setting, environ, language):
    assert choose(option, setting, environ) == language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en;q=0.5, zh-TW;q=0.6", "zh"),
        ("fr, de;q=0.9", "en"),
        ("zh;q=x, en;q=0.1", "en"),
        (";;;,,q=", "en"),
    ],
)
def test_the_language_of_a_browser(header, language):
    assert from_header(header) == language
