"""One file per command group: `codespar policy check` is the function `check` in policy.py."""
