"""Tryton over JSON-RPC, series 7.0 to 8.2: any model is a stream, by its name.

Source: trytond 6.0 to 8.2 (`protocols/jsonrpc.py`, `protocols/dispatcher.py`, `model/modelsql.py`),
        measured against a real trytond 8.0 with SQLite.
Time:   UTC with microseconds.  `last_modified_at` of a row is the latest change of the record or of
        what hangs on it: addresses, contact mechanisms, identifiers, sale lines, the template of a
        product.  A child that is deleted by itself, not through its parent, leaves no trace; a
        complete read sees it.
Money:  prices have four decimals at most, a fifth is refused; amounts are rounded half to even to
        the currency.  Quantities have the decimals of their unit: "u" has none.
Limits: the body of a call is 2 MiB unless the server says otherwise; deletes leave no trace.

Rows carry a record's own fields, `party.party` also `addresses`, `contact_mechanisms` and
`identifiers`, `sale.sale` its `lines`, `product.product` the fields of its template.  A list that is
written is the whole list: items with an `id` are changed, those without are created, missing ones
deleted.  Links to the models in the setting `codes` are spoken of by that code ("EUR", "DE", "u"),
others by id.  `where` takes column values or `{domain: [...]}`.

A product is made with its template in one write.  A sale gets its party's first address and the
units of its products where it names none; `state` presses the buttons (draft, quotation, confirmed,
processing, cancelled), and where one of them refuses, a new sale is taken back.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from marshmallow import validate

from hub.connector import (
    Capabilities,
    Change,
    Connector,
    Cursor,
    Nested,
    Number,
    Page,
    Row,
    Secret,
    Settings,
    Stream,
    Text,
    Url,
    WriteResult,
)
from hub.errors import NotFoundError

from . import reading, writing
from .models import KEY, MODIFIED, Models
from .rpc import Rpc

CODES = {
    "country.country": "code",
    "currency.currency": "code",
    "product.uom": "symbol",
    "account.invoice.payment_term": "name",
    "product.category": "name",
}
SHOWN = {
    "party.party": "Parties",
    "product.product": "Products",
    "product.uom": "Units of measure",
    "product.category": "Product categories",
    "sale.sale": "Sales",
    "account.invoice": "Invoices",
    "account.invoice.payment_term": "Payment terms",
    "country.country": "Countries",
    "currency.currency": "Currencies",
}


class TrytonSettings(Settings):
    url = Url(help="Address of the server without the database: https://tryton.example:8000")
    database = Text(help="Name of the database, as the Tryton client asks for it")
    user = Text(help="Login of a user that may read and write the models in question")
    password = Secret(help="Password of that user")
    timeout = Number(
        help="Seconds after which a call is given up",
        load_default=60,
        validate=validate.Range(1, 3600),
    )
    codes = Nested(
        help="Model → the column that stands for its records in rows, added to the usual ones;"
        " empty to use ids",
        load_default=dict,
    )


class Tryton(Connector):
    name = "tryton"
    settings = TrytonSettings
    capabilities = Capabilities(
        read_page=200,
        write_batch=100,
        deletes=True,
        conditional_writes=True,
        settle=timedelta(seconds=10),
    )

    def open(self) -> None:
        self._rpc = Rpc(self.config)
        self._closing.callback(self._rpc.close)
        codes = {**CODES, **self.config["codes"]}
        self._models = Models(self._rpc, {m: c for m, c in codes.items() if c})

    def check(self) -> str:
        context = self._rpc.context
        company = context.get("company")
        return "Tryton {version}, database {database}, user {user}, company {company}".format(
            version=self._rpc.paths.version,
            database=self.config["database"],
            user=self.config["user"],
            company=company if company is not None else "none",
        )

    def discover(self) -> Iterator[Stream]:
        for name, label in SHOWN.items():
            try:
                model = self._models.get(name)
            except NotFoundError:  # its module is not activated
                continue
            yield Stream(name, KEY, MODIFIED, columns=model.columns, label=label)

    def read(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        return reading.read(self._models, stream, cursor, self.capabilities.read_page)

    def fetch(self, stream: Stream, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
        return reading.fetch(self._models, stream.name, keys)

    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        return writing.write(self._models, stream.name, batch)
