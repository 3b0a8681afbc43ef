"""The lenses: pairs of pure functions between a remote value and a canonical one.

`get(remote) → canonical` never sees absent, null or "" (the row's cell deals with those, but text
does get ""); `put(canonical, old remote) → remote` never gets null.  Each states its law class.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from hub import values as rules
from hub.entity import Field
from hub.mapping import kinds
from hub.mapping.document import RowSpec
from hub.mapping.kinds import Defaults, as_text, unknown_code
from hub.mapping.paths import MISSING
from hub.mapping.problems import LensError

LOSSLESS, KEEPING, ONE_WAY = "lossless", "keeping", "one-way"


class Lens:
    """The plain copy: reads by the canonical kind, writes in the remote value's own type."""

    law: ClassVar[str] = KEEPING
    needs_source: ClassVar[bool] = True
    reads_blank: ClassVar[bool] = False

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        self.spec, self.field, self.defaults = spec, field, defaults
        self.options: Any = spec.options
        self.get: Callable[[Any], Any] = self.read
        self._reader = kinds.reader(field, defaults)
        self._writer = kinds.writer(field, defaults)
        if type(self) is Lens:
            self.get = self._reader  # one call less on the hot path

    def read(self, value: Any) -> Any:
        return self._reader(value)

    def put(self, value: Any, old: Any) -> Any:
        """The remote value; the old one stays where it says the same."""
        return self._writer(value, old)

    def option(self, name: str, default: Any = None) -> Any:
        return self.options.get(name, default) if isinstance(self.options, Mapping) else default

    def keeps(self, value: Any, old: Any) -> bool:
        """Whether the old remote value already says *value*."""
        if old is MISSING or old is None:
            return False
        try:
            return bool(self.get(old) == value)
        except ValueError:
            return False


class TextLens(Lens):
    """`text: {trim: true, max: 80, case: upper, cut: false}`"""

    def read(self, value: Any) -> Any:
        text = as_text(value, self.defaults.zone)
        if self.option("trim"):
            text = text.strip()
        match self.option("case"):
            case "upper":
                return text.upper()
            case "lower":
                return text.lower()
        return text

    def put(self, value: Any, old: Any) -> Any:
        if self.keeps(value, old):
            return old
        most = self.option("max")
        if most and len(value) > most:
            if not self.option("cut"):
                raise LensError(
                    "longer than the {most} characters that the system takes: {value!r}",
                    code="too-long",
                    hint="Shorten it, or say `cut: true` in the mapping.",
                    value=value,
                    most=most,
                )
            value = value[:most]
        return kinds.write_as(value, old)


class CodesLens(Lens):
    """`codes: {A: active, B: blocked}`; several codes of one meaning keep the old one."""

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        codes = dict(self.options or {})
        self.booleans = bool(codes) and all(isinstance(c, bool) for c in codes)
        self._truth = kinds.reader(Field.boolean("code"), defaults)
        self._write_truth = kinds.writer(Field.boolean("code"), defaults)
        self.meaning = {c if self.booleans else as_text(c): v for c, v in codes.items()}
        self.code: dict[Any, Any] = {}
        for code, value in codes.items():
            self.code.setdefault(value, code)
        self.law = LOSSLESS if len(self.code) == len(codes) else KEEPING  # type: ignore[misc]

    def read(self, value: Any) -> Any:
        code = self._truth(value) if self.booleans else as_text(value)
        if code not in self.meaning:
            raise unknown_code(value, self.meaning)
        return self.meaning[code]

    def put(self, value: Any, old: Any) -> Any:
        if self.keeps(value, old):
            return old
        if value not in self.code:
            raise LensError(
                "no code of the system means {value!r}; known are {known}",
                code="unknown-code",
                hint=kinds.CODES_HINT,
                value=value,
                known=", ".join(map(str, self.code)),
            )
        code = self.code[value]
        return self._write_truth(code, old) if self.booleans else code


class TableLens(CodesLens):
    """`table: {rows: {k: v}, else: keep}`: a value table; unknown values are refused or kept."""

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        rows = (spec.options or {}).get("rows", {})
        flat = RowSpec(spec.field, spec.source, spec.lens, rows)
        super().__init__(flat, field, defaults)
        self.keep = (spec.options or {}).get("else") == "keep"

    def read(self, value: Any) -> Any:
        if self.keep and as_text(value) not in self.meaning:
            return self._reader(value)
        return super().read(value)

    def put(self, value: Any, old: Any) -> Any:
        if self.keep and value not in self.code:
            return self._writer(value, old)
        return super().put(value, old)


class BoolLens(Lens):
    """`bool: {true: Y, false: N}`"""

    law = KEEPING

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        words = self.options if isinstance(self.options, Mapping) else {}
        self.words = {bool(k): v for k, v in words.items()}
        self.truth = {as_text(v): k for k, v in self.words.items()}

    def read(self, value: Any) -> Any:
        text = as_text(value)
        if self.truth and text not in self.truth:
            raise unknown_code(value, self.truth)
        return self.truth[text] if self.truth else self._reader(value)

    def put(self, value: Any, old: Any) -> Any:
        if self.keeps(value, old):
            return old
        return self.words[value] if self.words else self._writer(value, old)


class DecimalLens(Lens):
    """`decimal: {scale: 2, factor: 100, group: ",", point: "."}`; canonical = remote × factor."""

    law = KEEPING

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        self.factor = Decimal(str(self.option("factor", 1)))
        scale = self.option("scale")
        self.scale: int | None = scale
        self.group, self.point = self.option("group", ""), self.option("point", ".")

    def read(self, value: Any) -> Any:
        if isinstance(value, str):
            value = value.replace(self.group, "") if self.group else value
            value = value.replace(self.point, ".") if self.point != "." else value
        text = rules.decimal_text(value)
        if self.factor != 1:
            text = rules.decimal_text(Decimal(text) * self.factor)
        return text if self.field.kind != "integer" else int(Decimal(text))

    def put(self, value: Any, old: Any) -> Any:
        if self.keeps(value, old):
            return old
        number = Decimal(str(value)) / self.factor
        if self.scale is not None:
            number = rules.round_half_up(number, self.scale)
        return kinds.number_as(number, old)


class MoneyLens(DecimalLens):
    """`money: {currency: CNY, minor: false}`; rounds to the currency; `minor`: counted in cents."""

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        currency = self.option("currency") or defaults.currency
        digits = rules.currency_digits(currency) if currency else None
        if self.option("minor"):
            self.factor = Decimal(1).scaleb(-(2 if digits is None else digits))
            self.scale = 0
        elif self.scale is None:
            self.scale = digits


class DateLens(Lens):
    """`date: true` takes the day of a time as it stands there; `date: {format: "%d.%m.%Y"}`."""

    law = KEEPING

    def read(self, value: Any) -> Any:
        form = self.option("format")
        if form and isinstance(value, str):
            try:
                return datetime.strptime(value, form).replace(tzinfo=UTC).date().isoformat()
            except ValueError as e:
                raise LensError("not a date of the form {form}: {value!r}", value=value,
                                form=form) from e  # fmt: skip
        if isinstance(value, str) and len(value) > 10:
            return rules.date_text(value[:10])
        if isinstance(value, datetime):
            return value.date().isoformat()
        return rules.date_text(value)

    def put(self, value: Any, old: Any) -> Any:
        if self.keeps(value, old):
            return old
        form = self.option("format")
        if form:
            return datetime.fromisoformat(value).strftime(form)
        return kinds.date_as(value, old)


class DatetimeLens(Lens):
    """`datetime: {zone: Asia/Shanghai, format: …, epoch: ms}`"""

    law = KEEPING

    def read(self, value: Any) -> Any:
        epoch, form = self.option("epoch"), self.option("format")
        zone = self.option("zone") or self.defaults.zone
        if epoch:
            number = int(rules.parse_decimal(rules.decimal_text(value)))
            return rules.instant_from_epoch_ms(number if epoch == "ms" else number * 1000)
        if form and isinstance(value, str):
            try:
                value = datetime.strptime(value, form)  # noqa: DTZ007 - the zone comes next
            except ValueError as e:
                raise LensError("not a time of the form {form}: {value!r}", value=value,
                                form=form) from e  # fmt: skip
        return rules.instant_text(value, zone)

    def put(self, value: Any, old: Any) -> Any:
        if self.keeps(value, old):
            return old
        epoch, zone = self.option("epoch"), self.option("zone") or self.defaults.zone
        if epoch:
            seconds = datetime.fromisoformat(value).timestamp()
            return round(seconds * (1000 if epoch == "ms" else 1))
        form = self.option("format")
        if form:
            return kinds.instant_as(value, datetime(2000, 1, 1), zone).strftime(form)  # noqa: DTZ001
        return kinds.instant_as(value, old, zone)


class _NormalLens(Lens):
    """A text with a normal form, refused if it has none."""

    law = KEEPING

    def rule(self, text: str) -> str:
        raise NotImplementedError

    def read(self, value: Any) -> Any:
        text = as_text(value)
        return self.rule(text) if text else text

    def put(self, value: Any, old: Any) -> Any:
        return old if self.keeps(value, old) else value


class PhoneLens(_NormalLens):
    """`phone: {region: CN}`"""

    def rule(self, text: str) -> str:
        return rules.phone_number(text, self.option("region") or self.defaults.region)


class EmailLens(_NormalLens):
    """`email: true`"""

    def rule(self, text: str) -> str:
        return rules.email_address(text)


class CountryLens(_NormalLens):
    """`country: true`: alpha-2, alpha-3 or a name; written back as alpha-2, or `{write: {DE: …}}`."""

    def rule(self, text: str) -> str:
        return rules.country_code(text)

    def put(self, value: Any, old: Any) -> Any:
        if self.keeps(value, old):
            return old
        return (self.option("write") or {}).get(value, value)


class SplitLens(Lens):
    """`split: {by: ";"}`: one text holds several."""

    law = KEEPING

    def read(self, value: Any) -> Any:
        by = self.option("by", ";")
        parts = [p.strip() for p in as_text(value).split(by)]
        if self.field.kind == "set":
            return sorted({p for p in parts if p})
        return [p for p in parts if p]

    def put(self, value: Any, old: Any) -> Any:
        if self.keeps(value, old):
            return old
        by = self.option("by", ";")
        for part in value:
            if by in part:
                raise LensError("{value!r} holds the separator {by!r}", value=part, by=by)
        return by.join(value)


class JoinLens(Lens):
    """`from: [last, first]`, `join: {by: " "}`: several columns make one text."""

    law = KEEPING
    reads_blank = True

    def read(self, value: Any) -> Any:
        parts = ["" if v in (None, MISSING) else as_text(v) for v in value]
        return self.option("by", " ").join(p for p in parts if p) or None

    def put(self, value: Any, old: Any) -> Any:
        if old is not MISSING and self.read(old) == value:
            return old
        by, count = self.option("by", " "), len(self.spec.source)
        parts = value.split(by, count - 1)
        if len(parts) > count:
            raise LensError("{value!r} does not fall into {count} parts", value=value, count=count)
        return [*parts, *[None] * (count - len(parts))]


class RefLens(Lens):
    """`ref: customer` or `ref: {entity: customer, stream: …, by: code}`: the referred row's id."""

    law = LOSSLESS

    def read(self, value: Any) -> Any:
        return None if value is False else as_text(value) or None

    def put(self, value: Any, old: Any) -> Any:
        if self.option("type") == "integer" or isinstance(old, int):
            return int(value) if str(value).lstrip("-").isdigit() else value
        return value

    @property
    def entity(self) -> str:
        return self.options if isinstance(self.options, str) else str(self.option("entity", ""))


class ConstLens(Lens):
    """`const: organization`: the same for every row; written out where a column is named."""

    law = ONE_WAY
    needs_source = False
    reads_blank = True

    def read(self, value: Any) -> Any:
        return self.options

    def put(self, value: Any, old: Any) -> Any:
        return self.options


class DefaultLens(Lens):
    """`default: EUR`: stands in where the row says nothing."""

    law = KEEPING
    reads_blank = True

    def read(self, value: Any) -> Any:
        return self.options if value in (None, "", MISSING) else self._reader(value)

    def put(self, value: Any, old: Any) -> Any:
        return old if old in (None, "") and value == self.options else self._writer(value, old)


class PickLens(Lens):
    """`pick: first`: one of a list stands for it; the others stay."""

    law = KEEPING

    def read(self, value: Any) -> Any:
        items = value if isinstance(value, list | tuple) else [value]
        return self._reader(items[0]) if items and items[0] not in (None, "") else None

    def put(self, value: Any, old: Any) -> Any:
        items = list(old) if isinstance(old, list | tuple) else []
        written = self._writer(value, items[0] if items else MISSING)
        return [written, *items[1:]]


class ListLens(Lens):
    """`list: set`, or `list: {key: …, missing: leave, where: formula}` with nested rows."""

    law = KEEPING


class FormulaLens(Lens):
    """`formula: 'CONCAT(a, b)'`: one-way; sees the whole row."""

    law = ONE_WAY
    needs_source = False
    reads_blank = True

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        from hub.mapping.formula import compile_formula

        super().__init__(spec, field, defaults)
        self.formula = compile_formula(str(self.options))

    def read(self, value: Any) -> Any:
        found = self.formula.evaluate(value)
        return found if found in (None, MISSING) else self._reader(found)


class WhenLens(FormulaLens):
    """`when: 'type = "B2B"'`: copies the column of those rows for which the condition holds."""

    needs_source = True


LENSES: dict[str, type[Lens]] = {
    "copy": Lens,
    "const": ConstLens,
    "default": DefaultLens,
    "codes": CodesLens,
    "bool": BoolLens,
    "decimal": DecimalLens,
    "money": MoneyLens,
    "quantity": DecimalLens,
    "unit": DecimalLens,
    "date": DateLens,
    "datetime": DatetimeLens,
    "text": TextLens,
    "phone": PhoneLens,
    "email": EmailLens,
    "country": CountryLens,
    "join": JoinLens,
    "split": SplitLens,
    "ref": RefLens,
    "list": ListLens,
    "pick": PickLens,
    "table": TableLens,
    "when": WhenLens,
    "formula": FormulaLens,
}
"""Every lens by the name it has in a document; a module may add its own."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference in the canonical values: the path to it, with `*` for every item of a list."""

    path: tuple[str, ...]
    entity: str
    stream: str = ""
    by: str = ""
