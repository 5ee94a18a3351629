"""A flood of refusals does not fill a disk."""

import logging

from codespar_cli.server.log import PacedLog, ServersWords


class Time:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_flood_is_a_few_lines_and_a_count():
    lines, time = [], Time()
    log = PacedLog(lines.append, lines=3, within_s=10, clock=time)
    for number in range(1000):
        log(f"line {number}")
    assert lines == ["line 0", "line 1", "line 2"]
    time.now = 10
    log("later")
    assert lines[3:] == ["997 more lines like these in 10 s", "later"]
    log.flush()
    assert len(lines) == 5


def test_what_was_left_out_is_told_at_the_end():
    lines = []
    log = PacedLog(lines.append, lines=1, clock=Time())
    log("one")
    log("two")
    log.flush()
    assert lines == ["one", "1 more line like these in 10 s"]


def test_of_uvicorns_tracebacks_only_the_kind_is_told():
    lines = []
    logger = logging.getLogger("uvicorn.test")
    logger.addHandler(ServersWords(lines.append))
    try:
        raise ValueError("the body of somebody")
    except ValueError as error:
        logger.error("Exception in ASGI application\n", exc_info=error)
    logger.info("not this")
    assert lines == ["Exception in ASGI application: ValueError"]
