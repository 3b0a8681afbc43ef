"""A Singer target for SQLite on the Meltano SDK, as its users write one: nobody ships one that runs.

python -m tests.benchmarks.singer_sqlite --config config.json < messages.jsonl
"""

from singer_sdk import SQLConnector, SQLSink, SQLTarget
from singer_sdk import typing as th


class SQLiteConnector(SQLConnector):
    def get_sqlalchemy_url(self, config):
        return config["sqlalchemy_url"]


class SQLiteSink(SQLSink):
    connector_class = SQLiteConnector
    max_size = 10_000

    def generate_insert_statement(self, full_table_name, schema):
        """The SDK's own statement, as an upsert."""
        return super().generate_insert_statement(full_table_name, schema).prefix_with("OR REPLACE")


class SQLiteTarget(SQLTarget):
    name = "target-sqlite"
    config_jsonschema = th.PropertiesList(th.Property("sqlalchemy_url", th.StringType)).to_dict()
    default_sink_class = SQLiteSink


if __name__ == "__main__":
    SQLiteTarget.cli()
