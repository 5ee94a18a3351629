"""Durable state: private files, SQLite, hash-chained records."""
