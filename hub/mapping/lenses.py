"""The lenses of single values; `hub.mapping.shapes` has those that change the shape of a row."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from hub import values as rules
from hub.entity import Field
from hub.mapping import kinds, samples
from hub.mapping.functions import NUMBERS
from hub.mapping.kinds import Defaults, as_text, unknown_code
from hub.mapping.lens import (
    KEEPING,
    LENSES,
    LOSSLESS,
    NUMBER,
    ONE_WAY,
    TABLE,
    TEXT,
    TRUTH,
    WHOLE,
    Allowed,
    Lens,
)
from hub.mapping.paths import MISSING
from hub.mapping.problems import LensError
from hub.mapping.spec import RowSpec
from hub.values import clean_text

__all__ = ["KEEPING", "LENSES", "LOSSLESS", "ONE_WAY", "Lens"]

NOT_INSTANT = "not a date and time: {value!r}"
TOO_LONG = "longer than the {most} characters that the system takes: {value!r}"
TOO_FINE = "more than the {places} decimal places of the field: {value!r}"
TOO_LONG_HINT = "Shorten it, or say `cut: true` and `direction: out` in the mapping."
NO_CODE = "no code of the system means {value!r}; known are {known}"
NO_SUCH_FORM = "not a date of the form {form}: {value!r}"
BAD_FORM = "not a form of dates: {value!r}"
FORM_HINT = "Forms are made of %Y %m %d %H %M %S %y %f %j, as in %d.%m.%Y."
NOT_EXACT = "not a number or ratio: {value!r}"
BAD_ZONE = "there is no time zone {value!r}"
ZONE_HINT = "Zones are named like Asia/Shanghai."
BAD_RULE = "the lens does not say what {value!r} means"


class TextLens(Lens):
    """`text: {trim: true, max: 80, case: upper, cut: false, pad: 8}`

    `max`: longer texts are refused, or cut with `cut: true`, which makes the row one-way.
    `pad`: codes are filled with zeros on the left in the system, which are not part of the code.
    """

    says_empty = True
    allowed: ClassVar[Allowed] = {
        "trim": TRUTH,
        "max": WHOLE,
        "cut": TRUTH,
        "case": ("upper", "lower"),
        "pad": WHOLE,
    }

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        self.most, self.cut, self.pad = self.option("max"), self.option("cut"), self.option("pad")
        if self.cut:
            self.law = ONE_WAY
        elif self.option("trim") or self.option("case") or self.pad or field.normal:
            self.law = KEEPING

    def read(self, value: Any) -> Any:
        text = as_text(value, self.defaults.zone)
        if self.option("trim"):
            text = text.strip()
        if self.pad and text.isdigit():
            text = text.lstrip("0") or "0"
        match self.option("case"):
            case "upper":
                text = text.upper()
            case "lower":
                text = text.lower()
        return self._reader(text) if self.field.normal or self.field.kind != "text" else text

    def write(self, value: Any, old: Any) -> Any:
        if self.pad and value.isdigit():
            value = value.rjust(self.pad, "0")
        if self.most and len(value) > self.most:
            if not self.cut:
                raise LensError(
                    TOO_LONG, code="too-long", hint=TOO_LONG_HINT, value=value, most=self.most
                )
            value = value[: self.most]
        return kinds.write_as(value, old)


class CodesLens(Lens):
    """`codes: {A: active, B: blocked}`; of several codes with one meaning the old one is kept.

    A code `null` or "" says what the absence of a code means.
    """

    free = True

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        self._fill(dict(self.options or {}))

    def _fill(self, codes: Mapping[Any, Any]) -> None:
        self.booleans = bool(codes) and all(isinstance(c, bool) for c in codes)
        truth = Field.boolean("code")
        self._truth = kinds.reader(truth, self.defaults)
        self._write_truth = kinds.writer(truth, self.defaults)
        self.meaning = {self._key(c): self._meant(v) for c, v in codes.items()}
        self.code: dict[Any, Any] = {}
        for code, value in codes.items():
            self.code.setdefault(self._meant(value), code)
        self.reads_blank = None in codes or "" in codes
        self.writes_null = None in self.code
        self.law = LOSSLESS if len(self.code) == len(codes) else KEEPING

    def _key(self, code: Any) -> Any:
        return code if self.booleans else "" if code is None else as_text(code)

    def _meant(self, value: Any) -> Any:
        """The value in normal form; an error here is an error of the document."""
        return value if value is None else self._reader(value)

    def read(self, value: Any) -> Any:
        if value is MISSING:
            return MISSING
        code = self._truth(value) if self.booleans else "" if value is None else as_text(value)
        try:
            return self.meaning[code]
        except KeyError:
            return self.unknown(value)

    def unknown(self, value: Any) -> Any:
        if value in (None, ""):
            return None
        raise unknown_code(value, self.meaning)

    def write(self, value: Any, old: Any) -> Any:
        if value not in self.code:
            raise LensError(
                NO_CODE,
                code="unknown-code",
                hint=kinds.CODES_HINT,
                value=value,
                known=", ".join(map(str, self.code)),
            )
        code = self.code[value]
        if self.booleans:
            return self._write_truth(code, old)
        return kinds.write_as(code, old) if isinstance(code, str) else _like(code, old)

    def remotes(self, rng: Random) -> Any:
        return rng.choice(list(self.options if self.free else self.meaning))

    def canonicals(self, rng: Random) -> Any:
        return rng.choice(list(self.code))


def _like(code: Any, old: Any) -> Any:
    """A code written as a number in the mapping, as a text where the system has texts."""
    return as_text(code) if isinstance(old, str) and old and code is not None else code


class TableLens(CodesLens):
    """`table: {rows: {k: v}, else: keep}`: a value table; unknown values are refused or kept.

    With several keys of one value there is no way back, unless the row says `direction: in`.
    """

    free = False
    allowed: ClassVar[Allowed] = {"rows": TABLE, "else": ("keep", "refuse")}
    needed = ("rows",)
    bare = "rows"

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        self.keep = self.option("else") == "keep"
        self._fill(self.option("rows", {}))
        if self.law == KEEPING:
            self.law = ONE_WAY
        elif self.keep:
            self.law = KEEPING

    def _fill(self, codes: Mapping[Any, Any]) -> None:
        super()._fill(codes if isinstance(codes, Mapping) and "rows" not in codes else {})

    def unknown(self, value: Any) -> Any:
        return self._reader(value) if self.keep and value is not None else super().unknown(value)

    def write(self, value: Any, old: Any) -> Any:
        if self.keep and value not in self.code:
            return self._writer(value, old)
        return super().write(value, old)


class BoolLens(Lens):
    """`bool: {true: Y, false: N}`; `bool: {true: [Y, "1"], false: ["", N]}` writes the first."""

    free = True

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        words: dict[bool, list[Any]] = {}
        for key, value in (self.options if isinstance(self.options, Mapping) else {}).items():
            truth = {"true": True, "false": False}.get(as_text(key))
            if truth is None:
                raise LensError(BAD_RULE, value=key)
            words[truth] = value if isinstance(value, list) else [value]
        self.words = words
        self.truth = {_blank_or_text(v): k for k, vs in words.items() for v in vs}
        self.reads_blank = "" in self.truth
        self.law = LOSSLESS if all(len(v) == 1 for v in words.values()) else KEEPING

    @classmethod
    def faults(cls, name: str, options: Any) -> Any:
        return iter(()) if options is True else super().faults(name, options)

    def read(self, value: Any) -> Any:
        if value is MISSING or not self.truth:
            return value if value is MISSING else self._reader(value)
        text = _blank_or_text(value)
        if text not in self.truth:
            if text == "":
                return None
            raise unknown_code(value, self.truth)
        return self.truth[text]

    def write(self, value: Any, old: Any) -> Any:
        if not self.words:
            return self._writer(value, old)
        if value not in self.words:
            raise LensError(NO_CODE, code="unknown-code", value=value, known="")
        return self.words[value][0]

    def remotes(self, rng: Random) -> Any:
        all_words = [w for words in self.words.values() for w in words]
        return rng.choice(all_words) if all_words else super().remotes(rng)

    def canonicals(self, rng: Random) -> Any:
        return rng.choice(list(self.words) or [True, False])


def _blank_or_text(value: Any) -> str:
    return "" if value is None else as_text(value)


class DecimalLens(Lens):
    """`decimal: {scale: 2, factor: 100, group: ",", point: "."}`; canonical = remote × factor.

    `scale`: the digits behind the point that are written; more are rounded.
    """

    allowed: ClassVar[Allowed] = {
        "scale": WHOLE,
        "factor": NUMBER,
        "group": TEXT,
        "point": TEXT,
    }

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        self.factor = _ratio(self.option("factor", 1))
        self.scale: int | None = self.option("scale")
        self.group, self.point = self.option("group", ""), self.option("point", ".")
        self.places = field.precision[1] if field.precision else rules.MAX_PLACES // 2
        if self.scale is not None:
            self.law = KEEPING

    def read(self, value: Any) -> Any:
        if isinstance(value, str):
            value = value.replace(self.group, "") if self.group else value
            value = value.replace(self.point, ".") if self.point != "." else value
        elif type(value) is float and self.factor == 1:
            return self._reader(value)
        text = rules.decimal_text(value)
        if self.factor != 1:
            found = _times(Decimal(text), self.factor, self.places)
            if Fraction(found) != Fraction(text) * self.factor:
                self._check_loss(value)
            text = rules.decimal_text(found)
        return text if self.field.kind == "decimal" else self._reader(text)

    def _check_loss(self, value: Any) -> None:
        """Digits behind the field's last are lost by a third, which `check` tells once for all;
        by a factor that is exact only where the value has too many of them."""
        if type(value) is not float and _ends(self.factor):
            raise LensError(TOO_FINE, code="precision", value=value, places=self.places)

    def write(self, value: Any, old: Any) -> Any:
        number = Decimal(value)
        if self.factor != 1:
            number = _times(number, 1 / self.factor, rules.MAX_PLACES // 2)
        if self.scale is not None:
            number = rules.round_half_up(number, self.scale)
        in_words = bool(self.group) or self.point != "."
        if in_words and not isinstance(old, int | float | Decimal):
            return self._shown(number)
        return kinds.number_as(number, old)

    def _shown(self, number: Decimal) -> str:
        whole, _, part = rules.decimal_text(number.copy_abs()).partition(".")
        if self.group:
            whole = f"{int(whole):,}".replace(",", self.group)
        return ("-" if number < 0 else "") + whole + (self.point + part if part else "")

    def remotes(self, rng: Random) -> Any:
        digits, places = self.field.precision or (18, 6)
        near = places if self.scale is None else min(places, self.scale)
        value = samples.number(rng, (min(digits, 18), near))
        if self.group or self.point != ".":
            return self._shown(value)
        if self.factor.denominator % 10 == 0 and self.scale == 0:
            return int(value)
        return rng.choice((value, str(value)))


def _ratio(value: Any) -> Fraction:
    """An exact number from 0.01, "0.01" or "1/3"."""
    try:
        ratio = Fraction(str(value))
    except (ValueError, ZeroDivisionError) as e:
        raise LensError(NOT_EXACT, value=value) from e
    if not ratio or ratio.numerator.bit_length() > 200 or ratio.denominator.bit_length() > 200:
        raise LensError(NOT_EXACT, value=value)
    return ratio


def _ends(ratio: Fraction) -> bool:
    """Whether the decimals of the ratio end."""
    rest = ratio.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def _times(number: Decimal, ratio: Fraction, places: int) -> Decimal:
    """number × ratio, exact where it ends within *places*, else rounded to them."""
    found = NUMBERS.divide(
        NUMBERS.multiply(number, Decimal(ratio.numerator)), Decimal(ratio.denominator)
    )
    if -int(found.as_tuple().exponent) > places:
        return rules.round_half_up(found, places)
    return found


class MoneyLens(DecimalLens):
    """`money: {currency: CNY, minor: false}`; written to the digits of the currency.

    `minor`: the system counts in the smallest unit, cents.
    """

    allowed: ClassVar[Allowed] = {**DecimalLens.allowed, "currency": TEXT, "minor": TRUTH}
    bare = "currency"

    @classmethod
    def faults(cls, name: str, options: Any) -> Any:
        return super().faults(name, {} if options is True else options)

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        currency = self.option("currency")
        currency = defaults.currency if currency in (None, True) else currency
        digits = rules.currency_digits(rules.currency_code(currency)) if currency else None
        if self.option("minor"):
            self.factor = Fraction(1, 10 ** (2 if digits is None else digits))
            self.scale = 0
        elif self.scale is None:
            self.scale = digits
        if self.scale is not None:
            self.law = KEEPING


class UnitLens(DecimalLens):
    """`unit: {ratio: "1/1000"}`: canonical = remote × ratio, as grams become kilograms."""

    allowed: ClassVar[Allowed] = {**DecimalLens.allowed, "ratio": NUMBER, "from": TEXT, "to": TEXT}
    bare = "ratio"

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        here, there = self.option("to"), self.option("from")
        if here or there:
            self.factor = _known_ratio(str(there), str(here))
        else:
            self.factor = _ratio(self.option("ratio", self.option("factor", 1)))


_UNITS: Mapping[str, tuple[str, Fraction]] = {
    unit: (kind, Fraction(ratio))
    for kind, units in (
        ("mass", "mg 1/1000 g 1 kg 1000 t 1000000"),
        ("length", "mm 1/1000 cm 1/100 m 1 km 1000"),
        ("volume", "ml 1/1000 l 1 m3 1000"),
        ("time", "s 1 min 60 h 3600 d 86400"),
    )
    for unit, ratio in zip(units.split()[::2], units.split()[1::2], strict=True)
}


def _known_ratio(there: str, here: str) -> Fraction:
    (kind, a), (other, b) = (_UNITS.get(u.lower(), ("", Fraction(1))) for u in (there, here))
    if not kind or kind != other:
        raise LensError(
            "no ratio of {there!r} to {here!r} is known",
            hint='Say it: `unit: {{ratio: "1/12"}}`.',
            there=there,
            here=here,
        )
    return a / b


# ------------------------------------------------------------------------------------------ times

_DIRECTIVES = frozenset("YmdHMSyfj")


def _checked_form(form: Any) -> Any:
    if form is None:
        return None
    if not all(p[:1] in _DIRECTIVES for p in str(form).split("%")[1:]):
        raise LensError(BAD_FORM, hint=FORM_HINT, value=form)
    return form


def _checked_zone(zone: Any) -> Any:
    try:
        return zone if zone is None else ZoneInfo(zone).key
    except (KeyError, ValueError, OSError, TypeError) as e:
        raise LensError(BAD_ZONE, hint=ZONE_HINT, value=zone) from e


def _parsed(text: str, form: str) -> datetime:
    """Strict: what is read must be written the same (strptime takes 2021-1-4 for 2021-01-04)."""
    try:
        found = datetime.strptime(text, form)  # noqa: DTZ007 - the zone comes next
    except ValueError as e:
        raise LensError(NO_SUCH_FORM, value=text, form=form) from e
    if found.strftime(form).zfill(len(text)) != text:
        raise LensError(NO_SUCH_FORM, value=text, form=form)
    return found


class DateLens(Lens):
    """`date: true` takes the day of a time as it stands there; `date: {format: "%d.%m.%Y"}`.

    `zone`: an instant counts as the day it is there.  `never`: dates that mean «none».
    """

    law = KEEPING
    allowed: ClassVar[Allowed] = {"format": TEXT, "zone": TEXT, "never": "a list"}

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        self.form = _checked_form(self.option("format"))
        self.zone = _checked_zone(self.option("zone"))
        self.never = frozenset(map(as_text, self.option("never", ())))

    def read(self, value: Any) -> Any:
        if self.never and as_text(value, "UTC") in self.never:
            return None
        if self.form and not isinstance(value, date):
            value = _parsed(as_text(value), self.form)
        if isinstance(value, str) and len(value) > 10:
            value = self._of_instant(value)
        if isinstance(value, datetime):
            value = value.astimezone(ZoneInfo(self.zone)) if self.zone and value.tzinfo else value
            return value.date().isoformat()
        return rules.date_text(value)

    def _of_instant(self, text: str) -> Any:
        """The day of a time in text form, which must be a time at all."""
        instant = rules.instant_text(text, "UTC")
        if self.zone and _is_instant(text):
            return datetime.fromisoformat(instant)
        return text.strip()[:10]

    def write(self, value: Any, old: Any) -> Any:
        if self.form and not isinstance(old, date):
            return kinds.write_as(date.fromisoformat(value).strftime(self.form), old)
        if self.zone and _is_instant(old):
            return self._moved(value, old)
        return kinds.date_as(value, old)

    def _moved(self, value: str, old: Any) -> Any:
        """The same time of day on another day, as the zone counts days."""
        before = datetime.fromisoformat(rules.instant_text(old))
        local = before.astimezone(ZoneInfo(str(self.zone)))
        moved = datetime.combine(date.fromisoformat(value), local.timetz())
        return kinds.instant_as(samples.instant(moved), old, self.zone)

    def remotes(self, rng: Random) -> Any:
        if self.form:
            return samples.day(rng).strftime(self.form)
        moment = samples.moment(rng)
        return rng.choice((samples.day(rng).isoformat(), moment, samples.instant(moment)))


def _is_instant(value: Any) -> bool:
    """A time with a zone, in whatever form."""
    if isinstance(value, datetime):
        return value.tzinfo is not None
    try:
        return isinstance(value, str) and len(value) > 10 and bool(rules.instant_text(value))
    except ValueError:
        return False


class DatetimeLens(Lens):
    """`datetime: {zone: Asia/Shanghai, format: …, epoch: ms}`; `never`: times that mean «none»."""

    allowed: ClassVar[Allowed] = {
        "zone": TEXT,
        "format": TEXT,
        "epoch": ("ms", "s"),
        "never": "a list",
    }

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        self.form = _checked_form(self.option("format"))
        self.zone = _checked_zone(self.option("zone")) or defaults.zone
        self.unit = {"ms": timedelta(milliseconds=1), "s": timedelta(seconds=1)}.get(
            str(self.option("epoch"))
        )
        self.never = frozenset(map(as_text, self.option("never", ())))
        self.law = KEEPING if self.form or self.unit or self.never else LOSSLESS

    def read(self, value: Any) -> Any:
        if self.never and as_text(value, "UTC") in self.never:
            return None
        if self.unit:
            number = rules.parse_decimal(rules.decimal_text(value))
            return samples.instant(_EPOCH + self.unit * _bounded(number))
        if self.form and not isinstance(value, datetime):
            value = _parsed(as_text(value), self.form)
        return rules.instant_text(value, self.zone)

    def write(self, value: Any, old: Any) -> Any:
        if self.unit:
            count = (datetime.fromisoformat(value) - _EPOCH) // self.unit
            return kinds.write_as(str(count), old) if isinstance(old, str | Decimal) else count
        if self.form:
            local = datetime(2000, 1, 1)  # noqa: DTZ001 - the type that asks for local time
            return kinds.instant_as(value, local, self.zone).strftime(self.form)
        return kinds.instant_as(value, old, self.zone)

    def remotes(self, rng: Random) -> Any:
        moment = samples.moment(rng)
        if self.unit:
            return (moment - _EPOCH) // self.unit
        if self.form:
            return moment.strftime(self.form)
        return super().remotes(rng)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _bounded(number: Decimal) -> int:
    if abs(number) > 10**16:
        raise LensError(NOT_INSTANT)
    return int(number)


# ------------------------------------------------------------------------- phone, mail, country


class _NormalLens(Lens):
    """A text with a normal form; refused if it has none, or kept as given with `strict: false`."""

    law = KEEPING
    says_empty = True
    allowed: ClassVar[Allowed] = {"strict": TRUTH}
    examples: tuple[str, ...] = ()

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        self.strict = self.option("strict", True)

    def rule(self, text: str) -> str:
        raise NotImplementedError

    def read(self, value: Any) -> Any:
        text = clean_text(value) if value.__class__ is str else as_text(value)
        if not text:
            return text
        try:
            return self.rule(text)
        except ValueError:
            if self.strict:
                raise
            return text

    def write(self, value: Any, old: Any) -> Any:
        return value

    def remotes(self, rng: Random) -> Any:
        return rng.choice(self.examples)


class PhoneLens(_NormalLens):
    """`phone: {region: CN}`"""

    allowed: ClassVar[Allowed] = {**_NormalLens.allowed, "region": TEXT}
    examples = ("+86 138 0013 8000", "+8613800138000", "+49 30 123456", "+1 (212) 555-0123")

    def rule(self, text: str) -> str:
        return rules.phone_number(text, self.option("region") or self.defaults.region)


class EmailLens(_NormalLens):
    """`email: true`"""

    examples = ("ann@example.com", "Ann.Lee@EXAMPLE.com", " bob@xn--fsq.com", "o'neil@mail.local")

    def rule(self, text: str) -> str:
        return rules.email_address(text)


class CountryLens(_NormalLens):
    """`country: true`: alpha-2, alpha-3 or a name; written as alpha-2, or `{write: {DE: …}}`."""

    allowed: ClassVar[Allowed] = {**_NormalLens.allowed, "write": TABLE}
    examples = ("CN", "CHN", "China", "中国", "DE", "Germany", "US", "FRA", "United Kingdom")

    def rule(self, text: str) -> str:
        return rules.country_code(text)

    def write(self, value: Any, old: Any) -> Any:
        return (self.option("write") or {}).get(value, value)


LENSES |= {
    "codes": CodesLens,
    "bool": BoolLens,
    "decimal": DecimalLens,
    "money": MoneyLens,
    "quantity": DecimalLens,
    "unit": UnitLens,
    "date": DateLens,
    "datetime": DatetimeLens,
    "text": TextLens,
    "phone": PhoneLens,
    "email": EmailLens,
    "country": CountryLens,
    "table": TableLens,
}
