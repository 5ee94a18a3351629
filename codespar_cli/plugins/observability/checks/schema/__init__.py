"""JSON Schema as tool definitions use it: an evaluator of our own (docs/decisions/0012-schema-evaluation.md)."""
