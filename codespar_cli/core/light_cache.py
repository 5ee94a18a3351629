"""`functools.lru_cache` itself, without the rest of `functools`, which imports `types` and more."""

from __future__ import annotations

__all__ = ["lru_cache"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from functools import lru_cache
else:
    try:
        from _functools import _lru_cache_wrapper
    except ImportError:
        from functools import lru_cache
    else:

        def lru_cache(maxsize: int | None) -> object:
            def remembering(function: object) -> object:
                wrapper = _lru_cache_wrapper(function, maxsize, False, lambda *facts: facts)
                wrapper.__wrapped__ = function
                wrapper.__name__, wrapper.__doc__ = function.__name__, function.__doc__
                return wrapper

            return remembering
