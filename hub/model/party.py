"""Parties: organisations and persons, and the views `customer`, `contact`, `supplier` of them.

What is true of the party has a column of its own name; what is true of a relation has its role in
front (`customer_payment_term`), so that one party can be customer and supplier at once.
"""

from hub.entity import MONEY, RATIO, Entity, Field, Trait
from hub.model.parts import (
    ADDRESS,
    CODE,
    LISTED_ADDRESS,
    NAME,
    SHORT,
    code,
    country,
    currency,
    phone,
    with_options,
)

ROLES = (
    *("customer", "supplier", "contact", "carrier", "partner", "distributor", "competitor"),
    *("employee", "bank", "authority", "other"),
)
PARTY_TYPES = ("organization", "person", "group")
CONTACT_TYPES = (
    *("phone", "mobile", "fax", "email", "website", "wechat", "wecom", "qq", "dingtalk"),
    *("whatsapp", "line", "linkedin", "other"),
)
DECISION_ROLES = (
    *("decision_maker", "approver", "influencer", "user", "gatekeeper", "finance"),
    *("technical", "other"),
)
LIFECYCLE_STAGES = ("prospect", "customer", "repeat", "dormant", "lost", "former")

_NAMES = (
    Field.choice("party_type", PARTY_TYPES, "类型", "Type", required=True, default="organization"),
    Field.text("name", "名称", "Name", size=NAME, required=True),
    Field.text("short_name", "简称", "Short name", size=100),
    Field.text("legal_name", "注册名称", "Legal name", size=NAME),
    Field.text("mnemonic", "助记码", "Mnemonic", size=100),
    Field.text("family_name", "姓", "Family name", size=100),
    Field.text("given_name", "名", "Given name", size=100),
    Field.text("middle_name", "中间名", "Middle name", size=100),
    Field.text("salutation", "称呼", "Salutation", size=SHORT),
    Field.choice("name_order", ("family_first", "given_first"), "姓名顺序", "Order of names"),
    Field.choice("gender", ("male", "female", "other", "unknown"), "性别", "Gender"),
    Field.text("birth_date", "生日", "Date of birth", size=10, normal="partial_date"),
    Field.choice("birth_calendar", ("gregorian", "lunar"), "生日历法", "Calendar of birthday"),
)

_REACH = (
    phone("phone", "电话", "Phone"),
    phone("mobile", "手机", "Mobile"),
    phone("fax", "传真", "Fax"),
    Field.text("email", "电子邮箱", "E-mail", size=254, normal="email_address"),
    Field.text("website", "网址", "Website", size=500),
    Field.text("wechat", "微信", "WeChat", size=CODE),
    Field.object("address", ADDRESS, "地址", "Address"),
)

_CONTACT_POINT = (
    Field.text("id", "标识", "Id", size=NAME, required=True),
    Field.choice("type", CONTACT_TYPES, "类型", "Type", required=True),
    Field.text("value", "号码/地址", "Value", size=500, required=True),
    Field.text("normalized", "规范值", "Normal form", size=500),
    Field.text("extension", "分机", "Extension", size=SHORT),
    Field.text("label", "标签", "Label", size=100),
    code("usage", "用途", "Usage"),
    Field.boolean("is_primary", "首选", "Primary"),
    Field.boolean("do_not_use", "停用", "Do not use"),
)

_IDENTIFIER = (
    code("scheme", "类别", "Scheme", required=True),
    Field.text("value", "号码", "Value", size=100, required=True),
    Field.text("normalized", "规范值", "Normal form", size=100),
    country(),
    Field.text("issuer", "发证机关", "Issuer", size=NAME),
    Field.date("valid_from", "生效日期", "Valid from"),
    Field.date("valid_to", "失效日期", "Valid to"),
    Field.boolean("is_primary", "首选", "Primary"),
    Field.choice("validity", ("valid", "invalid", "unchecked"), "校验结果", "Validity"),
)

_BANK_ACCOUNT = (
    Field.text("account_number", "账号", "Account number", size=CODE, required=True),
    Field.text("holder_name", "户名", "Account holder", size=NAME),
    Field.text("iban", "国际账号", "IBAN", size=34),
    Field.text("bic", "银行识别码", "BIC", size=11),
    Field.text("bank_name", "开户银行", "Bank", size=NAME),
    Field.text("branch_name", "支行", "Branch", size=NAME),
    Field.text("cnaps", "联行号", "CNAPS code", size=12),
    currency(),
    country(),
    Field.boolean("is_default", "默认", "Default"),
    code("purpose", "用途", "Purpose"),
)

_CONTACT = (
    code("code", "编码", "Code", required=True),
    Field.text("name", "姓名", "Name", size=NAME),
    Field.text("title", "职务", "Title", size=NAME),
    Field.text("department", "部门", "Department", size=NAME),
    phone("phone", "电话", "Phone"),
    phone("mobile", "手机", "Mobile"),
    Field.text("email", "电子邮箱", "E-mail", size=254, normal="email_address"),
    Field.text("wechat", "微信", "WeChat", size=CODE),
    Field.text("birth_date", "生日", "Date of birth", size=10, normal="partial_date"),
    Field.choice("decision_role", DECISION_ROLES, "决策角色", "Decision role"),
    Field.boolean("is_primary", "首要联系人", "Primary contact"),
    Field.text("note", "备注", "Note"),
)

_ORGANIZATION = (
    Field.text("tax_id", "税号", "Tax number", size=SHORT),
    code("tax_id_scheme", "税号类别", "Scheme of the tax number"),
    Field.text("registration_number", "注册号", "Registration number", size=CODE),
    code("legal_form", "公司类型", "Legal form"),
    Field.text("legal_representative", "法定代表人", "Legal representative", size=NAME),
    Field.decimal("registered_capital", "注册资本", "Registered capital", precision=MONEY),
    Field.date("founded_on", "成立日期", "Founded on"),
    Field.integer("employee_count", "员工人数", "Employees"),
    Field.decimal("annual_revenue", "年营收", "Annual revenue", precision=MONEY),
    code("size_class", "规模", "Size class"),
    code("industry", "行业", "Industry"),
    Field.ref("parent", "party", "上级单位", "Parent"),
    Field.text("language", "语言", "Language", size=35),
    Field.text("timezone", "时区", "Time zone", size=CODE),
)

_LISTS = (
    Field.list("contact_points", _CONTACT_POINT, "联系方式", "Contact points", key="id"),
    Field.list("identifiers", _IDENTIFIER, "证照", "Identifiers", key="scheme"),
    Field.list("addresses", LISTED_ADDRESS, "地址列表", "Addresses", key="id"),
    Field.list("bank_accounts", _BANK_ACCOUNT, "银行账户", "Bank accounts", key="account_number"),
    Field.list("contacts", _CONTACT, "联系人", "Contacts", key="code"),
    Field.set("roles", "角色", "Roles"),
    Field.set("tags", "标签", "Tags"),
    Field.text("note", "备注", "Note"),
    Field.text("image", "图片", "Image", size=1000),
)

_CUSTOMER = (
    code("customer_code", "客户编码", "Customer code"),
    Field.choice(
        "customer_status",
        ("active", "inactive", "blocked"),
        "客户状态",
        "Customer status",
    ),
    code("customer_group", "客户组", "Customer group"),
    code("customer_category", "客户分类", "Customer category"),
    code("customer_level", "客户级别", "Customer level"),
    code("customer_source", "客户来源", "Source"),
    code("customer_territory", "区域", "Territory"),
    code("customer_channel", "销售渠道", "Sales channel"),
    Field.choice("customer_lifecycle_stage", LIFECYCLE_STAGES, "客户阶段", "Life-cycle stage"),
    code("customer_owner", "负责人", "Owner"),
    code("customer_department", "销售部门", "Sales department"),
    code("customer_team", "销售团队", "Sales team"),
    currency("customer_currency", "结算币别", "Currency"),
    Field.ref("customer_price_list", "price_list", "价目表", "Price list"),
    Field.ref("customer_payment_term", "payment_term", "收款条件", "Payment term"),
    code("customer_payment_method", "结算方式", "Payment method"),
    Field.decimal("customer_discount_pct", "折扣(%)", "Discount (%)", precision=RATIO),
    Field.boolean("customer_prices_include_tax", "价格含税", "Prices include tax"),
    code("customer_tax_category", "税分类", "Tax category"),
    Field.decimal("credit_limit", "信用额度", "Credit limit", precision=MONEY),
    Field.integer("credit_days", "信用天数", "Credit days"),
    Field.choice("credit_policy", ("none", "warn", "block"), "信用控制", "Credit policy"),
    Field.text("invoice_title", "发票抬头", "Invoice title", size=NAME),
    Field.text("invoice_tax_number", "开票税号", "Invoice tax number", size=SHORT),
    Field.text("invoice_address", "开票地址", "Invoice address", size=500),
    Field.text("invoice_phone", "开票电话", "Invoice phone", size=CODE),
    Field.text("invoice_bank", "开票银行", "Invoice bank", size=NAME),
    Field.text("invoice_bank_account", "开票银行账号", "Invoice bank account", size=CODE),
    Field.choice(
        "invoice_type", ("special", "ordinary", "export", "none"), "发票类型", "Invoice type"
    ),
    code("customer_pool", "公海", "Pool"),
    Field.datetime("claimed_at", "领取时间", "Claimed at"),
    Field.datetime("expected_return_at", "预计回收时间", "Expected return at", derived=True),
    Field.datetime("last_followup_at", "最近跟进", "Last follow-up", derived=True),
    Field.datetime("next_followup_at", "下次跟进", "Next follow-up"),
    Field.choice("deal_status", ("undealt", "dealt"), "成交状态", "Deal status", derived=True),
    Field.datetime("first_order_at", "首次成交", "First order", derived=True),
    Field.datetime("last_order_at", "最近成交", "Last order", derived=True),
)

_SUPPLIER = (
    code("supplier_code", "供应商编码", "Supplier code"),
    Field.choice(
        "supplier_status",
        ("candidate", "approved", "suspended", "rejected"),
        "供应商状态",
        "Supplier status",
    ),
    code("supplier_group", "供应商组", "Supplier group"),
    code("supplier_category", "供应商分类", "Supplier category"),
    code("supplier_grade", "供应商等级", "Supplier grade"),
    code("supplier_territory", "供应商区域", "Supplier territory"),
    code("supplier_owner", "采购员", "Buyer"),
    code("supplier_department", "采购部门", "Purchasing department"),
    currency("supplier_currency", "采购币别", "Purchasing currency"),
    Field.ref("supplier_payment_term", "payment_term", "付款条件", "Payment term"),
    code("supplier_payment_method", "付款方式", "Payment method"),
    code("supplier_tax_category", "供应商税分类", "Tax category"),
    Field.integer("supplier_lead_time_days", "供货提前期(天)", "Lead time (days)"),
    Field.decimal("supplier_min_order_amount", "最小订货金额", "Minimum order amount"),
    code("supplier_incoterm", "贸易术语", "Incoterm"),
    Field.text("supplier_incoterm_place", "交货地点", "Incoterm place", size=NAME),
    code("supplier_warehouse", "默认仓库", "Default warehouse"),
    Field.choice("supplier_hold", ("none", "invoices", "payments", "all"), "供应商冻结", "Hold"),
    Field.date("supplier_hold_until", "冻结至", "Hold until"),
    Field.decimal(
        "supplier_delivery_score", "交货评分", "Delivery score", precision=RATIO, derived=True
    ),
    Field.decimal(
        "supplier_quality_score", "质量评分", "Quality score", precision=RATIO, derived=True
    ),
)

_CONTACT_ROLE = (
    code("contact_code", "联系人编码", "Contact code"),
    Field.ref("contact_account", "party", "所属客户", "Account"),
    Field.text("contact_title", "职务", "Title", size=NAME),
    Field.text("contact_department", "部门", "Department", size=NAME),
    Field.boolean("contact_is_primary", "首要联系人", "Primary contact"),
    Field.choice("contact_decision_role", DECISION_ROLES, "决策角色", "Decision role"),
    code("contact_owner", "联系人负责人", "Contact's owner"),
    Field.boolean("do_not_call", "请勿致电", "Do not call"),
    Field.boolean("do_not_email", "请勿发邮件", "Do not e-mail"),
)

_TRAITS = (
    Trait("type", "choice", ("party_type",), stop=True),
    Trait("identifier", "identifier", ("tax_id", "registration_number", "identifiers"), stop=True),
    Trait("name", "party_name", ("name", "legal_name")),
    Trait("email", "email", ("email", "contact_points.value", "contacts.email")),
    Trait("domain", "domain", ("website", "email"), unless="email"),
    Trait("phone", "phone", ("phone", "mobile", "contact_points.value", "contacts.mobile")),
    Trait("street", "street", ("address.street", "address.formatted", "addresses.street")),
    Trait("city", "place", ("address.city", "addresses.city")),
    Trait("postal_code", "code", ("address.postal_code", "addresses.postal_code"), unless="street"),
    Trait("birth_date", "date", ("birth_date",)),
)
_BLOCKS = (
    *(("identifier",), ("email",), ("phone",), ("domain",)),
    *(("name:4", "city"), ("name~10",), ("city", "street:-6")),
)

PARTY = Entity(
    "party",
    (*_NAMES, *_REACH, *_ORGANIZATION, *_LISTS, *_CUSTOMER, *_SUPPLIER, *_CONTACT_ROLE),
    "往来单位",
    "Party",
    code="name",
    match=(("tax_id",), ("registration_number",), ("email",), ("mobile",), ("phone",)),
    hard_stops=("tax_id",),
    traits=_TRAITS,
    blocks=_BLOCKS,
)

_SAME_NAMES = (
    *("party_type", "name", "short_name", "legal_name", "mnemonic"),
    *("tax_id", "tax_id_scheme", "registration_number", "legal_form", "legal_representative"),
    *("phone", "mobile", "fax", "email", "website", "wechat"),
    *("address", "addresses", "contact_points", "identifiers", "contacts", "bank_accounts"),
    *("parent", "industry", "employee_count", "annual_revenue", "language"),
)


def _columns(role: str, *names: str) -> dict[str, str]:
    """View field → stored field: the role's column where there is one."""
    stored = PARTY.field
    return {n: f"{role}_{n}" if f"{role}_{n}" in stored else n for n in names}


CUSTOMER = with_options(
    PARTY.view(
        "customer",
        "customer",
        _columns(
            "customer",
            "code",
            *_SAME_NAMES,
            *("status", "group", "category", "level", "source", "territory", "channel"),
            *("lifecycle_stage", "owner", "department", "team"),
            *("currency", "price_list", "payment_term", "payment_method", "discount_pct"),
            *("prices_include_tax", "tax_category", "credit_limit", "credit_days", "credit_policy"),
            *("invoice_title", "invoice_tax_number", "invoice_address", "invoice_phone"),
            *("invoice_bank", "invoice_bank_account", "invoice_type"),
        )
        | {"pool_id": "customer_pool"}
        | _columns(
            "customer",
            *("claimed_at", "expected_return_at", "last_followup_at", "next_followup_at"),
            *("deal_status", "first_order_at", "last_order_at", "tags", "note"),
        ),
        zh="客户",
        en="Customer",
        match=PARTY.match,
        hard_stops=PARTY.hard_stops,
    ),
    {"status": {"required": True, "default": "active"}},
)

SUPPLIER = with_options(
    PARTY.view(
        "supplier",
        "supplier",
        _columns(
            "supplier",
            "code",
            *_SAME_NAMES,
            *("status", "group", "category", "grade", "territory", "owner", "department"),
            *("currency", "payment_term", "payment_method", "tax_category"),
            *("lead_time_days", "min_order_amount", "incoterm", "incoterm_place", "warehouse"),
            *("hold", "hold_until", "delivery_score", "quality_score", "tags", "note"),
        ),
        zh="供应商",
        en="Supplier",
        match=PARTY.match,
        hard_stops=PARTY.hard_stops,
    ),
    {"status": {"required": True, "default": "approved"}},
)

CONTACT = with_options(
    PARTY.view(
        "contact",
        "contact",
        _columns(
            "contact",
            *("code", "name", "party_type", "family_name", "given_name", "salutation"),
            *("account", "title", "department", "phone", "mobile", "fax", "email", "wechat"),
            *("birth_date", "birth_calendar", "gender", "address", "is_primary"),
            *("decision_role", "owner", "do_not_call", "do_not_email", "tags", "note"),
        ),
        zh="联系人",
        en="Contact",
        match=(("email",), ("mobile",)),
    ),
    {"party_type": {"default": "person"}},
)
