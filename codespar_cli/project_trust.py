"""What `codespar trust` shows, pins and keeps: a project's plugins.toml against the user's own, and the record of trust."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from codespar_cli.core import loader
from codespar_cli.core.config import Config, Ignored, default_state_dir, parse_config, parse_toml, read_bytes, shown
from codespar_cli.core.layers import ADMINISTRATORS_FILE, Reading, find_places, ignored_in, read_places
from codespar_cli.core.trust_pin import Pin, pin_of, policy_files
from codespar_cli.errors import CodesparError, ConfigError
from codespar_cli.plugins import builtin_options
from codespar_cli.storage.trust_record import TrustRecord


class ProjectTrust(NamedTuple):
    """One project's file as it is now. `pin` is of the very bytes that everything else here was read from."""

    path: Path
    pin: Pin
    record: TrustRecord
    own: Path | None
    administrator: Path | None
    loosened: tuple[Ignored, ...]
    changes: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def is_trusted(self) -> bool:
        return self.record.is_trusted(self.pin)

    def grant(self) -> None:
        """Trust what was read. Raises StoreError."""
        self.record.grant(self.pin)


def project_trust(
    path: Path, *, environ: Mapping[str, str], administrators: Path = ADMINISTRATORS_FILE
) -> ProjectTrust:
    """What trusting this file would mean. Raises ConfigError where it, or the user's own, is not valid."""
    data = read_bytes(path)
    _, document = parse_toml(data, path)
    reading = Reading(environ, builtin_options(), loader.installed_plugins)
    project = parse_config(data, path=path, **reading._asdict())
    places = find_places(None, environ=environ, start=path.parent, administrators=administrators)
    own = None
    if places.own is not None and places.own != path:
        own = read_places(places._replace(administrator=None, project=None), reading, trusts=lambda pin: False)
    try:
        pin = pin_of(path, data, document)
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise ConfigError(f"a file that it names cannot be pinned: {words}", file=shown(path)) from error
    return ProjectTrust(
        path,
        pin,
        TrustRecord(default_state_dir(environ)),
        None if own is None else own.path,
        places.administrator,
        ignored_in(data, path),
        _changes(own, project),
        ("plugins.toml", *policy_files(document)),
    )


def revoke_trust(path: Path, *, environ: Mapping[str, str]) -> bool:
    """False when nothing was trusted, whatever the file says now. Raises StoreError."""
    return TrustRecord(default_state_dir(environ)).revoke(path)


def _changes(own: Config | None, project: Config) -> tuple[str, ...]:
    """What the project's rules let through that the user's do not, where both can be compared."""
    if own is None or own.policy is None:
        return ()
    if project.policy is None:
        return ("it has no policy: every call would be allowed",)
    mode = (
        ("its policy only observes: no call would be denied",)
        if project.policy.options.get("mode") == "observe"
        else ()
    )
    if own.policy.name != "engine" or project.policy.name != "engine":
        return (*mode, f"its policy is `{project.policy.name}`, yours `{own.policy.name}`: what differs cannot be told")
    from codespar_cli.workbench import diff_policies

    try:
        found = diff_policies(_rules(own), _rules(project))
    except CodesparError as error:
        return (*mode, f"its rules cannot be read: {error}")
    loose = [change for change in found if change.direction != "tightens"]
    told = []
    for change in loose:
        where = f"rule {change.rule_id}" if change.rule_id else "the file"
        what = f"{change.field}: {change.before} -> {change.after}" if change.field else change.change
        told.append(f"{change.direction}: {where}: {what}")
    return (*mode, *told)


def _rules(config: Config) -> Path:
    assert config.policy is not None
    return config.directory / str(config.policy.options.get("rules", "policy.yaml"))
