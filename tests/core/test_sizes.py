import pytest

from codespar_cli.core.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("10B", 10), ("1kB", 1000), ("1KiB", 1024), ("25MiB", 25 << 20), ("2 GB", 2 * 10**9)]
)
def test_sizes_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5MiB", "MiB", "1 mib", "1TB", "9" * 20, "1MiB "])
def test_everything_else_is_refused(text):
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(text)
