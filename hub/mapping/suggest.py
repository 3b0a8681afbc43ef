"""Which column may belong to which field: for a person to decide, never applied by itself."""

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.connector import Column, Stream
from hub.entity import Entity, Field
from hub.mapping import kinds
from hub.mapping.check import FITS
from hub.mapping.kinds import Defaults, as_text
from hub.mapping.paths import column_path, parse_path
from hub.mapping.spec import Document
from hub.mapping.yamltext import write_yaml
from hub.values import fold

ENOUGH = 0.45
NEAR = 0.75
MAX_VALUES = 500

# Words that mean the same in names; the first of a line stands for all.
_ALIKE = (
    "phone tel telephone fonumber 电话 固话 座机",
    "mobile cell cellphone handphone 手机 移动电话",
    "email mail 邮箱 电子邮件",
    "code no number nr num id key 编码 编号 代码 单号 号",
    "name title caption bezeichnung 名称 名字 姓名",
    "customer client cust buyer account debtor 客户",
    "supplier vendor creditor 供应商",
    "product item material article sku goods 产品 商品 物料 货品 货号",
    "quantity qty menge 数量",
    "price unitprice rate 单价 价格",
    "amount amt sum value 金额",
    "total gesamt 合计 总计 总额",
    "date day on 日期",
    "address addr street 地址",
    "postal zip postcode plz 邮编 邮政编码",
    "city town ort 城市 市",
    "country land nation 国家 国别",
    "region state province 省 省份 州",
    "currency ccy curr 币别 币种 货币",
    "note remark comment memo description 备注 说明 描述",
    "status state 状态",
    "tax vat 税",
    "unit uom 单位 计量单位",
    "credit 信用",
    "limit line 额度",
)
_SAME: Mapping[str, str] = {w: line.split()[0] for line in _ALIKE for w in line.split()}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A pair of field and column; `score` from 0 to 1, and the parts it is made of."""

    field: str
    column: str
    score: float
    reasons: Mapping[str, float] = dataclasses.field(default_factory=dict)


def suggest(
    entity: Entity,
    stream: Stream,
    *,
    document: Document | None = None,
    samples: Sequence[Mapping[str, Any]] = (),
    records: Sequence[Mapping[str, Any]] = (),
) -> list[Suggestion]:
    """Pairs of what is not mapped yet, best first; every field and column once.

    *samples*: rows of the stream; *records*: canonical records, to compare values with.
    """
    fields, columns = _open(entity, stream, document)
    pairs = [
        suggested
        for column in columns
        for declared in fields
        if (suggested := _pair(declared, column, stream.columns[column], samples, records))
    ]
    return _each_once(sorted(pairs, key=lambda s: (-s.score, s.field, s.column)))


def draft(entity: Entity, stream: Stream, pairs: Sequence[Suggestion]) -> str:
    """A mapping document to begin with; nothing uses it before somebody saves it."""
    head: dict[str, Any] = {"entity": entity.name, "stream": stream.name}
    if stream.key:
        head["key"] = [column_path(name) for name in stream.key]
    if stream.cursor_column:
        head["modified"] = column_path(stream.cursor_column)
    lines = [write_yaml(head).rstrip()]
    if not stream.key:
        lines.append("key:    # the columns that tell rows apart: the system does not say")
    rows = [{"field": p.field, "from": p.column} | _lens(entity, p.field) for p in pairs]
    head_line, *written = write_yaml({"rows": rows}).splitlines()
    scores = [f"    # {pair.score:.0%}" for pair in pairs]
    lines += [head_line, *map("".join, zip(written, scores, strict=False))]
    found = {pair.field for pair in pairs}
    for field in entity.fields:
        if field.required and field.default is None and not field.derived | (field.name in found):
            lines.append(f"# - {{field: {field.name}, from: }}    # required")
    return "\n".join(lines) + "\n"


_LENSES = {"phone_number": "phone", "email_address": "email", "country_code": "country"}


def _lens(entity: Entity, path: str) -> dict[str, bool]:
    """The lens that brings a text into the field's normal form."""
    top, _dot, part = path.partition(".")
    field = entity.field[top].part(part) if part else entity.field[top]
    lens = _LENSES.get(field.normal) if field else None
    return {lens: True} if lens else {}


def _open(
    entity: Entity, stream: Stream, document: Document | None
) -> tuple[list[Field], list[str]]:
    mapped = {r.field for r in document.rows} if document else set()
    used = {parse_path(p).column for r in document.rows for p in r.sources} if document else set()
    fields: list[Field] = []
    for declared in entity.fields:
        if declared.derived or declared.name in mapped:
            continue
        fields += [f for f in _with_parts(declared) if f.name not in mapped]
    return fields, [c for c in stream.columns if c not in used]


def _with_parts(declared: Field) -> Iterable[Field]:
    """The field, or the parts of an object under their full names."""
    if declared.kind != "object" or not declared.fields:
        return [declared]
    zh, en = declared.zh, declared.en
    return [
        Field(
            f"{declared.name}.{part.name}",
            part.kind,
            zh + part.zh,
            f"{en} {part.en}".strip(),
            choices=part.choices,
            normal=part.normal,
            precision=part.precision,
        )
        for part in declared.fields
        if part.kind not in ("object", "list")
    ]


def _pair(
    declared: Field,
    name: str,
    column: Column,
    samples: Sequence[Mapping[str, Any]],
    records: Sequence[Mapping[str, Any]],
) -> Suggestion | None:
    if column.kind not in FITS.get(declared.kind, ()):
        return None
    reasons = {"name": _names_alike(declared, name, column.label)}
    seen = [row[name] for row in samples[:MAX_VALUES] if row.get(name) not in (None, "")]
    if declared.choices and (column.choices or seen):
        reasons["codes"] = _codes_alike(declared, column.choices or map(as_text, seen))
    if seen:
        reasons["values"] = _values_alike(declared, seen, records)
    score = _score(reasons)
    return Suggestion(declared.name, column_path(name), round(score, 3), reasons) if (
        score >= ENOUGH
    ) else None  # fmt: skip


def _score(reasons: Mapping[str, float]) -> float:
    """The name counts most; equal values are as good as an equal name."""
    score = reasons["name"]
    for reason in ("codes", "values"):
        if reason in reasons:
            found = reasons[reason]
            score = max(score * 0.8 + found * 0.2, found * 0.7 + score * 0.3)
    return score


def _each_once(pairs: Iterable[Suggestion]) -> list[Suggestion]:
    fields: set[str] = set()
    columns: set[str] = set()
    found = []
    for pair in pairs:
        if pair.field not in fields and pair.column not in columns:
            fields.add(pair.field)
            columns.add(pair.column)
            found.append(pair)
    return found


# ----------------------------------------------------------------------------------------- names


def _names_alike(declared: Field, column: str, label: str) -> float:
    """The best likeness of any of our names and any of theirs, in either language."""
    ours = [n for n in (declared.name, declared.en, declared.zh) if n]
    theirs = [n for n in (column, label) if n]
    return max((_alike(a, b) for a in ours for b in theirs), default=0.0)


def _alike(a: str, b: str) -> float:
    ours, theirs = _words(a), _words(b)
    if not ours or not theirs:
        return 0.0
    if _joined(a) == _joined(b):
        return 1.0
    common = 2 * len(ours & theirs) / (len(ours) + len(theirs))
    spelt = difflib.SequenceMatcher(None, _joined(a), _joined(b)).ratio()
    return max(common * 0.95, spelt * 0.9 if spelt > NEAR else 0.0)


_camel = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_apart = re.compile(r"[\W_]+|(?<=[^\x00-\x7f])(?=[\x00-\x7f])|(?<=[\x00-\x7f])(?=[^\x00-\x7f])")
_prefix = re.compile(r"^(?:F(?=[A-Z][a-zA-Z])|[a-z](?=[A-Z][a-z])|x_|custom_|_widget_)")
"""Systems put a letter before every name: FName, cCusName."""


def _words(name: str) -> frozenset[str]:
    """The words of a name, synonyms as one: `cCusTel`, `customer_phone` and 客户电话 are one."""
    bare = _camel.sub(" ", _prefix.sub("", name))
    words = [w for w in _apart.split(bare.casefold()) if w]
    return frozenset(part for word in words for part in _meanings(word))


def _meanings(word: str) -> list[str]:
    if word in _SAME:
        return [_SAME[word]]
    if word.isascii():
        return [word.removesuffix("s") if len(word) > 3 else word]
    found, rest = [], word
    for known in sorted((w for w in _SAME if not w.isascii()), key=len, reverse=True):
        if known in rest:
            found.append(_SAME[known])
            rest = rest.replace(known, "")
    return found + ([rest] if rest else [])


def _joined(name: str) -> str:
    return "".join(_apart.split(_prefix.sub("", name).casefold()))


# ---------------------------------------------------------------------------------------- values


def _codes_alike(declared: Field, codes: Iterable[str]) -> float:
    theirs = {fold(c) for c in codes if c}
    ours = {fold(c) for c in declared.choices}
    return len(theirs & ours) / len(theirs) if theirs else 0.0


def _values_alike(
    declared: Field, seen: Sequence[Any], records: Sequence[Mapping[str, Any]]
) -> float:
    """How many of the values are values of the field at all, or of our records already."""
    read = kinds.reader(declared, Defaults(zone="UTC"))
    known = {fold(str(v)) for r in records[:MAX_VALUES] if (v := r.get(declared.name)) is not None}
    good, met = 0, 0
    for value in seen:
        try:
            canonical = read(value)
        except ValueError:
            continue
        good += 1
        met += fold(str(canonical)) in known
    if known:
        return met / len(seen)
    telling = declared.normal or declared.kind not in ("text", "ref", "boolean", "integer")
    return 0.5 * good / len(seen) if telling else 0.0
