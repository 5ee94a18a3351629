"""`codespar config`: what the configuration says, and whose word each value is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from codespar_cli.cli.lazy import FileGroup
from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.session import Session
from codespar_cli.core.config import Config, parse_toml, read_bytes, shown, working_directory
from codespar_cli.core.layers import ADMINISTRATOR, PROJECT, USER, Places, find_places
from codespar_cli.core.references import is_reference
from codespar_cli.core.toml_source import line_of

app = typer.Typer(
    cls=FileGroup,
    help="What the configuration says, and where each value comes from.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_HIDDEN = "********"
_SECRETIVE = ("secret", "token", "password", "passphrase", "key", "credential", "webhook")
IN_EFFECT, IGNORED, OVERRIDDEN = "in effect", "ignored", "overridden"


class Value(NamedTuple):
    """One value. `origin` is administrator, user, project, option, environment or default."""

    key: str
    value: Any
    origin: str
    file: str | None = None
    line: int | None = None
    effect: str = IN_EFFECT


@app.callback()
def config() -> None:
    """What the configuration says, and where each value comes from."""


@app.command()
def show(
    context: typer.Context,
    origin: Annotated[
        bool, typer.Option("--origin", help="also where each comes from, and what does not count")
    ] = False,
    output: OutputOption = Output.table,
) -> None:
    """Show every value. Of a project's file beside yours, what only trust would let through is `ignored`."""
    session: Session = context.obj
    session.quiet = True
    found = list(_values(session, session.config))
    found = found if origin else [one for one in found if one.effect == IN_EFFECT]
    if output is Output.json:
        keep = Value._fields if origin else ("key", "value")
        session.terminal.json([{name: getattr(one, name) for name in keep} for one in found])
    elif origin:
        rows = [(one.key, _text(one.value), one.origin, _where(one), one.effect) for one in found]
        session.terminal.table(("key", "value", "origin", "where", "effect"), rows)
    else:
        session.terminal.table(("key", "value"), [(one.key, _text(one.value)) for one in found])


def _values(session: Session, config: Config) -> Iterator[Value]:
    places = find_places(session.config_path, environ=session.environ, start=working_directory())
    yield from _above_files(session, config)
    said: set[str] = set()
    for name, path in _layers(places):
        ignored = {one.key for one in config.ignored} if name == PROJECT else set()
        text, document = parse_toml(read_bytes(path), path)
        for key, value in _flat(document, ()):
            dotted = ".".join(key)
            effect = _effect(name, key, config, places, ignored)
            if effect == IN_EFFECT:
                said.add(dotted)
            yield Value(dotted, _safe(key, value), name, shown(path), line_of(text, key), effect)
    if "tenant" not in said and config.file_tenant in {None, "default"} and config.tenant == "default":
        yield Value("tenant", "default", "default")
    if "state_dir" not in said:
        variable = next((v for v in ("CODESPAR_STATE_DIR", "XDG_STATE_HOME") if session.environ.get(v)), None)
        source = Value("state_dir", str(config.state_dir), "default")
        yield source if variable is None else source._replace(origin="environment", file=f"${variable}")


def _above_files(session: Session, config: Config) -> Iterator[Value]:
    """What an option or a variable says, which goes before any file."""
    if session.tenant_option is not None:
        yield Value("tenant", config.tenant, "option", "--tenant")
    elif session.environ.get("CODESPAR_TENANT"):
        yield Value("tenant", config.tenant, "environment", "$CODESPAR_TENANT")


def _layers(places: Places) -> Iterator[tuple[str, Path]]:
    if places.administrator is not None:
        yield ADMINISTRATOR, places.administrator
    if places.own is not None:
        yield USER, places.own
    if places.project is not None:
        yield PROJECT, places.project


def _effect(name: str, key: tuple[str, ...], config: Config, places: Places, ignored: set[str]) -> str:
    path = _path(name, places)
    trusted = config.path == places.project  # a trusted project's file stands in the place of the user's
    if name == PROJECT and any(".".join(key[:length]) in ignored for length in range(1, len(key) + 1)):
        return IGNORED
    if name == USER and trusted:
        return OVERRIDDEN
    if key[0] == "observability":
        return IN_EFFECT if config.observability and config.observability.source == shown(path) else OVERRIDDEN
    if key[0] in {"policy", "agents", "version"} or name == PROJECT or config.path == path:
        return IN_EFFECT  # all policies are asked, and all must allow
    if name == ADMINISTRATOR and key[0] in {"tenant", "state_dir"} and config.path is not None:
        return OVERRIDDEN if key[0] in parse_toml(read_bytes(config.path), config.path)[1] else IN_EFFECT
    return OVERRIDDEN


def _path(name: str, places: Places) -> Path:
    path = {ADMINISTRATOR: places.administrator, USER: places.own, PROJECT: places.project}[name]
    assert path is not None
    return path


def _flat(document: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, (*above, key))
        else:
            yield (*above, key), value


def _safe(key: tuple[str, ...], value: Any) -> Any:
    """A value as it may be shown: what sounds like a secret and is no reference to one is hidden, at any depth."""
    if isinstance(value, Mapping):
        return {name: _safe((*key, name), inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_safe(key, inner) for inner in value]
    if not isinstance(value, str) or is_reference(value):
        return value
    scheme, found, rest = value.partition("://")
    if found and "@" in rest:
        return f"{scheme}://{_HIDDEN}@{rest.rpartition('@')[2]}"
    return _HIDDEN if any(word in key[-1].lower() for word in _SECRETIVE) else value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _where(one: Value) -> str:
    return (one.file or "") if one.line is None else f"{one.file}:{one.line}"
