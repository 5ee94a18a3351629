import json
import os

import pytest

from codespar_cli.webhooks import payload_files
from codespar_cli.webhooks.payload_files import payloads_in, read_payloads


def no_stdin(limit):
    raise AssertionError("nobody asked for stdin")


def read(*names, stdin=no_stdin):
    return list(read_payloads([str(name) for name in names], stdin))


def test_one_file_is_one_body_to_the_last_byte(tmp_path):
    file = tmp_path / "payload.json"
    file.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n')
    [payload] = read(file)
    assert payload.source == str(file)
    assert payload.value == {"a": 1}
    assert payload.raw == b'\xef\xbb\xbf{"a": 1}\r\n'


def test_every_form_side_by_side_in_one_directory(tmp_path):
    (tmp_path / "a.json").write_text('{"n": 1}')
    (tmp_path / "b.ndjson").write_text('{"n": 2}\n{"n": 3}\n')
    (tmp_path / "c.json").write_text('[{"n": 4}, {"body": "{\\"n\\": 5}", "provider": "github"}]')
    (tmp_path / "d.json").write_text("{")
    (tmp_path / "e.form").write_text("payload=%7B%22n%22%3A6%7D")
    (tmp_path / "f.json").write_bytes(b"")
    (tmp_path / "g.json").write_bytes('{"n": 7}'.encode("utf-16"))
    (tmp_path / "h.json").write_text("8")
    (tmp_path / ".hidden").write_text('{"n": 9}')
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "z.json").write_text('{"n": 10}')
    payloads = read(tmp_path)
    assert [(os.path.basename(payload.source), payload.value, payload.trouble) for payload in payloads] == [
        ("a.json", {"n": 1}, None),
        ("b.ndjson:1", {"n": 2}, None),
        ("b.ndjson:2", {"n": 3}, None),
        ("c.json[0]", {"n": 4}, None),
        ("c.json[1]", {"n": 5}, None),
        ("d.json", None, "malformed"),
        ("e.form", {"n": 6}, None),
        ("f.json", None, "malformed"),
        ("g.json", None, "malformed"),
        ("h.json", 8, None),
    ]
    assert "UTF-16" in payloads[8].error


def test_a_pipe_in_a_directory_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.json").write_text("{}")
    assert [payload.value for payload in read(tmp_path)] == [{}]


def test_a_link_that_leads_nowhere_is_a_row_of_its_own(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.json").symlink_to(tmp_path / "gone.json")
    (tmp_path / "c.json").symlink_to(tmp_path / "c.json")
    (tmp_path / "d.json").symlink_to(tmp_path / "a.json")
    assert [payload.trouble for payload in read(tmp_path)] == [None, "missing", "unreadable", None]


def test_a_file_that_is_no_text_keeps_its_bytes():
    for data in (b"", b"\xff\xff", "{}".encode("utf-16")):
        [payload] = payloads_in("x", data)
        assert (payload.trouble, payload.raw) == ("malformed", data)


def test_files_that_cannot_be_had_are_rows_of_their_own(tmp_path):
    locked = tmp_path / "locked.json"
    locked.write_text("{}")
    locked.chmod(0)
    good = tmp_path / "good.json"
    good.write_text("{}")
    payloads = read(tmp_path / "none.json", locked, good, tmp_path / "good.json" / "x", "nul\0byte")
    kinds = [payload.trouble for payload in payloads]
    assert kinds[0] == "missing"
    assert kinds[1] == (None if os.geteuid() == 0 else "unreadable")
    assert kinds[2:] == [None, "unreadable", "unreadable"]


def test_a_directory_that_cannot_be_listed_is_one_row(tmp_path, monkeypatch):
    def refuse(directory):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(payload_files, "_members", refuse)  # root may list everything
    [payload] = read(tmp_path)
    assert (payload.source, payload.trouble, payload.error) == (str(tmp_path), "unreadable", "permission denied")


def test_standard_input_is_read_within_a_limit():
    limits = []

    def stdin(limit):
        limits.append(limit)
        return b'{"a": 1}'

    [payload] = read("-", stdin=stdin)
    assert (payload.source, payload.value, limits) == ("-", {"a": 1}, [payload_files.MAX_FILE])


def test_a_file_that_never_ends_is_refused(monkeypatch):
    monkeypatch.setattr(payload_files, "MAX_FILE", 1 << 20)
    [payload] = read("/dev/zero")
    assert payload.trouble == "malformed"
    assert "larger than" in payload.error


def test_a_broken_payload_costs_only_itself():
    data = b'[{"n": NaN}, {"n": 1, "n": 2}, ' + b"[" * 5000 + b"]" * 5000 + b', {"n": }, {"n": 3}]'
    payloads = list(payloads_in("x", data))
    assert [payload.trouble for payload in payloads] == ["malformed"] * 4 + [None]
    assert payloads[-1].value == {"n": 3}


@pytest.mark.parametrize("count", [1000])
def test_the_bytes_of_each_line_are_kept(count):
    lines = [json.dumps({"n": n, "text": "é"}, ensure_ascii=False) for n in range(count)]
    payloads = list(payloads_in("x", "\n".join(lines).encode()))
    assert [payload.raw for payload in payloads] == [line.encode() for line in lines]
