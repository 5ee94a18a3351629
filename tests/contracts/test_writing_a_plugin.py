"""The page for plugin authors shows the package that the tests build, word for word."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "writing-a-plugin.md").read_text()
SHOWN = {
    "pyproject.toml",
    "test_acme.py",
    *(f"acme_codespar/{name}.py" for name in ("working_days", "lines", "shelf", "statuspage")),
}


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_the_page_shows_the_real_file(name):
    source = (ROOT / "tests/plugins/fixtures/acme_plugins" / name).read_text().rstrip()
    blocks = re.findall(r"^```(?:python|toml)\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
    assert source in blocks


def test_what_the_page_links_to_is_there():
    for link in re.findall(r"\]\((\.\.?/[^)#]+)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
