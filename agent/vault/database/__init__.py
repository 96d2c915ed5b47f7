"""The SQLite database: schema, migrations, and the index of clips."""
