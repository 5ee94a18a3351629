"""Secrets in the operating system's keyring, through the `keyring` package.

One entry per secret: the service is `<service>/<tenant>`, the user name is the key, both spelled with letters, digits and
`_` (spelling.py), since keyrings join the two in ways of their own. A value that a keyring may bend (empty, several
lines, not ASCII) is kept as `base64:...`; all others as they are, so that the desktop's own tools show and take them.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from codespar_cli.core.durations import parse_duration
from codespar_cli.core.handover import within
from codespar_cli.core.hidden import Hidden
from codespar_cli.core.hooks import Health
from codespar_cli.core.services import Services
from codespar_cli.errors import CodesparError, MissingExtra, NotFoundError, SecretError, StoreUnreachable
from codespar_cli.plugins.secrets.master_key import keyring_variables
from codespar_cli.plugins.secrets.names import name_bytes, value_bytes
from codespar_cli.plugins.secrets.spelling import spelled

T = TypeVar("T")
_ENCODED = "base64:"
_AS_IT_IS = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_DIAGNOSE = "keyring diagnose"


class KeyringSecrets:
    """Asks the keyring anew each time; keeps nothing. A keyring that is locked or absent raises, it is never empty.

    Raises StoreUnreachable where there is no keyring or it does not open, SecretError where it does not do as told.
    """

    backend = "keyring"
    limits = "a keyring holds one value for each name: no list, versions, notes, due dates, record or rotation"
    instead = "codespar plugins enable secrets vault"

    def __init__(self, *, service: str, timeout_s: float) -> None:
        self._service = service
        self._timeout_s = timeout_s

    @classmethod
    def from_options(
        cls,
        options: Mapping[str, Any],
        services: Services,
    ) -> KeyringSecrets:
        timeout = options.get("timeout")
        return cls(
            service=options.get("service", "codespar"),
            timeout_s=30.0 if timeout is None else parse_duration(timeout).total_seconds(),
        )

    @property
    def key_variables(self) -> tuple[str, ...]:
        """The environment variables that unlock the keyring: no other program is to be given them."""
        return keyring_variables(os.environ)

    def get(self, tenant_id: str, key: str) -> str | None:
        service, name = self._place(tenant_id, key)
        found = self._ask(lambda keyring: Hidden(keyring.get_password(service, name)))
        return None if found.reveal() is None else _decoded(found, key)

    def set(self, tenant_id: str, key: str, value: str) -> None:
        """Also reads it back: a keyring that takes everything and keeps nothing is an error here."""
        held = Hidden(value)
        del value  # a traceback with locals must not show it
        value_bytes(held)
        service, name = self._place(tenant_id, key)
        kept = Hidden(_encoded(held.reveal()))

        def write(keyring: Any) -> bool:
            keyring.set_password(service, name, kept.reveal())
            return bool(keyring.get_password(service, name) == kept.reveal())

        if not self._ask(write):
            raise SecretError(f"the system's keyring did not keep `{key}`", code="keyring_did_not_keep", hint=_DIAGNOSE)

    def delete(self, tenant_id: str, key: str, *, actor: str) -> int:
        """Take the value away for good; answers 1. Raises NotFoundError."""
        service, name = self._place(tenant_id, key)

        def remove(keyring: Any) -> bool:
            if keyring.get_password(service, name) is None:
                return False
            keyring.delete_password(service, name)
            return True

        if not self._ask(remove):
            raise NotFoundError(f"tenant `{tenant_id}` has no secret `{key}`", hint=f"codespar secrets set {key}")
        return 1

    def health(self) -> Health:
        """Asks for a name that nobody uses: that a keyring answers is all that counts."""
        try:
            name = self._ask(lambda keyring: (keyring.get_password(self._service, "_"), _name_of(keyring))[1])
        except CodesparError as error:
            return Health("error", error.message, error.hint)
        return Health("ok", f"the system's keyring: {name}")

    def _place(self, tenant_id: str, key: str) -> tuple[str, str]:
        return f"{self._service}/{spelled(name_bytes('tenant', tenant_id))}", spelled(name_bytes("key", key))

    def _ask(self, act: Callable[[Any], T]) -> T:
        """Do one thing with the keyring in force; the wait for whoever has to unlock it is bounded."""
        try:
            # A list, since what `act` answers may be None.
            return within(self._timeout_s, lambda: [act(_usable_keyring())], lambda late: None)[0]
        except Exception as error:  # keyrings raise what they like, in words that may quote what they hold
            problem = self._trouble(error)
        raise problem

    def _trouble(self, error: Exception) -> CodesparError:
        if isinstance(error, CodesparError):
            return error
        if isinstance(error, TimeoutError):
            return StoreUnreachable(
                f"the system's keyring did not answer within {self._timeout_s:g} s: it may wait to be unlocked",
                code="keyring_locked",
                hint="unlock it, or raise timeout in [secrets]",
            )
        from keyring.errors import KeyringLocked, PasswordDeleteError, PasswordSetError

        if isinstance(error, KeyringLocked):
            return StoreUnreachable("the system's keyring is locked", code="keyring_locked", hint="unlock it first")
        if isinstance(error, PasswordSetError | PasswordDeleteError):
            return SecretError(
                f"the system's keyring refuses the change: {type(error).__name__}", code="refused", hint=_DIAGNOSE
            )
        return StoreUnreachable(
            f"the system's keyring cannot be asked: {type(error).__name__}", code="keyring_unusable", hint=_DIAGNOSE
        )

    def __repr__(self) -> str:
        return f"<KeyringSecrets service {self._service}>"


def _usable_keyring() -> Any:
    """The keyring in force. Raises MissingExtra, and StoreUnreachable for those that only stand for there being none."""
    try:
        import keyring
        from keyring.backends import chainer, fail, null
    except ImportError:
        raise MissingExtra("the secrets backend `keyring`", "keyring") from None
    found = keyring.get_keyring()
    empty = isinstance(found, chainer.ChainerBackend) and not list(found.backends)
    if empty or isinstance(found, fail.Keyring | null.Keyring):
        why = "keyrings are switched off" if isinstance(found, null.Keyring) else "no keyring can be used"
        raise StoreUnreachable(f"{why} on this system: {_name_of(found)}", code="no_keyring", hint=_DIAGNOSE)
    return found


def _name_of(keyring: Any) -> str:
    return f"{type(keyring).__module__}.{type(keyring).__qualname__}"


def _encoded(value: str) -> str:
    if _AS_IT_IS.fullmatch(value) and not value.startswith(_ENCODED):
        return value
    return _ENCODED + base64.b64encode(value.encode()).decode()


def _decoded(kept: Hidden[str], key: str) -> str:
    """Raises SecretError for what is neither a text nor what `set` writes."""
    text = kept.reveal()
    sound: str | None = text if isinstance(text, str) else None
    if sound is not None and sound.startswith(_ENCODED):
        try:
            sound = base64.b64decode(sound.removeprefix(_ENCODED), validate=True).decode()
        except (binascii.Error, ValueError):
            sound = None
    del text
    if sound is None:
        raise SecretError(
            f"`{key}` in the system's keyring begins with `{_ENCODED}` and is no such text",
            code="unexpected_answer",
            hint=f"codespar secrets set {key}",
        )
    return sound
