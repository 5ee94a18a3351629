"""`secret:KEY`, `env:NAME` and `file:PATH` in plugins.toml: where a credential is, in place of the credential.

A reference may be shown, what it stands for never. `secret:KEY` asks the active secrets plugin for the tenant that the
file names; a file must be its reader's own and closed to everybody else, as a key of ssh must.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import Protocol

from codespar_cli.core.text import is_unicode, visible
from codespar_cli.errors import ConfigError

EXPECTED = "`secret:KEY`, `env:NAME` or `file:PATH`"
SCHEMES = ("secret:", "env:", "file:")
_MAX_BYTES = 65_536
_READLINK = "readlink -f"


class SecretSource(Protocol):
    """Who answers for `secret:KEY`: the value or None, what to run when there is none, whether anything is there."""

    def get(self, key: str) -> str | None: ...

    def advice(self, key: str) -> str: ...

    def is_empty(self) -> bool: ...

    def of_tenant(self, tenant: str) -> SecretSource: ...


def is_reference(value: object) -> bool:
    """Whether this is written as a reference. A URL such as `file:///x` is none."""
    if not isinstance(value, str) or not value.startswith(SCHEMES):
        return False
    place = value.partition(":")[2]
    return place != "" and "\0" not in place and not place.startswith("//")


class Resolver:
    """From a reference to its value. Reads afresh each time, so that a changed credential is used at once."""

    def __init__(self, environ: Mapping[str, str], config_dir: Path, secrets: SecretSource) -> None:
        # Behind functions, so that `vars` shows no value.
        self._variable: Callable[[str], str | None] = lambda name: environ.get(name)  # noqa: PLW0108  the bare method shows all in its repr
        self._config_dir = config_dir
        self._secrets = secrets

    def of_tenant(self, tenant: str) -> Resolver:
        """The same, but `secret:KEY` is asked for this tenant: for what stands in a tenant's own table."""
        other = copy(self)
        vars(other)["_secrets"] = self._secrets.of_tenant(tenant)
        return other

    def __call__(self, reference: str) -> str | None:
        """The value; None where there is none: no such secret, variable or file.

        Raises:
            ConfigError: it is no reference, or what it names cannot be used: others can read the file, it is no text.
            CodesparError: whatever the secrets plugin raises.
        """
        if not is_reference(reference):
            raise ConfigError(f"expected {EXPECTED}", code="no_reference")  # it may be the credential itself
        scheme, _, place = reference.partition(":")
        if scheme == "secret":
            return self._secrets.get(place)
        return self._of_variable(place) if scheme == "env" else private_text(self._path(place))

    def look(self, reference: str) -> str | None:
        """Like a call, for whoever only looks: a store that does not exist yet is not made by asking it."""
        if is_reference(reference) and reference.startswith("secret:") and self._secrets.is_empty():
            return None
        return self(reference)

    def advice(self, reference: str) -> str:
        """What to run so that it has a value."""
        scheme, _, place = reference.partition(":")
        if scheme == "secret":
            return self._secrets.advice(place)
        return f"export {place}=…" if scheme == "env" else f"(umask 077; cat > {shlex.quote(str(self._path(place)))})"

    def _path(self, place: str) -> Path:
        return self._config_dir / os.path.expanduser(place)  # noqa: PTH111  unlike pathlib's it never raises

    def _of_variable(self, name: str) -> str | None:
        value = self._variable(name)
        if value is not None and not is_unicode(value):
            raise ConfigError(f"the variable `{visible(name)}` is not valid UTF-8", code="invalid_utf8")
        return value

    def __repr__(self) -> str:
        return "<Resolver>"


class WithoutSecrets:
    """The resolver that the secrets plugin itself gets: `secret:KEY` would have it ask itself, for ever."""

    def __init__(self, resolve: Callable[[str], str | None]) -> None:
        self._resolve = resolve

    def __call__(self, reference: str) -> str | None:
        if isinstance(reference, str) and reference.startswith("secret:"):
            raise ConfigError(circular(reference), code="circular_reference", hint="use env:NAME or file:PATH here")
        return self._resolve(reference)

    def advice(self, reference: str) -> str:
        return advice(self._resolve, reference)


def circular(reference: str) -> str:
    return f"`{visible(reference[:80])}` is circular: it asks the secrets plugin for what opens the secrets plugin"


def advice(resolve: Callable[[str], str | None], reference: str) -> str:
    """What to run so that a reference has a value; in general words where the resolver has none of its own."""
    own = getattr(resolve, "advice", None)
    if callable(own):
        return str(own(reference))
    scheme, _, place = reference.partition(":")
    return {"secret": f"codespar secrets set {shlex.quote(place)}", "env": f"export {place}=…"}.get(
        scheme, f"ls -l {shlex.quote(place)}"
    )


def unresolved(resolve: Callable[[str], str | None], *references: str, key: str) -> ConfigError:
    """The error for whoever needs what none of these references has.

    A `key` with a dot in it is told as it is; one without is the plugin's own, and the loader says in which table.
    """
    listed = " and ".join(f"`{visible(reference)}`" for reference in references)
    verb = "has" if len(references) == 1 else "have"
    return ConfigError(
        f"{f'{key}: ' if '.' in key else ''}{listed} {verb} no value",
        key=key,
        code="unresolved_reference",
        hint=advice(resolve, references[0]),
    )


def private_text(path: Path) -> str | None:
    """The text of a private file; one newline at its end is dropped.

    None when it is not there. Raises FileUnusable, which never shows what is in it.
    """
    data = private_bytes(path)
    return None if data is None else _decoded(path, data)


def private_bytes(path: Path) -> bytes | None:
    """What is in a file that only its owner, who is us, can touch; None when it is not there. Raises FileUnusable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        link = getattr(error, "errno", None) == errno.ELOOP  # what O_NOFOLLOW says of one
        if link:
            raise FileUnusable(
                path, "is a symbolic link", f"name the file itself: {_READLINK} {_quoted(path)}"
            ) from None
        words = str(getattr(error, "strerror", None) or error).lower()
        raise FileUnusable(path, f"cannot be read: {words}") from None
    try:
        _check_private(path, os.fstat(descriptor))
        data = os.read(descriptor, _MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > _MAX_BYTES:
        raise FileUnusable(path, f"is longer than {_MAX_BYTES} bytes")
    return data


def _decoded(path: Path, data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = None
    if text is None:  # outside of `except`: that exception holds the bytes
        raise FileUnusable(path, "is not valid UTF-8")
    return text.removesuffix("\n").removesuffix("\r")


def _check_private(path: Path, facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise FileUnusable(path, "is not a regular file")
    if facts.st_uid != os.geteuid():
        raise FileUnusable(path, f"belongs to another user (uid {facts.st_uid})", exposed=True)
    if facts.st_mode & 0o077:
        mode = f"mode {stat.S_IMODE(facts.st_mode):04o}"
        raise FileUnusable(path, f"can be used by others ({mode})", f"chmod 600 {_quoted(path)}", exposed=True)


class FileUnusable(ConfigError):
    """A file with a credential that cannot be used, in `words`; `exposed` when others have or had access to it."""

    code = "reference_unusable"

    def __init__(self, path: Path, words: str, hint: str | None = None, *, exposed: bool = False) -> None:
        # The path is in the message: `file` is where the reference stands, and whoever catches this fills it in.
        super().__init__(f"the file `{visible(str(path))}` {words}", hint=hint or f"ls -ld {_quoted(path)}")
        self.words = words
        self.exposed = exposed


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
