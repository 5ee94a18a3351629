"""Policy: may this agent make this call now? What plugins.toml may say to it is in options.py, for whoever reads that."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codespar_cli.plugins.policy.options import NOTIFY, OPTIONS

__all__ = ["NOTIFY", "OPTIONS"]


def __getattr__(name: str) -> object:
    # When it is asked for: this package is imported by every call that is judged, and none of those asks.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from codespar_cli.plugins.policy import options

    return getattr(options, name)
