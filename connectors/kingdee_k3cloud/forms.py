"""What is known of the forms: their keys and the columns that are read and written.

Source: field keys seen in four independent clients (customer, material, order), two (supplier) or
        one (BD_CommonContact); which of them a tenant has says QueryBusinessInfo.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hub.connector import Column
from hub.errors import ConfigError

KINDS = {"text", "decimal", "integer", "flag", "date", "datetime", "ref", "any"}
SHOWN = {"flag": "boolean", "ref": "json", "any": "json"}


@dataclass(frozen=True, slots=True)
class Kind:
    """How a column's values are spelt.  `computed`: by the system, never sent.

    A `ref` is base data, read and written by its number: {"FNumber": "PRE001"}.
    """

    name: str
    target: str = ""
    computed: bool = False
    label: str = ""
    required: bool = False

    @classmethod
    def parse(cls, text: str) -> "Kind":
        """`decimal`, `ref:BD_Currency`, `decimal!` for a computed one."""
        name, _, target = text.removesuffix("!").partition(":")
        if name not in KINDS:
            raise ConfigError(
                "kingdee_k3cloud: setting 'forms': {kind!r} is no kind of column",
                kind=text,
                hint="Kinds: {known}; ref:<form>, and ! for computed ones.",
                known=", ".join(sorted(KINDS)),
            )
        return cls(name, target, text.endswith("!"))

    @property
    def column(self) -> Column:
        shown = SHOWN.get(self.name, self.name)
        return Column(
            shown,
            required=self.required,
            writable=not self.computed,
            target=self.target,
            label=self.label,
        )


Kinds = Mapping[str, Kind]


@dataclass(frozen=True, slots=True)
class Form:
    """`pk`: the internal id.  `key`: what rows are known by: base data by their number, because
    that is how other forms refer to them, bills by their id.  `parts`: sub-heads, whose columns are
    nested in a row as they are in a model; `lists`: entries, with the key of their rows.
    """

    name: str
    label: str
    pk: str
    number: str
    key: str
    organization: str
    columns: Kinds
    modified: str = "FModifyDate"
    parts: Mapping[str, Kinds] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, Kinds]] = field(default_factory=dict)
    made_in: str = ""
    """The column of the organisation that creates, where it is another one."""

    @property
    def heads(self) -> dict[str, tuple[str, Kind]]:
        """Every column that is one per row: query key → (its sub-head or "", kind)."""
        own = {k: ("", kind) for k, kind in self.columns.items()}
        return own | {k: (part, kind) for part, ks in self.parts.items() for k, kind in ks.items()}

    def kind_of(self, key: str) -> Kind | None:
        found = self.heads.get(key)
        return found[1] if found else None

    def narrowed(self, known: "Fields") -> "Form":
        """The columns that this tenant has, and its own: those whose key begins with F_."""

        def there(entity: str, kinds: Kinds) -> dict[str, Kind]:
            found = known.entities.get(entity.lower(), {})
            kept = {
                k: replace(kind, label=known.labels.get(k.lower(), ""))
                for k, kind in kinds.items()
                if k.lower() in known.keys or k == "FSeq"
            }
            ours = {k.lower() for k in kept}
            return kept | {k: v for k, v in found.items() if k.lower() not in ours}

        return replace(
            self,
            columns=there("fbillhead", self.columns),
            parts={p: there(p, ks) for p, ks in self.parts.items()},
            lists={n: (i, there(n, ks)) for n, (i, ks) in self.lists.items()},
        )


@dataclass(frozen=True, slots=True)
class Fields:
    """What QueryBusinessInfo says: all keys, their labels, and each entity's custom fields."""

    keys: frozenset[str]
    labels: Mapping[str, str]
    entities: Mapping[str, Kinds]

    @classmethod
    def parse(cls, answer: Any) -> "Fields | None":
        """None where the answer has another shape than the clients of this call have seen."""
        match answer:
            case {"Result": {"NeedReturnData": {"Entrys": [*entities]}}}:
                pass
            case _:
                return None
        keys, labels, custom = set[str](), dict[str, str](), dict[str, dict[str, Kind]]()
        for entity in entities:
            match entity:
                case {"Key": str(name), "Fields": [*fields]}:
                    own = custom.setdefault(name.lower(), {})
                case _:
                    continue
            for f in fields:
                match f:
                    case {"Key": str(key)}:
                        keys.add(key.lower())
                        labels[key.lower()] = _chinese(f.get("Name"))
                        if key.startswith("F_"):
                            own[key] = _custom(f, labels[key.lower()])
        return cls(frozenset(keys), labels, custom) if keys else None


def _custom(said: Mapping[str, Any], label: str) -> Kind:
    target = said.get("LookUpObjectFormId")
    required = bool(said.get("MustInput")) and said.get("MustInput") != "0"
    if isinstance(target, str) and target:
        return Kind("ref", target, label=label, required=required)
    return Kind("any", label=label, required=required)  # the codes of field types are not known


def _chinese(names: Any) -> str:
    """The Chinese name of a multi-language text, or its first."""
    texts = {
        n.get("Key"): str(n.get("Value") or "")
        for n in (names if isinstance(names, list) else [])
        if isinstance(n, Mapping)
    }
    return texts.get(2052) or next(iter(texts.values()), "")


def _kinds(**kinds: str) -> dict[str, Kind]:
    return {key: Kind.parse(text) for key, text in kinds.items()}


STATUS = {
    "FDocumentStatus": "text!",
    "FForbidStatus": "text!",
    "FCreateDate": "datetime!",
    "FModifyDate": "datetime!",
}
BILL_STATUS = {
    "FDocumentStatus": "text!",
    "FCloseStatus": "text!",
    "FCancelStatus": "text!",
    "FCreateDate": "datetime!",
    "FModifyDate": "datetime!",
    "FApproveDate": "datetime!",
}

FORMS = {
    form.name: form
    for form in (
        Form(
            "BD_Customer",
            "客户",
            pk="FCUSTID",
            number="FNumber",
            key="FNumber",
            organization="FUseOrgId",
            made_in="FCreateOrgId",
            columns=_kinds(
                FCreateOrgId="ref:ORG_Organizations",
                FUseOrgId="ref:ORG_Organizations",
                FNumber="text",
                FName="text",
                FShortName="text",
                FCOUNTRY="ref",
                FPROVINCIAL="ref",
                FADDRESS="text",
                FZIP="text",
                FTEL="text",
                FFAX="text",
                FWEBSITE="text",
                FTAXREGISTERCODE="text",
                FINVOICETITLE="text",
                FGroup="ref",
                FCustTypeId="ref",
                FTRADINGCURRID="ref:BD_Currency",
                FSELLER="ref:BD_Saler",
                FSALDEPTID="ref:BD_Department",
                FRECCONDITIONID="ref:BD_RecCondition",
                FSETTLETYPEID="ref:BD_SETTLETYPE",
                FInvoiceType="text",
                **STATUS,
            ),
            lists={
                "FT_BD_CUSTCONTACT": (
                    "FENTRYID",
                    _kinds(FNUMBER1="text", FNAME1="text", FADDRESS1="text", FMOBILE="text"),
                )
            },
        ),
        Form(
            "BD_CommonContact",
            "联系人",
            pk="FCONTACTID",
            number="FNumber",
            key="FNumber",
            organization="",
            columns=_kinds(
                FNumber="text",
                FName="text",
                FCompany="ref:BD_Customer",
                FMobile="text",
                FTel="text",
                FEmail="text",
                **STATUS,
            ),
        ),
        Form(
            "BD_MATERIAL",
            "物料",
            pk="FMATERIALID",
            number="FNumber",
            key="FNumber",
            organization="FUseOrgId",
            made_in="FCreateOrgId",
            columns=_kinds(
                FCreateOrgId="ref:ORG_Organizations",
                FUseOrgId="ref:ORG_Organizations",
                FNumber="text",
                FName="text",
                FSpecification="text",
                FDescription="text",
                FOldNumber="text",
                FMaterialGroup="ref",
                **STATUS,
            ),
            parts={
                "SubHeadEntity": _kinds(
                    FErpClsID="text",
                    FCategoryID="ref",
                    FBARCODE="text",
                    FBaseUnitId="ref:BD_Unit",
                    FTaxRateId="ref",
                    FIsSale="flag",
                    FIsPurchase="flag",
                    FIsInventory="flag",
                ),
                "SubHeadEntity2": _kinds(FSaleUnitId="ref:BD_Unit", FSalePriceUnitId="ref:BD_Unit"),
            },
        ),
        Form(
            "BD_Supplier",
            "供应商",
            pk="FSupplierId",
            number="FNumber",
            key="FNumber",
            organization="FUseOrgId",
            made_in="FCreateOrgId",
            columns=_kinds(
                FCreateOrgId="ref:ORG_Organizations",
                FUseOrgId="ref:ORG_Organizations",
                FNumber="text",
                FName="text",
                FShortName="text",
                **STATUS,
            ),
        ),
        Form(
            "SAL_SaleOrder",
            "销售订单",
            pk="FID",
            number="FBillNo",
            key="FID",
            organization="FSaleOrgId",
            columns=_kinds(
                FBillTypeID="ref",
                FSaleOrgId="ref:ORG_Organizations",
                FBillNo="text",
                FDate="date",
                FCustId="ref:BD_Customer",
                FSaleDeptId="ref:BD_Department",
                FSalerId="ref:BD_Saler",
                FReceiveId="ref:BD_Customer",
                FSettleId="ref:BD_Customer",
                FChargeId="ref:BD_Customer",
                FNote="text",
                FBillAllAmount="decimal!",
                **BILL_STATUS,
            ),
            # Values are applied in sequence: the currency before the prices.
            parts={
                "FSaleOrderFinance": _kinds(
                    FSettleCurrId="ref:BD_Currency",
                    FIsIncludedTax="flag",
                    FExchangeTypeId="ref",
                    FRecConditionId="ref",
                )
            },
            lists={
                "FSaleOrderEntry": (
                    "FEntryID",
                    _kinds(
                        FSeq="integer!",  # asked for as FSaleOrderEntry_FSeq
                        FMaterialId="ref:BD_MATERIAL",
                        FUnitID="ref:BD_Unit",
                        FQty="decimal",
                        FEntryTaxRate="decimal",
                        FTaxPrice="decimal",
                        FPrice="decimal!",  # follows from the price with tax, which is sent
                        FDiscountRate="decimal",
                        FDeliveryDate="date",
                        FEntryNote="text",
                        FIsFree="flag",
                        FAmount="decimal!",
                        FAllAmount="decimal!",
                        FStockOutQty="decimal!",
                        FMrpCloseStatus="text!",
                    ),
                )
            },
        ),
    )
}


def declared(name: str, said: Any) -> Form:
    """A form of the setting `forms`, or a known one with more columns."""
    known = FORMS.get(name)
    parts: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    allowed = {"pk", "number", "key", "organization", "modified", "columns", "parts", "lists"}
    unknown = sorted(set(parts) - allowed)
    if unknown or not isinstance(said, Mapping) or not (known or parts.get("pk")):
        raise ConfigError(
            "kingdee_k3cloud: setting 'forms': {form} needs `pk` and `columns`; unknown: {unknown}",
            form=name,
            unknown=", ".join(unknown) or "-",
            hint="pk, number, key, organization, modified, columns, parts, lists.",
        )
    base = known or Form(
        name,
        "",
        pk=parts["pk"],
        number=parts.get("number", parts["pk"]),
        key=parts.get("key", parts["pk"]),
        organization=parts.get("organization", ""),
        columns={},
    )
    lists = {
        entity: (
            str(e.get("key", "FEntryID")),
            {**(base.lists.get(entity, ("", {}))[1]), **_given(e.get("columns", {}))},
        )
        for entity, e in parts.get("lists", {}).items()
    }
    return replace(
        base,
        modified=parts.get("modified", base.modified),
        columns={**base.columns, **_given(parts.get("columns", {}))},
        parts={**base.parts, **{p: _given(c) for p, c in parts.get("parts", {}).items()}},
        lists={**base.lists, **lists},
    )


def _given(columns: Any) -> dict[str, Kind]:
    return {str(k): Kind.parse(str(v)) for k, v in dict(columns).items()}
