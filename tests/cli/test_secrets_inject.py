"""`codespar secrets inject`: references become values, every other byte stays, and it is all or nothing."""

import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secrets_kit import CANARY, Project, done

from codespar_cli.cli.secret_template import Reference, filled, places
from codespar_cli.core.administration.secrets import Secret
from codespar_cli.errors import UsageError


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path / "project")
    project.keep(A=CANARY, B="multi\nline")
    project.keep("acme", **{"db/pass word": "of-acme"})
    return project


def test_references_become_values_and_nothing_else_changes(project):
    template = (
        b"\xff\x00 {{ codespar://default/A }}{{codespar://default/B}}\r\n"
        b"{{ other }} {{ .Values.x }} codespar://default/A { {codespar://default/A}}\n"
        b"{{\tcodespar://acme/db/pass%20word?version=1 }} end"
    )
    (project.directory / "t").write_bytes(template)
    done(project.run("inject", "t", "-O", "out"))
    out = project.directory / "out"
    assert out.read_bytes() == (
        b"\xff\x00 " + CANARY.encode() + b"multi\nline\r\n"
        b"{{ other }} {{ .Values.x }} codespar://default/A { {codespar://default/A}}\n"
        b"of-acme end"
    )
    assert out.stat().st_mode & 0o777 == 0o600
    assert done(project.run("inject", "-", stdin=template)).stdout == out.read_bytes()


def test_a_version_is_the_one_asked_for(project):
    done(project.run("set", "A", stdin=b"second"))
    text = b"{{ codespar://default/A?version=1 }} {{ codespar://default/A }}"
    assert done(project.run("inject", "-", stdin=text)).stdout == CANARY.encode() + b" second"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"{{ codespar://default/MISSING }}", 6),
        (b"{{ codespar://default/A?version=9 }}", 6),
        (b"{{ codespar://other/A }}", 6),
        (b"{{ codespar://default }}", 2),
        (b"{{ codespar://default/A", 2),
        (b"{{ codespar://default/A?version=0 }}", 2),
        (b"{{ codespar://default/A?versoin=1 }}", 2),
        (b"{{ codespar://default/A%zz }}", 2),
        (b"{{ codespar://default/%ff }}", 2),
        (b"{{ codespar:default/A }}", 2),
    ],
)
def test_one_bad_reference_and_nothing_is_written(project, text, code):
    out = project.directory / "out"
    out.write_text("as it was")
    (project.directory / "t").write_bytes(b"{{ codespar://default/A }}\n\n" + text)
    refused = done(project.run("inject", "t", "-O", "out"), code)
    assert b"t:3: " in refused.stderr
    assert out.read_text() == "as it was"
    assert done(project.run("inject", "t"), code).stdout == b""
    assert sorted(each.name for each in project.directory.iterdir()) == ["out", "plugins.toml", "state", "t"]


def test_links_and_the_template_itself_are_not_written_to(project):
    (project.directory / "t").write_text("{{ codespar://default/A }}")
    (project.directory / "real").write_text("real")
    (project.directory / "link").symlink_to("real")
    (project.directory / "dangling").symlink_to("nowhere")
    for target in ("link", "dangling", "t", ".", "/dev/null"):
        done(project.run("inject", "t", "-O", target), 2)
    assert (project.directory / "real").read_text() == "real"
    assert not (project.directory / "nowhere").exists()
    assert (project.directory / "t").read_text() == "{{ codespar://default/A }}"


def test_a_dry_run_lists_references_without_values(project):
    text = b"\n{{ codespar://default/A }}\n{{ codespar://default/B }}"
    shown = done(project.run("inject", "-", "--dry-run", "-O", "out", stdin=text)).stdout.decode()
    assert [line.split() for line in shown.splitlines()[1:]] == [
        ["2", "codespar://default/A", "1"],
        ["3", "codespar://default/B", "1"],
    ]
    assert not (project.directory / "out").exists()
    assert done(project.run("inject", "-", "--dry-run", stdin=text + b"{{ codespar://default/NO }}"), 6).stdout == b""


def test_each_secret_is_read_once_and_on_record(project):
    done(project.run("inject", "-", stdin=b"{{ codespar://default/A }} {{ codespar://default/A }}"))
    assert len(project.records("secret.read")) == 1


@given(st.lists(st.one_of(st.binary(max_size=20), st.just(b"{{ codespar://t/k }}"), st.just(b"{{")), max_size=8))
def test_everything_but_references_keeps_its_bytes(parts):
    template = b"".join(parts)
    if b"codespar:" in template.replace(b"{{ codespar://t/k }}", b""):
        return
    found = places(template, "t")
    assert all(place.line == template.count(b"\n", 0, place.start) + 1 for place in found)
    value = Secret(None, "{{ codespar://t/k }}")  # a value is not looked at again
    assert filled(template, found, lambda reference: value, "t").reveal() == template
    other = Secret(None, "V")
    assert filled(template, found, lambda reference: other, "t").reveal() == template.replace(
        b"{{ codespar://t/k }}", b"V"
    )


def test_an_unfinished_reference_is_told_with_its_line():
    with pytest.raises(UsageError) as caught:
        places(b"a\nb {{ codespar://t/k }\n}", "t")
    assert caught.value.line == 2
    assert str(Reference("t", "k", 2)) == "codespar://t/k?version=2"


def test_a_signal_that_ends_us_leaves_no_half_of_a_file(tmp_path):
    """SIGTERM at the moment the file is written: it is in place, or nothing is; never a temporary one beside it."""
    script = (
        "import os, signal, sys; from pathlib import Path; from codespar_cli.cli import private_file\n"
        "real = os.fsync\n"
        "def fsync(number):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    real(number)\n"
        "os.fsync = fsync\n"
        "private_file.write_private(Path(sys.argv[1]), b'value', '--output-file')\n"
    )
    target = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", script, str(target)], capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGTERM
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["out"]
    assert target.read_bytes() == b"value"
