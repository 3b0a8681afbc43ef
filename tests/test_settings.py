"""Settings: layers, checks, places."""

import dataclasses
import re
from datetime import timedelta
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cli.reference import annotated
from hub.errors import ConfigError
from hub.layers import read_yaml, scalar
from hub.settings import (
    Brake,
    Breaker,
    ConnectionSettings,
    Deletes,
    EngineSettings,
    FlowSection,
    FlowSettings,
    Limits,
    Retry,
    Schedule,
    WebSettings,
    check,
    declared,
    format_duration,
    load_settings,
    parse_duration,
    parse_schedule,
    read_layers,
)

ERP = "connections:\n  erp: {connector: sql}\n"
FLOWS = ERP + "flows:\n  customers:\n    connection: erp\n    mapping: erp/customer\n"


@pytest.fixture
def home(tmp_path):
    (tmp_path / "config").mkdir()
    return tmp_path


def write(home, text, name="hub.yaml"):
    (home / "config" / name).write_text(text, encoding="utf-8")


def load(home, overrides=None, environ=None):
    return load_settings(home, overrides or {}, environ or {})


def refused(home, text, **given):
    write(home, text)
    with pytest.raises(ConfigError) as caught:
        load(home, **given)
    return str(caught.value)


# ------------------------------------------------------------------------------------ layers


def test_a_home_without_files_has_the_defaults(home):
    settings = load(home)

    assert settings.engine == EngineSettings()
    assert settings.web == WebSettings(host="127.0.0.1", port=8765)
    assert settings.database_url == f"sqlite:///{home}/data/hub.db"
    assert settings.flows == {} and settings.connections == {}


def test_later_layers_win(home):
    write(home, "engine: {batch: 1, lease: 1s}\nweb: {port: 1}")
    write(home, "engine: {batch: 2}\nweb: {port: 2}", "local.yaml")

    settings = load(home, {"web.port": "4"}, {"HUB__ENGINE__BATCH": "3", "HUB__WEB__PORT": "3"})

    assert settings.engine.lease == timedelta(seconds=1)
    assert settings.engine.batch == 3
    assert settings.web.port == 4


def test_every_value_knows_where_it_came_from(home):
    write(home, "engine:\n  batch: 5\n")
    write(home, "\nlanguage: zh\n", "local.yaml")

    settings = load(home, {"web.host": "::1"}, {"HUB__WEB__PORT": "3"})

    assert settings.origin("engine.batch") == "config/hub.yaml:2"
    assert settings.origin("language") == "config/local.yaml:2"
    assert settings.origin("web.port") == "HUB__WEB__PORT"
    assert settings.origin("web.host") == "--set web.host"
    assert settings.origin("engine.lease").startswith("config/defaults.yaml:")
    assert settings.origin("flows.x.policy") == "default"


def test_a_variable_that_ends_in_file_names_a_file_with_the_value(home, tmp_path):
    (tmp_path / "url").write_text("postgresql://hub@db/hub\n")

    settings = load(home, environ={"HUB__DATABASE__URL_FILE": str(tmp_path / "url")})

    assert settings.database_url == "postgresql://hub@db/hub"


def test_a_missing_file_of_a_variable_is_named(home):
    with pytest.raises(ConfigError, match=r"HUB__DATABASE__URL_FILE: cannot read.*'/nowhere'"):
        load(home, environ={"HUB__DATABASE__URL_FILE": "/nowhere"})


def test_a_variable_finds_names_with_hyphens_and_capitals(home):
    write(home, "connections:\n  My-ERP: {connector: sql}\n")

    settings = load(home, environ={"HUB__CONNECTIONS__MY_ERP__CONNECTOR": "rest"})

    assert settings.connections["My-ERP"].connector == "rest"


def test_text_settings_given_as_digits_stay_text(home):
    write(home, FLOWS)

    settings = load(home, {"connections.erp.title": "2024"})

    assert settings.connections["erp"].title == "2024"


def test_a_connectors_settings_from_the_environment_stay_text(home):
    write(home, "connections: {erp: {connector: sql, settings: {url: a, size: 3}}}")

    erp = load(home, environ={"HUB__CONNECTIONS__ERP__SETTINGS__PASSWORD": "0123"}).connections[
        "erp"
    ]

    assert erp.settings == {"url": "a", "size": 3, "password": "0123"}
    assert erp.from_files == {"url", "size"}


def test_a_leaf_replaces_a_mapping_and_the_other_way_round(home):
    write(home, "connections: {erp: {connector: sql, settings: {a: {secret: 'env:X'}, b: text}}}")
    write(home, "connections: {erp: {settings: {a: text, b: {secret: 'env:Y'}}}}", "local.yaml")

    settings = load(home).connections["erp"].settings

    assert settings == {"a": "text", "b": {"secret": "env:Y"}}


def test_a_section_of_comments_only_is_no_section(home):
    write(home, "connections:\n# erp: …\nflows:\nengine:\n  retry:\n")

    settings = load(home)

    assert settings.flows == {} and settings.engine.retry == Retry()


def test_an_absolute_database_is_left_alone(home):
    for url in ("sqlite:////var/hub.db", "sqlite://", "sqlite:///:memory:", "postgresql:///hub"):
        assert load(home, {"database.url": url}).database_url == url


# ------------------------------------------------------------------------------------- flows


def test_a_flow_has_the_defaults_of_its_dataclass(home):
    write(home, FLOWS)

    flow = load(home).flows["customers"]

    assert flow == FlowSettings(connection="erp", mapping="erp/customer", name="customers")
    assert flow.reads and flow.writes


def test_every_setting_of_a_flow_is_read(home):
    text = FLOWS + (
        "    stream: s\n    direction: in\n    enabled: false\n    schedule: 0 2 * * *\n"
        "    full_schedule: every 1d\n    overlap: 5m\n    patience: 1d 12h\n    page_size: 10\n"
        "    max_pages: 2\n    policy: owner\n    owner: erp\n    deletes: {in: ask, out: detach}\n"
        "    brake: {count: 1, share: 0.1, field_share: 1, creates: 5, out: {updates: 7}}\n"
        "    mode: live\n    create: false\n"
        "    match_only: true\n    after: [products]\n"
        "  products: {connection: erp, mapping: erp/product}\n"
    )
    write(home, text)

    assert load(home).flows["customers"] == FlowSettings(
        connection="erp",
        mapping="erp/customer",
        name="customers",
        stream="s",
        direction="in",
        enabled=False,
        schedule="0 2 * * *",
        full_schedule="every 1d",
        overlap=timedelta(minutes=5),
        patience=timedelta(days=1.5),
        page_size=10,
        max_pages=2,
        policy="owner",
        owner="erp",
        deletes=Deletes("ask", "detach"),
        brake=Brake(1, 0.1, 1.0, 5, out=Limits(field_share=1.0, updates=7)),
        mode="live",
        create=False,
        match_only=True,
        after=("products",),
    )


def test_the_dataclasses_and_the_declarations_have_the_same_defaults():
    made = FlowSection().load({"connection": "c", "mapping": "m"})

    assert made == FlowSettings(connection="c", mapping="m")
    assert ConnectionSettings(connector="sql").timezone is None
    assert EngineSettings().breaker == Breaker()


# ------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("engine:\n  bath: 5", "config/hub.yaml:2: unknown setting 'engine.bath'"),
        ("flow: {}", "config/hub.yaml:1: unknown setting 'flow'"),
        ("engine:\n  batch: many", "config/hub.yaml:2: setting 'engine.batch' is 'many': "),
        ("engine: {batch: 0}", "'engine.batch' is 0: not a whole number above 0"),
        ("web: {port: 70000}", "'web.port' is 70000: "),
        ("language: fr", "'language' is 'fr'; it must be one of auto, zh, en"),
        ("engine: {lease: 7}", "'engine.lease' is 7: not a duration such as"),
        ("connections: {erp: {}}", "'connections.erp.connector' is missing"),
        ("connections: {'a b': {connector: sql}}", "a name is made of letters"),
        ("connections: {erp: {connector: sql, timezone: Mars}}", "'Mars': not a time zone"),
        (
            FLOWS + "    schedule: sometimes",
            ":7: setting 'flows.customers.schedule' is 'sometimes'",
        ),
        (FLOWS + "    schedule: every 0", "not a schedule"),
        (FLOWS + "    schedule: 99 * * * *", "not a schedule"),
        (FLOWS + "    policy: mine", "must be one of latest, hub, remote, fill, review, owner"),
        (FLOWS + "    brake: {share: 2}", "not a number between 0 and 1"),
        (FLOWS + "    brake:\n      cuont: 2", ":8: unknown setting 'flows.customers.brake.cuont'"),
        (FLOWS + "    after: products", "'flows.customers.after' is 'products'"),
        (FLOWS.replace("n: erp", "n: epr"), "flow 'customers': there is no connection 'epr'"),
        (FLOWS + "    after: [customers]", "there is no after 'customers'"),
        (FLOWS + "    policy: owner", "flow 'customers': there is no owner ''"),
        ("engine: {batch: 1}\nengine: {batch: 2}", "config/hub.yaml:2: 'engine' is given twice"),
        ("engine:\n  batch: 1\n  batch: 1", "config/hub.yaml:3: 'engine.batch' is given twice"),
        ("engine: [", "config/hub.yaml:1: not valid YAML: "),
        ("engine:\n\tbatch: 1", "config/hub.yaml:2: not valid YAML: "),
        ("- engine", "config/hub.yaml:1: the file must hold a mapping"),
        ("? [a]\n: b", "config/hub.yaml:1: a key must be a plain text"),
        ("x: !!python/object:os.system {}", "unknown setting 'x'"),
        ("x: !!python/name:os.system", "not valid YAML"),
        ("engine: 5", "setting 'engine' is 5"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(home, text, message):
    assert message in refused(home, text)


def test_a_misspelt_name_is_answered_with_the_right_one(home):
    write(home, "engine: {bacth: 5}")
    with pytest.raises(ConfigError) as caught:
        load(home)

    assert caught.value.hint.format(**caught.value.values) == "Did you mean 'batch'?"


def test_a_name_like_no_other_is_answered_with_all(home):
    write(home, "web: {xyzzy: 5}")
    with pytest.raises(ConfigError) as caught:
        load(home)

    assert caught.value.hint.format(**caught.value.values) == "There are: host, port."


def test_an_unknown_variable_is_refused_like_any_setting(home):
    with pytest.raises(ConfigError, match=r"HUB__ENGINE__BATHC: unknown setting 'engine\.bathc'"):
        load(home, environ={"HUB__ENGINE__BATHC": "5"})


def test_flows_that_wait_for_each_other_are_refused(home):
    text = FLOWS + "    after: [b]\n  b: {connection: erp, mapping: m, after: [customers]}\n"

    assert "flows wait for each other: " in refused(home, text)


def test_all_errors_are_found_at_once(home):
    write(home, "engine: {batch: 0, lease: x}\nwbe: {}\n")

    assert len(check(read_layers(home, {}, {}))) == 3


# ----------------------------------------------------------------------------------------- YAML


def test_only_true_and_false_are_booleans_and_dates_stay_text(home):
    path = home / "x.yaml"
    path.write_text("a: [no, on, true, 2024-01-01, 12:30, 007, 1_000, 1e3, 1.5, ~, 0x1F, -3]")

    assert [value for _keys, value, _line in read_yaml(path, "x")] == [
        ["no", "on", True, "2024-01-01", "12:30", "007", "1_000", "1e3", 1.5, None, "0x1F", -3]
    ]


def test_a_merged_mapping_gives_what_the_mapping_does_not_say(home):
    write(home, FLOWS.replace("customers:", "customers: &c") + "  b: {<<: *c, mapping: erp/b}\n")

    flow = load(home).flows["b"]

    assert (flow.connection, flow.mapping) == ("erp", "erp/b")


def test_a_byte_order_mark_is_no_part_of_the_first_key(home):
    write(home, "\ufefflanguage: zh\n")

    assert load(home).language == "zh"


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("true", True), ("[a, b]", ["a", "b"]), ("a: [", "a: ["), ("", ""), ("x y", "x y")],
)
def test_a_value_given_as_text_is_read_as_yaml_reads_it(text, value):
    assert scalar(text) == value


# ------------------------------------------------------------------------- durations, schedules


@given(st.integers(0, 10**12))
def test_a_duration_reads_back_as_written(milliseconds):
    duration = timedelta(milliseconds=milliseconds)

    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize("text", ["", "5", "m", "5 minutes", "-5m", "5m!", "1h,30m", "∞"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        parse_duration(text)


def test_the_three_kinds_of_schedule():
    assert parse_schedule("manual") == Schedule()
    assert parse_schedule("every 1h 30m") == Schedule(every=timedelta(minutes=90))
    assert parse_schedule("0 2 * * 1-5") == Schedule(cron="0 2 * * 1-5")


# ------------------------------------------------------------------------------- declarations


def test_every_setting_says_what_it_means():
    assert [s.path for s in declared() if not s.help.endswith(".")] == []


def test_the_packaged_defaults_are_those_of_the_declarations():
    """If not: hub --lang en config docs --yaml > config/defaults.yaml"""
    packaged = (resources.files("hub.config") / "defaults.yaml").read_text(encoding="utf-8")

    assert packaged == annotated("en")


def test_the_starter_file_is_valid_also_with_its_comments_opened(home):
    starter = (resources.files("hub.config") / "starter.yaml").read_text(encoding="utf-8")
    write(home, starter)
    assert load(home).flows == {}

    opened = re.sub(r"(?m)^#( {0,3}[a-z ]+:| {4,})", r"\1", starter).replace(
        "\n language", "\nlanguage"
    )
    write(home, re.sub(r"(?m)^ (database|language):", r"\1:", opened))

    settings = load(home)
    assert set(settings.flows) == {"customers", "orders"}
    assert settings.connections["erp"].settings["password"] == {"secret": "store:erp-password"}


def test_settings_cannot_be_changed(home):
    with pytest.raises(dataclasses.FrozenInstanceError):
        load(home).web.port = 1


def test_paths_are_kept_under_the_home(home, monkeypatch):
    monkeypatch.chdir(home)

    assert load(Path()).data == home.resolve() / "data"
