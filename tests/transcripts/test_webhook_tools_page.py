"""The sessions of docs/webhook-tools.md, typed from top to bottom over an inbox with three deliveries."""

import re
import shutil
import sys
from pathlib import Path

from test_transcripts import ROOT, environment  # noqa: F401  a fixture
from transcript import run

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
from webhook_inbox_kit import SECRETS, fill, github_headers, linear_headers, linear_issue, listening, numbered

PAGE = (ROOT / "docs" / "webhook-tools.md").read_text()


def test_the_page_goes_as_written(newcomer, environment):  # noqa: F811
    (config,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    # The user's own, since the inbox is the user's: a file that lay in a project would have an inbox of its own.
    own = newcomer / ".config" / "codespar"
    own.mkdir(parents=True)
    (own / "plugins.toml").write_text(config)
    shutil.copy(ROOT / "payload.json", own)
    linear = linear_issue()
    fill(
        own / "state",
        [
            ("github", numbered(0), github_headers(0, numbered(0)), 0),
            ("github", numbered(1), github_headers(1, numbered(1)), 10),
            ("linear", linear, linear_headers(linear, 1), 20),
        ],
    )
    sessions = re.findall(r"```console\n(.*?)```", PAGE, re.S)
    assert len(sessions) == 7
    with listening() as (url, got):
        typed = "".join(sessions).replace("http://127.0.0.1:8787", url)
        assert run(typed, own, {**environment, **SECRETS, "COLUMNS": "200"}) is None
    assert len(got) == 2


def test_the_page_names_every_cause():
    sources = (ROOT / "codespar_cli" / "webhooks").glob("*.py")
    causes = {cause for path in sources for cause in re.findall(r'Finding\(\s*"(\w+)"', path.read_text())}
    assert len(causes) > 15
    for cause in causes:
        assert f"`{cause}`" in PAGE
