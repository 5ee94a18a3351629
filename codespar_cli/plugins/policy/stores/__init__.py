"""Where counters, holds, requests and records are kept: memory, SQLite, PostgreSQL."""
