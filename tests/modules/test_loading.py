"""A module that cannot be used is named with its reason; the others, and the hub, go on."""

import pytest

GOOD = """
@hookimpl
def hub_declare(settings):
    yield Entity("parcel", (Field.text("code", required=True), Field.ref("order", "sales_order")))
"""


def reason(modules, name):
    return str(modules.broken[name])


def test_a_module_adds_what_it_declares(write, load):
    write("parcels", GOOD)

    modules = load()

    assert list(modules.used) == ["parcels"]
    assert not modules.broken
    assert "parcel" in modules.entities
    assert modules.owner("parcel") == "parcels"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nowhere_to_be_found", "cannot be imported: ModuleNotFoundError"),
        ("raise SystemExit_", "cannot be imported: NameError"),
        ("x = 1", "has no hook `hub_declare`"),
        ("@hookimpl\ndef hub_declares(settings):\n    yield", "unknown hook 'hub_declares'"),
        ("@hookimpl\ndef hub_declare(seting):\n    yield", "seting"),
        ("@hookimpl\ndef hub_declare(settings):\n    yield 1 / 0", "ZeroDivisionError"),
        ("@hookimpl\ndef hub_declare(settings):\n    yield 'x'", "'x' is no declaration"),
        (
            "@hookimpl\ndef hub_declare(settings):\n    yield Entity('party', ())",
            "the name 'party' belongs to hub",
        ),
        (
            "@hookimpl\ndef hub_declare(settings):\n"
            "    yield Job('other.tidy', print, 'every 1h', '', '')",
            "must begin with bad.…",
        ),
        (
            "@hookimpl\ndef hub_declare(settings):\n"
            "    yield Rule('bad.r', 'unicorn', print, '', '')",
            "there is no entity 'unicorn'",
        ),
        (
            "@hookimpl\ndef hub_declare(settings):\n"
            "    yield Entity('thing', (Field.ref('x', 'unicorn'),))",
            "thing.x: there is no entity 'unicorn'",
        ),
        (
            "@hookimpl\ndef hub_declare(settings):\n"
            "    yield Extension('customer', (Field.text('x', required=True),))",
            "a field added to customer cannot be required",
        ),
    ],
)
def test_a_broken_module_is_named_and_left_out(write, load, source, words):
    write("bad", source)
    write("parcels", GOOD)

    modules = load()

    assert list(modules.used) == ["parcels"]
    assert "'bad'" in reason(modules, "bad")
    assert words in reason(modules, "bad")


def test_what_requires_a_broken_module_is_left_out_too(write, load):
    write("bad", "raise ValueError('no')")
    write("upon", "REQUIRES = ('bad',)" + GOOD)

    modules = load()

    assert not modules.used
    assert "requires bad" in reason(modules, "upon")


def test_modules_that_require_each_other_are_both_named(write, load):
    write("one", "REQUIRES = ('two',)" + GOOD)
    write("two", "REQUIRES = ('one',)" + GOOD)

    assert set(load().broken) == {"one", "two"}


def test_a_module_comes_after_what_it_requires_and_may_refer_to_it(write, load):
    write(
        "aaa",
        """
        REQUIRES = ("zzz",)

        @hookimpl
        def hub_declare(settings):
            yield Entity("label", (Field.text("code"), Field.ref("parcel", "parcel")))
        """,
    )
    write("zzz", GOOD)

    assert list(load().used) == ["zzz", "aaa"]


def test_a_setting_that_the_module_does_not_know_is_named(write, load):
    write(
        "parcels",
        """
        class SETTINGS(Settings):
            depth = Number("How deep.", load_default=3)
        """
        + GOOD.replace("\n", "\n        "),
    )

    assert "modules.parcels: setting 'dept'" in reason(load(parcels={"dept": 4}), "parcels")
    assert not load(parcels={"depth": 4}).broken


def test_two_modules_of_one_name_are_both_refused(write, load, folder, tmp_path):
    from hub.model import ENTITIES
    from hub.modules import load_modules

    write("parcels", GOOD)
    other = tmp_path / "other" / "parcels"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("", encoding="utf-8")

    modules = load_modules(ENTITIES, {}, folders=[folder, other.parent], wanted=["parcels"])

    assert not modules.used
    assert str(folder) in reason(modules, "parcels")
    assert str(other.parent) in reason(modules, "parcels")


def test_no_module_is_loaded_where_none_is_wanted(write, load, folder):
    from hub.model import ENTITIES
    from hub.modules import load_modules

    write("parcels", "raise AssertionError('imported')")

    modules = load_modules(ENTITIES, {}, folders=[folder], wanted=())

    assert not modules.used
    assert not modules.broken
    assert modules.entities == dict(ENTITIES)
