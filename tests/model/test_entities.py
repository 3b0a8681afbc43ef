"""The declarations as a whole."""

import pytest

from hub import values as rules
from hub.entity import Entity, Field
from hub.model import ENTITIES

VIEWS = [e for e in ENTITIES.values() if e.view_of]


def every_field(fields: tuple[Field, ...], path: str):
    for field in fields:
        yield f"{path}.{field.name}", field
        yield from every_field(field.fields, f"{path}.{field.name}")


def fields_of(entity: Entity):
    return every_field(entity.fields, entity.name)


def test_the_entities_are_known_by_name():
    assert set(ENTITIES) == {
        *{"party", "customer", "contact", "supplier", "product", "product_category", "uom"},
        *{"price_list", "sales_order", "payment_term", "tax_code"},
    }
    assert all(name == entity.name for name, entity in ENTITIES.items())


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES)
def test_an_entity_has_a_label_in_both_languages(entity):
    assert entity.zh and entity.en


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES)
def test_every_field_has_a_label_in_both_languages(entity):
    for path, field in fields_of(entity):
        assert field.zh and field.en, path
        assert not field.zh.isascii() or field.zh == "SKU", path
        assert field.en.isascii(), path


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES)
def test_every_declaration_is_whole(entity):
    for path, field in fields_of(entity):
        assert field.kind != "ref" or field.target in ENTITIES, path
        assert field.kind != "choice" or field.choices, path
        assert field.kind != "decimal" or field.precision, path
        assert field.kind not in ("object", "list") or field.fields, path
        assert not field.key or field.part(field.key), path
        assert not field.normal or callable(getattr(rules, field.normal)), path
        assert field.default is None or not field.choices or field.default in field.choices, path


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES)
def test_no_field_is_declared_twice_on_one_level(entity):
    def check(fields):
        names = [f.name for f in fields]
        assert len(set(names)) == len(names)
        for field in fields:
            check(field.fields)

    check(entity.fields)


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES)
def test_rules_of_an_entity_name_its_own_fields(entity: Entity):
    named = {entity.code, *entity.hard_stops, *(f for rule in entity.match for f in rule)}

    assert named <= set(entity.field)
    assert not entity.states or tuple(entity.states) == entity.field["status"].choices
    assert {s for to in entity.states.values() for s in to} <= set(entity.states)


@pytest.mark.parametrize("view", VIEWS, ids=lambda e: e.name)
def test_each_field_of_a_view_lives_in_one_stored_field(view):
    stored = ENTITIES[view.view_of].field
    columns = [view.column(f.name) for f in view.fields]

    assert len(set(columns)) == len(columns)
    assert all(view.field[f.name].kind == stored[view.column(f.name)].kind for f in view.fields)
    assert view.role


def test_every_column_of_a_role_is_seen_in_its_view():
    for view in VIEWS:
        columns = {view.column(f.name) for f in view.fields}
        own = {f.name for f in ENTITIES["party"].fields if f.name.startswith(f"{view.role}_")}
        own.discard("contact_points")  # of every party
        assert own <= columns


def test_a_column_of_a_role_is_not_asked_of_parties_without_it():
    roles = ("customer_", "supplier_", "contact_")
    own = [f for f in ENTITIES["party"].fields if f.name.startswith(roles)]

    assert len(own) > 40
    assert not [f.name for f in own if f.required or f.default is not None]


FLAT_CUSTOMER = """
code name short_name legal_name mnemonic party_type status tax_id tax_id_scheme registration_number
phone mobile email website wechat address addresses contacts parent group category level industry
source territory channel lifecycle_stage owner department team currency price_list payment_term
payment_method discount_pct prices_include_tax credit_limit credit_days credit_policy invoice_title
invoice_tax_number invoice_address invoice_phone invoice_bank invoice_bank_account invoice_type
bank_accounts pool_id claimed_at expected_return_at last_followup_at next_followup_at deal_status
first_order_at last_order_at tags note
"""
FLAT_CONTACT = """
code name family_name given_name account title department phone mobile email wechat birth_date
gender address is_primary decision_role owner do_not_call do_not_email note
"""


def test_the_flat_entities_have_every_field_of_the_model():
    assert set(FLAT_CUSTOMER.split()) <= set(ENTITIES["customer"].field)
    assert set(FLAT_CONTACT.split()) <= set(ENTITIES["contact"].field)


def test_a_person_is_a_person_and_a_customer_an_organisation_unless_said_otherwise():
    assert ENTITIES["contact"].field["party_type"].default == "person"
    assert ENTITIES["customer"].field["party_type"].default == "organization"
    assert ENTITIES["customer"].field["status"].default == "active"
    assert ENTITIES["supplier"].field["status"].default == "approved"
