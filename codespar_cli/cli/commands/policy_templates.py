"""`codespar policy templates`: which policies there are to begin with."""

from __future__ import annotations

import typer

from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.session import Session

_HEADERS = ("name", "rules", "title")


def templates(context: typer.Context, output: OutputOption = Output.table) -> int:
    """List the policies to begin with. `codespar init --template NAME` writes one."""
    from codespar_cli.cli.policy_template import every_template
    from codespar_cli.workbench import rule_ids

    session: Session = context.obj
    found = [(template, rule_ids(template.policy)) for template in every_template()]
    if output is Output.json:
        session.terminal.json(
            [
                {
                    "name": template.name,
                    "title": template.title,
                    "rules": rules,
                    "files": list(template.files),
                }
                for template, rules in found
            ]
        )
    else:
        session.terminal.table(_HEADERS, [(template.name, len(rules), template.title) for template, rules in found])
    return 0
