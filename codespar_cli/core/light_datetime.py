"""`datetime`'s own classes, from where it has them: before Python 3.12 it reads 2,500 lines first that it then drops."""

from __future__ import annotations

__all__ = ["UTC", "date", "datetime", "timedelta", "tzinfo"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import UTC, date, datetime, timedelta, tzinfo
else:
    try:
        from _datetime import UTC, date, datetime, timedelta, tzinfo
    except ImportError:
        from datetime import UTC, date, datetime, timedelta, tzinfo
