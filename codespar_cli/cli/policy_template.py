"""The policies that `codespar init --template` begins with: a directory each, under cli/templates."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from codespar_cli.core.text import nearest
from codespar_cli.errors import UsageError

TEMPLATES = Path(__file__).parent / "templates"
FILES = ("plugins.toml", "policy.yaml")
TEST_FILE = "policy_test.yaml"


class Template(NamedTuple):
    """`title` is the first line of its policy's comment."""

    name: str
    title: str
    directory: Path

    @property
    def policy(self) -> Path:
        return self.directory / "policy.yaml"

    @property
    def files(self) -> tuple[str, ...]:
        return (*FILES, TEST_FILE) if (self.directory / TEST_FILE).exists() else FILES


def every_template() -> list[Template]:
    return [_template(path) for path in sorted(TEMPLATES.iterdir()) if (path / "policy.yaml").exists()]


def find_template(name: str) -> Template:
    """Raises UsageError for a name that is none."""
    known = {template.name: template for template in every_template()}
    if name not in known:
        close = nearest(name, known)
        raise UsageError(
            f"unknown template `{name}`, expected one of {', '.join(known)}",
            hint=f"did you mean `{close}`?" if close else "codespar policy templates",
        )
    return known[name]


def _template(directory: Path) -> Template:
    with (directory / "policy.yaml").open(encoding="utf-8") as file:
        title = file.readline().lstrip("# ").strip()
    return Template(directory.name, title, directory)
