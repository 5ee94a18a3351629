"""What a command finds in its environment: the tenant's secrets, and none of the keys they are kept under."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from codespar_cli.core.options import texts_in

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"(?:^|:)env:([A-Za-z_][A-Za-z0-9_]*)$")
_MASTER_KEYS = ("VAULT_MASTER_KEY", "VAULT_MASTER_KEY_PREVIOUS")
_WITHOUT_VAULT = "CODESPAR_SECRET__"
_STEERING = re.compile(
    r"PATH|HOME|SHELL|USER|LOGNAME|PWD|OLDPWD|TERM|TERMINFO|TMPDIR|IFS|ENV|BASH_ENV|SHELLOPTS|BASHOPTS|PS4|CDPATH|FPATH"
    r"|PROMPT_COMMAND|ZDOTDIR|EDITOR|VISUAL|PAGER|BROWSER|LESSOPEN|LESSCLOSE|NODE_OPTIONS|NODE_PATH|PERL5LIB|PERL5OPT"
    r"|PERL5DB|PERLLIB|RUBYOPT|RUBYLIB|JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|_JAVA_OPTIONS|CLASSPATH|GCONV_PATH|LOCPATH|NLSPATH"
    r"|GLIBC_TUNABLES|HOSTALIASES|RESOLV_HOST_CONF|OPENSSL_CONF|OPENSSL_ENGINES|OPENSSL_MODULES|SSLKEYLOGFILE"
    r"|DOTNET_STARTUP_HOOKS|PHPRC|PHP_INI_SCAN_DIR|PYTHONPATH|PYTHONHOME|PYTHONSTARTUP|PYTHONINSPECT|PYTHONEXECUTABLE"
    r"|PYTHONUSERBASE|PYTHONBREAKPOINT|PYTHONWARNINGS|PYTHONPLATLIBDIR|PYTHONPYCACHEPREFIX|GIT_SSH|GIT_SSH_COMMAND"
    r"|GIT_EXTERNAL_DIFF|GIT_ASKPASS|SSH_ASKPASS|GIT_EDITOR|GIT_PAGER|GIT_EXEC_PATH|GIT_TEMPLATE_DIR|GIT_PROXY_COMMAND"
    r"|GIT_SEQUENCE_EDITOR|CODESPAR_CONFIG|CODESPAR_TENANT|CODESPAR_STATE_DIR|CODESPAR_DEBUG"
    r"|LUA_INIT|LUA_PATH|LUA_CPATH|MAKEFLAGS|MAKEFILES|RUSTC_WRAPPER|RUSTC|CARGO_HOME|XDG_CONFIG_HOME|XDG_CONFIG_DIRS"
    r"|XDG_DATA_HOME|XDG_DATA_DIRS|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|CURL_HOME|NODE_EXTRA_CA_CERTS"
    r"|[hH][tT][tT][pP][sS]?_[pP][rR][oO][xX][yY]|[aA][lL][lL]_[pP][rR][oO][xX][yY]|[nN][oO]_[pP][rR][oO][xX][yY]"
    r"|(?:LD_|DYLD_|LUA_INIT_|CORECLR_|COR_|npm_config_|NPM_CONFIG_|PIP_|CARGO_TARGET_|BASH_FUNC_|MALLOC_|GIT_CONFIG|CODESPAR_SECRET__).*"
)


def is_variable(name: str) -> bool:
    """Whether every shell and program takes this for a variable's name."""
    return _NAME.fullmatch(name) is not None


def is_steering(name: str, hidden: Collection[str]) -> bool:
    """Whether this variable decides which code runs or where it looks: a vault's writer must not decide that.

    The variables with keys, which are hidden from the command, count among them.
    """
    return _STEERING.fullmatch(name) is not None or name in hidden


def key_variables(options: Mapping[str, Any], said: Iterable[str]) -> frozenset[str]:
    """The variables that hold what opens the secrets.

    Whatever `[secrets]` names as `env:NAME`, each with NAME_PREVIOUS, what the backend says, and the usual ones.
    """
    named = {name for text in texts_in(options) for name in _REFERENCE.findall(text)}
    return frozenset((*_MASTER_KEYS, *said, *named, *(f"{name}_PREVIOUS" for name in named)))


def child_environment(
    environ: Mapping[str, str], hidden: Collection[str], secrets: Mapping[str, str]
) -> dict[str, str]:
    """The environment without keys and without other secrets, and these secrets."""
    kept = {name: value for name, value in environ.items() if name not in hidden}
    return {name: value for name, value in kept.items() if not name.startswith(_WITHOUT_VAULT)} | dict(secrets)
