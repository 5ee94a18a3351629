"""Text in CSV that a spreadsheet shows instead of running it (OWASP, "CSV Injection")."""

from __future__ import annotations

_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def inert_cell(text: str) -> str:
    """The text, with an apostrophe before what would be taken for a formula."""
    return f"'{text}" if text.startswith(_RUN_BY_SPREADSHEETS) else text
