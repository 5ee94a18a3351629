"""What every secrets hook must do, as tests to inherit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codespar_cli.testing.hostile import threads

_DIFFICULT: tuple[str, ...] = (
    "plain",
    "",
    " leading and trailing ",
    "line\nfeed\r\nand\ttab",
    "quotes ' \" ` and \\ backslash",
    "${HOME} $(id) %PATH% {{x}}",
    "nul\x00inside",
    "日本語 – über – 😀",
    "\u202eright to left",
    "e\u0301 is not é",
    "x" * 65_536,
)

_NAMES: tuple[str, ...] = (
    "key",
    "KEY",
    "key ",
    "../key",
    "..",
    "a/b",
    "a%2fb",
    "a_2fb",
    "a__b",
    "a",
    "_b",
    "a\x00b",
    "a\nb",
    "*",
    "é",
    "e\u0301",
    "\u202eyek",
    "ключ",
    "κey",
    "k" * 4096,
    "k" * 4095 + "y",
)


class SecretsContract:
    """Inherit, and override `make` to return a fresh, empty hook.

    `put` writes through the hook's own `set`. A hook that only reads may override `put` to fill its source by other
    means; if it does not, what needs writing is skipped.
    """

    key = "API_KEY"

    def make(self, tmp_path: Path) -> Any:
        raise TypeError("override make(self, tmp_path) to return a fresh hook")

    def put(self, hook: Any, tenant_id: str, key: str, value: str) -> None:
        if not callable(getattr(hook, "set", None)):
            import pytest

            pytest.skip("this hook only reads; override `put` to fill its source")
        hook.set(tenant_id, key, value)

    def test_what_is_not_there_is_none(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        assert hook.get("acme", "NEVER_SET") is None
        assert hook.get("no-such-tenant", "NEVER_SET") is None

    def test_what_was_put_comes_back(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        self.put(hook, "acme", self.key, "s3cret")
        assert hook.get("acme", self.key) == "s3cret"

    def test_difficult_values_come_back_exactly(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        for number, value in enumerate(_DIFFICULT):
            self.put(hook, "acme", f"DIFFICULT_{number}", value)
        for number, value in enumerate(_DIFFICULT):
            assert hook.get("acme", f"DIFFICULT_{number}") == value, f"value {number} changed on the way"

    def test_the_last_value_wins(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        self.put(hook, "acme", self.key, "old")
        self.put(hook, "acme", self.key, "new")
        assert hook.get("acme", self.key) == "new"

    def test_one_key_is_not_another(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        self.put(hook, "acme", "FIRST", "1")
        self.put(hook, "acme", "SECOND", "2")
        assert (hook.get("acme", "FIRST"), hook.get("acme", "SECOND")) == ("1", "2")

    def test_a_tenant_never_sees_anothers(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        self.put(hook, "acme", self.key, "acme's")
        assert hook.get("globex", self.key) is None
        self.put(hook, "globex", self.key, "globex's")
        assert hook.get("acme", self.key) == "acme's"

    def test_difficult_names_are_never_mixed_up(self, tmp_path: Path) -> None:
        """A name may be refused. One that is taken stands for itself alone, as a key and as a tenant."""
        hook = self.make(tmp_path)
        wanted: dict[tuple[str, str], str | None] = {}
        for number, name in enumerate(_NAMES):
            for tenant, key in (("acme", name), (name, "key")):
                wanted[tenant, key] = self._put_or_refused(hook, tenant, key, f"value {number} of {tenant == name}")
        for (tenant, key), value in wanted.items():
            if value is not None:
                assert hook.get(tenant, key) == value, f"tenant {tenant[:20]!a}, key {key[:20]!a}"

    def test_what_was_deleted_is_not_there(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        if not callable(getattr(hook, "delete", None)):
            import pytest

            pytest.skip("this hook deletes nothing")
        for tenant in ("acme", "globex"):
            self.put(hook, tenant, self.key, "old")
            self.put(hook, tenant, self.key, tenant)
        hook.delete("acme", self.key, actor="contract")
        assert hook.get("acme", self.key) is None
        assert hook.get("globex", self.key) == "globex"
        self.put(hook, "acme", self.key, "again")
        assert hook.get("acme", self.key) == "again"

    def _put_or_refused(self, hook: Any, tenant: str, key: str, value: str) -> str | None:
        from codespar_cli.errors import CodesparError

        try:
            self.put(hook, tenant, key, value)
        except (CodesparError, ValueError):
            return None
        return value

    def test_no_value_shows_in_a_repr(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        self.put(hook, "acme", self.key, "do-not-print-me")
        hook.get("acme", self.key)
        assert "do-not-print-me" not in repr(hook)

    def test_many_threads_may_read_at_once(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        self.put(hook, "acme", self.key, "shared")

        def read(number: int) -> None:
            assert all(hook.get("acme", self.key) == "shared" for _ in range(10))

        assert threads(8, read) == []
