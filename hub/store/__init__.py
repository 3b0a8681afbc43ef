"""What the hub owns in its database: tables, transactions, bulk writes, migrations.  No rules of sync."""
