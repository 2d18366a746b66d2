"""
The page of a run in a real browser: by pointer, by keyboard, on a phone, without script, for a screen reader.

It shows the committed run, with the documentation and fixtures that a run of today would store.
"""

import io
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console

from bench.adopt.assemble import adopted
from bench.analysis.fidelity import lacking, probe_result, seen
from bench.report.documentation import REFERENCE
from bench.report.page import PAGE
from bench.report.run_report import report_run
from bench.results import files
from bench.results.errors import UserError
from bench.results.files import FIDELITY, read_run
from bench.results.records import SCHEMA, Failure, StrategyDocs, StrategyFacts
from bench.strategy.discovery import load
from bench.strategy.probe_catalogue import Family, Probe
from tests.analysis.test_fidelity import outcomes_of
from tests.report.test_run_report import CELLS, cell_of, write_run

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
LARGEST = 3_000_000
"""The largest size of a page, in bytes."""
EVIL = "<img src=x onerror=document.title='evil'>"

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install the package chromium")
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])


def stored(facts: StrategyFacts) -> StrategyFacts:
    """Return the facts with the documentation and the fixture that a run of today would store."""
    facts = replace(facts, docs=load(facts.name).facts().docs)
    try:
        return replace(facts, fixture=adopted(facts.name).text)
    except UserError as error:
        return replace(facts, no_fixture=str(error))


@pytest.fixture(scope="module")
def reference_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the committed run, with fixtures."""
    folder = tmp_path_factory.mktemp("reference")
    for name in ("cells.jsonl", "fidelity.jsonl", "traces.jsonl"):
        shutil.copy(REFERENCE / name, folder)
    run = read_run(REFERENCE)
    files.write_run(folder, replace(run, schema=SCHEMA, strategies=tuple(map(stored, run.strategies))))
    report_run(folder, Console(file=io.StringIO()))
    return folder / PAGE


@pytest.fixture
def opened(browser: Browser, reference_page: Path) -> Iterator[Open]:
    """Open the page as a reader would, without a network; any complaint on the browser's console fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_page(path: Path = reference_page, *, width: int = 1280, **settings: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **settings)  # type: ignore[arg-type] # as Playwright names them
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def names(page: Page) -> list[str]:
    """Return the names in the table of strategies, in its order."""
    return [row.get_attribute("data-name") or "" for row in page.locator(".choices tbody tr").all()]


def corners(path: str | None) -> list[float]:
    """Return the coordinates of an SVG path."""
    return [float(figure) for figure in re.findall(r"[\d.]+", path or "")]


def test_the_page_loads_nothing_from_the_network(reference_page: Path) -> None:
    """The page loads no address, forbids scripts other than its own, and is small enough for an email."""
    text = reference_page.read_text()
    assert re.findall(r'<(?:script|img|link|iframe)[^>]*\b(?:src|href)="(?!data:)', text) == []
    [style] = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert re.findall(r"@import|url\(", style) == []
    assert re.findall(r'="url\((?!#)', text) == []
    assert "default-src 'none'" in text
    assert reference_page.stat().st_size <= LARGEST


def test_text_from_elsewhere_is_never_markup(tmp_path: Path) -> None:
    """HTML in errors, in details of probes, and in a strategy's documentation and fixture is shown as text."""
    folder = write_run(tmp_path / "run", [*CELLS, cell_of("create_drop", 1, 9, "F" * 12, [Failure("call", "E", EVIL)])])
    fidelity = outcomes_of("create_drop", notify="breaks")
    FIDELITY.store(folder, replace(fidelity, sights=tuple(replace(sight, detail=EVIL) for sight in fidelity.sights)))
    run = read_run(folder)
    docs = StrategyDocs(how=EVIL, when_to_use="[x](javascript:alert(1))", prior_art=EVIL)
    facts = [replace(one, summary=EVIL, docs=docs, fixture=f"</code>{EVIL}") for one in run.strategies]
    files.write_run(folder, replace(run, strategies=tuple(facts)))
    report_run(folder, Console(file=io.StringIO()))
    text = (folder / PAGE).read_text()
    assert "<img" not in text
    assert 'href="javascript' not in text
    assert text.count("&lt;img src=x") > 5


def test_a_missing_fixture_is_explained(tmp_path: Path) -> None:
    """The page says why there is no fixture: the stored reason, or that the run is older than stored fixtures."""
    folder = write_run(tmp_path / "run", CELLS)
    run = read_run(folder)
    reasons = {"create_drop": "It needs two files."}
    facts = [replace(one, no_fixture=reasons.get(one.name, "")) for one in run.strategies]
    files.write_run(folder, replace(run, strategies=tuple(facts)))
    report_run(folder, Console(file=io.StringIO()))
    text = (folder / PAGE).read_text()
    assert text.count("It needs two files.") == 1
    assert (
        "This run was recorded before fixtures were stored; nox -s adopt -- null_pool prints the fixture of today."
        in text
    )


def test_a_run_that_was_not_probed_has_a_page_without_that_part(tmp_path: Path) -> None:
    """If no probe ran, the page says so, and how to run them, instead of showing an empty map."""
    folder = write_run(tmp_path / "run", CELLS)
    report_run(folder, Console(file=io.StringIO()))
    text = (folder / PAGE).read_text()
    assert "Not probed" in text
    assert 'class="heat"' not in text
    assert 'id="needs"' not in text


@needs_browser
def test_every_strategy_and_every_reason_is_there_without_script(opened: Open) -> None:
    """Without script, the page still has the table, the charts, the reasons and the fixtures."""
    page = opened(java_script_enabled=False)
    run = read_run(REFERENCE)
    shown = {facts.name for facts in run.strategies if not facts.is_trap and facts.name != "none_twin"}
    assert set(names(page)) == shown
    assert not page.locator("#needs").is_visible()
    assert page.locator(".choices button").count() == 0
    assert page.locator("#picture-cost svg").is_visible()
    hidden = FIDELITY.read(REFERENCE)["savepoint_rollback"]
    assert page.locator("[id^=why-savepoint_rollback-]").count() == len(lacking(hidden, list(Probe)))
    page.get_by_role("link", name="create_drop").first.click()
    assert "drop_all" in page.locator("#conftest-create_drop").inner_text()


@needs_browser
def test_a_click_on_a_column_head_sorts(opened: Open) -> None:
    """The first click sorts in ascending order, the second in descending order; screen readers are told."""
    page = opened()
    head = page.locator(".choices thead th", has_text="sees")
    counts = {name: len(seen(one)) for name, one in FIDELITY.read(REFERENCE).items()}
    head.get_by_role("button").click()
    upwards = [counts[name] for name in names(page)]
    assert upwards == sorted(upwards)
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").click()
    assert [counts[name] for name in names(page)] == sorted(upwards, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"


@needs_browser
def test_table_and_chart_adapt_to_ticked_needs(opened: Open) -> None:
    """A strategy that lacks a ticked behaviour is marked, faded in the chart, and not named as the cheapest."""
    page = opened()
    frontier = page.locator("#tradeoff-frontier path").first
    before = frontier.get_attribute("d")
    # All strategies on the frontier see this one, so the line must not change.
    page.locator("[data-probe=begin_nested]").evaluate("box => box.click()")
    assert corners(frontier.get_attribute("d")) == pytest.approx(corners(before), abs=0.1)
    page.locator("[data-probe=begin_nested]").evaluate("box => box.click()")
    page.get_by_label(Family.CONNECTIONS.heading, exact=True).check()
    need = [probe for probe in Probe if probe.family == Family.CONNECTIONS]
    outcomes = FIDELITY.read(REFERENCE)
    unfit = {name for name in names(page) if lacking(outcomes[name], need)}
    assert {row.get_attribute("data-name") for row in page.locator("tr.unfit").all()} == unfit
    assert "second_connection" in page.locator("#row-savepoint_rollback .unfit").inner_text()
    assert "faded" in (page.locator("#tradeoff-dot-savepoint_rollback").get_attribute("class") or "")
    assert "faded" not in (page.locator("#tradeoff-dot-create_drop").get_attribute("class") or "")
    assert frontier.get_attribute("d") != before
    ranked = [name for name in names(page) if name not in unfit and name != "none"]
    assert (
        f"{len(ranked)} strategies see all of that; the cheapest is {ranked[0]}" in page.locator("#fits").inner_text()
    )
    page.get_by_role("button", name="Untick all").click()
    assert page.locator("tr.unfit").count() == 0
    assert frontier.get_attribute("d") == before


@needs_browser
def test_a_single_need_makes_its_family_half_ticked(opened: Open) -> None:
    """If only some behaviours of a family are ticked, the box of the family is indeterminate."""
    page = opened()
    page.locator("details", has_text="8 behaviours").nth(1).locator("summary").click()
    page.locator("[data-probe=second_connection]").check()
    box = page.locator("[data-family=connections]")
    assert box.evaluate("box => box.indeterminate")
    assert "unfit" in (page.locator("#row-savepoint_rollback").get_attribute("class") or "")


@needs_browser
def test_pointing_at_a_cell_shows_the_reason(opened: Open) -> None:
    """The reason appears while the pointer is over a cell of the heat map."""
    page = opened()
    page.locator('a[href="#why-savepoint_rollback-second_connection"]').hover()
    tip = page.locator("#tip")
    assert tip.is_visible()
    sight = probe_result(FIDELITY.read(REFERENCE)["savepoint_rollback"], "second_connection")
    assert sight is not None
    assert sight.detail.splitlines()[0].strip() in tip.inner_text()
    page.mouse.move(0, 0)
    assert not tip.is_visible()


@needs_browser
def test_the_keyboard_alone_is_enough(opened: Open) -> None:
    """Tab, arrows, Space and Enter are enough to sort, tick, move through the map and unfold a fixture."""
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator(".choices thead button").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator(".choices thead th").nth(1).get_attribute("aria-sort") == "ascending"
    page.locator("[data-family=clean_slate]").focus()
    page.keyboard.press("Space")
    assert page.locator("tr.unfit").count() > 0
    stops = page.locator('.heat td a[tabindex="0"]')
    assert stops.count() == 1
    stops.focus()
    first = page.evaluate("document.activeElement.hash")
    page.keyboard.press("ArrowDown")
    second = page.evaluate("document.activeElement.hash")
    assert first != second
    assert second.startswith("#why-")
    assert page.locator("#tip").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#tip").is_visible()
    page.locator("#row-create_drop a").focus()
    page.keyboard.press("Enter")
    page.locator("#conftest-create_drop").wait_for(state="visible")


@needs_browser
def test_a_fixture_is_copied_whole(opened: Open) -> None:
    """The button copies the whole text that is shown."""
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    page.locator("#row-create_drop a").click()
    page.locator("[data-copy=conftest-create_drop]").click()
    page.locator("output", has_text="copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#conftest-create_drop").evaluate("element => element.textContent")
    assert copied.endswith("\n")
    compile(copied, "conftest.py", "exec")


@needs_browser
def test_a_trap_and_the_cheapest_strategy_are_compared(opened: Open) -> None:
    """The loops of a trap and of the cheapest strategy have their own section; others are beside their fixtures."""
    page = opened()
    shown = [figure.get_attribute("id") for figure in page.locator("#loops figure").all()]
    assert shown == ["picture-loops-module_engine_function_loops", f"picture-loops-{names(page)[0]}"]
    assert "attached to a different loop" in page.locator("#loops .sentence").first.inner_text()
    page.locator("#row-null_pool a").click()
    page.locator("#picture-loops-null_pool svg").wait_for(state="visible")


@needs_browser
def test_a_phone_shows_the_whole_page(opened: Open) -> None:
    """On a narrow screen, wide tables and charts scroll in their own frames, and the page does not scroll sideways."""
    page = opened(width=375)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    frame = page.locator(".wide", has=page.locator(".choices"))
    assert frame.evaluate("frame => frame.scrollWidth > frame.clientWidth")


@needs_browser
@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_an_accessibility_check_finds_nothing_serious(opened: Open, colour_scheme: str) -> None:
    """axe-core finds no serious or critical problem with everything unfolded, on light and dark screens."""
    page = opened(color_scheme=colour_scheme, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    faults = [one for one in Axe().run(page).response["violations"] if one["impact"] in {"serious", "critical"}]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in faults] == []


@needs_browser
def test_charts_turn_dark_with_the_screen(opened: Open) -> None:
    """On a dark screen, the charts have the colours of the page."""
    colours = {}
    for scheme in ("light", "dark"):
        page = opened(color_scheme=scheme)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        sheet, word = page.locator("#picture-cost svg").evaluate(
            "svg => [svg.querySelector('path'), svg.querySelector('text')].map((one) => getComputedStyle(one).fill)"
        )
        assert sheet == paper
        colours[scheme] = (paper, word)
    assert colours["light"][0] != colours["dark"][0]
    assert colours["light"][1] != colours["dark"][1]
