"""Every error a user can meet, as one tree.

    CodesparError                1  it failed
    ├── UsageError               2  the command line
    ├── ConfigError              2  plugins.toml, policy.yaml, an option
    │   └── MissingExtra         2  an optional package is not installed
    ├── RegistryError            1  registration
    │   ├── DuplicatePlugin      1
    │   ├── RegistrySealed       1
    │   └── InvalidPlugin        1
    ├── CallDenied               3  the policy said no
    │   └── ApprovalRequired     4  the policy asks for a human
    ├── StoreError               1  a store cannot be used
    │   ├── StoreBusy            1  it stayed locked longer than we wait
    │   ├── StoreUnreachable     1  a server's store does not answer
    │   └── StoreSchemaNewer     1  written by a newer codespar
    ├── SecretError              1  the vault
    │   ├── MasterKeyMissing     2
    │   ├── MasterKeyMalformed   2
    │   ├── MasterKeyWrong       1
    │   ├── VersionRetired       1
    │   ├── SecretDenied         3  not granted to this agent or tool
    │   └── WriteConflict        1  compare-and-set failed
    ├── IntegrityError           5  tampered data, bad signature
    │   └── StoreCorrupt         5
    └── NotFoundError            6

The number is the process's exit code. A message is one line, lower case, without a full stop; advice goes into
the hint, which names a command to run. Neither ever holds a secret's value.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codespar_cli.core.calls import PolicyDecision


class CodesparError(Exception):
    """The root. `code` is stable and machine readable; `file` and `line` say where, if anywhere."""

    code = "failed"
    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        file: str | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.file = file
        self.line = line
        if code is not None:
            self.code = code

    @property
    def where(self) -> str:
        """`plugins.toml:14`, `plugins.toml`, or nothing."""
        if self.file is None:
            return ""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class UsageError(CodesparError):
    code = "usage"
    exit_code = 2


class ConfigError(CodesparError):
    """A configuration value is not usable. `key` is the dotted path of the key at fault."""

    code = "config_invalid"
    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        key: str | None = None,
        hint: str | None = None,
        code: str | None = None,
        file: str | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code, file=file, line=line)
        self.key = key


class MissingExtra(ConfigError):
    code = "missing_extra"

    def __init__(self, needed_by: str, extra: str) -> None:
        super().__init__(
            f"{needed_by} needs the extra `{extra}`, which is not installed",
            hint=f"pip install 'codespar-cli[{extra}]'",
        )


class RegistryError(CodesparError):
    code = "registry"


class DuplicatePlugin(RegistryError):
    code = "duplicate_plugin"


class RegistrySealed(RegistryError):
    code = "registry_sealed"


class InvalidPlugin(RegistryError):
    code = "invalid_plugin"


class CallDenied(CodesparError):
    """Raised by `gate.call` and `@gate.tool` in place of running the tool."""

    code = "denied"
    exit_code = 3

    def __init__(self, decision: PolicyDecision, *, hint: str | None = None) -> None:
        super().__init__(decision.reason or "denied by policy", hint=hint, code=decision.code or "denied")
        self.decision = decision


class ApprovalRequired(CallDenied):
    exit_code = 4


class StoreError(CodesparError):
    code = "store_unavailable"


class StoreBusy(StoreError):
    code = "store_busy"


class StoreUnreachable(StoreError):
    """A server's store cannot be reached, or went away in the middle of a call."""

    code = "store_unreachable"


class StoreSchemaNewer(StoreError):
    code = "store_schema_newer"


class SecretError(CodesparError):
    code = "secret"


class MasterKeyMissing(SecretError):
    code = "master_key_missing"
    exit_code = 2


class MasterKeyMalformed(SecretError):
    code = "master_key_malformed"
    exit_code = 2


class MasterKeyWrong(SecretError):
    code = "master_key_wrong"


class VersionRetired(SecretError):
    code = "version_retired"


class SecretDenied(SecretError):
    """A secret was asked for on behalf of an agent or a tool that it is not granted to."""

    code = "secret_denied"
    exit_code = 3


class WriteConflict(SecretError):
    code = "conflict"


class IntegrityError(CodesparError):
    code = "integrity"
    exit_code = 5


class StoreCorrupt(IntegrityError):
    code = "store_corrupt"


class NotFoundError(CodesparError):
    code = "not_found"
    exit_code = 6
