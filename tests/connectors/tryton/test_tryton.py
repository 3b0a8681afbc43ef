"""The connector contract on a real Tryton server, and what is peculiar to Tryton."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from hub.connector import Change, Stream
from hub.connectors.tryton import Tryton
from hub.errors import AuthError, ConfigError
from hub.testing.connector_contract import ConnectorContract
from tests.peers.client import TrytonUser
from tests.peers.fixtures import SERIES

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]  # they wait for one another


def settings(server):
    return {k: server[k] for k in ("url", "database", "user", "password")}


@pytest.fixture
def connector(tryton_server, user):
    with Tryton(settings(tryton_server)) as tryton:
        yield tryton


@pytest.fixture
def user(tryton_server):
    made = TrytonUser(tryton_server)
    if made.call("party.party", "search_count", [], 0, None) < 7:
        made.call("party.party", "create", [{"name": f"Seed {n}"} for n in range(7)])
    yield made
    made.close()


PARTY = Stream("party.party", ("id",), "last_modified_at")
PRODUCT = Stream("product.product", ("id",), "last_modified_at")
SALE = Stream("sale.sale", ("id",), "last_modified_at")


class TestContract(ConnectorContract):
    texts = (
        "上海浦东软件园有限公司",
        "emoji 😀 👍🏽",
        'it\'s "quoted" \\ `so` ; -- % _',
    )  # one line only

    @pytest.fixture
    def connector(self, tryton_server, user):
        with Tryton(settings(tryton_server)) as tryton:
            yield tryton

    @pytest.fixture
    def stream(self, connector):
        return next(s for s in connector.discover() if s.name == "party.party")

    @pytest.fixture
    def new_row(self):
        return lambda n: {"name": f"Customer {n}"}

    @pytest.mark.skipif(SERIES < "8", reason="7.0 on SQLite counts versions in whole seconds")
    def test_a_stale_version_is_a_conflict(self, connector, stream, new_row):
        super().test_a_stale_version_is_a_conflict(connector, stream, new_row)


def create(connector, stream, **values):
    (result,) = connector.write(stream, [Change("k", "create", values)])
    assert result.outcome == "applied", result
    return result


def since_now(connector):
    pages = list(connector.read(PARTY, None))
    return pages[-1].cursor


def test_a_changed_contact_mechanism_brings_its_party(connector, user):
    made = create(
        connector, PARTY, name="Ada", contact_mechanisms=[{"type": "phone", "value": "030-1"}]
    )
    cursor = since_now(connector)
    phone = made.row["contact_mechanisms"][0]["id"]
    user.call("party.contact_mechanism", "write", [phone], {"value": "030-2"})

    rows = [r for page in connector.read(PARTY, cursor) for r in page.rows]

    assert [r["contact_mechanisms"][0]["value"] for r in rows] == ["030-2"]


def test_an_inactive_product_is_made_and_made_active_again(connector):
    code = f"I{datetime.now(UTC).timestamp()}"
    made = create(
        connector, PRODUCT, name="Old", code=code, type="goods", list_price=Decimal(1),
        default_uom="u", active=False,
    )  # fmt: skip

    (again,) = connector.write(PRODUCT, [update(made, active=True, description="New")])

    assert made.row["active"] is False and made.row["name"] == "Old"
    assert again.outcome == "applied", again
    assert (again.row["active"], again.row["description"]) == (True, "New")


def test_a_row_that_was_read_carries_its_version(connector, user):
    made = create(connector, PARTY, name="Version")
    read = next(connector.fetch(PARTY, [made.remote_id]))
    version = connector.version_of(PARTY, read)
    change = Change("u", "update", {"name": "Ours"}, made.remote_id, version, read)

    (fresh,) = connector.write(PARTY, [change])
    (late,) = connector.write(PARTY, [replace(change, key="u2", version="1.0")])

    assert (fresh.outcome, late.outcome) == ("applied", "conflict")
    assert fresh.version == connector.version_of(PARTY, fresh.row)


@pytest.mark.skipif(SERIES < "8", reason="7.0 on SQLite counts versions in whole seconds")
def test_a_child_or_a_template_changed_meanwhile_is_a_conflict(connector, user):
    party = create(connector, PARTY, name="P", contact_mechanisms=[{"type": "phone", "value": "1"}])
    product = create(
        connector, PRODUCT, name="T", code=f"V{datetime.now(UTC).timestamp()}", type="goods",
        list_price=Decimal(1), default_uom="u",
    )  # fmt: skip
    (phone,) = party.row["contact_mechanisms"]
    user.call("party.contact_mechanism", "write", [phone["id"]], {"value": "2"})
    user.call("product.template", "write", [product.row["template"]], {"name": "T2"})

    results = [
        *connector.write(PARTY, [update(party, contact_mechanisms=[{**phone, "value": "3"}])]),
        *connector.write(PRODUCT, [update(product, name="T3")]),
        *connector.write(PARTY, [update(party, name="P2")]),
    ]

    assert [r.outcome for r in results] == ["conflict", "conflict", "applied"]


def update(made, **values):
    return Change("u", "update", values, made.remote_id, made.version, made.row)


def test_one_bad_record_of_a_batch_stops_no_other(connector):
    batch = [Change(f"k{n}", "create", {"name": f"B{n}"}) for n in range(5)]
    batch[2] = Change("k2", "create", {"name": "B2", "addresses": [{"country": "ZZ"}]})

    results = {r.key: r for r in connector.write(PARTY, batch)}

    assert [k for k, r in results.items() if r.outcome == "rejected"] == ["k2"]
    assert "no 'ZZ'" in results["k2"].text
    assert sum(r.outcome == "applied" for r in results.values()) == 4


def test_a_child_list_is_changed_item_by_item(connector):
    made = create(connector, PARTY, name="Bob", addresses=[{"city": "A"}, {"city": "B"}])
    first, second = made.row["addresses"]

    (result,) = connector.write(
        PARTY,
        [
            Change(
                "u",
                "update",
                {"addresses": [{**second, "city": "B2"}, {"city": "C"}]},
                made.remote_id,
                made.version,
                made.row,
            )
        ],
    )

    assert [a["city"] for a in result.row["addresses"]] == ["B2", "C"]
    assert result.row["addresses"][0]["id"] == second["id"] != first["id"]


def test_a_product_is_template_and_variant_in_one_write(connector):
    made = create(
        connector, PRODUCT, name="Chai", code=f"P{datetime.now(UTC).timestamp()}", type="goods",
        list_price=Decimal("18.1234"), default_uom="u", sale_uom="u", salable=True,
    )  # fmt: skip

    (result,) = connector.write(
        PRODUCT,
        [Change("u", "update", {"name": "Chang"}, made.remote_id, made.version, made.row)],
    )

    assert made.row["list_price"] == Decimal("18.1234")
    assert (result.row["name"], result.row["default_uom"]) == ("Chang", "u")


def test_a_sale_keeps_four_decimals_of_the_price_and_rounds_the_amount(connector):
    party = create(connector, PARTY, name="Buyer")

    made = create(
        connector, SALE, party=int(party.remote_id), reference="R1", sale_date=date(1996, 7, 4),
        currency="EUR",
        lines=[{"quantity": 3, "unit_price": Decimal("9.1675"), "description": "x"}],
    )  # fmt: skip

    (line,) = made.row["lines"]
    assert (line["unit_price"], line["amount"]) == (Decimal("9.1675"), Decimal("27.50"))
    assert made.row["total_amount"] == Decimal("27.50")


def test_a_wrong_password_and_a_wrong_database_are_named(tryton_server):
    wrong = {**settings(tryton_server), "password": "no"}
    with Tryton(wrong) as tryton, pytest.raises(AuthError):
        tryton.check()
    wrong = {**settings(tryton_server), "database": "nowhere"}
    with Tryton(wrong) as tryton, pytest.raises(ConfigError, match="nowhere"):
        tryton.check()
