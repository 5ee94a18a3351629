"""The console command's entry: it chooses the door. What is called once per tool call takes the light one.

Until the working directory is off the path (below), only what Python has loaded itself is imported, so no `__future__`.
"""

import gc
import os
import sys


def main() -> None:
    if "hook" in sys.argv:
        _try_hook()
    fill_closed_descriptors()
    code: int | None = None
    if "mcp" in sys.argv and "wrap" in sys.argv and "--" in sys.argv:
        from codespar_cli.cli.mcp_wrap_door import try_wrap

        code = try_wrap(sys.argv[1:])
    if code is None:
        from codespar_cli.cli.light import try_light

        code = try_light(sys.argv[1:])
    if code is None:
        from codespar_cli.cli.app import run

        code = run(sys.argv[1:])
    sys.exit(code)


def _try_hook() -> None:
    """`codespar hook HOST`, which never comes back. Failing before there is anybody to say no in the host's words is a no."""
    try:
        fill_closed_descriptors()
        from codespar_cli.hook_start import begin

        begin()
        from codespar_cli.cli.hook_line import is_hook

        if not is_hook(sys.argv[1:]):
            gc.enable()  # another command, which may be a long one
            return
        from codespar_cli.cli.hook_door import hook

        hook(sys.argv[1:])
    except BaseException as error:
        words = f"codespar: the hook could not start: {type(error).__name__}"
        if "copilot" in sys.argv:  # the one host that may take an exit code for a permission
            os.write(1, b'{"permissionDecision":"deny","permissionDecisionReason":"%s"}\n' % words.encode())
            os._exit(0)
        os.write(2, words.encode() + b"\n")
        os._exit(2)


def fill_closed_descriptors() -> None:
    """Give a process that was started without stdin, stdout or stderr new ones: or the next file takes their place.

    Stdin is then empty, stderr swallows all, and stdout is a pipe that nobody reads: what cannot be delivered is met
    like any reader that has gone, and who follows a stream ends instead of talking to nobody for ever.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            if descriptor == 1:
                _open_to_nobody(descriptor)
            else:
                os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _open_to_nobody(descriptor: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # may have been the number we are to fill
    os.dup2(writing, descriptor)
    if writing != descriptor:
        os.close(writing)


if __name__ == "__main__":
    # `python -m` puts the working directory first: a project's own `rich.py` must not be imported in place of rich.
    if not sys.flags.safe_path:
        del sys.path[0]
    main()
