"""The watch: what it finds, what it leaves alone, and what always holds of its incidents."""

import json
import random
from collections import Counter

import pytest
from anomaly_world import CLEAN, DAY, HOUR, MINUTE, SECOND, START, Call, entries, steady, watch_all
from hypothesis import given, settings
from hypothesis import strategies as st

from codespar_cli.plugins.observability.anomalies import call_watch
from codespar_cli.plugins.observability.anomalies.call_watch import CallWatch
from codespar_cli.plugins.observability.anomalies.incident_book import COOLDOWN_US, KEPT, IncidentBook, Subject

FAULT = 1500
KINDS = ("latency", "error_rate", "call_rate", "silence", "cost")


def kinds_since(calls, fault_at):
    return {
        (entry.subject.kind, entry.subject.tool, entry.subject.agent)
        for entry in entries(calls)
        if entry.started >= fault_at - 10 * MINUTE
    }


def from_fault(calls, change):
    """The calls with those from number FAULT on changed, and the time of the fault."""
    rng = random.Random(1)
    return [*calls[:FAULT], *(change(rng, call) for call in calls[FAULT:])], calls[FAULT].time


# ── what is clean ──


@pytest.mark.parametrize("shape", CLEAN, ids=lambda shape: shape.__name__)
def test_clean_traffic_makes_at_most_three_alarms_in_ten_thousand_calls(shape):
    alarms = calls = 0
    for seed in range(3):
        stream = shape(seed)
        calls += len(stream)
        alarms += len(entries(stream))
    assert alarms <= 3 * calls / 10_000


@pytest.mark.parametrize("seed", range(3))
def test_a_tool_with_few_calls_opens_no_incident(seed):
    rng = random.Random(seed)
    calls = [
        Call(START + number * rng.randrange(HOUR), tool="rare", latency_ms=10.0 ** rng.uniform(-3, 9), success=False)
        for number in range(99)
    ]
    assert entries(calls) == []


# ── what is not ──


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda rng, call: call._replace(latency_ms=call.latency_ms * 3), ("latency", "search/web", None)),
        (lambda rng, call: call._replace(success=rng.random() > 0.1), ("error_rate", "search/web", None)),
        (lambda rng, call: call._replace(success=False), ("error_rate", "search/web", None)),
        (
            lambda rng, call: call._replace(cost=call.cost * 1.8) if call.agent == "bot" else call,
            ("cost", None, "bot"),
        ),
        (lambda rng, call: call._replace(cost=call.cost * 4), ("cost", "search/web", None)),
    ],
)
def test_a_fault_is_found_and_nothing_else_of_its_kind(change, found, seed):
    calls, at = from_fault(steady(seed), change)
    opened = entries(calls)
    assert found in {(each.subject.kind, each.subject.tool, each.subject.agent) for each in opened}
    assert all(each.subject.kind == found[0] for each in opened)
    assert all(each.started >= at - HOUR for each in opened)


@pytest.mark.parametrize("seed", range(4))
def test_a_burst_is_found_and_resolved(seed):
    calls = steady(seed)
    at = calls[FAULT].time
    calls += [Call(at + second * SECOND, agent="looping") for second in range(240)]
    (burst,) = [each for each in entries(calls) if each.subject.kind == "call_rate"]
    assert at - 10 * MINUTE <= burst.started <= at + 2 * MINUTE
    assert burst.resolved is not None
    assert at + 3 * MINUTE <= burst.resolved <= at + 90 * MINUTE


@pytest.mark.parametrize("seed", range(4))
def test_silence_beside_others_is_found_and_ends_with_the_next_call(seed):
    calls = steady(seed, 4000)
    gap = calls[3000].time, calls[3000].time + 4 * HOUR
    mine = [call for call in calls if not gap[0] < call.time < gap[1]]
    both = [call for call in (*mine, *steady(seed + 10, 4000, tool="fs/read")) if call.time < START + 60 * HOUR]
    (silence,) = [each for each in entries(both) if each.subject.kind == "silence"]
    assert silence.subject.tool == "search/web"
    assert silence.started == gap[0]
    assert silence.resolved == min(call.time for call in mine if call.time > gap[0])
    assert silence.observed == 0.0
    assert silence.expected >= 30


def test_when_all_are_silent_one_tool_speaks_for_all():
    streams = [steady(seed, 4500, tool=f"tool-{seed}") for seed in range(5)]
    at, end = START + 60 * HOUR, START + 70 * HOUR
    calls = [call for stream in streams for call in stream if call.time < at or at + 5 * HOUR < call.time < end]
    assert Counter(each.subject.kind for each in entries(calls)).get("silence", 0) <= 1


def test_one_wild_call_is_told_as_one():
    calls = steady(1)
    calls[FAULT] = calls[FAULT]._replace(latency_ms=400_000.0)
    (spike,) = [each for each in entries(calls) if each.subject.kind == "latency"]
    assert spike.severity == "info"
    assert spike.explanation.startswith("one call took 6m 40s, usual ")
    assert spike.resolved is not None


def test_unknown_costs_are_no_costs():
    assert [each for each in entries(steady(2, cost=None)) if each.subject.kind == "cost"] == []
    calls, _ = from_fault(steady(2), lambda rng, call: call._replace(cost=None))
    assert [each for each in entries(calls) if each.subject.kind == "cost"] == []


def test_a_day_that_costs_half_as_much_again_is_told():
    """The same prices, more calls: only the day's sum says so."""
    calls = []
    for day in range(12):
        count = 400 if day == 10 else 200
        rng = random.Random(day)
        calls += [
            Call(START + day * DAY + int((number + rng.random()) * 20 * HOUR / count), cost=0.05)
            for number in range(count)
        ]
    costs = [each for each in entries(calls) if each.subject.kind == "cost"]
    assert {(each.subject.tool, each.subject.agent) for each in costs} == {("search/web", None), (None, "bot")}
    for each in costs:
        assert each.started // DAY == (START + 10 * DAY) // DAY
        assert each.resolved == START + 11 * DAY
        assert "spent in a day, usual 10.00-10.00 (last 10 days)" in each.explanation


def test_what_stays_becomes_usual():
    calls, at = from_fault(steady(3, 6000), lambda rng, call: call._replace(latency_ms=call.latency_ms * 5))
    first, *rest = [each for each in entries(calls) if each.subject.kind == "latency"]
    assert DAY <= first.resolved - at <= DAY + HOUR
    assert rest == []


def test_explanations_have_the_numbers():
    calls, _ = from_fault(steady(1), lambda rng, call: call._replace(latency_ms=call.latency_ms * 5, success=False))
    (errors,) = [each for each in entries(calls) if each.subject.kind == "error_rate"]
    assert errors.explanation.startswith("5 of 5 calls failed, usual ")
    assert errors.severity == "critical"
    calls, _ = from_fault(steady(1), lambda rng, call: call._replace(latency_ms=call.latency_ms * 40))
    (slow,) = [each for each in entries(calls) if each.subject.kind == "latency"]
    assert slow.severity == "critical"
    assert " over the last " in slow.explanation
    assert slow.observed > 10 * slow.expected


# ── how long ──


def lasting(seed, hours, change, every_s=90):
    """A fault of some hours on the tenth day, and when it ended."""
    calls, rng = steady(seed, int(11 * DAY / SECOND / every_s), every_s), random.Random(seed)
    begin = START + 9 * DAY
    end = begin + hours * HOUR
    return [change(rng, call) if begin <= call.time < end else call for call in calls], begin, end


def failing(share):
    return lambda rng, call: call._replace(success=call.success and rng.random() >= share)


def slower(times):
    return lambda rng, call: call._replace(latency_ms=call.latency_ms * times)


LASTING = [
    ("error_rate", 7, failing(0.09)),
    ("error_rate", 20, failing(0.3)),
    ("latency", 7, slower(1.5)),
    ("latency", 20, slower(2)),
]


@pytest.mark.parametrize(("kind", "hours", "change"), LASTING)
def test_an_incident_lasts_as_long_as_its_fault_and_not_ten_hours_longer(kind, hours, change):
    early = 0
    for seed in range(8):
        calls, begin, end = lasting(seed, hours, change)
        found = [each for each in entries(calls) if each.subject.kind == kind and (each.resolved or end) >= begin]
        assert found
        early += found[0].resolved < end
        assert found[-1].resolved <= end + 9 * HOUR
        assert found[0].started >= begin - 6 * HOUR
    assert early <= 1


@pytest.mark.parametrize("every_s", [20 * 60, 40 * 60])
@pytest.mark.parametrize("change", [failing(0.7), slower(8)])
def test_on_a_quiet_tool_an_incident_is_over_some_hours_after_its_fault(change, every_s):
    ended = 0
    for seed in range(6):
        calls, begin, end = lasting(seed, 12, change, every_s)
        for each in entries(calls):
            if each.subject.kind in {"error_rate", "latency"} and each.started >= begin - 6 * HOUR:
                assert each.resolved <= end + 9 * HOUR
                ended += 1
    assert ended >= 4


@pytest.mark.parametrize("call_after", [False, True])
def test_without_calls_an_incident_is_over_after_eight_hours(call_after):
    calls, _begin, end = lasting(1, 2, failing(1.0))
    watch = watch_all([call for call in calls if call.time < end])
    (errors,) = [each for each in watch.book.open.values() if each.subject.kind == "error_rate"]
    watch.advance(end + 7 * HOUR)
    assert watch.book.open.get(errors.subject) == errors
    if call_after:  # one that works is not enough to say so sooner, nor later
        watch.add(*calls[-1]._replace(time=end + 7 * HOUR))
    watch.advance(end + 8 * HOUR + 11 * MINUTE)
    assert errors.subject not in watch.book.open


@pytest.mark.parametrize(("share", "hours", "least"), [(0.04, 7, 8), (0.02, 24, 7)])
def test_few_more_failures_are_found_by_the_hours(share, hours, least):
    """More than two standard deviations over the level of the week, but never many at a time."""
    found = 0
    for seed in range(10):
        calls, begin, end = lasting(seed, hours, failing(share))
        errors = [each for each in entries(calls) if each.subject.kind == "error_rate"]
        mine = [each for each in errors if begin - 6 * HOUR <= each.started < end]
        found += bool(mine)
    assert found >= least


# ── what always holds ──


def mixed(seed, phases):
    """Some hundred calls of a few tools, with anything in them."""
    rng = random.Random(seed)
    time, calls = START, []
    for _ in range(phases):
        every, failing, slow = 10 ** rng.uniform(-1, 4), rng.choice((0.0, 0.02, 0.5)), 10 ** rng.uniform(0, 5)
        for _ in range(rng.randint(1, 250)):
            time += int(rng.expovariate(1) * every * SECOND)
            cost = rng.choice((None, 0.0, 0.01 * rng.lognormvariate(0, 1)))
            who = rng.choice(("d", "e")), rng.choice(("a", "b")), rng.choice(("t", "u"))
            calls.append(Call(time, *who, slow * rng.lognormvariate(0, 1), rng.random() >= failing, cost))
    return calls


@given(st.integers(0, 10**6), st.integers(1, 8), st.lists(st.floats(0, 1), max_size=3))
@settings(max_examples=40, deadline=None)
def test_going_on_from_a_dump_is_going_on(seed, phases, cuts):
    calls = mixed(seed, phases)
    whole = watch_all(calls)
    watch, done = CallWatch(), 0
    for cut in sorted(int(cut * len(calls)) for cut in cuts):
        watch = CallWatch.load(json.loads(json.dumps(watch_all(calls[done:cut], watch).dump())))
        done = cut
    watch_all(calls[done:], watch)
    assert watch.book.entries() == whole.book.entries()
    assert json.dumps(watch.dump()) == json.dumps(CallWatch.load(json.loads(json.dumps(whole.dump()))).dump())


@given(st.integers(0, 10**6), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_one_is_open_at_a_time_and_ends_after_it_began(seed, phases):
    calls = mixed(seed, phases)
    found = entries(calls)
    assert len({(each.subject, each.started) for each in found}) == len(found)
    last = {}
    for each in sorted(found, key=lambda each: each.started):
        before = last.get(each.subject)
        if before is not None:
            assert before.resolved is not None
            assert each.started >= before.resolved + COOLDOWN_US
        assert each.resolved is None or each.resolved >= each.started
        assert each.started <= calls[-1].time
        assert each.subject.kind in KINDS
        last[each.subject] = each


def test_a_clock_that_goes_backwards_stops_it_from_nothing():
    watch = CallWatch()
    for call in steady(1):
        watch.add(*call)
        watch.add(*call._replace(time=call.time - 5 * DAY))
    assert watch.now == steady(1)[-1].time
    assert all(each.started >= START for each in watch.book.entries())


def test_years_without_a_call_take_no_time_and_open_nothing():
    calls = steady(1, 1000)
    calls += [call._replace(time=call.time + 3650 * DAY) for call in steady(1, 1000)]
    assert [each for each in entries(calls) if each.resolved is None] == []


def test_a_hundred_thousand_tools_do_not_push_out_the_known_one():
    watch = watch_all(steady(1, 1000))
    time = watch.now
    rng = random.Random(1)
    for number in range(100_000):
        time += SECOND // 100
        watch.add(time, "default", "mad", f"made-up-{number}", rng.random(), True, 0.01)
    dumped = watch.dump()
    assert len(dumped[4]) == 1
    assert len(dumped[5]) <= call_watch.MOST_NEW
    assert len(json.dumps(dumped)) < 1_000_000


def test_more_tools_than_are_watched(monkeypatch):
    monkeypatch.setattr(call_watch, "MOST", 10)
    calls = [call for number in range(30) for call in steady(number, 150, tool=f"tool-{number}")]
    watch = watch_all(calls)
    assert len(watch.dump()[4]) <= 10
    assert {each.subject.tool for each in watch.book.open.values()} <= {tool[1] for tool in watch.dump()[4]}


def test_names_are_kept_apart_whatever_is_in_them():
    subjects = [Subject("a", "b", None, "cost"), Subject("a", None, "b", "cost"), Subject("a", "", "b", "cost")]
    ids = {
        IncidentBook.load([[[list(each), "info", 5, None, "", 0, 0]], [], []]).entries()[0].incident().id
        for each in subjects
    }
    assert len(ids) == len(subjects)


def test_no_other_begins_within_the_cooldown():
    book, subject = IncidentBook(), Subject("d", "t", None, "latency")
    assert book.begin(subject, 100, 90, "info", "", 1.0, 1.0)
    assert not book.begin(subject, 110, 105, "info", "", 1.0, 1.0)
    book.end(subject, 200)
    assert not book.begin(subject, 199 + COOLDOWN_US, 150, "info", "", 1.0, 1.0)
    assert book.begin(subject, 210 + COOLDOWN_US, 150, "info", "", 1.0, 1.0)
    first, second = book.entries()
    assert second.started == first.resolved + COOLDOWN_US


def test_the_book_is_bounded():
    book = IncidentBook()
    for number in range(KEPT + 50):
        subject = Subject("d", f"t{number}", None, "latency")
        book.begin(subject, number, number, "info", "", 1.0, 1.0)
        book.end(subject, number)
    assert len(book.entries()) == KEPT
    assert book.entries()[0].started == 50
