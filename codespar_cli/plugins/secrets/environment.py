"""Secrets from environment variables: what there is when no vault is configured.

`CODESPAR_SECRET__<tenant>__<key>`, where ASCII letters and digits stand for themselves and every other byte of the
UTF-8 name is `_xx` in hexadecimal. An underscore is always followed by two digits, so `__` ends the tenant and nothing
else, and no two names share a variable. For the tenant `default` the bare key is looked up as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from codespar_cli.core.hooks import Health
from codespar_cli.core.services import Services
from codespar_cli.core.text import is_unicode
from codespar_cli.errors import SecretError
from codespar_cli.plugins.secrets.names import name_bytes
from codespar_cli.plugins.secrets.spelling import spelled

PREFIX = "CODESPAR_SECRET__"
BARE_TENANT = "default"


def variable_name(tenant_id: str, key: str) -> str:
    """The variable that holds a secret. Raises UsageError for a name that is empty, too long or no UTF-8."""
    return f"{PREFIX}{spelled(name_bytes('tenant', tenant_id))}__{spelled(name_bytes('key', key))}"


class EnvironmentSecrets:
    """Read only: a process cannot keep anything in its environment, so there is no `set`."""

    backend = "none"
    limits = "environment variables can only be read"
    instead = "codespar plugins enable secrets vault"

    def __init__(self, environ: Mapping[str, str]) -> None:
        # Behind a function, so that `vars` shows no value.
        self._variables: Callable[[], Mapping[str, str]] = lambda: environ

    @classmethod
    def from_options(
        cls,
        options: Mapping[str, Any],
        services: Services,
        *,
        environ: Mapping[str, str] | None = None,
    ) -> EnvironmentSecrets:
        return cls(os.environ if environ is None else environ)

    def get(self, tenant_id: str, key: str) -> str | None:
        """The variable's value, also when it is empty; None when it is not set. Raises SecretError for no UTF-8."""
        # Never the whole environment in a variable: a traceback with locals would show it.
        name = variable_name(tenant_id, key)
        value = self._variables().get(name)
        if value is None and tenant_id == BARE_TENANT:
            name, value = key, self._variables().get(key)
        if value is not None and not is_unicode(value):
            del value
            raise SecretError(f"the variable `{name}` is not valid UTF-8", code="invalid_utf8")
        return value

    @staticmethod
    def advice(tenant_id: str, key: str) -> str:
        """What to run so that this secret is there."""
        return f"export {variable_name(tenant_id, key)}=…"

    def health(self) -> Health:
        count = sum(1 for name in self._variables() if name.startswith(PREFIX))
        return Health("ok", f"environment variables, {count} named {PREFIX}*")

    def __repr__(self) -> str:
        return "<EnvironmentSecrets>"
