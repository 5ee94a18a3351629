"""The page in a real browser: nothing goes wrong, nothing is fetched, and it can be read where people read it."""

import headless_chromium
import pytest
from report_values import HOSTILE, NOW, Pins, Readings, budget, change, finding, incident, stats, wanted

from codespar_cli.plugins.observability.report.gathering import gather
from codespar_cli.plugins.observability.report.page import draw_page
from codespar_cli.plugins.observability.report.style import DARK, LIGHT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    command = headless_chromium.command()
    if command is None:
        pytest.skip("no chromium, and apt-get cannot install it")
    browser = headless_chromium.Chromium(command, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def url(example):
    assert example.run("metrics", "report", "--html", "report.html", "--since", "7d").returncode == 0
    return (example.directory / "report.html").as_uri()


@pytest.fixture
def hostile_url(tmp_path):
    long = [*HOSTILE, "W" * 300]
    readings = Readings(
        [stats(name) for name in long],
        [stats(f"2026-11-{day:02}") for day in range(1, 24)],
        incidents=[incident(index, tool=name) for index, name in enumerate(long)],
        findings=[finding(name, got=name) for name in long],
        budgets=[budget()._replace(name=name) for name in long],
        whole=stats(None, calls=10**15, cost="123456789012.34"),
    )
    page = draw_page(gather(readings, Pins([change(name, name, [name]) for name in long]), wanted(23), NOW))
    path = tmp_path / "hostile.html"
    path.write_bytes(page)
    return path.as_uri()


def assert_quiet(browser, url):
    wrong = browser.told("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert wrong == []
    asked = [each["request"]["url"] for each in browser.told("Network.requestWillBeSent")]
    assert [each for each in asked if not each.startswith("data:")] == [url]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 820, 390, 360, 320])
@pytest.mark.parametrize("which", ["url", "hostile_url"])
def test_it_fits_and_is_quiet(browser, request, which, width, dark):
    url = request.getfixturevalue(which)
    browser.open(url, width=width, dark=dark)
    assert_quiet(browser, url)
    assert browser.value("document.documentElement.scrollWidth") <= width
    wide, narrow = (
        browser.value(f"getComputedStyle(document.querySelector('.chart.{each}')).display")
        for each in ("wide", "narrow")
    )
    assert (wide, narrow) == (("none", "block") if width <= 640 else ("block", "none"))
    paper = (DARK if dark else LIGHT)["paper"]
    expected = f"rgb({', '.join(str(int(paper[at : at + 2], 16)) for at in (1, 3, 5))})"
    assert browser.value("getComputedStyle(document.body).backgroundColor") == expected


def test_letters_in_charts_are_large_enough_and_do_not_meet(browser, url):
    for width in (1280, 390):
        browser.open(url, width=width)
        boxes = browser.value(
            """[...document.querySelectorAll('.chart')].filter(c => c.getClientRects().length).map(c =>
            [...c.querySelectorAll('text.label')].map(t => {const b = t.getBoundingClientRect();
            return [t.textContent, b.left, b.top, b.right, b.bottom, parseFloat(getComputedStyle(t).fontSize) *
            c.getBoundingClientRect().width / c.viewBox.baseVal.width]}))"""
        )
        assert len(boxes) == 3
        for chart in boxes:
            assert all(size >= 10 for *_, size in chart)
            for index, (one, left, top, right, bottom, _) in enumerate(chart):
                assert left >= -1, one
                for other, left2, top2, right2, bottom2, _ in chart[index + 1 :]:
                    apart = right <= left2 or right2 <= left or bottom <= top2 + 3 or bottom2 <= top + 3
                    assert apart, (width, one, other)


def test_the_keyboard_reaches_everything(browser, url):
    browser.open(url)
    seen = []
    for _ in range(60):
        browser.press("Tab")
        seen.append(
            browser.value(
                "(e => [e.tagName.toLowerCase(), e.getAttribute('href') || e.className.baseVal || e.className])(document.activeElement)"
            )
        )
    assert seen[0] == ["a", "#content"]
    reached = {tuple(each) for each in seen}
    assert {("summary", ""), ("div", "box"), ("a", "#anomaly-1")} <= reached
    browser.open(url)
    browser.press("Tab")
    assert browser.value("document.activeElement.getBoundingClientRect().left") >= 0


def test_paper_is_white_whole_and_has_no_navigation(browser, url):
    browser.open(url, dark=True, media="print")
    assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.value("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert browser.value("getComputedStyle(document.querySelector('.chart.wide')).display") == "block"
    assert browser.pdf().startswith(b"%PDF-")


def test_a_mark_leads_to_its_anomaly(browser, url):
    browser.open(url)
    targets = browser.value("[...document.querySelectorAll('.chart.wide a')].map(a => a.getAttribute('href'))")
    assert targets
    assert all(browser.value(f"!!document.querySelector({target!r})") for target in targets)
