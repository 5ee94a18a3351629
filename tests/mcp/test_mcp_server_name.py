"""The name of a server from its command; where it cannot be told for certain it has to be said."""

import pytest

from codespar_cli.errors import UsageError
from codespar_cli.mcp.server_name import checked_name, name_of


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("npx -y @modelcontextprotocol/server-github", "github"),
        ("npx --yes @modelcontextprotocol/server-everything@2026.8.31 stdio", "everything"),
        ("npx some-tool@latest --flag", "some-tool"),
        ("bunx linear-mcp-server", "linear"),
        ("uvx mcp-server-time --local-timezone=UTC", "time"),
        ("uvx mcp-server-git==1.2.3", "git"),
        ("pipx run mcp-server-fetch", "fetch"),
        ("python -m mcp_server_sqlite --db x", "sqlite"),
        ("python3.12 /opt/servers/weather.py", "weather"),
        ("node /srv/jira-mcp.js", "jira"),
        ("/usr/local/bin/github-mcp-server stdio", "github"),
        ("./weather", "weather"),
    ],
)
def test_the_name_is_the_word_that_names_the_server(command, name):
    assert name_of(command.split()) == name


@pytest.mark.parametrize(
    "command",
    [
        "docker run -i --rm ghcr.io/github/github-mcp-server",
        "uv run server.py",
        "npm exec x",
        "sh -c whatever",
        "env A=1 node x.js",
        "npx -p package tool",
        "uvx --from git+https://x/y tool",
        "python -c pass",
        "node --inspect x.js",
        "node dist/index.js",
        "python server.py",
        "npx",
        "npx mcp-server",
        "./wéather",
        "./" + "x" * 65,
    ],
)
def test_where_it_cannot_be_told_it_has_to_be_said(command):
    with pytest.raises(UsageError, match="no name for the server") as error:
        name_of(command.split())
    assert "--name" in error.value.hint


@pytest.mark.parametrize("name", ["", "a/b", "a b", "ä", "x" * 65, "a\n", "**"])
def test_a_name_that_no_rule_could_mean_is_refused(name):
    with pytest.raises(UsageError):
        checked_name(name)
