from __future__ import annotations

import tracemalloc
from random import Random

import pytest

from codespar_cli.core.administration.tool_checks import ObservedCall
from codespar_cli.plugins.observability.checks.loops import Loops
from codespar_cli.plugins.observability.checks.sequence import MAX_STREAMS, CallSequence, CallStreams


def observed(calls):
    """`(index, check, severity)` of what is found in calls `(name, arguments)` or `(name, arguments, error)`."""
    sequence = CallSequence()
    found = []
    for index, (name, arguments, *error) in enumerate(calls):
        results = sequence.observe({"name": name, "arguments": arguments}, *error)
        found.extend((index, result.check, result.severity) for result in results)
    return found


def test_the_same_call_warns_at_three_and_is_an_error_at_five():
    found = observed([("read", {"path": "a", "n": 1})] * 41)
    assert found == [
        (2, "repeat_identical", "warn"),
        (4, "repeat_identical", "error"),
        (9, "repeat_identical", "error"),
        (19, "repeat_identical", "error"),
        (39, "repeat_identical", "error"),
    ]


def test_spelling_makes_no_other_call():
    sequence = CallSequence()
    assert sequence.observe({"name": "t", "arguments": {"a": 1, "b": [2]}}) == []
    assert sequence.observe({"function": {"name": "t", "arguments": '{"b":[2], "a":1}'}}) == []
    (found,) = sequence.observe({"name": "t", "input": {"b": (2,), "a": 1}})
    assert (found.check, found.tool, found.got) == ("repeat_identical", "t", "the same call 3 times")


def test_another_call_in_between_ends_a_run():
    assert observed([("a", {}), ("a", {}), ("b", {}), ("a", {}), ("a", {}), ("c", {}), ("a", {})]) == []
    assert observed([("a", {"x": 1}), ("b", {"x": 1})]) == []


@pytest.mark.parametrize("period", range(2, 7))
def test_a_cycle_of_two_to_six(period):
    lap = [("tool", {"id": f"r{n}"}) for n in range(period)]
    assert observed([("first", {}), *lap * 10]) == [
        (3 * period, "cycle", "warn"),
        (5 * period, "cycle", "error"),
        (10 * period, "cycle", "error"),
    ]


def test_a_cycle_of_seven_is_none_and_a_repeat_is_no_cycle():
    assert observed([("tool", {"id": f"r{n}"}) for n in range(7)] * 10) == []
    assert {check for _, check, _ in observed([("a", {})] * 40)} == {"repeat_identical"}
    twice = observed([("a", {}), ("a", {}), ("b", {})] * 3)
    assert twice == [(8, "cycle", "warn")]


def naive_rounds(keys):
    """Straight from the definition: of the shortest period, how many whole times the end of `keys` has come round."""
    for period in range(1, 7):
        last, same = keys[-period:], 0
        while (
            len(last) == period
            and keys[len(keys) - (same + 1) * period :][:period] == last
            and (same + 1) * period <= len(keys)
        ):
            same += 1
        if same >= 2:
            return period, same
    return None


def test_loops_are_those_of_the_definition():
    pick = Random(5)
    told = 0
    for _ in range(3000):
        loops, keys = Loops(), []
        lap = [bytes([pick.randrange(3)]) for _ in range(pick.randrange(1, 7))]
        stream = [bytes([pick.randrange(3)]) for _ in range(pick.randrange(4))] + lap * pick.randrange(1, 6)
        for key in stream:
            keys.append(key)
            rounds = loops.observe(key)
            expected = naive_rounds(keys)
            for found in rounds:
                # Whole laps are counted from where the run began: the end has come round at least so often.
                repeats = keys[-found.period :] * found.times
                assert keys[-len(repeats) :] == repeats
                told += 1
            if expected is not None and expected[0] == 1:
                assert rounds[0] == expected
    assert told > 5000


def test_a_word_changed_in_a_long_question_is_nearly_the_same_call():
    question = "find all open issues about the parser that mention a memory leak number"
    found = observed([("search", {"q": f"{question} {n}"}) for n in range(11)])
    assert found == [(4, "repeat_similar", "warn"), (9, "repeat_similar", "warn")]


def test_a_size_moved_a_little_is_nearly_the_same_call():
    found = observed([("list", {"repo": "a/b", "limit": 100 + n}) for n in range(6)])
    assert found == [(4, "repeat_similar", "warn")]


@pytest.mark.parametrize(
    "calls",
    [
        [("read", {"path": f"/repo/src/package/module_{n}.py"}) for n in range(30)],
        [("get_issue", {"owner": "a", "repo": "b", "number": 100 + n}) for n in range(30)],
        [("list", {"query": "a b c d e f g h i j", "page": n}) for n in range(30)],
        [("list", {"query": "a b c d e f g h i j", "page_token": f"t{n}"}) for n in range(30)],
        [("read", {"path": "a", "start_line": 100 * n, "end_line": 100 * n + 99}) for n in range(30)],
        [("write", {"path": f"f{n}", "content": "word " * n}) for n in range(30)],
        [(f"tool{n}", {}) for n in range(30)],
    ],
)
def test_work_that_goes_on_is_no_loop(calls):
    assert observed(calls) == []


def test_a_tool_made_for_asking_again_is_given_time():
    for name in ("get_job_status", "waitForDeploy", "mcp__ci__poll", "build/progress", "sleep", "health"):
        assert observed([(name, {"id": 1})] * 11) == []
        assert observed([(name, {"id": 1})] * 20) == [
            (11, "repeat_identical", "warn"),
            (19, "repeat_identical", "error"),
        ]
    assert observed([("list_statuses_of_users", {"id": 1})] * 3) != []


def test_answers_that_differ_are_no_loop():
    sequence = CallSequence()
    assert [sequence.observe({"name": "next"}, result=f"row {n}") for n in range(20)] == [[]] * 20
    assert [found.check for n in range(3) for found in sequence.observe({"name": "next"}, result="end")] == [
        "repeat_identical"
    ]


def failures(calls):
    return [(index, severity) for index, check, severity in observed(calls) if check == "repeat_after_same_error"]


def test_a_call_that_failed_is_not_made_again_as_it_was():
    failing, other = ("pay", {"id": 1}, "payment method 7334 not found"), ("look", {})
    assert failures([failing, other, failing, ("look", {"a": 1}), failing, other]) == [(2, "warn"), (4, "error")]
    again = ("pay", {"id": 1}, "payment method 99 not found")
    assert failures([failing, again]) == [(1, "warn")]


def test_another_error_other_arguments_or_a_success_begin_anew():
    failing = ("pay", {"id": 1}, "not found")
    assert failures([failing, ("pay", {"id": 1}, "not allowed")]) == []
    assert failures([failing, ("pay", {"id": 2}, "not found")]) == []
    assert failures([failing, ("pay", {"id": 1}), failing]) == []


def test_what_may_pass_by_itself_is_worth_another_try():
    for error in (
        "TimeoutError",
        "timed out",
        "HTTP 503",
        "429 Too Many Requests",
        "ConnectionResetError",
        "rate limited",
    ):
        calls = [("pay", {"id": 1}, error), ("look", {})] * 5
        assert failures(calls) == [(4, "warn"), (8, "error")]


def test_an_error_in_the_call_itself_counts():
    sequence = CallSequence()
    call = {"name": "pay", "arguments": {}, "error": {"code": "not_found"}}
    assert sequence.observe(call) == []
    assert [found.check for found in sequence.observe(call)] == ["repeat_after_same_error"]


def test_calls_known_by_digest_are_looked_at_without_their_arguments():
    sequence = CallSequence()
    digests = [b"one", b"two"] * 3
    found = [result.check for digest in digests for result in sequence.observe_digest("t", digest)]
    assert found == ["cycle"]
    found = [result.check for _ in range(2) for result in sequence.observe_digest("u", b"same", "KeyError")]
    assert found == ["repeat_after_same_error"]


def test_agents_and_sessions_do_not_mix():
    streams = CallStreams()
    found = []
    for _ in range(3):
        for agent, session in (("a", None), ("b", None), ("b", "s1"), ("b", "s2")):
            found += streams.observe(ObservedCall("t", {}, agent, session))
    assert [result.check for result in found] == ["repeat_identical"] * 4


@pytest.mark.parametrize(
    "call", [None, 5, [], {}, {"name": 5}, {"name": "t", "arguments": "{"}, {"name": "t", "arguments": {1: {2}}},
             {"name": "\ud800", "arguments": {"\ud800": "\udfff"}}, {"name": "t", "arguments": float("nan")}],
)  # fmt: skip
def test_no_call_breaks_a_sequence(call):
    sequence = CallSequence()
    assert [len(sequence.observe(call, "no \ud800")) for _ in range(5)] == [0, 1, 2, 0, 1]


def test_memory_is_bounded():
    streams = CallStreams()
    tracemalloc.start()
    try:
        sizes = []
        for turn in range(3):
            for n in range(1100):
                words = " ".join(f"w{n}{k}" for k in range(5))
                streams.observe(ObservedCall(f"tool{n % 7}", {"q": words}, f"agent{turn}-{n}", None, f"failed {words}"))
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert len(streams._sequences) == MAX_STREAMS
    assert sizes[-1] < sizes[0] * 1.3
    sequence = CallSequence()
    for n in range(2000):
        sequence.observe({"name": "t", "arguments": {"n": n}}, "failed")
    assert len(sequence._failures) == 256
