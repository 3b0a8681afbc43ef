"""What is known of the resources: their two names, their columns, what their lists can be asked for.

Source: the vendor's pages on each interface, and typed models in three clients; keys as on the wire.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from hub.connector import BadRow, Column, Row
from hub.errors import ProtocolError

OWN = re.compile(r"(self_)?define\d{1,2}|free\d{1,2}")
"""Free fields: which of them mean anything, every enterprise decides for itself."""
BAD_VALUE = "a value that is no {kind}"


def _columns(texts: str, **kinds: str) -> dict[str, str]:
    return {**dict.fromkeys(texts.split(), "text"), **kinds}


@dataclass(frozen=True, slots=True)
class Resource:
    """`listed`: the name of its list.  `since`: the column that changed rows are found by, and the
    parameters of the list for it, each of which finds some of them.  `lines`: the child list, whose
    rows the list does not bring.  `find`: parameters that look for a column.  `computed`: never sent.
    """

    name: str
    label: str
    columns: Mapping[str, str]
    listed: str = ""
    since: str = ""
    since_params: tuple[str, ...] = ()
    lines: Mapping[str, str] = field(default_factory=dict)
    find: tuple[str, ...] = ()
    computed: frozenset[str] = frozenset()
    edits: bool = True

    @property
    def list_name(self) -> str:
        return self.listed or self.name

    def shown(self) -> dict[str, Column]:
        found = {n: _column(n, k, self) for n, k in self.columns.items()}
        prefix = "define" if self.lines else "self_define"
        found |= {f"{prefix}{n}": Column("text") for n in range(1, 17)}
        if self.lines:
            inner = {n: _column(n, k, self) for n, k in self.lines.items()}
            inner |= {f"free{n}": Column("text") for n in range(1, 11)}
            inner |= {f"define{n}": Column("text") for n in range(22, 38)}
            found["entry"] = Column("rows", columns=inner)
        return found


def _column(name: str, kind: str, resource: Resource) -> Column:
    return Column(kind, required=name == "code", writable=name not in resource.computed)


STAMPS = frozenset(
    {"timestamp", "ModifyDate", "end_date", "state", "money", "sum", "verifier", "closer"}
)

RESOURCES = {
    r.name: r
    for r in (
        Resource(
            "customer",
            "客户档案",
            _columns(
                "code name abbrname sort_code domain_code industry address bank_open "
                "bank_acc_number contact phone fax mobile memo ccusexch_name spec_operator",
                end_date="date",
                ModifyDate="date",
                timestamp="integer",
            ),
            since="timestamp",
            since_params=("timestamp_begin",),
            find=("name",),
            computed=STAMPS,
        ),
        Resource(
            "customercontacts",
            "客户联系人",
            _columns("code name ccuscode ccusname mobilephone officephone email position sex"),
            computed=frozenset({"ccusname"}),
        ),
        Resource(
            "inventory",
            "存货档案",
            _columns(
                "code name invaddcode specs sort_code main_measure ccomunitname unitgroup_code "
                "barcode defwarehouse",
                ref_sale_price="decimal",
                tax_rate="decimal",
                start_date="date",
                end_date="date",
                ModifyDate="date",
            ),
            since="ModifyDate",  # a day; a new row has none of it, but a first day of use
            since_params=("modifydate_begin", "start_date_begin"),
            find=("name", "specs", "sort_code", "invaddcode"),
            computed=STAMPS | {"ccomunitname"},
        ),
        Resource(
            "vendor",
            "供应商档案",
            _columns(
                "code name abbrname sort_code industry address contact phone fax mobile memo",
                end_date="date",
            ),
            find=("name",),
            computed=STAMPS,
        ),
        Resource(
            "saleorder",
            "销售订单",
            _columns(
                "code businesstype typecode typename state custcode cusname deptcode personcode "
                "sendaddress ccusperson memo maker verifier closer",
                date="date",
                dpredatebt="date",
                taxrate="decimal",
                money="decimal",
                sum="decimal",
                timestamp="integer",
            ),
            listed="saleorderlist",
            since="timestamp",
            since_params=("timestamp_begin",),
            lines=_columns(
                "inventorycode inventoryname invstd unitcode unitname ccontractid",
                rowno="integer",
                quantity="decimal",
                num="decimal",
                quotedprice="decimal",
                unitprice="decimal",
                taxunitprice="decimal",
                taxrate="decimal",
                money="decimal",
                tax="decimal",
                sum="decimal",
                bgift="boolean",
            ),
            find=("custcode", "cusname", "memo", "personcode", "deptcode", "maker"),
            # the gross price is the one that is sent: U8 works out the other amounts from it
            computed=STAMPS
            | {"typename", "cusname", "maker", "inventoryname", "invstd", "unitname"}
            | {"unitprice", "tax"},
            edits=False,
        ),
    )
}


def row_of(resource: Resource, said: Any) -> Row | BadRow:
    """A row: what is left out is null, and practically all values are texts."""
    if not isinstance(said, Mapping) or said.get("code") in (None, ""):
        raise ProtocolError("U8 {place}: a record without a code", place=resource.name)
    row: dict[str, Any] = {}
    at = ""
    try:
        for at, kind in resource.columns.items():
            row[at] = decode(kind, said.get(at))
        row |= {k: decode("text", v) for k, v in said.items() if OWN.fullmatch(str(k))}
        if resource.lines and "entry" in said:
            at = "entry"
            row["entry"] = [_line(resource, e) for e in said["entry"] or []]
    except (ValueError, TypeError, InvalidOperation):
        kind = resource.columns.get(at, "line")
        place = f"{resource.name} {said['code']}"
        return BadRow(place, dict(said), BAD_VALUE, {"kind": kind, "column": at})
    return row


def _line(resource: Resource, said: Any) -> dict[str, Any]:
    if not isinstance(said, Mapping):
        raise ValueError(said)
    values = {n: decode(kind, said.get(n)) for n, kind in resource.lines.items()}
    return values | {k: decode("text", v) for k, v in said.items() if OWN.fullmatch(str(k))}


def decode(kind: str, value: Any) -> Any:
    if value is None or value == "":
        return None
    if isinstance(value, list | Mapping):
        raise ValueError(value)
    match kind:
        case "decimal" if not isinstance(value, bool):
            return Decimal(str(value).strip())
        case "integer" if not isinstance(value, bool):
            number = Decimal(str(value).strip())
            if number != number.to_integral_value():
                raise ValueError(value)
            return int(number)
        case "boolean":
            return value if isinstance(value, bool) else str(value).lower() in {"1", "true", "是"}
        case "date":
            return date.fromisoformat(str(value)[:10])
        case "text":
            return str(value)
    raise ValueError(value)


def data_of(resource: Resource, values: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent: nulls are left out, as U8 itself leaves them out."""
    data = {
        name: _encode(value)
        for name, value in values.items()
        if _is_sent(resource, resource.columns, name) and value is not None
    }
    if resource.lines and values.get("entry"):
        data["entry"] = [
            {
                n: _encode(v)
                for n, v in line.items()
                if v is not None and _is_sent(resource, resource.lines, n)
            }
            for line in values["entry"]
        ]
    return data


def _is_sent(resource: Resource, known: Mapping[str, str], name: str) -> bool:
    return name not in resource.computed and (name in known or bool(OWN.fullmatch(name)))


def _encode(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return value.isoformat()[:10] if isinstance(value, date) else value
