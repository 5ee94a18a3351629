"""Write docs/cli.md from the commands themselves: `python docs/generate_cli.py`. A test holds the page to them."""

from pathlib import Path

import typer.main

from codespar_cli.cli.app import COMMANDS, app

HEAD = """\
# The command line

Generated from the commands' own help by `python docs/generate_cli.py`.

stdout is data, stderr is talk. `-o json` gives one document with stable keys; errors are then one JSON object on stderr.
`--config`, `--tenant` and `--no-color` stand before or after the command.

| exit code | means |
|---|---|
| 0 | done, or allowed |
| 1 | it failed |
| 2 | usage or configuration |
| 3 | denied |
| 4 | approval required |
| 5 | integrity: tampered data, bad signature |
| 6 | not found |
"""


def page() -> str:
    """The whole of docs/cli.md."""
    root = typer.main.get_command(app)
    parts = [HEAD]
    with root.make_context("codespar", ["plugins"], terminal_width=100, resilient_parsing=True) as context:
        for name in COMMANDS:
            parts += _section(root.commands[name], name, context)
    return "\n".join(parts)


def _section(command, name, parent):
    with command.make_context(name, [], parent=parent, resilient_parsing=True, terminal_width=100) as context:
        text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        yield f"## {context.command_path}\n\n```\n{text}\n```\n"
        for inner in getattr(command, "commands", {}):
            yield from _section(command.commands[inner], inner, context)


if __name__ == "__main__":
    Path(__file__).with_name("cli.md").write_text(page())
