"""Secrets: the store, the references, the mask."""

import base64
import io
import json
import logging
import stat

import pytest

from hub import connector
from hub.connector import SecretText
from hub.errors import ConfigError, NotFoundError
from hub.secrets import (
    MASK,
    Redactor,
    Secrets,
    check_settings,
    references,
    resolve,
    resolve_settings,
)
from hub.settings import ConnectionSettings

CANARY = "SECRET-CANARY-4711"
KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def store(tmp_path):
    made = Secrets(tmp_path, {})
    made.create_key()
    return made


# ------------------------------------------------------------------------------------ the store


def test_a_secret_comes_back_as_it_was_set(store):
    store.set("erp", "pässwörd 密码")

    assert store.get("erp") == SecretText("pässwörd 密码")
    assert store.names() == ["erp"]


def test_no_file_holds_the_text(store, tmp_path):
    store.set("erp", CANARY)

    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(files) == 2
    assert not any(CANARY.encode() in p.read_bytes() for p in files)


def test_the_files_are_for_the_owner_alone(store):
    store.set("erp", CANARY)

    for path in (store.path, store.key_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_that_others_can_read_is_refused(store):
    store.key_path.chmod(0o644)

    with pytest.raises(ConfigError, match="can be read by others"):
        store.set("erp", CANARY)


def test_a_key_is_made_once(store):
    key = store.key_path.read_text()

    assert store.create_key() is False
    assert store.key_path.read_text() == key


def test_no_key_file_is_made_where_the_environment_gives_the_key(tmp_path):
    store = Secrets(tmp_path, {"HUB_SECRET_KEY": KEY})

    assert store.create_key() is False
    store.set("erp", CANARY)
    assert store.get("erp").reveal() == CANARY
    assert not store.key_path.exists()


def test_the_key_may_be_in_a_file_that_the_environment_names(tmp_path):
    (tmp_path / "key").write_text(KEY + "\n")
    store = Secrets(tmp_path, {"HUB_SECRET_KEY_FILE": str(tmp_path / "key")})
    store.set("erp", CANARY)

    assert Secrets(tmp_path, {"HUB_SECRET_KEY": KEY}).get("erp").reveal() == CANARY


@pytest.mark.parametrize("key", ["short", "a" * 44, base64.b64encode(bytes(16)).decode(), "é" * 9])
def test_what_is_no_key_is_refused(tmp_path, key):
    with pytest.raises(ConfigError, match="HUB_SECRET_KEY is not a key of 32 bytes"):
        Secrets(tmp_path, {"HUB_SECRET_KEY": key}).set("erp", CANARY)


def test_without_a_key_nothing_is_stored(tmp_path):
    with pytest.raises(ConfigError, match="there is no secret key"):
        Secrets(tmp_path, {}).set("erp", CANARY)

    assert not list(tmp_path.rglob("*.json"))


def test_another_key_does_not_open_it(store, tmp_path):
    store.set("erp", CANARY)

    with pytest.raises(ConfigError, match="secret 'erp' does not open with this key") as caught:
        Secrets(tmp_path, {"HUB_SECRET_KEY": KEY}).get("erp")
    assert CANARY not in str(caught.value)


def test_a_text_moved_to_another_name_does_not_open(store):
    store.set("erp", CANARY)
    document = json.loads(store.path.read_text())
    document["secrets"]["crm"] = document["secrets"]["erp"]
    store.path.write_text(json.dumps(document))

    with pytest.raises(ConfigError, match="secret 'crm' does not open"):
        store.get("crm")


def test_the_same_text_is_never_stored_the_same_way(store):
    store.set("a", CANARY)
    first = store.path.read_text()
    store.set("a", CANARY)

    assert store.path.read_text() != first


def test_an_unknown_name_says_how_to_set_it(store):
    with pytest.raises(NotFoundError, match="there is no secret 'crm'") as caught:
        store.get("crm")
    assert caught.value.hint.format(**caught.value.values) == "Set it: hub config set-secret crm"


def test_a_removed_secret_is_gone(store):
    store.set("erp", CANARY)

    store.remove("erp")
    store.remove("erp")

    assert store.names() == []


def test_an_empty_text_is_refused(store):
    with pytest.raises(ConfigError, match="an empty text is no secret"):
        store.set("erp", "")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"secrets": 5}', '{"version": 1}'])
def test_a_damaged_store_is_named(store, text):
    store.path.write_text(text)

    with pytest.raises(ConfigError, match=r"secrets\.json is damaged"):
        store.names()


# ------------------------------------------------------------------------------------- rotation


def test_rotation_keeps_the_texts_and_changes_the_key(store):
    store.set("a", CANARY)
    store.set("b", "other")
    before = store.key_path.read_text()

    assert store.rotate() == 2

    assert store.key_path.read_text() != before
    assert (store.get("a").reveal(), store.get("b").reveal()) == (CANARY, "other")
    assert not list(store.path.parent.glob("*.n*"))


def test_rotation_that_broke_off_before_the_texts_were_written_changes_nothing(store, monkeypatch):
    store.set("a", CANARY)

    def fail(*args):
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(Secrets, "_write", fail)
        with pytest.raises(OSError, match="disk full"):
            store.rotate()

    assert store.get("a").reveal() == CANARY
    store.set("b", "other")
    assert store.get("b").reveal() == "other"


def test_rotation_that_broke_off_before_the_key_was_put_in_place_is_finished(store, monkeypatch):
    store.set("a", CANARY)
    real = type(store.path).replace

    def fail(self, target):
        if self.suffix == ".next":
            raise OSError("power cut")
        return real(self, target)

    with monkeypatch.context() as broken:
        broken.setattr(type(store.path), "replace", fail)
        with pytest.raises(OSError, match="power cut"):
            store.rotate()

    assert store.get("a").reveal() == CANARY
    assert not store.key_path.with_suffix(".next").exists()


def test_a_key_from_the_environment_cannot_be_rotated_here(tmp_path):
    with pytest.raises(ConfigError, match="comes from HUB_SECRET_KEY"):
        Secrets(tmp_path, {"HUB_SECRET_KEY": KEY}).rotate()


# ----------------------------------------------------------------------------------- references


class Shop(connector.Settings):
    url = connector.Url("Address.")
    password = connector.Secret("Password.")
    account = connector.Text("Account.", load_default="")
    size = connector.Number("Rows.", load_default=1)
    headers = connector.Nested("Headers.", load_default=dict)


def settings(store, values, *, files=True, environ=None):
    given = frozenset(values) if files else frozenset()
    made = ConnectionSettings("shop", name="shop", settings=values, from_files=given)
    return resolve_settings(made, Shop, store, environ or {})


def test_the_three_kinds_of_reference(store, tmp_path):
    store.set("erp", "one")
    (tmp_path / "two").write_text("two\n")

    assert resolve("store:erp", store, {}).reveal() == "one"
    assert resolve(f"file:{tmp_path}/two", store, {}).reveal() == "two"
    assert resolve("env:THREE", store, {"THREE": "three"}).reveal() == "three"


@pytest.mark.parametrize("reference", ["erp", "vault:erp", "env:", "", "store:"])
def test_what_is_no_reference_is_refused(store, reference):
    with pytest.raises(ConfigError, match="is not a secret reference"):
        resolve(reference, store, {})


def test_a_variable_that_is_not_set_is_named(store):
    with pytest.raises(ConfigError, match="the environment variable THREE is not set"):
        resolve("env:THREE", store, {"THREE": ""})


def test_references_are_resolved_wherever_they_stand(store):
    store.set("erp", CANARY)
    reference = {"secret": "store:erp"}

    config = settings(store, {"password": reference, "headers": {"X-Key": [reference]}})

    assert config == {"password": SecretText(CANARY), "headers": {"X-Key": [SecretText(CANARY)]}}
    assert CANARY not in repr(config)


def test_a_text_setting_may_be_kept_secret_as_a_whole(store):
    store.set("url", "https://me:pw@shop.example")

    config = settings(store, {"url": {"secret": "store:url"}})

    assert config == {"url": "https://me:pw@shop.example"}


def test_a_secret_written_into_a_file_is_refused_with_the_ways_to_give_it(store):
    with pytest.raises(ConfigError, match="setting 'password' is a secret") as caught:
        settings(store, {"password": CANARY})

    assert CANARY not in str(caught.value)
    assert "set-secret" in caught.value.hint


def test_what_the_environment_gives_becomes_what_the_setting_is(store):
    given = {"password": "123", "account": "456", "size": "5", "headers": "{a: 1}"}

    config = settings(store, given, files=False)

    assert config == {
        "password": SecretText("123"),
        "account": "456",
        "size": 5,
        "headers": {"a": 1},
    }


def test_the_store_resolves_a_connection(store):
    store.set("erp", CANARY)
    made = ConnectionSettings("shop", name="shop", settings={"password": {"secret": "store:erp"}})

    assert store.resolve(made, Shop) == {"password": SecretText(CANARY)}


def test_the_references_of_a_connection_are_listed():
    reference = {"secret": "env:A"}

    assert list(references({"a": reference, "b": {"c": {"secret": "env:B"}}, "d": 1})) == [
        "env:A",
        "env:B",
    ]


# ------------------------------------------------------------------------------------ the mask


def test_a_revealed_secret_is_masked_in_every_spelling():
    redactor = Redactor()
    redactor.add(SecretText('pa"ss/wörd +'))

    for text in ('pa"ss/wörd +', "pa%22ss%2Fw%C3%B6rd%20%2B", "pa%22ss%2Fw%C3%B6rd+%2B"):
        assert redactor.scrub(f"<{text}>") == f"<{MASK}>"
    assert redactor.scrub(json.dumps('pa"ss/wörd +')) == f'"{MASK}"'


def test_a_secret_within_a_secret_leaves_nothing_over():
    redactor = Redactor()
    redactor.add(SecretText("abcd"))
    redactor.add(SecretText("abcdefgh"))

    assert redactor.scrub("abcdefgh") == MASK


def test_very_short_secrets_do_not_mask_innocent_text():
    redactor = Redactor()
    redactor.add(SecretText("a"))

    assert redactor.scrub("banana") == "banana"


def test_the_log_shows_no_secret_not_even_in_a_traceback():
    redactor, stream = Redactor(), io.StringIO()
    redactor.add(SecretText(CANARY))
    handler = logging.StreamHandler(stream)
    handler.addFilter(redactor)
    log = logging.Logger("test")
    log.addHandler(handler)

    try:
        raise ValueError(CANARY)
    except ValueError:
        log.exception("signing in with %s", CANARY)

    assert CANARY not in stream.getvalue()
    assert stream.getvalue().count(MASK) == 2


def test_a_secret_from_the_store_is_masked_from_then_on(store):
    from hub.secrets import redactor

    store.set("erp", "only-used-in-this-test")
    store.get("erp")

    assert redactor.scrub("x only-used-in-this-test") == f"x {MASK}"


# ------------------------------------------------------------------------- checks without secrets


def refused(values, *, files=True):
    given = frozenset(values) if files else frozenset()
    made = ConnectionSettings("shop", name="shop", settings=values, from_files=given)
    with pytest.raises(ConfigError) as caught:
        check_settings(made, Shop, "hub.yaml:3: connection 'shop'")
    return str(caught.value)


def test_settings_are_checked_without_opening_a_secret():
    reference = {"secret": "store:nowhere"}
    values = {"url": reference, "password": reference, "headers": {"a": reference}}

    check_settings(ConnectionSettings("shop", settings=values), Shop, "")


def test_what_the_connector_would_refuse_is_refused_with_its_place():
    reference = {"secret": "env:X"}

    assert "is a secret" in refused({"url": "https://a", "password": "x"})
    missing = refused({"url": "https://a"})
    assert missing.startswith("hub.yaml:3: connection 'shop': setting 'password'")
    assert "'sizes'" in refused({"url": "https://a", "password": reference, "sizes": 1})
    assert "'url' ('nowhere')" in refused({"url": "nowhere", "password": reference})
