"""Fields that several entities have: codes, addresses, currencies, units."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hub.entity import Entity, Field

CODE = 64
NAME = 255
SHORT = 40


def code(name: str, zh: str, en: str, **options: Any) -> Field:
    """A value of an open code list: industry, level, reason …"""
    return Field.text(name, zh, en, size=CODE, **options)


def currency(name: str = "currency", zh: str = "币别", en: str = "Currency", **more: Any) -> Field:
    return Field.text(name, zh, en, size=3, normal="currency_code", **more)


def country(name: str = "country", zh: str = "国家", en: str = "Country") -> Field:
    return Field.text(name, zh, en, size=2, normal="country_code")


def phone(name: str, zh: str, en: str) -> Field:
    return Field.text(name, zh, en, size=SHORT, normal="phone_number")


def with_options(entity: Entity, options: Mapping[str, Mapping[str, Any]]) -> Entity:
    """The entity with other options for some fields: a view may ask for more than the table."""
    fields = tuple(replace(f, **options.get(f.name, {})) for f in entity.fields)
    return replace(entity, fields=fields)


ADDRESS = (
    country(),
    Field.text("region", "省/州", "Region", size=100),
    Field.text("region_code", "省/州代码", "Region code", size=10),
    Field.text("city", "市", "City", size=100),
    Field.text("district", "区/县", "District", size=100),
    Field.text("township", "街道/乡镇", "Township", size=100),
    Field.text("admin_code", "行政区划代码", "Administrative code", size=12),
    Field.text("postal_code", "邮编", "Postal code", size=16),
    Field.text("street", "街道门牌", "Street", size=NAME),
    Field.text("street2", "地址补充", "Further address lines", size=500),
    Field.text("house_number", "门牌号", "House number", size=SHORT),
    Field.text("building", "楼栋", "Building", size=100),
    Field.text("unit", "单元", "Unit", size=SHORT),
    Field.text("floor", "楼层", "Floor", size=SHORT),
    Field.text("room", "房间", "Room", size=SHORT),
    Field.text("po_box", "邮政信箱", "PO box", size=SHORT),
    Field.text("formatted", "完整地址", "Full address", size=1000),
    Field.decimal("latitude", "纬度", "Latitude", precision=(9, 6)),
    Field.decimal("longitude", "经度", "Longitude", precision=(9, 6)),
    Field.choice("coord_system", ("wgs84", "gcj02", "bd09"), "坐标系", "Coordinate system"),
    Field.text("attention", "收件人", "Attention", size=NAME),
    phone("recipient_phone", "收件电话", "Recipient's phone"),
    Field.text("timezone", "时区", "Time zone", size=CODE),
    Field.text("lang", "书写语言", "Language of writing", size=35),
)

LISTED_ADDRESS = (
    Field.text("id", "标识", "Id", size=NAME, required=True),
    Field.text("name", "名称", "Name", size=NAME),
    Field.set("usage", "用途", "Usage"),
    Field.set("default_for", "默认用于", "Default for"),
    *ADDRESS,
    Field.date("valid_from", "生效日期", "Valid from"),
    Field.date("valid_to", "失效日期", "Valid to"),
)
