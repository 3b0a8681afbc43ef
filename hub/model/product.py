"""Products with their variants, units, categories and price lists."""

from hub.entity import PRICE, QUANTITY, RATIO, Entity, Field, Trait
from hub.model.parts import CODE, NAME, SHORT, code, country, currency

STATES = {
    "draft": ("active",),
    "active": ("phase_out", "blocked"),
    "phase_out": ("discontinued", "active"),
    "blocked": ("active", "discontinued"),
    "discontinued": ("active",),
}
TYPES = ("goods", "service", "digital", "kit", "virtual", "asset", "expense", "subscription")
SUPPLY_TYPES = ("purchased", "manufactured", "subcontracted", "configured")
VALUATIONS = ("standard", "moving_average", "monthly_average", "fifo", "lifo", "specific")
DIMENSIONS = ("count", "mass", "length", "area", "volume", "time", "energy", "other")
TRACKING = ("none", "lot", "serial", "lot_and_serial")

_ATTRIBUTE = (
    code("code", "属性", "Attribute", required=True),
    Field.text("value", "值", "Value", size=NAME),
)

_VARIANT = (
    code("sku", "SKU", "SKU", required=True),
    Field.text("name", "名称", "Name", size=NAME),
    Field.text("barcode", "条码", "Barcode", size=CODE),
    Field.list("attributes", _ATTRIBUTE, "规格", "Attribute values", key="code"),
    Field.decimal("list_price", "标准售价", "List price", precision=PRICE),
    Field.decimal("cost_price", "成本价", "Cost price", precision=PRICE),
    Field.decimal("weight", "重量", "Weight", precision=QUANTITY),
    Field.text("image", "图片", "Image", size=1000),
    Field.boolean("active", "启用", "Active"),
    Field.boolean("is_default", "默认规格", "Default variant"),
)

_PRODUCT_UNIT = (
    Field.ref("unit", "uom", "单位", "Unit", required=True),
    Field.decimal("ratio_num", "换算分子", "Ratio numerator", precision=QUANTITY),
    Field.decimal("ratio_den", "换算分母", "Ratio denominator", precision=QUANTITY),
    Field.boolean("floating", "浮动换算", "Floating ratio"),
    Field.text("barcode", "条码", "Barcode", size=CODE),
    code("usage", "用途", "Usage"),
)

_SOURCE = (
    Field.ref("supplier", "supplier", "供应商", "Supplier", required=True),
    code("sku", "供应商料号", "Supplier's SKU"),
    Field.text("name", "供应商品名", "Supplier's name", size=NAME),
    Field.decimal("price", "采购价", "Price", precision=PRICE),
    currency(),
    Field.ref("unit", "uom", "单位", "Unit"),
    Field.decimal("min_qty", "最小数量", "Minimum quantity", precision=QUANTITY),
    Field.integer("lead_time_days", "提前期(天)", "Lead time (days)"),
    Field.integer("priority", "优先级", "Priority"),
    Field.date("valid_from", "生效日期", "Valid from"),
    Field.date("valid_to", "失效日期", "Valid to"),
)

PRODUCT = Entity(
    "product",
    (
        code("code", "产品编码", "Product code"),
        code("sku", "SKU", "SKU"),
        Field.text("name", "名称", "Name", size=NAME, required=True),
        Field.text("short_name", "简称", "Short name", size=100),
        Field.text("specification", "规格型号", "Specification", size=NAME),
        Field.choice("type", TYPES, "物料属性", "Type", required=True, default="goods"),
        Field.choice("supply_type", SUPPLY_TYPES, "供应来源", "Supply type"),
        Field.ref("category", "product_category", "产品分类", "Category"),
        Field.text("brand", "品牌", "Brand", size=100),
        Field.text("product_line", "产品线", "Product line", size=100),
        Field.choice("status", tuple(STATES), "状态", "Status", required=True, default="active"),
        Field.ref("unit", "uom", "基本单位", "Base unit"),
        Field.ref("sales_unit", "uom", "销售单位", "Sales unit"),
        Field.ref("purchase_unit", "uom", "采购单位", "Purchasing unit"),
        Field.ref("stock_unit", "uom", "库存单位", "Stock unit"),
        Field.text("packaging", "包装说明", "Packaging", size=NAME),
        Field.decimal("list_price", "标准售价", "List price", precision=PRICE),
        Field.decimal("cost_price", "成本价", "Cost price", precision=PRICE),
        Field.decimal("min_price", "最低售价", "Minimum price", precision=PRICE),
        currency(),
        Field.decimal("max_discount_pct", "最大折扣(%)", "Maximum discount (%)", precision=RATIO),
        code("tax_category", "税目", "Tax category"),
        Field.decimal("tax_rate", "税率(%)", "Tax rate (%)", precision=RATIO),
        Field.text("tax_classification_code", "税收分类编码", "Tax classification code", size=19),
        Field.text("hs_code", "海关编码", "HS code", size=16),
        country("origin_country", "原产地", "Country of origin"),
        Field.text("barcode", "条码", "Barcode", size=CODE),
        Field.decimal("weight", "重量", "Weight", precision=QUANTITY),
        Field.decimal("gross_weight", "毛重", "Gross weight", precision=QUANTITY),
        Field.text("weight_unit", "重量单位", "Weight unit", size=SHORT),
        Field.decimal("volume", "体积", "Volume", precision=QUANTITY),
        Field.text("volume_unit", "体积单位", "Volume unit", size=SHORT),
        Field.boolean("sale_ok", "可销售", "Can be sold"),
        Field.boolean("purchase_ok", "可采购", "Can be purchased"),
        Field.boolean("stockable", "库存管理", "Stocked"),
        Field.choice("tracking", TRACKING, "批次/序列号", "Tracking"),
        Field.boolean("has_expiry", "保质期管理", "Has expiry date"),
        Field.integer("shelf_life_days", "保质期(天)", "Shelf life (days)"),
        Field.choice("valuation_method", VALUATIONS, "计价方法", "Valuation method"),
        Field.text("abc_class", "ABC分类", "ABC class", size=1),
        Field.integer("lead_time_days", "提前期(天)", "Lead time (days)"),
        Field.decimal("moq", "最小订量", "Minimum order quantity", precision=QUANTITY),
        Field.decimal("order_multiple", "批量增量", "Order multiple", precision=QUANTITY),
        Field.decimal("reorder_level", "再订货点", "Reorder level", precision=QUANTITY),
        Field.integer("warranty_months", "质保期(月)", "Warranty (months)"),
        Field.date("valid_from", "启用日期", "Valid from"),
        Field.date("valid_to", "停用日期", "Valid to"),
        Field.ref("replaced_by", "product", "替代品", "Replaced by"),
        Field.text("description", "描述", "Description"),
        Field.text("image", "图片", "Image", size=1000),
        Field.list("attributes", _ATTRIBUTE, "属性", "Attributes", key="code"),
        Field.list("uoms", _PRODUCT_UNIT, "单位换算", "Units", key="unit"),
        Field.list("suppliers", _SOURCE, "供应商货源", "Suppliers", key="supplier"),
        Field.list("variants", _VARIANT, "规格/SKU", "Variants", key="sku", rows=True),
        Field.set("tags", "标签", "Tags"),
        Field.text("note", "备注", "Note"),
    ),
    "产品",
    "Product",
    match=(("barcode",),),
    hard_stops=("barcode",),
    states=STATES,
    # A name alone is no match: it takes a brand or a specification beside it to be shown to a person.
    traits=(
        Trait("barcode", "code", ("barcode", "variants.barcode"), stop=True),
        Trait("name", "text", ("name",)),
        Trait("specification", "text", ("specification",)),
        Trait("brand", "text", ("brand",)),
    ),
    blocks=(("barcode",), ("name:8",), ("name~10",)),
)

PRODUCT_CATEGORY = Entity(
    "product_category",
    (
        code("code", "分类编码", "Category code"),
        Field.text("name", "名称", "Name", size=NAME, required=True),
        Field.ref("parent", "product_category", "上级分类", "Parent category"),
        Field.text("path", "路径", "Path", size=1000, derived=True),
        code("tax_category", "税目", "Tax category"),
        Field.text("description", "描述", "Description"),
    ),
    "产品分类",
    "Product category",
)

UOM = Entity(
    "uom",
    (
        code("code", "单位编码", "Unit code"),
        Field.text("name", "名称", "Name", size=100, required=True),
        Field.text("symbol", "符号", "Symbol", size=16),
        Field.choice("dimension", DIMENSIONS, "量纲", "Dimension", default="count"),
        Field.decimal("ratio_num", "换算分子", "Ratio numerator", precision=QUANTITY),
        Field.decimal("ratio_den", "换算分母", "Ratio denominator", precision=QUANTITY),
        Field.boolean("is_reference", "基准单位", "Reference unit"),
        Field.decimal("rounding", "舍入", "Rounding", precision=QUANTITY),
        Field.integer("digits", "小数位", "Digits"),
        Field.boolean("integer_only", "仅整数", "Whole numbers only"),
        Field.text("unece_code", "UN/ECE代码", "UN/ECE code", size=3),
    ),
    "计量单位",
    "Unit of measure",
    match=(("unece_code",),),
)

_PRICE_RULE = (
    Field.text("id", "标识", "Id", size=NAME, required=True),
    Field.choice(
        "applies_to", ("variant", "product", "category", "all"), "对象", "Applies to", required=True
    ),
    Field.ref("product", "product", "产品", "Product"),
    Field.ref("category", "product_category", "产品分类", "Category"),
    code("sku", "SKU", "SKU"),
    Field.ref("unit", "uom", "单位", "Unit"),
    Field.decimal("min_qty", "起订数量", "Minimum quantity", precision=QUANTITY),
    Field.decimal("max_qty", "最大数量", "Maximum quantity", precision=QUANTITY),
    Field.choice(
        "method",
        ("fixed", "discount_pct", "discount_amount", "markup_on_cost", "formula"),
        "方式",
        "Method",
        required=True,
    ),
    Field.decimal("value", "取值", "Value", precision=PRICE),
    Field.choice("base", ("list", "cost", "other_list"), "基价", "Base"),
    Field.date("valid_from", "生效日期", "Valid from"),
    Field.date("valid_to", "失效日期", "Valid to"),
    Field.integer("priority", "优先级", "Priority"),
)

PRICE_LIST = Entity(
    "price_list",
    (
        code("code", "价目表编码", "Price list code"),
        Field.text("name", "名称", "Name", size=NAME, required=True),
        currency(),
        Field.boolean("tax_included", "含税", "Tax included"),
        Field.choice("usage", ("sale", "purchase"), "用途", "Usage", default="sale"),
        Field.date("valid_from", "生效日期", "Valid from"),
        Field.date("valid_to", "失效日期", "Valid to"),
        Field.integer("priority", "优先级", "Priority"),
        Field.ref("parent", "price_list", "上级价目表", "Parent price list"),
        Field.list("rules", _PRICE_RULE, "价格规则", "Rules", key="id", rows=True),
    ),
    "价目表",
    "Price list",
)
