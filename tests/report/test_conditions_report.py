"""What a report shows of conditions; the rest of the report is about the first condition only."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from rich.console import Console

from bench.report.markdown import SUMMARY
from bench.report.page import PAGE
from bench.report.report_tables import caveats
from bench.report.run_report import report_run
from bench.results.files import append_cell, create_run
from tests.conditions_run import Made, usual
from tests.made_runs import a_cell, crashed
from tests.report.test_page import CHROMIUM

SECTION = "Under other conditions"


def reported(folder: Path, run: Made, width: int = 120) -> str:
    """Write a run and its report into a folder, and return the console output."""
    create_run(folder, run.run)
    for cell in run.cells:
        append_cell(folder, cell)
    file = io.StringIO()
    report_run(folder, Console(file=file, width=width))
    return file.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run in which a strategy crashed under one condition and a trap works under another."""
    dead = (replace(crashed("middle", number), condition="tmpfs=yes") for number in range(1, 9))
    works = replace(a_cell("trap", 0), condition="fsync=off")
    folder = tmp_path_factory.mktemp("conditions") / "run"
    reported(folder, replace(usual(), cells=(*usual().cells, *dead, works)))
    return folder


def test_the_rest_of_the_report_is_about_the_first_condition(tmp_path: Path) -> None:
    """Other charts and exported data are the same as those of a run that has only the first condition."""
    swept, first = tmp_path / "swept", tmp_path / "first"
    alone = replace(usual().run, conditions=(), configuration=replace(usual().run.configuration, sweep=()))
    reported(swept, usual())
    printed = reported(first, Made(alone, tuple(cell for cell in usual().cells if not cell.condition)))
    charts = sorted(path.name for path in (first / "charts").glob("*.svg"))
    assert sorted(path.name for path in (swept / "charts").glob("*.svg")) == sorted([*charts, "conditions.svg"])
    for path in ("benchmark.json", *(f"charts/{name}" for name in charts)):
        assert (swept / path).read_bytes() == (first / path).read_bytes(), path
    for text in (printed, (first / SUMMARY).read_text(), (first / PAGE).read_text()):
        assert SECTION not in text
        assert "gives up safety" not in text


def test_the_summary(folder: Path) -> None:
    """One section has sentences, tables, reasons for missing figures, and settings that give up safety."""
    text = (folder / SUMMARY).read_text()
    section = text[text.index(f"## {SECTION}") : text.index("## Caveats")]
    assert re.search(
        r"- Starting from dear under the default \(fsync=on, tmpfs=no; [\d.]+ ms per test\), tuning", section
    )
    assert re.search(r"\| dear \| [\d.]+ \| 0\.2\d+ \([\d.]+ ms\) \|", section)
    assert "| trap | as declared | works here | as declared | as declared |" in section
    assert "middle under tmpfs=yes: it crashed in round 1" in section
    assert "fsync=off gives up safety: " in section


def test_the_page_links_missing_figures_to_their_reasons(folder: Path) -> None:
    """Every link of the section has a target."""
    text = (folder / PAGE).read_text()
    section = text[text.index('<section id="conditions"') : text.index('<section id="strategies"')]
    links = re.findall(r'<a href="#([^"]+)">', section)
    assert links
    assert all(f'id="{link}"' in section for link in links)
    assert '<figure id="picture-conditions">' in section
    assert 'href="https://www.postgresql.org/docs/current/non-durability.html"' in section


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install the package chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_section_is_accessible(folder: Path, scheme: str) -> None:
    """axe-core finds no violation with the light and the dark colour scheme."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(color_scheme=scheme)  # type: ignore[arg-type] # one of its words
        page.goto((folder / PAGE).as_uri())
        found = Axe().run(page, context="#conditions")
        assert found.response["violations"] == []
        page.locator("#conditions a", has_text="no figure").first.click()
        assert page.locator("#condition-2-middle").is_visible()
        browser.close()


def test_a_narrow_console_shows_no_table(tmp_path: Path) -> None:
    """The console prints the table only if no text of it has to fold, and the sentences always."""
    wide, narrow = (reported(tmp_path / str(width), usual(), width) for width in (120, 60))
    assert "Cost per test under other conditions" in wide
    assert "Cost per test under other conditions" not in narrow
    assert all("Starting from dear" in text for text in (wide, narrow))


def test_the_caveats_of_a_run_without_a_sweep_explain_its_settings() -> None:
    """With a sweep, the section about conditions does that."""
    conditions = usual().conditions
    first, other = conditions.analyses[0], conditions.analyses[1]
    assert not any("gives up safety" in caveat for caveat in caveats(first))
    alone = replace(other, run=replace(other.run, conditions=()))
    assert [caveat.split(":")[0] for caveat in caveats(alone) if "gives up safety" in caveat] == [
        "fsync=off gives up safety"
    ]
