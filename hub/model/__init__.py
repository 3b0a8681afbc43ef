"""The canonical entities, as declarations, and the rules on their values.  No I/O, no store."""

from collections.abc import Mapping

from hub.entity import Entity
from hub.model.order import PAYMENT_TERM, SALES_ORDER, TAX_CODE
from hub.model.party import CONTACT, CUSTOMER, PARTY, SUPPLIER
from hub.model.product import PRICE_LIST, PRODUCT, PRODUCT_CATEGORY, UOM

_ALL = (
    *(PARTY, CUSTOMER, CONTACT, SUPPLIER),
    *(PRODUCT, PRODUCT_CATEGORY, UOM, PRICE_LIST),
    *(SALES_ORDER, PAYMENT_TERM, TAX_CODE),
)

ENTITIES: Mapping[str, Entity] = {entity.name: entity for entity in _ALL}
"""Stored entities and views by name."""
