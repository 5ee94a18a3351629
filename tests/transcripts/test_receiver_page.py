"""docs/receiver.md: what a newcomer types, in two terminals."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from test_transcripts import ROOT, environment  # noqa: F401  a fixture
from transcript import parse, run

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))
from serve_process import listening

PAGE = (ROOT / "docs" / "receiver.md").read_text()
ON_THE_PAGE = "http://127.0.0.1:8787"


def test_it_goes_as_written_in_two_terminals(tmp_path, environment):  # noqa: F811
    (section,) = re.findall(r"## Try it\n(.*?)\n## ", PAGE, re.S)
    (config,) = re.findall(r"```toml\n(.*?)```", section, re.S)
    one, other = re.findall(r"```console\n(.*?)```", section, re.S)
    (tmp_path / "plugins.toml").write_text(config)
    shutil.copy(ROOT / "payload.json", tmp_path)
    export, serve = parse(one)
    assert serve.command == "codespar serve"
    typed = f"{export.command}\nexec {serve.command} --port 0"
    process = subprocess.Popen(
        ["sh", "-c", typed], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with listening(process) as server:
        url = f"http://127.0.0.1:{server.port}"
        assert run(other.replace(ON_THE_PAGE, url), tmp_path, environment) is None
        code, said = server.end()
    assert code == 0
    assert said.replace(url, ON_THE_PAGE).startswith("".join(f"{line}\n" for line in serve.expected))


def test_the_first_example_is_a_configuration(tmp_path):
    from codespar_cli.startup import check_text

    found = check_text(re.findall(r"```toml\n(.*?)```", PAGE, re.S)[0], tmp_path / "plugins.toml", users_own=True)
    assert [backend.name for backend in found.integrations] == ["github", "sentry"]
