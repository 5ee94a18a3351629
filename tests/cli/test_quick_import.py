"""The quick finder loads what `importlib` would load, and leaves to it whatever is not compiled or no longer so."""

import os
import py_compile
import subprocess
import sys
from importlib.util import cache_from_source, module_from_spec
from pathlib import Path

import pytest

from codespar_cli.quick_import import QuickFinder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def module(tmp_path):
    source = tmp_path / "codespar_cli" / "one.py"
    source.parent.mkdir()
    source.write_text('"""Doc."""\nVALUE = 1\nHERE = __file__\n')
    return source


def found(module, name="codespar_cli.one"):
    return QuickFinder(str(module.parents[1])).find_spec(name)


def test_what_is_compiled_is_loaded_as_importlib_does(module):
    py_compile.compile(module)
    spec = found(module)
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    assert (loaded.VALUE, loaded.HERE, loaded.__doc__) == (1, str(module), "Doc.")
    assert (loaded.__name__, loaded.__package__, spec.parent) == ("codespar_cli.one", "codespar_cli", "codespar_cli")


def test_a_package_has_a_path(module):
    package = module.parent / "inner" / "__init__.py"
    package.parent.mkdir()
    package.write_text("")
    py_compile.compile(package)
    spec = found(module, "codespar_cli.inner")
    assert module_from_spec(spec).__path__ == [str(package.parent)]


@pytest.mark.parametrize("name", ["os", "codespar_client.one", "codespar_cli", "codespar_cli.missing"])
def test_what_is_not_ours_or_not_there_is_left_to_others(module, name):
    py_compile.compile(module)
    assert found(module, name) is None


def not_compiled(module):
    Path(cache_from_source(module)).unlink()


def of_another_size(module):
    facts = module.stat()
    module.write_text(module.read_text() + "MORE = 1\n")
    os.utime(module, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def of_another_time(module):
    os.utime(module, (1, 1))


def checked_by_hash(module):
    py_compile.compile(module, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)


def of_another_python(module):
    path = Path(cache_from_source(module))
    path.write_bytes(b"\0\0\r\n" + path.read_bytes()[4:])


def cut_short(module):
    path = Path(cache_from_source(module))
    path.write_bytes(path.read_bytes()[:-5])


def header_alone(module):
    path = Path(cache_from_source(module))
    path.write_bytes(path.read_bytes()[:16])


CHANGES = [not_compiled, of_another_size, of_another_time, checked_by_hash, of_another_python, cut_short, header_alone]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_no_longer_as_it_was_compiled_is_left_to_importlib(module, change):
    py_compile.compile(module)
    assert found(module) is not None
    change(module)
    assert found(module) is None


def test_the_command_line_of_hosts_finds_its_libraries_without_what_runs_at_the_start_of_python(tmp_path):
    """From sources, too: `site` takes a fifth of the time, and runs every `.pth` file."""
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    event = b'{"session_id":"s","cwd":"/","hook_event_name":"PreToolUse","tool_name":"Read","tool_input":{},"tool_use_id":"t"}'
    line = [sys.executable, "-I", "-S", "-X", "importtime", str(ROOT / "codespar_cli" / "hook_main.py"), "claude"]
    # The first reads the configuration, which may name plugins that only `site` finds.
    subprocess.run(line, input=event, env=environment, cwd=tmp_path, capture_output=True, timeout=60, check=True)
    done = subprocess.run(line, input=event, env=environment, cwd=tmp_path, capture_output=True, timeout=60, check=True)
    imported = {row.rpartition("|")[2].strip() for row in done.stderr.decode().splitlines() if "import time:" in row}
    assert "apsw" in imported
    assert not imported & {"site", "sitecustomize", "_distutils_hack"}


def test_the_command_line_of_hosts_runs_codespar_in_isolation(tmp_path):
    """`-I -S` and the file itself; a module beside the caller is not imported in place of anybody's."""
    for name in ("json.py", "apsw.py", "sitecustomize.py", "codespar_cli.py", "_json.py"):
        (tmp_path / name).write_text("raise SystemExit('imported from the working directory')\n")
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    event = b'{"session_id":"s","cwd":"/","hook_event_name":"PreToolUse","tool_name":"Read","tool_input":{},"tool_use_id":"t"}'
    line = [sys.executable, "-I", "-S", str(ROOT / "codespar_cli" / "hook_main.py"), "claude"]
    done = subprocess.run(
        line, input=event, env=environment, cwd=tmp_path, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done
    assert b"working directory" not in done.stdout + done.stderr
