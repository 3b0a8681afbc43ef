"""Sales orders, and what they refer to: payment terms and tax codes.

Rates and percentages are percent: 13 is 13 %.  The amounts of a document are in its currency.
"""

from hub.entity import MONEY, PRICE, QUANTITY, RATIO, Entity, Field
from hub.model.parts import ADDRESS, CODE, NAME, SHORT, code, country, currency, phone

STATES = {
    "draft": ("pending_approval", "confirmed", "cancelled"),
    "pending_approval": ("confirmed", "draft", "cancelled"),
    "confirmed": ("completed", "closed", "draft", "cancelled"),
    "completed": ("confirmed",),
    "closed": ("confirmed",),
    "cancelled": ("draft",),
}
LINE_TYPES = ("item", "gift", "charge", "section", "note", "subtotal", "down_payment")
FULFILMENT = ("not_applicable", "none", "partial", "done", "over")
PAYMENT = ("unpaid", "partial", "paid", "overpaid", "reversed")
PART_TYPES = ("advance", "on_delivery", "after_invoice", "milestone", "balance", "instalment")
TAX_CATEGORIES = ("S", "Z", "E", "AE", "K", "G", "O")


def _money(name: str, zh: str, en: str, *, derived: bool = False) -> Field:
    return Field.decimal(name, zh, en, precision=MONEY, derived=derived)


def _qty(name: str, zh: str, en: str, *, derived: bool = False) -> Field:
    return Field.decimal(name, zh, en, precision=QUANTITY, derived=derived)


_TAX = (
    Field.ref("tax_code", "tax_code", "税码", "Tax code"),
    Field.choice("category", TAX_CATEGORIES, "税类别", "Tax category"),
    Field.decimal("rate", "税率(%)", "Rate (%)", precision=RATIO),
    _money("base", "计税基数", "Base"),
    _money("amount", "税额", "Amount"),
    Field.boolean("included", "含在价内", "Included in price"),
    Field.text("exemption_reason", "免税原因", "Exemption reason", size=NAME),
)

_DISCOUNT = (
    Field.decimal("pct", "折扣(%)", "Discount (%)", precision=RATIO),
    _money("amount", "折扣额", "Discount amount"),
    Field.text("reason", "原因", "Reason", size=NAME),
    code("origin", "来源", "Origin"),
)

_LINE_CHARGE = (
    _money("amount", "费用金额", "Amount"),
    Field.text("reason", "原因", "Reason", size=NAME),
    code("origin", "来源", "Origin"),
)

_ALLOWANCE_CHARGE = (
    Field.choice("kind", ("allowance", "charge"), "类别", "Kind", required=True),
    code("reason_code", "原因代码", "Reason code"),
    Field.text("reason", "原因", "Reason", size=NAME),
    Field.decimal("percent", "百分比(%)", "Percent", precision=RATIO),
    _money("base_amount", "基数", "Base amount"),
    _money("amount", "金额", "Amount"),
    Field.ref("tax_code", "tax_code", "税码", "Tax code"),
    Field.choice("tax_category", TAX_CATEGORIES, "税类别", "Tax category"),
    Field.decimal("tax_rate", "税率(%)", "Tax rate (%)", precision=RATIO),
    Field.integer("sequence", "序号", "Sequence"),
    code("origin", "来源", "Origin"),
)

_SCHEDULE_LINE = (
    Field.integer("no", "序号", "No.", required=True),
    Field.date("requested_on", "要求交期", "Requested on"),
    Field.date("confirmed_on", "确认交期", "Confirmed on"),
    _qty("qty", "数量", "Quantity"),
    _qty("confirmed_qty", "确认数量", "Confirmed quantity"),
    _qty("delivered_qty", "已交数量", "Delivered quantity"),
)

_PAYMENT_PART = (
    Field.integer("seq", "序号", "Sequence", required=True),
    Field.choice("type", PART_TYPES, "类型", "Type"),
    Field.date("due_on", "到期日", "Due on"),
    Field.text("due_rule", "到期规则", "Due rule", size=NAME),
    Field.decimal("percent", "比例(%)", "Percent", precision=RATIO),
    _money("amount", "金额", "Amount"),
    Field.text("milestone", "里程碑", "Milestone", size=NAME),
    _money("invoiced_amount", "已开票金额", "Invoiced amount", derived=True),
    _money("paid_amount", "已付金额", "Paid amount", derived=True),
)

_LINE = (
    Field.integer("line_no", "行号", "Line no.", required=True),
    Field.integer("parent_line_no", "上级行号", "Parent line no."),
    Field.choice("line_type", LINE_TYPES, "行类型", "Line type", required=True, default="item"),
    Field.ref("product", "product", "产品", "Product"),
    code("sku", "SKU", "SKU"),
    Field.text("description", "描述", "Description", size=2000),
    Field.text("specification", "规格型号", "Specification", size=NAME),
    code("customer_sku", "客户料号", "Customer's SKU"),
    _qty("qty", "数量", "Quantity"),
    Field.ref("unit", "uom", "单位", "Unit"),
    _qty("base_qty", "基本数量", "Base quantity"),
    _qty("ratio_num", "换算分子", "Ratio numerator"),
    _qty("ratio_den", "换算分母", "Ratio denominator"),
    Field.ref("price_unit", "uom", "计价单位", "Price unit"),
    _qty("price_per_qty", "价格数量", "Price per quantity"),
    Field.decimal("list_price", "标准价", "List price", precision=PRICE),
    Field.decimal("unit_price", "单价", "Unit price", precision=PRICE),
    Field.decimal("net_unit_price", "无税单价", "Net unit price", precision=PRICE),
    Field.decimal("tax_incl_unit_price", "含税单价", "Unit price with tax", precision=PRICE),
    Field.choice("price_entry", ("net", "gross"), "录入价格", "Entered price"),
    Field.boolean("price_locked", "锁定价格", "Price locked"),
    Field.list("discounts", _DISCOUNT, "折扣", "Discounts"),
    Field.list("charges", _LINE_CHARGE, "行费用", "Charges"),
    Field.list("taxes", _TAX, "税", "Taxes"),
    _money("gross_amount", "金额", "Gross amount"),
    _money("discount_amount", "折扣额", "Discount amount"),
    _money("net_amount", "无税金额", "Net amount"),
    _money("tax_amount", "税额", "Tax amount"),
    _money("total_amount", "价税合计", "Total amount"),
    code("warehouse", "仓库", "Warehouse"),
    code("location", "仓位", "Location"),
    code("lot", "批号", "Lot"),
    Field.set("serials", "序列号", "Serial numbers"),
    Field.date("requested_on", "要求交期", "Requested on"),
    Field.date("promised_on", "承诺交期", "Promised on"),
    Field.list("schedule_lines", _SCHEDULE_LINE, "交货计划", "Delivery schedule", key="no"),
    Field.decimal("cost_price", "成本价", "Cost price", precision=PRICE),
    _money("cost_amount", "成本金额", "Cost amount"),
    _qty("reserved_qty", "预留数量", "Reserved quantity", derived=True),
    _qty("shipped_qty", "已发数量", "Shipped quantity", derived=True),
    _qty("delivered_qty", "已交数量", "Delivered quantity", derived=True),
    _qty("returned_qty", "退货数量", "Returned quantity", derived=True),
    _qty("invoiced_qty", "已开票数量", "Invoiced quantity", derived=True),
    _qty("cancelled_qty", "取消数量", "Cancelled quantity", derived=True),
    Field.choice(
        "line_status",
        ("open", "closed", "cancelled"),
        "行状态",
        "Line status",
        required=True,
        default="open",
    ),
    Field.text("status_reason", "状态原因", "Reason of status", size=NAME),
    Field.boolean("commission_eligible", "计提成", "Commission eligible"),
    Field.text("note", "备注", "Note"),
)

_PARTY_SNAPSHOT = (
    code("code", "编码", "Code"),
    Field.text("name", "名称", "Name", size=NAME),
    Field.text("tax_id", "税号", "Tax number", size=SHORT),
    Field.text("contact_name", "联系人", "Contact name", size=NAME),
    phone("phone", "电话", "Phone"),
    phone("mobile", "手机", "Mobile"),
    Field.text("email", "电子邮箱", "E-mail", size=254, normal="email_address"),
)

_SNAPSHOT_ADDRESS = (Field.text("name", "名称", "Name", size=NAME), *ADDRESS)

_APPROVAL = (
    Field.choice(
        "state",
        ("not_required", "pending", "approved", "rejected", "withdrawn"),
        "审批状态",
        "Approval",
    ),
    Field.text("instance_id", "审批单号", "Instance", size=NAME),
    code("approved_by", "审批人", "Approved by"),
    Field.datetime("approved_at", "审批时间", "Approved at"),
    Field.text("comment", "审批意见", "Comment"),
)

_BLOCK = (
    Field.choice(
        "type",
        ("credit", "delivery", "billing", "manual", "quality"),
        "冻结类型",
        "Type",
        required=True,
    ),
    Field.text("reason", "原因", "Reason", size=NAME),
    code("by", "冻结人", "By"),
    Field.datetime("at", "冻结时间", "At"),
)

_HEADER = (
    code("number", "单据编号", "Number"),
    code("doc_type", "单据类型", "Document type"),
    Field.choice("status", tuple(STATES), "状态", "Status", required=True, default="draft"),
    Field.object("approval", _APPROVAL, "审批", "Approval"),
    Field.date("doc_date", "单据日期", "Document date", required=True),
    Field.text("customer_ref", "客户订单号", "Customer's reference", size=100),
    Field.date("customer_ref_date", "客户订单日期", "Date of customer's reference"),
    Field.ref("customer", "customer", "客户", "Customer"),
    Field.ref("contact", "contact", "联系人", "Contact"),
    Field.ref("bill_to", "party", "结算方", "Bill to"),
    Field.ref("ship_to", "party", "收货方", "Ship to"),
    Field.ref("payer", "party", "付款方", "Payer"),
    Field.ref("end_customer", "party", "最终客户", "End customer"),
    Field.ref("partner", "party", "渠道伙伴", "Channel partner"),
    Field.object("party_snapshot", _PARTY_SNAPSHOT, "往来方快照", "Party as printed"),
    Field.object("billing_address", _SNAPSHOT_ADDRESS, "开票地址", "Billing address"),
    Field.object("shipping_address", _SNAPSHOT_ADDRESS, "收货地址", "Shipping address"),
    code("company", "销售组织", "Company"),
    code("department", "部门", "Department"),
    code("salesperson", "销售员", "Salesperson"),
    code("sales_team", "销售团队", "Sales team"),
    code("sales_channel", "销售渠道", "Sales channel"),
    code("territory", "区域", "Territory"),
    code("division", "产品线", "Division"),
    Field.choice(
        "order_source",
        ("manual", "web", "edi", "import", "api", "mobile"),
        "订单来源",
        "Order source",
    ),
)

_TERMS = (
    currency(required=True),
    Field.decimal("exchange_rate", "汇率", "Exchange rate", precision=(20, 10)),
    Field.date("rate_date", "汇率日期", "Rate date"),
    code("rate_type", "汇率类型", "Rate type"),
    Field.ref("price_list", "price_list", "价目表", "Price list"),
    Field.boolean("tax_included", "含税单价", "Prices include tax", default=False),
    Field.choice(
        "tax_rounding",
        ("per_line", "per_group"),
        "税额舍入",
        "Rounding of tax",
        default="per_line",
    ),
    Field.date("requested_on", "要求交期", "Requested on"),
    Field.date("promised_on", "承诺交期", "Promised on"),
    Field.date("valid_until", "有效期至", "Valid until"),
    Field.date("shipped_on", "发货日期", "Shipped on"),
    Field.ref("payment_term", "payment_term", "收款条件", "Payment term"),
    Field.list("payment_schedule", _PAYMENT_PART, "收款计划", "Payment schedule", key="seq"),
    code("payment_method", "结算方式", "Payment method"),
    code("incoterm", "贸易术语", "Incoterm"),
    Field.text("incoterm_place", "交货地点", "Incoterm place", size=NAME),
    code("shipping_method", "发运方式", "Shipping method"),
    Field.ref("carrier", "party", "承运商", "Carrier"),
    code("warehouse", "仓库", "Warehouse"),
    Field.boolean("complete_delivery_required", "整单发货", "Complete delivery required"),
    Field.list("blocks", _BLOCK, "冻结", "Blocks", key="type"),
)

_AMOUNTS = (
    Field.list("lines", _LINE, "明细", "Lines", key="line_no", rows=True),
    Field.list("allowances_charges", _ALLOWANCE_CHARGE, "整单折扣/费用", "Allowances and charges"),
    Field.list("taxes", _TAX, "税额汇总", "Taxes"),
    _money("lines_gross", "明细金额合计", "Gross of lines"),
    _money("line_discounts", "明细折扣合计", "Discounts of lines"),
    _money("subtotal", "小计", "Subtotal"),
    _money("allowances_total", "整单折扣合计", "Allowances"),
    _money("charges_total", "整单费用合计", "Charges"),
    _money("untaxed_total", "无税合计", "Total without tax"),
    _money("tax_total", "税额合计", "Tax"),
    _money("rounding_adjustment", "舍入调整", "Rounding adjustment"),
    _money("grand_total", "价税合计", "Grand total"),
    _money("prepaid", "预收金额", "Prepaid"),
    _money("amount_due", "应收余额", "Amount due"),
    _money("grand_total_base", "本位币合计", "Grand total in company currency"),
    Field.boolean("totals_mismatch", "合计不符", "Totals do not agree", derived=True),
)

_PROGRESS = (
    Field.datetime("confirmed_at", "确认时间", "Confirmed at"),
    Field.choice("delivery_status", FULFILMENT, "发货状态", "Delivery status", derived=True),
    Field.choice("billing_status", FULFILMENT, "开票状态", "Billing status", derived=True),
    Field.choice("payment_status", PAYMENT, "付款状态", "Payment status", derived=True),
    Field.decimal("delivered_pct", "发货比例(%)", "Delivered (%)", precision=RATIO, derived=True),
    Field.decimal("billed_pct", "开票比例(%)", "Billed (%)", precision=RATIO, derived=True),
    Field.text("note", "备注", "Note"),
    Field.text("internal_note", "内部备注", "Internal note"),
    Field.text("terms", "条款", "Terms"),
    Field.integer("revision", "版本", "Revision"),
    Field.ref("original", "sales_order", "原单", "Original"),
    code("closed_reason", "关闭原因", "Reason of closing"),
    code("cancelled_reason", "作废原因", "Reason of cancellation"),
    Field.set("tags", "标签", "Tags"),
)

SALES_ORDER = Entity(
    "sales_order",
    (*_HEADER, *_TERMS, *_AMOUNTS, *_PROGRESS),
    "销售订单",
    "Sales order",
    code="number",
    # A number identifies an order in one system, which is what its link says; another system's
    # order of the same number is another order.  The buyer's own number on the same day is not.
    match=(("customer", "customer_ref", "doc_date"),),
    states=STATES,
)

_TERM_PART = (
    Field.integer("seq", "序号", "Sequence", required=True),
    Field.choice("type", PART_TYPES, "类型", "Type"),
    Field.decimal("percent", "比例(%)", "Percent", precision=RATIO),
    _money("amount", "金额", "Amount"),
    Field.integer("days", "天数", "Days"),
    Field.integer("months", "月数", "Months"),
    Field.boolean("end_of_month", "月末", "End of month"),
    Field.integer("fixed_day", "固定日", "Fixed day"),
    Field.decimal("discount_pct", "现金折扣(%)", "Cash discount (%)", precision=RATIO),
    Field.integer("discount_days", "折扣天数", "Discount days"),
)

PAYMENT_TERM = Entity(
    "payment_term",
    (
        code("code", "条件编码", "Payment term code"),
        Field.text("name", "名称", "Name", size=NAME, required=True),
        Field.text("description", "描述", "Description"),
        Field.list("parts", _TERM_PART, "分期", "Parts", key="seq"),
    ),
    "收付款条件",
    "Payment term",
)

TAX_CODE = Entity(
    "tax_code",
    (
        code("code", "税码", "Tax code"),
        Field.text("name", "名称", "Name", size=NAME, required=True),
        country(),
        Field.choice("kind", ("vat", "sales", "excise", "withholding"), "税种", "Kind"),
        Field.choice("category", TAX_CATEGORIES, "税类别", "Category"),
        Field.decimal("rate", "税率(%)", "Rate (%)", precision=RATIO),
        Field.boolean("included_in_price", "价内税", "Included in price"),
        Field.date("valid_from", "生效日期", "Valid from"),
        Field.date("valid_to", "失效日期", "Valid to"),
        Field.text("exemption_reason", "免税原因", "Exemption reason", size=CODE),
    ),
    "税码",
    "Tax code",
)
