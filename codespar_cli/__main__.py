"""The console command's entry: it chooses the door. What is called once per tool call takes the light one."""

from __future__ import annotations

import os
import sys


def main() -> None:
    fill_closed_descriptors()
    from codespar_cli.cli.light import try_light

    code = try_light(sys.argv[1:])
    if code is None:
        from codespar_cli.cli.app import run

        code = run(sys.argv[1:])
    sys.exit(code)


def fill_closed_descriptors() -> None:
    """Give a process that was started without stdin, stdout or stderr empty ones: or the next file takes their place."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    # `python -m` puts the working directory first: a project's own `rich.py` must not be imported in place of rich.
    del sys.path[0]
    main()
