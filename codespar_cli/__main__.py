"""The console command's entry."""

from __future__ import annotations

import sys


def main() -> None:
    from codespar_cli.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    # `python -m` puts the working directory first: a project's own `rich.py` must not be imported in place of rich.
    del sys.path[0]
    main()
