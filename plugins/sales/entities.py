"""Leads, opportunities and targets.  Field names as in the canonical model, sections 6 and 7.8."""

from hub.api import RATIO, Entity, Extension, Field

LEAD_STATES = {
    "new": ("assigned", "working", "qualified", "unqualified", "recycled"),
    "assigned": ("working", "qualified", "unqualified", "recycled"),
    "working": ("qualified", "unqualified", "recycled"),
    "qualified": ("converted", "working", "unqualified", "recycled"),
    "recycled": ("assigned", "working", "unqualified"),
    "unqualified": ("recycled", "working"),
    "converted": (),
}
OPPORTUNITY_STATES = {
    "open": ("won", "lost", "cancelled"),
    "won": ("open",),
    "lost": ("open",),
    "cancelled": ("open",),
}
CATEGORIES = ("omitted", "pipeline", "best_case", "commit", "closed")
METRICS = ("order_amount", "order_count")
SUBJECTS = {
    "company": "",
    "department": "department",
    "team": "sales_team",
    "user": "salesperson",
    "channel": "sales_channel",
    "customer": "customer",
}
"""What a target is for → the field of an order that says whose it is; company: all orders."""

LEAD = Entity(
    "lead",
    (
        Field.text("code", "线索编号", "Lead number", size=64),
        Field.text("name", "线索名称", "Subject", size=255, required=True),
        Field.text("company_name", "公司", "Company", size=255),
        Field.text("contact_name", "姓名", "Contact", size=255),
        Field.text("job_title", "职务", "Job title", size=255),
        Field.text("tax_id", "税号", "Tax number", size=50),
        Field.text("phone", "电话", "Phone", size=50, normal="phone_number"),
        Field.text("email", "电子邮箱", "E-mail", size=254, normal="email_address"),
        Field.text("source", "来源", "Source", size=64),
        Field.text("industry", "行业", "Industry", size=64),
        Field.text("need", "需求", "Need"),
        Field.decimal("budget", "预算", "Budget"),
        Field.text("rating", "评级", "Rating", size=64),
        Field.text("owner", "负责人", "Owner", size=64),
        Field.choice("status", tuple(LEAD_STATES), "状态", "Status", required=True, default="new"),
        Field.text("unqualified_reason", "无效原因", "Reason it is no lead", size=64),
        Field.datetime("next_followup_at", "下次跟进", "Next follow-up"),
        Field.datetime("converted_at", "转化时间", "Converted at"),
        Field.ref("converted_customer", "customer", "转化为客户", "Became customer"),
        Field.ref("converted_contact", "contact", "转化为联系人", "Became contact"),
        Field.text("converted_opportunity", "转化为商机", "Became opportunity", size=36),
    ),
    "线索",
    "Lead",
    match=(("email",), ("phone",)),
    states=LEAD_STATES,
    terminal=("converted",),
)

_STAGE_STEP = (
    Field.integer("seq", "序号", "No.", required=True),
    Field.datetime("at", "时间", "At"),
    Field.text("from_stage", "原阶段", "From", size=64),
    Field.text("to_stage", "新阶段", "To", size=64),
    Field.text("by", "操作人", "By", size=128),
    Field.decimal("amount", "金额", "Amount"),
    Field.decimal("probability", "赢率", "Probability", precision=RATIO),
)

OPPORTUNITY = Entity(
    "opportunity",
    (
        Field.text("code", "商机编号", "Opportunity number", size=64),
        Field.text("name", "商机名称", "Name", size=255, required=True),
        Field.ref("customer", "customer", "客户", "Customer"),
        Field.ref("contact", "contact", "联系人", "Contact"),
        Field.ref("lead", "lead", "来源线索", "Lead"),
        Field.text("stage", "阶段", "Stage", size=64),
        Field.choice(
            "status", tuple(OPPORTUNITY_STATES), "状态", "Status", required=True, default="open"
        ),
        Field.decimal("amount", "金额", "Amount"),
        Field.text("currency", "币别", "Currency", size=3),
        Field.decimal("exchange_rate", "汇率", "Exchange rate", precision=(20, 10)),
        Field.decimal("probability", "赢率", "Probability", precision=RATIO),
        Field.boolean("probability_manual", "手工赢率", "Probability set by hand"),
        Field.choice("forecast_category", CATEGORIES, "预测类别", "Forecast category"),
        Field.date("expected_close_on", "预计成交", "Expected close"),
        Field.datetime("opened_at", "创建时间", "Opened at"),
        Field.datetime("closed_at", "成交时间", "Closed at"),
        Field.text("lost_reason", "输单原因", "Reason lost", size=64),
        Field.text("owner", "负责人", "Owner", size=64),
        Field.text("source", "来源", "Source", size=64),
        Field.text("next_step", "下一步", "Next step"),
        Field.list("stages", _STAGE_STEP, "阶段历史", "Stage history", key="seq", rows=True),
    ),
    "商机",
    "Opportunity",
    states=OPPORTUNITY_STATES,
)

TARGET = Entity(
    "sales_target",
    (
        Field.text("code", "目标编号", "Target number", size=64),
        Field.choice("subject_kind", tuple(SUBJECTS), "对象类别", "For a", required=True),
        Field.text("subject", "对象", "Whose", size=64),
        Field.choice("metric", METRICS, "指标", "Metric", required=True, default="order_amount"),
        Field.date("period_start", "开始日期", "From", required=True),
        Field.date("period_end", "结束日期", "To", required=True),
        Field.decimal("target", "目标", "Target", required=True),
        Field.text("parent", "上级目标", "Part of", size=64),
    ),
    "销售目标",
    "Sales target",
)

SPLITS = Extension(
    "sales_order",
    (
        Field.list(
            "splits",
            (
                Field.text("user", "销售员", "Salesperson", size=64, required=True),
                Field.decimal("percent", "比例(%)", "Percent", precision=RATIO, required=True),
            ),
            "业绩分摊",
            "Shared between",
            key="user",
        ),
    ),
)
