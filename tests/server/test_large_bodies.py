"""Large genuine bodies are hashed, parsed and read beside everything else: others are answered meanwhile."""

import json
import sqlite3
import threading
import time
from contextlib import closing
from urllib.parse import quote_from_bytes

import pytest
from serve_process import push, read_answer, request, serving

SIZE = 20_000_000


PUSH = {"ref": "refs/heads/main", "before": "0" * 40, "after": "1" * 40, "sender": {"login": "o"}}


def large(number):
    """As GitHub's pushes are when they are large: very many small objects. Small ones among a lot of text, too."""
    commit = {
        "id": "0" * 40,
        "message": "settle",
        "author": {"name": "Ada", "n": number},
        "added": ["a"],
        "modified": [],
    }
    one = json.dumps(commit).encode()
    opening = json.dumps({**PUSH, "number": number, "commits": []}).encode().removesuffix(b"]}")
    return opening + b",".join([one] * (SIZE // (len(one) + 1))) + b"]}"


def texts(number):
    return json.dumps({**PUSH, "number": number, "texts": ["a", "b"] * (SIZE // 10)}).encode()


def form(number):
    return b"payload=" + quote_from_bytes(large(number)[: SIZE // 4].rpartition(b',{"id"')[0] + b"]}").encode()


def unread(directory):
    with closing(sqlite3.connect(directory / "state" / "inbox.db")) as connection:
        return connection.execute("SELECT count(*) FROM delivery WHERE unread = 1").fetchone()[0]


@pytest.mark.parametrize("make", [large, texts, form])
def test_a_small_request_is_answered_within_a_second_beside_four_senders_of_20_mb(tmp_path, make):
    slowest = 2.0
    for attempt in range(3):  # others may keep this machine busy for a second
        (directory := tmp_path / str(attempt)).mkdir()
        slowest = min(slowest, slowest_beside(directory, make))
        if slowest < 1:
            return
    pytest.fail(f"a small request took {slowest:.2f} s")


def slowest_beside(tmp_path, make):
    """Seconds of the slowest small request until the large ones are answered and read."""
    bodies = [request(make(n), f"large-{n}", **more(make)) for n in range(4)]
    with serving(tmp_path) as server:

        def send(data):
            status = None
            while status != 200:
                with server.connect(timeout=60) as connection:
                    connection.sendall(data)
                    status, *_ = read_answer(connection)
                assert status in {200, 503}, status  # more of them wait than a slow disk can take: sent again

        senders = [threading.Thread(target=send, args=(data,)) for data in bodies]
        for sender in senders:
            sender.start()
        slowest, count = 0.0, 0
        with server.connect() as connection:
            while any(sender.is_alive() for sender in senders) or unread(tmp_path):
                began = time.monotonic()
                connection.sendall(request(push(count), f"small-{count}"))
                assert read_answer(connection)[0] == 200
                slowest, count = max(slowest, time.monotonic() - began), count + 1
                time.sleep(0.005)
    with closing(sqlite3.connect(tmp_path / "state" / "inbox.db")) as connection:
        told = connection.execute("SELECT status, event_type FROM delivery WHERE size > 1000000").fetchall()
    assert told == [("dispatched", "push")] * 4
    return slowest


def more(make):
    kind = "application/x-www-form-urlencoded" if make is form else "application/json"
    return {"X-GitHub-Event": "push", "Content-Type": kind}
