"""The page: everything is on it, it is one file, nobody's name is markup, and it is never large."""

import re
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_values import (
    HOSTILE,
    NAMES,
    NOW,
    Pins,
    Readings,
    budget,
    change,
    finding,
    incident,
    parsed,
    stats,
    wanted,
)

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.plugins.observability.report.gathering import gather
from codespar_cli.plugins.observability.report.page import LARGEST, draw_page
from codespar_cli.plugins.observability.report.style import DARK, LIGHT, SHAPES, WORDS

DAYS = [stats(f"2026-11-{day}", calls=day, cost=f"{day}.5") for day in range(17, 24) if day != 20]
HOURS = [
    stats(f"2026-11-{day}T{hour:02}:00:00Z")
    for day in range(17, 24)
    for hour in range(0, 24, 5)
    if (day, hour) < (23, 10)
]


def filled(**more):
    known = {
        "tools": [stats("git/push"), stats("fs/read", cost=None)],
        "days": DAYS,
        "hours": HOURS,
        "whole": stats(None),
        "incidents": [incident(3), incident(9, "cost", "critical", resolved=False)],
        "findings": [finding(), finding(), finding("fs/read")],
        "budgets": [budget()],
    }
    return Readings(**(known | more))


def page_of(readings, pins=None, asked=None):
    report = gather(readings, pins or Pins([change()]), asked or wanted(), NOW)
    return draw_page(report)


def words_of(page):
    return re.sub(r"\s+", " ", " ".join(parsed(page).words))


def test_everything_is_on_it():
    words = words_of(page_of(filled()))
    for said in (
        "16 Nov 2026, 09:30 to Mon 23 Nov 2026, 09:30 UTC",
        "+25% against the period before",
        "unknown for 2 calls",
        "2 found, 1 of them still going on",
        "p95 2.1 s, usual git/push",
        "observed 2.1 s , expected 700 ms".replace(" ,", ","),
        "3.50 of 4.00 a day (87.5%), at this rate reached on 23 Nov 09:30",
        "wrong type error 2 git/push /git/push a string a number",
        "1 security; the gravest first",
        "What the numbers mean",
    ):
        assert said in words, said


def test_it_is_one_file_that_fetches_and_runs_nothing():
    found = parsed(page_of(filled()))
    assert not {"script", "iframe", "object", "embed", "img", "form", "base"} & {name for name, _ in found.elements}
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in {"src", "style", "action"}]
    targets = {value for name, value in found.attributes if name == "href"}
    assert all(value.startswith("#") or value == "data:," for value in targets)
    ids = [value for name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in targets if value.startswith("#")} <= set(ids)
    text = page_of(filled()).decode()
    assert not re.search(r"https?:|url\(|@import", text)
    policy = next(dict(attrs)["content"] for name, attrs in found.elements if attrs.get("http-equiv"))
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def test_who_reads_with_the_keyboard_or_the_ears_finds_their_way():
    found = parsed(page_of(filled()))
    levels = [int(name[1]) for name, _ in found.elements if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [name for name, _ in found.elements if name in {"header", "nav", "main", "footer"}] == [
        "header",
        "nav",
        "main",
        "footer",
    ]
    assert all(attrs.get("scope") in {"row", "col"} for name, attrs in found.elements if name == "th")
    boxes = [attrs for name, attrs in found.elements if attrs.get("class") == "box"]
    assert boxes
    assert all(each["tabindex"] == "0" and each["role"] == "region" and each["aria-label"] for each in boxes)
    ids = {value for name, value in found.attributes if name == "id"}
    for name, value in found.attributes:
        if name == "aria-labelledby":
            assert set(value.split()) <= ids
    pictures = [attrs for name, attrs in found.elements if name == "svg"]
    assert all(each.get("role") or each.get("aria-hidden") for each in pictures)
    first = next(attrs for name, attrs in found.elements if name == "a")
    assert first == {"class": "skip", "href": "#content"}


def test_no_calls_are_said_to_be_none():
    page = page_of(Readings(), Pins())
    words = words_of(page)
    assert "No call was recorded in this period." in words
    assert "No calls, no costs." in words
    assert "Nothing unusual was found." in words
    assert "Every tool is as it was pinned." in words
    assert b"chart" not in page.partition(b"</style>")[2]


def test_one_call_is_a_report():
    only = stats("2026-11-23T09:00:00Z", calls=1, errors=0, latency=(0.0, 0.0, 0.0, 0.0, 0.0), cost="0")
    day = only._replace(key="2026-11-23")
    found = parsed(page_of(Readings([stats(calls=1, errors=0)], [day], [only], whole=only)))
    assert any(attrs.get("class") == "chart wide" for _, attrs in found.elements)


def test_what_a_backend_cannot_say_is_left_out():
    class Plain:
        def stats(self, wanted, *, by="tool"):
            return {"day": DAYS, "hour": HOURS}.get(by, [stats()])

        def overall(self, wanted):
            return stats(None)

    report = gather(Plain(), None, wanted(), NOW)
    assert (report.costs, report.incidents, report.findings, report.drift) == (None, None, None, None)
    ids = {value for name, value in parsed(draw_page(report)).attributes if name == "id"}
    assert {"tools", "time"} <= ids
    assert not {"costs", "anomalies", "checks", "drift"} & ids


def test_a_damaged_pin_store_is_said_and_kept():
    report = gather(filled(), Pins(None), wanted(), NOW)
    assert [each.exit_code for each in report.errors] == [5]
    assert "The pins of tools could not be read: pins.db: a pin is damaged" in words_of(draw_page(report))


def test_days_are_drawn_for_more_than_eight_and_only_so_many_of_them():
    end = NOW.replace(hour=0, minute=0)
    days = [stats((end - timedelta(days=back)).strftime("%Y-%m-%d")) for back in range(1000, -1, -1)]
    readings = filled(days=days)
    report = gather(readings, None, wanted(1001), NOW)
    assert report.timeline.is_cut
    assert report.timeline.axis.slots == len(report.timeline.periods) == 400
    assert report.timeline.periods[-1].key == "2026-11-23"
    assert all(report.timeline.periods)
    assert not any(by == "hour" for _, by in readings.asked)
    assert "Only the last 400 days are drawn" in words_of(draw_page(report))


def test_hours_stand_where_they_belong_and_nothing_before_the_first_call_is_a_gap():
    report = gather(filled(), None, wanted(), NOW)
    axis, periods = report.timeline.axis, report.timeline.periods
    assert len(periods) == axis.slots
    shown = {axis.begins(slot).strftime("%Y-%m-%dT%H:00:00Z") for slot, each in enumerate(periods) if each}
    assert shown == {each.key for each in HOURS}
    assert periods[0] is not None
    assert axis.last >= NOW


@pytest.mark.parametrize("day", ["0001-01-01", "1970-01-01", "9999-12-31"])
def test_a_clock_that_was_wrong_does_not_break_it(day):
    from datetime import UTC, datetime

    asked = MetricFilter(since=datetime(1, 1, 1, tzinfo=UTC), until=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    days = sorted([stats(day), stats("2026-11-23")], key=lambda each: each.key)
    page = draw_page(gather(filled(days=days), None, asked, NOW))
    assert "to Fri 31 Dec 9999, 23:59 UTC" in words_of(page)


def test_a_hundred_thousand_tools_fit_and_those_left_out_are_counted():
    tools = [stats(f"t/{number}") for number in range(10_001)]
    page = page_of(filled(tools=tools))
    assert len(page) < 500_000
    assert "9,901 more tools are left out" in words_of(page)
    assert "10,001 tools, the busiest first" in words_of(page)


def test_whatever_is_hostile_and_large_stays_below_the_limit():
    worst = "&\u202e" * 5000
    hours = [
        stats((NOW - timedelta(hours=back)).strftime("%Y-%m-%dT%H:00:00Z"), calls=10**12, errors=10**11)
        for back in range(190, -1, -1)
    ]
    readings = filled(
        tools=[stats(f"{number}{worst}", calls=10**15) for number in range(500)],
        hours=hours,
        incidents=[incident(number, tool=worst) for number in range(500)],
        findings=[finding(f"{number}{worst}", got=worst) for number in range(1000)],
        budgets=[budget()._replace(name=worst)] * 300,
    )
    changes = [change(f"{number}{worst}", worst, {"a": worst}) for number in range(1000)]
    page = page_of(readings, Pins(changes))
    assert len(page) <= LARGEST < 500_000
    parsed(page)


def elements_of(names, text):
    page = page_of(
        filled(
            tools=[stats(each) for each in names],
            incidents=[incident(5, tool=text)],
            findings=[finding(text, got=text)],
            budgets=[budget()._replace(name=text)],
        ),
        Pins([change(text, text, [text])]),
    )
    return [name for name, _ in parsed(page).elements]


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), NAMES)
def test_a_name_changes_words_and_no_element(names, other):
    # What has a star cannot be asked for by name, and has no days drawn.
    plain = [f"t{number}{'*' * ('*' in name)}" for number, name in enumerate(names)]
    assert elements_of(names, other) == elements_of(plain, "t")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_harmless_everywhere(name):
    page = page_of(filled(tools=[stats(name)], incidents=[incident(tool=name)]), Pins([change(name, name, name)]))
    found = parsed(page)
    assert not {"script", "img"} & {each for each, _ in found.elements}
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x00-\x08\ufffe]", page.decode())


def test_trends_costs_and_shares_are_never_more_than_they_are():
    from codespar_cli.plugins.observability.report import wording

    assert wording.share(0.00001) == "<0.1%"
    assert wording.share(0.99999) == ">99.9%"
    assert wording.money(None) == wording.milliseconds(None) == wording.share(None) == "–"
    assert wording.money(Decimal("0.000004")) == "0.000004"
    assert [wording.milliseconds(each) for each in (0, 0.25, 420, 2300, 100_000, 200_000)] == [
        "0 ms",
        "0.25 ms",
        "420 ms",
        "2.3 s",
        "100 s",
        "3m 20s",
    ]
    assert wording.change(-0.25) == "−25%"
    assert wording.change(11) == "×12"


def luminance(color):
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_words_and_shapes_can_be_seen(palette):
    assert set(palette) == set(LIGHT)
    for ground in ("paper", "soft"):
        for color in WORDS:
            assert contrast(palette[color], palette[ground]) >= 4.5, (color, ground)
    for color in SHAPES:
        assert contrast(palette[color], palette["paper"]) >= 3, color
    for badge in ("bad", "warn", "quiet"):
        assert contrast(palette["paper"], palette[badge]) >= 4.5
