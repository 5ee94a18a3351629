"""Commands that fail with a value in hand show it nowhere: not even by a traceback that shows every local."""

from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from sight_kit import CANARY, KEPT, failure_of, require_unseen, seen
from vault_kit import OLD

from codespar_cli.cli.commands import secrets as command
from codespar_cli.cli.commands import secrets_export, secrets_import, secrets_inject, secrets_rotate, secrets_run
from codespar_cli.cli.io import Terminal
from codespar_cli.cli.secrets_get import Options
from codespar_cli.cli.secrets_get import run as get
from codespar_cli.cli.session import Session


class Closed(StringIO):
    """Nobody reads it."""

    def write(self, text):
        raise BrokenPipeError

    def flush(self):
        pass


@pytest.fixture
def project(tmp_path, state, vault, monkeypatch):
    vault.set("acme", "K", KEPT)
    vault.set("acme", "NUL", KEPT + "\0")
    vault.close()
    (tmp_path / "plugins.toml").write_text('version = 1\ntenant = "acme"\n[secrets]\nbackend = "vault"\n')
    monkeypatch.setenv("VAULT_MASTER_KEY", OLD)
    monkeypatch.setenv("CODESPAR_STATE_DIR", str(state))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("codespar_cli.cli.running.hiding.hide_memory", lambda: None)

    def context(stdout=None):
        terminal = Terminal(StringIO(), stdout or StringIO(), StringIO(), color=False)
        return SimpleNamespace(obj=Session(terminal, config_path=str(tmp_path / "plugins.toml")))

    def file(data):
        (tmp_path / "input").write_bytes(data)
        return str(tmp_path / "input")

    return SimpleNamespace(context=context, file=file, directory=tmp_path)


VALUE = CANARY.encode()
FILES = {
    "set too long": (b"%s" % (VALUE * 6000), lambda c, path: command.set_secret(c, key="K", from_file=path)),
    "set not UTF-8": (VALUE + b"\xff", lambda c, path: command.set_secret(c, key="K", from_file=path)),
    "set against --cas": (VALUE, lambda c, path: command.set_secret(c, key="K", from_file=path, cas=9)),
    "set with a bad name": (VALUE, lambda c, path: command.set_secret(c, key="", from_file=path)),
    "rotate not UTF-8": (VALUE + b"\xff", lambda c, path: secrets_rotate.rotate(c, key="K", from_file=path)),
    "rotate what is not there": (VALUE, lambda c, path: secrets_rotate.rotate(c, key="NONE", from_file=path)),
    "rotate with a bad note": (
        VALUE,
        lambda c, path: secrets_rotate.rotate(c, key="K", from_file=path, note="x" * 9999),
    ),
    "import a broken line": (b"A='" + VALUE + b"'\nB='" + VALUE, lambda c, path: secrets_import.import_file(c, path)),
    "import no UTF-8": (b"A=" + VALUE + b"\xff\n", lambda c, path: secrets_import.import_file(c, path)),
    "import twice": (b"A='%s'\nA='%s'\n" % (VALUE, VALUE), lambda c, path: secrets_import.import_file(c, path)),
    "import too long": (b"A='%s'\n" % (VALUE * 6000), lambda c, path: secrets_import.import_file(c, path)),
    "import a conflict": (b"K='%s'\n" % VALUE, lambda c, path: secrets_import.import_file(c, path)),
    "import broken JSON": (
        b'{"A": "%s", }' % VALUE,
        lambda c, path: secrets_import.import_file(c, path, format=secrets_import.Format.json),
    ),
    "import JSON of a number": (
        b'{"A": "%s", "B": 7}' % VALUE,
        lambda c, path: secrets_import.import_file(c, path, format=secrets_import.Format.json),
    ),
    "import JSON of a half character": (
        b'{"A": "%s\\ud800"}' % VALUE,
        lambda c, path: secrets_import.import_file(c, path, format=secrets_import.Format.json),
    ),
    "inject what is not there": (
        b"{{ codespar://acme/K }} {{ codespar://acme/NONE }}",
        lambda c, path: secrets_inject.inject(c, path),
    ),
    "inject into nowhere": (
        b"{{ codespar://acme/K }}",
        lambda c, path: secrets_inject.inject(c, path, output_file=Path("no/such/place")),
    ),
}


@pytest.mark.parametrize(("data", "act"), FILES.values(), ids=FILES)
def test_no_command_that_reads_a_file_shows_a_value(project, data, act):
    path = project.file(data)
    context = project.context()
    require_unseen(seen(failure_of(lambda: act(context, path))))


OUTPUTS = {
    "get": lambda c: get(c.obj, Options("K", reveal=True)),
    "export": lambda c: secrets_export.export(c, reveal=True, only=["K"]),
    "inject": lambda c: secrets_inject.inject(c, "template"),
}


@pytest.mark.parametrize("act", OUTPUTS.values(), ids=OUTPUTS)
def test_no_command_whose_reader_is_gone_shows_a_value(project, act):
    (project.directory / "template").write_text("{{ codespar://acme/K }}")
    context = project.context(Closed())
    require_unseen(seen(failure_of(lambda: act(context))))


OTHERS = {
    "export to nowhere": lambda c: secrets_export.export(c, reveal=True, only=["K"], output_file=Path("no/such/place")),
    "export a NUL to a shell": lambda c: secrets_export.export(
        c, reveal=True, output=secrets_export.ExportFormat.shell
    ),
    "export what is not there": lambda c: secrets_export.export(c, reveal=True, only=["K", "NONE"]),
    "run no such command": lambda c: secrets_run.run(c, ["no-such-command"], only=["K"]),
    "become no such command": lambda c: secrets_run.run(c, ["no-such-command"], only=["K"], no_masking=True),
    "run with a NUL": lambda c: secrets_run.run(c, ["true"], only=["K", "NUL"]),
    "run with what is not there": lambda c: secrets_run.run(c, ["true"], only=["K", "NONE"]),
}


@pytest.mark.parametrize("act", OTHERS.values(), ids=OTHERS)
def test_no_command_that_cannot_go_on_shows_a_value(project, act):
    context = project.context()
    require_unseen(seen(failure_of(lambda: act(context))))
