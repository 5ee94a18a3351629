"""The house rules that a reader feels: sizes, places, and what a cold start imports."""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "codespar_cli").rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "helpers", "common", "base", "manager"}


def functions():
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{source.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_files_are_small_and_named_for_what_they_hold():
    sizes = {source: source.read_text().count("\n") for source in SOURCES}
    assert {str(s): n for s, n in sizes.items() if n > 400} == {}
    assert statistics.median(sizes.values()) <= 120
    assert {source for source in SOURCES if source.stem in FORBIDDEN_NAMES} == set()


def test_functions_are_small():
    lengths = dict(functions())
    assert {name: n for name, n in lengths.items() if n > 60} == {}
    ordered = sorted(lengths.values())
    assert ordered[int(len(ordered) * 0.9)] <= 25


def test_the_commands_modules_do_not_print_past_the_terminal():
    forbidden = {"print", "typer.echo", "sys.stdout.write", "sys.exit"}
    offenders = [
        f"{source.name}:{node.lineno}"
        for source in (ROOT / "codespar_cli" / "cli" / "commands").glob("*.py")
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in forbidden
    ]
    assert offenders == []


def imported_by(*arguments):
    code = (
        "import sys; sys.argv = ['codespar', *sys.argv[1:]]\n"
        "from codespar_cli.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.stderr.write(chr(10).join(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
    return set(result.stderr.split("\n"))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_and_version_import_no_store_and_no_crypto(arguments):
    modules = imported_by(*arguments)
    assert "typer" in modules
    heavy = {"apsw", "sqlite3", "cryptography", "yaml", "rich", "tomllib", "codespar_cli.startup"}
    if "coverage" in modules:
        heavy -= {"sqlite3", "tomllib"}  # coverage's own
    assert modules & heavy == set()


def test_importing_the_package_imports_nothing_heavy():
    code = "import codespar_cli, sys; print('\\n'.join(m for m in sys.modules if m.startswith('codespar_cli')))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["codespar_cli"]


def test_every_public_name_is_there():
    import codespar_cli

    assert len(codespar_cli.__all__) <= 25
    for name in codespar_cli.__all__:
        assert getattr(codespar_cli, name) is not None
    assert codespar_cli.__version__ in (ROOT / "pyproject.toml").read_text()


def test_no_machine_path_or_registry_host_is_in_the_repository():
    import re

    files = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split("\n")
    machine = re.compile(r"/[w]ork/|/[r]oot/|/[f]arm/|[p]ypi\.org|[p]ythonhosted|registry\.[n]pm|[d]eb\.debian")
    found = []
    for name in files:
        path = ROOT / name
        if name and path.is_file():
            try:
                text = path.read_text()
            except UnicodeDecodeError:
                continue
            found += [f"{name}: {match[0]}" for match in [machine.search(text)] if match]
    assert found == []
