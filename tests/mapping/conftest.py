"""An entity with a field of every kind, and shortcuts to mappings of it."""

import pytest

from hub.entity import Entity, Field
from hub.mapping import compile, load

ADDRESS = (
    Field.text("street", "街道", "Street"),
    Field.text("city", "市", "City"),
    Field.text("country", "国家", "Country", normal="country_code"),
)
CONTACT = (
    Field.text("code", "编码", "Code", required=True),
    Field.text("name", "姓名", "Name"),
    Field.text("phone", "电话", "Phone", normal="phone_number"),
)
LINE = (
    Field.text("line_no", "行号", "Line", required=True),
    Field.ref("product", "product", "产品", "Product"),
    Field.decimal("qty", "数量", "Quantity"),
    Field.decimal("amount", "金额", "Amount"),
    Field.list("serials", (Field.text("no"),), key="no"),
)
CUSTOMER = Entity(
    "customer",
    (
        Field.text("code", "编码", "Code"),
        Field.text("name", "名称", "Name", required=True),
        Field.text("note", "备注", "Note"),
        Field.text("phone", "电话", "Phone", normal="phone_number"),
        Field.text("email", "电子邮箱", "E-mail", normal="email_address"),
        Field.choice("status", ("active", "blocked"), "状态", "Status"),
        Field.choice(
            "party_type",
            ("organization", "person"),
            "类型",
            "Type",
            required=True,
            default="organization",
        ),
        Field.decimal("credit_limit", "信用额度", "Credit limit"),
        Field.integer("staff", "人数", "Staff"),
        Field.boolean("vip", "重要客户", "VIP"),
        Field.date("since", "日期", "Since"),
        Field.datetime("seen_at", "最近联系", "Seen at"),
        Field.ref("owner", "party", "负责人", "Owner"),
        Field.ref("payment_term", "payment_term", "收款条件", "Payment term"),
        Field.set("tags", "标签", "Tags"),
        Field.object("address", ADDRESS, "地址", "Address"),
        Field.list("contacts", CONTACT, "联系人", "Contacts", key="code"),
        Field.list("banks", (Field.text("iban"), Field.text("bank")), "银行", "Banks"),
        Field.list("lines", LINE, "明细", "Lines", key="line_no"),
        Field.decimal("total", "合计", "Total"),
    ),
    "客户",
    "Customer",
    match=(("code",),),
)
ENTITIES = {"customer": CUSTOMER}
HEAD = "entity: customer\nstream: customers\nkey: id\n"


def document(rows, head="", **options):
    return load(f"{HEAD}{head}\nrows:\n{rows}", entities=ENTITIES, name="sys/customer", **options)


@pytest.fixture
def mapped():
    """A mapping of these rows, one a line, after a head."""

    def make(*rows, head=""):
        return compile(document("\n".join(f"- {row}" for row in rows), head), CUSTOMER)

    return make
