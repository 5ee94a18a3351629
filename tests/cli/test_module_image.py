"""An image gives the modules that `importlib` would give, and none at all where a source is not what was compiled."""

import os
import py_compile
import sys
import traceback
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import codespar_cli
from codespar_cli import module_image

NAMES = ("codespar_cli.image_of", "codespar_cli.image_of.one", "codespar_cli.image_of.two")
LISTED = "image_of image_of.one image_of.two"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of three modules below a directory that stands for codespar's own."""
    place = tmp_path / "image_of"
    place.mkdir()
    sources = {
        "__init__": '"""The package."""\n',
        "one": "from __future__ import annotations\nVALUE = 1\n",
        "two": '"""Doc."""\nfrom codespar_cli.image_of.one import VALUE\ntotal = VALUE + 1\ndef where():\n    return __file__\n',
    }
    for name, text in sources.items():
        (place / f"{name}.py").write_text(text)
        py_compile.compile(str(place / f"{name}.py"))
    (tmp_path / "__pycache__").mkdir()
    monkeypatch.setattr(module_image, "_HERE", str(tmp_path))
    yield place
    forget()


def forget():
    for name in NAMES:
        sys.modules.pop(name, None)
    vars(codespar_cli).pop("image_of", None)


def test_modules_are_as_importlib_makes_them(package, monkeypatch):
    module_image.keep("kept", LISTED)
    assert module_image.load("kept") is True
    image = {name: sys.modules[name] for name in NAMES}
    forget()
    monkeypatch.setattr(codespar_cli, "__path__", [str(package.parent)])
    for name, made in image.items():
        usual = import_module(name)
        for fact in ("__name__", "__file__", "__package__", "__doc__"):
            assert getattr(made, fact) == getattr(usual, fact), (name, fact)
        assert (made.__spec__.name, made.__spec__.origin) == (usual.__spec__.name, usual.__spec__.origin)
        assert list(getattr(made, "__path__", [])) == list(getattr(usual, "__path__", []))
    two = image[NAMES[2]]
    assert (two.total, two.where()) == (2, str(package / "two.py"))
    assert image[NAMES[0]].two is two


def test_what_is_imported_already_is_left_as_it_is(package):
    module_image.keep("kept", LISTED)
    module_image.load("kept")
    before = sys.modules[NAMES[1]]
    before.VALUE = 41
    assert module_image.load("kept") is True
    assert (sys.modules[NAMES[1]] is before, before.VALUE) == (True, 41)


def of_another_size(place):
    facts = place.stat()
    place.write_text(place.read_text() + "MORE = 1\n")
    os.utime(place, ns=(facts.st_atime_ns, facts.st_mtime_ns))


CHANGES = [of_another_size, lambda place: os.utime(place, (1, 1)), Path.unlink]


@pytest.mark.parametrize("module", ["__init__", "one", "two"])
@pytest.mark.parametrize("change", CHANGES, ids=["size", "time", "gone"])
def test_with_one_source_changed_nothing_is_taken_from_the_image(package, module, change):
    module_image.keep("kept", LISTED)
    change(package / f"{module}.py")
    assert module_image.load("kept") is False
    assert not set(NAMES) & set(sys.modules)


def test_what_is_not_compiled_yet_is_compiled_first(package, monkeypatch):
    (package / "one.py").write_text("VALUE = 20\n")
    monkeypatch.setattr(codespar_cli, "__path__", [str(package.parent)])
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    module_image.keep("kept", LISTED)
    forget()
    assert module_image.load("kept") is True
    assert sys.modules[NAMES[2]].total == 21


@pytest.mark.parametrize("text", ["VALUE = \n", "raise OSError('no')\n"])
def test_of_what_cannot_be_compiled_there_is_no_image(package, monkeypatch, text):
    (package / "one.py").write_text(text)
    monkeypatch.setattr(codespar_cli, "__path__", [str(package.parent)])
    module_image.keep("kept", LISTED)
    assert module_image.load("kept") is False
    assert list((package.parent / "__pycache__").iterdir()) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.floats(0, 1, exclude_max=True))
def test_an_image_that_is_cut_short_is_none(package, part):
    module_image.keep("kept", LISTED)
    (place,) = (package.parent / "__pycache__").glob("*.image")
    data = place.read_bytes()
    place.write_bytes(data[: int(len(data) * part)])
    assert module_image.load("kept") is False
    assert not set(NAMES) & set(sys.modules)


@pytest.mark.parametrize("in_the_way", ["a link", "a directory", "no directory"])
def test_what_stands_in_its_place_is_no_error(package, tmp_path, in_the_way):
    kept = tmp_path / "__pycache__"
    place = kept / f"kept.{sys.implementation.cache_tag}.image"
    if in_the_way == "a link":
        place.symlink_to(tmp_path / "elsewhere")
        assert module_image.load("kept") is False
        module_image.keep("kept", LISTED)
        assert not (tmp_path / "elsewhere").exists()
    elif in_the_way == "a directory":
        place.mkdir()
        module_image.keep("kept", LISTED)
        assert module_image.load("kept") is False
    else:
        kept.rmdir()
        module_image.keep("kept", LISTED)
        assert module_image.load("kept") is False
    assert not list(tmp_path.glob(f"__pycache__/*.{os.getpid()}"))


def test_a_module_that_raises_is_not_left_half_made(package):
    (package / "two.py").write_text("raise RuntimeError('no')\n")
    py_compile.compile(str(package / "two.py"))
    module_image.keep("kept", LISTED)
    with pytest.raises(RuntimeError, match="no"):
        module_image.load("kept")
    assert NAMES[1] in sys.modules
    assert NAMES[2] not in sys.modules


def codes(code):
    yield code
    for inner in code.co_consts:
        if isinstance(inner, type(code)):
            yield from codes(inner)


@pytest.mark.parametrize(
    "module", ["hosts.referee", "plugins.policy.engine", "core.guard.shell_text", "storage.sqlite"]
)
def test_every_instruction_has_a_line_for_whoever_shows_a_traceback(module):
    source = Path(codespar_cli.__file__).parent / f"{module.replace('.', '/')}.py"
    whole = compile(source.read_text(), str(source), "exec", dont_inherit=True)
    for code, bare in zip(codes(whole), codes(module_image._bare(whole)), strict=True):
        assert bare.co_code == code.co_code
        assert len(list(bare.co_positions())) == len(list(code.co_positions()))
        assert {line for line, *_ in bare.co_positions()} == {code.co_firstlineno}


def test_what_an_image_raises_can_be_shown(package):
    (package / "two.py").write_text("def fail():\n    x = 1\n    return x / 0\n")
    py_compile.compile(str(package / "two.py"))
    module_image.keep("kept", LISTED)
    assert module_image.load("kept") is True
    try:
        sys.modules[NAMES[2]].fail()
    except ZeroDivisionError:
        shown = traceback.format_exc()
    assert "in fail" in shown
    assert "ZeroDivisionError" in shown
