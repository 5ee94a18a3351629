"""A process on an inbox: `accept` or `claim`, telling each thing on stdout once it is durable."""

import random
import sys
from datetime import timedelta
from pathlib import Path

from inbox_world import NOON, arrival

ROUTES = ("r", "s")
COUNT = 200


def deliveries():
    """Every fourth without an id of its own, every ninth another's body under a new id."""
    for number in range(COUNT):
        raw = b"body %d" % (number if number % 9 else 1)
        yield arrival(f"d-{number}" if number % 4 else None, b"only %d" % number if number % 4 == 0 else raw)


def opened(kind, place):
    if kind == "sqlite":
        from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox

        return SqliteInbox(Path(place))
    from codespar_cli.webhooks.inbox.postgres_inbox import PostgresInbox

    return PostgresInbox(place)


def accept(inbox, name):
    numbered = list(enumerate(deliveries()))
    random.Random(name).shuffle(numbered)
    for start in range(0, COUNT, 5):
        batch = numbered[start : start + 5]
        for (number, _), answer in zip(batch, inbox.accept([each for _, each in batch]), strict=True):
            print(number, answer.verdict, answer.id, flush=True)


def claim(inbox, name):
    while tasks := inbox.claim(name, ROUTES, 3, now=NOON, lease=timedelta(hours=1)):
        for task in tasks:
            print("held", task.delivery, task.route, flush=True)
        for task in tasks:
            inbox.done(task)
            print("done", task.delivery, task.route, flush=True)


if __name__ == "__main__":
    deed, kind, place, name = sys.argv[1:]
    {"accept": accept, "claim": claim}[deed](opened(kind, place), name)
    print("end", flush=True)
    sys.stdin.read()  # one that is to be killed does not end by itself
