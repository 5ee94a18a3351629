"""A program that answers many events, each in a process of its own that begins where imports are done.

    python hook_batch.py EVENTS HOST [OPTION…]      EVENTS is a file: a list of events, each as hexadecimal text

What it prints is a list of `[stdout, stderr, exit code or minus the signal, seconds]`. A process of its own is what an event
gets from a host; only the start of the interpreter is shared, or 1,500 of them would take minutes.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path


def answer(arguments, raw):
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as talked:
        given.write(raw)
        given.seek(0)
        began = time.perf_counter()
        child = os.fork()
        if child == 0:
            for number, file in enumerate((given, said, talked)):
                os.dup2(file.fileno(), number)
            try:
                from codespar_cli.cli.hook_door import hook

                hook(arguments)
            finally:
                os._exit(99)
        _, status = os.waitpid(child, 0)
        took = time.perf_counter() - began
        said.seek(0)
        talked.seek(0)
        return [said.read().decode(), talked.read().decode(), os.waitstatus_to_exitcode(status), took]


def main():
    import codespar_cli.cli.hook_door
    import codespar_cli.cli.hook_gate
    import codespar_cli.hosts.referee
    import codespar_cli.startup  # noqa: F401

    events = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps([answer(["hook", *sys.argv[2:]], bytes.fromhex(event)) for event in events]))


if __name__ == "__main__":
    main()
