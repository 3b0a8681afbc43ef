#!/usr/bin/env python3
"""Run a real Tryton ERP server as a test peer.

    python tryton_server.py --data .peers/tryton --port 8069

First run: makes a virtual environment under --data, installs trytond and its
business modules with pip, creates a database and seeds it (company, chart of
accounts, fiscal years, tax, one customer, one product). That seeded database
is kept as a snapshot, so later runs start in a few seconds.

Once the server answers, one line of JSON is printed on stdout (and written to
<data>/<series>/peer-<backend>.json): url, rpc_url, rest_url, database, user,
password, rest_key, pid, and the ids of the seeded records. SIGTERM or Ctrl-C
stops the server. Only the standard library is needed to run this file.

Options worth knowing:
    --fresh           drop the live database and start from the seeded snapshot
    --init-only       prepare everything, start nothing (a CI cache step)
    --pg URI          use PostgreSQL, e.g. postgresql://user:pw@127.0.0.1:5432/
    --series 8.2      another Tryton series, kept side by side under --data
"""

import argparse
import datetime as dt
import hashlib
import importlib.util
import inspect
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import venv
from pathlib import Path

MODULES = [
    "account",
    "account_invoice",
    "account_invoice_stock",
    "account_product",
    "company",
    "country",
    "currency",
    "party",
    "party_relationship",
    "product",
    "product_price_list",
    "purchase",
    "sale",
    "sale_history",
    "sale_opportunity",
    "sale_price_list",
    "stock",
    "stock_supply",
    "web_user",
]
LIVE, SEED = "tryton", "tryton_seed"
USER, PASSWORD = "admin", "peer-admin-password"


def log(*words):
    print("[tryton]", *words, file=sys.stderr, flush=True)


def venv_bin(env, name):
    return str(env / ("Scripts" if os.name == "nt" else "bin") / name)


# ---------------------------------------------------------------- environment


def make_venv(root, series):
    """Return the virtual environment's path, building it when missing."""
    env, stamp = root / "venv", root / "venv.stamp"
    wanted = [
        f"trytond=={series}.*",
        f"proteus=={series}.*",
        "psycopg[binary,pool]",
        "psycopg2-binary",
    ]
    wanted += [f"trytond_{m}=={series}.*" for m in MODULES]
    # A virtual environment is bound to its place and its interpreter.
    wanted_here = [*wanted, str(env), sys.version]
    digest = hashlib.sha256("\n".join(wanted_here).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return env
    started = time.monotonic()
    log("installing Tryton", series, "into", env)
    venv.create(env, with_pip=True, clear=True)
    subprocess.run(
        [
            venv_bin(env, "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *wanted,
        ],
        check=True,
        stdout=sys.stderr,
    )
    stamp.write_text(digest)
    log(f"installed in {time.monotonic() - started:.1f} s")
    return env


def write_config(root, backend, uri, port):
    path = root / f"trytond-{backend}.conf"
    path.write_text(
        "\n".join(
            [
                "[database]",
                f"uri = {uri}",
                f"path = {root / 'db'}",
                "list = True",
                "[web]",
                f"listen = 127.0.0.1:{port}",
                "[session]",
                "timeout = 86400",
                "max_attempt = 1000",
                "[request]",
                "timeout = 600",
                "",
            ]
        )
    )
    return path


# ----------------------------------------------- databases (run inside venv)


def pg_execute(uri, *statements):
    import psycopg

    base = uri.rstrip("/") + "/postgres"
    with psycopg.connect(base, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def drop_database(root, uri, name):
    if uri.startswith("sqlite"):
        for path in (root / "db").glob(f"{name}.sqlite*"):
            path.unlink()
    else:
        pg_execute(uri, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def copy_database(root, uri, source, target):
    drop_database(root, uri, target)
    if uri.startswith("sqlite"):
        import sqlite3

        paths = [root / "db" / f"{name}.sqlite" for name in (source, target)]
        connections = [sqlite3.connect(path) for path in paths]
        connections[0].backup(connections[1])
        for connection in connections:
            connection.close()
    else:
        pg_execute(uri, f"CREATE DATABASE {target} TEMPLATE {source}")


def init_database(root, config, uri):
    """Create the snapshot database, activate the modules, seed it."""
    (root / "db").mkdir(exist_ok=True)
    drop_database(root, uri, SEED)
    if uri.startswith("sqlite"):
        (root / "db" / f"{SEED}.sqlite").touch()
    else:
        pg_execute(uri, f"CREATE DATABASE {SEED}")
    secret = root / "password"
    secret.write_text(PASSWORD + "\n")
    subprocess.run(
        [
            str(Path(sys.executable).with_name("trytond-admin")),
            "-c",
            str(config),
            "-d",
            SEED,
            "--email",
            "admin@example.com",
            "--activate-dependencies",
            "-u",
            "ir",
            "res",
            *MODULES,
        ],
        check=True,
        stdout=sys.stderr,
        env=dict(os.environ, TRYTONPASSFILE=str(secret)),
    )
    return seed(config)


def seed(config_file):
    """Fill the snapshot with the least that a sale needs to be processed."""
    from decimal import Decimal

    from proteus import Model, Wizard, config

    cfg = config.set_trytond(database=SEED, user=USER, config_file=str(config_file))
    get = Model.get

    def save(model, /, **values):
        record = get(model)(**values)
        record.save()
        return record

    today = dt.date.today()
    currencies = {}
    for code, label, rate in [
        ("EUR", "Euro", "1"),
        ("USD", "US Dollar", "1.1"),
        ("GBP", "Pound Sterling", "0.85"),
    ]:
        currencies[code] = save(
            "currency.currency", name=label, code=code, symbol=code, rounding=Decimal("0.01")
        )
        save(
            "currency.currency.rate",
            currency=currencies[code],
            date=dt.date(2000, 1, 1),
            rate=Decimal(rate),
        )
    countries = {
        code: save("country.country", name=label, code=code, code3=code3)
        for code, code3, label in [
            ("DE", "DEU", "Germany"),
            ("FR", "FRA", "France"),
            ("GB", "GBR", "United Kingdom"),
            ("US", "USA", "United States"),
        ]
    }

    wizard = Wizard("company.company.config")
    wizard.execute("company")
    wizard.form.party = save("party.party", name="Peer Test Company")
    wizard.form.currency = currencies["EUR"]
    wizard.execute("add")
    cfg._context = get("res.user").get_preferences(True, {})
    (company,) = get("company.company").find()

    # Chart of accounts (the plain English one that ships with `account`).
    wizard = Wizard("account.create_chart")
    wizard.execute("account")
    names = get("ir.model.data")
    if hasattr(names, "get_id"):
        chart = names.get_id("account.account_template_root_en", cfg.context)
    else:  # before 8.0
        chart = names.find(
            [("module", "=", "account"), ("fs_id", "=", "account_template_root_en")]
        )[0].db_id
    wizard.form.account_template = get("account.account.template")(chart)
    wizard.form.company = company
    wizard.execute("create_account")

    def account(kind):
        return get("account.account").find(
            [(f"type.{kind}", "=", True), ("company", "=", company.id), ("closed", "!=", True)],
            limit=1,
        )[0]

    form = wizard.form
    form.account_receivable = account("receivable")
    form.account_payable = account("payable")
    if hasattr(form, "category_account_expense"):
        form.category_account_expense = account("expense")
        form.category_account_revenue = account("revenue")
    wizard.execute("create_properties")

    def sequence(label, kind, model="ir.sequence.strict"):
        (kind,) = get("ir.sequence.type").find([("name", "=", kind)], limit=1)
        return save(model, name=label, company=company, sequence_type=kind)

    for year in range(today.year - 1, today.year + 3):
        fiscal_year = get("account.fiscalyear")(
            name=str(year),
            company=company,
            start_date=dt.date(year, 1, 1),
            end_date=dt.date(year, 12, 31),
        )
        if hasattr(fiscal_year, "move_sequence"):
            fiscal_year.move_sequence = sequence(f"moves {year}", "Account Move")
        else:  # before 8.0
            fiscal_year.post_move_sequence = sequence(
                f"moves {year}", "Account Move", "ir.sequence"
            )
        invoices = sequence(f"invoices {year}", "Invoice")
        for line in fiscal_year.invoice_sequences:
            for kind in ("out", "in"):
                setattr(line, f"{kind}_invoice_sequence", invoices)
                setattr(line, f"{kind}_credit_note_sequence", invoices)
        fiscal_year.save()
        fiscal_year.click("create_period")

    (tax_account,) = get("account.account").find(
        [("company", "=", company.id), ["OR", ("code", "=", "6.3.6"), ("name", "=", "Main Tax")]],
        limit=1,
    )
    tax = save(
        "account.tax",
        name="VAT 20%",
        description="VAT 20%",
        type="percentage",
        rate=Decimal("0.20"),
        invoice_account=tax_account,
        credit_note_account=tax_account,
    )
    category = get("product.category")(
        name="Goods 20%",
        accounting=True,
        account_expense=account("expense"),
        account_revenue=account("revenue"),
    )
    category.customer_taxes.append(tax)
    category.save()
    term = get("account.invoice.payment_term")(name="Due at once")
    term.lines.new(type="remainder")
    term.save()

    customer = get("party.party")(name="Seed Customer")
    address = customer.addresses[0] if customer.addresses else (customer.addresses.new())
    address.city, address.country = "Berlin", countries["DE"]
    address.invoice = address.delivery = True
    customer.contact_mechanisms.new(type="email", value="seed@example.com")
    customer.save()

    (unit,) = get("product.uom").find([("name", "=", "Unit")])
    template = get("product.template")(
        name="Seed Product",
        default_uom=unit,
        type="goods",
        salable=True,
        list_price=Decimal("10"),
        account_category=category,
    )
    template.products[0].suffix_code = "SEED-1"
    template.save()

    # A key for the REST interface, where this series has one.
    rest_key = None
    if importlib.util.find_spec("trytond.protocols.rest"):
        rest_key = save(
            "res.user.application", application="rest", user=get("res.user")(cfg.user)
        ).key

    (warehouse,) = get("stock.location").find([("type", "=", "warehouse")])
    return {
        "rest_key": rest_key,
        "ids": {
            "company": company.id,
            "customer": customer.id,
            "product": template.products[0].id,
            "template": template.id,
            "unit": unit.id,
            "account_category": category.id,
            "tax": tax.id,
            "payment_term": term.id,
            "warehouse": warehouse.id,
            **{f"currency_{k}": v.id for k, v in currencies.items()},
            **{f"country_{k}": v.id for k, v in countries.items()},
        },
    }


def inside(options):
    """The part that needs Tryton's own interpreter: seed or copy."""
    root = Path(options.root)
    if options.step == "copy":
        return copy_database(root, options.uri, SEED, LIVE)
    facts = init_database(root, options.config, options.uri)
    (root / f"seed-{options.backend}.json").write_text(json.dumps(facts))


def prepare(env, root, options, config, uri):
    """Make sure the snapshot and the live database exist."""

    def step(name):
        subprocess.run(
            [
                venv_bin(env, "python"),
                __file__,
                "--data",
                options.data,
                "--step",
                name,
                "--root",
                str(root),
                "--uri",
                uri,
                "--config",
                str(config),
                "--backend",
                options.backend,
            ],
            check=True,
            stdout=sys.stderr,
        )

    facts_file = root / f"seed-{options.backend}.json"
    recipe = inspect.getsource(seed) + repr(MODULES) + uri
    stamp = hashlib.sha256(recipe.encode()).hexdigest()
    facts = json.loads(facts_file.read_text()) if facts_file.exists() else {}
    seeded = facts.get("stamp") == stamp and not options.reseed
    if not seeded:
        started = time.monotonic()
        log("creating the seeded database")
        step("seed")
        log(f"database ready in {time.monotonic() - started:.1f} s")
    if options.fresh or not seeded:
        step("copy")
    if not seeded:
        facts = json.loads(facts_file.read_text())
        facts_file.write_text(json.dumps({**facts, "stamp": stamp}))


# --------------------------------------------------------------------- server


def check_port_is_free(port):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise SystemExit(f"port {port} is already in use")


def wait_until_up(url, process, limit=120):
    body = json.dumps({"id": 0, "method": "common.server.version", "params": []}).encode()
    # The server-wide endpoint moved over the series; any answer will do.
    for _ in range(limit * 10):
        if process.poll() is not None:
            raise SystemExit(f"trytond stopped with {process.returncode}")
        for path in ("/rpc/", "/"):
            try:
                request = urllib.request.Request(
                    url + path, data=body, headers={"Content-Type": "application/json"}
                )
                with urllib.request.urlopen(request, timeout=5) as answer:
                    return json.load(answer)["result"], path
            except OSError:
                pass
        time.sleep(0.1)
    raise SystemExit("trytond did not answer in time")


def serve(env, root, options, config):
    facts = json.loads((root / f"seed-{options.backend}.json").read_text())
    rest_key = facts["rest_key"]
    url = f"http://127.0.0.1:{options.port}"
    process = subprocess.Popen(
        [venv_bin(env, "trytond"), "-c", str(config), "-d", LIVE], stdout=sys.stderr
    )

    def stop(*_):
        process.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        version, path = wait_until_up(url, process)
        info = {
            "url": url,
            "version": version,
            "database": LIVE,
            "rpc_url": f"{url}/{LIVE}{path}",
            "rest_url": rest_key and f"{url}/{LIVE}/rest/model/",
            "user": USER,
            "password": PASSWORD,
            "backend": options.backend,
            "rest_key": rest_key,
            "ids": facts["ids"],
            "pid": process.pid,
        }
        (root / f"peer-{options.backend}.json").write_text(json.dumps(info, indent=1))
        print(json.dumps(info), flush=True)
        code = process.wait()
        return 0 if code == -signal.SIGTERM else code
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder for everything")
    parser.add_argument("--port", type=int, default=8069)
    parser.add_argument("--series", default="8.0")
    parser.add_argument("--pg", metavar="URI", help="use PostgreSQL")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--reseed", action="store_true")
    parser.add_argument("--init-only", action="store_true")
    for hidden in ("step", "root", "uri", "config", "backend"):
        parser.add_argument(f"--{hidden}", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        return inside(options)

    if not options.init_only:
        check_port_is_free(options.port)
    root = Path(options.data).resolve() / options.series
    root.mkdir(parents=True, exist_ok=True)
    env = make_venv(root, options.series)
    options.backend = "postgresql" if options.pg else "sqlite"
    uri = options.pg or "sqlite://"
    config = write_config(root, options.backend, uri, options.port)
    prepare(env, root, options, config, uri)
    if options.init_only:
        return 0
    return serve(env, root, options, config)


if __name__ == "__main__":
    sys.exit(main())
