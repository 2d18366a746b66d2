"""What the documentation says is so: commands parse, examples run, figures come from the committed run."""

import re
import shlex
from pathlib import Path

import pytest

from bench.analysis import analyse
from bench.charts import draw_cost
from bench.growth import grow
from bench.probes import Probe
from bench.report import PHASES, write_summary
from bench.results import read_cells, read_run
from bench.strategy import ROOT, load, names_in_tree
from bench.words import headline
from tests.conftest import Command

REFERENCE = ROOT / "results" / "reference"
README = (ROOT / "README.md").read_text()
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
SESSIONS = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.MULTILINE))


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def nox_commands() -> list[str]:
    """Return every nox command that a page shows, in a block or in a line."""
    found = [command for page in PAGES for command in re.findall(r"nox -s [^`#&|\n]+", page.read_text())]
    return sorted({command.strip() for command in found})


def test_reference_run_is_what_its_charts_show(tmp_path: Path) -> None:
    """Chart and summary of the reference run are what its raw samples give today."""
    analysis = analyse(read_run(REFERENCE), read_cells(REFERENCE))
    svg, _ = draw_cost(analysis, tmp_path)
    assert svg.read_text() == (REFERENCE / "charts" / "cost.svg").read_text()
    assert (
        write_summary(analysis, grow(read_run(REFERENCE), read_cells(REFERENCE)), tmp_path).read_text()
        == (REFERENCE / "summary.md").read_text()
    )


def test_readme_has_the_reference_runs_table() -> None:
    """The README's tables of strategies and traps are the reference run's; so are headline and command."""
    summary, *_ = (REFERENCE / "summary.md").read_text().partition(f"## {PHASES}")
    rows = [line for line in summary.splitlines() if line.startswith("|")]
    assert rows
    for row in rows:
        assert row in README
    analysis = analyse(read_run(REFERENCE), read_cells(REFERENCE))
    assert headline(analysis) in README
    assert analysis.run.command in README


def test_reference_run_is_of_this_workload() -> None:
    """The reference run measured the application and the tests that are in the tree."""
    from bench.workload import describe  # noqa: PLC0415 - for this test alone

    run = read_run(REFERENCE)
    assert run.workload == describe(run.workload.size)


@pytest.mark.parametrize("command", nox_commands())
def test_commands_are_understood(command: str, looptrap: Command) -> None:
    """Every nox command on a page names a session that there is, with options that it takes."""
    words = shlex.split(command)
    assert words[:2] == ["nox", "-s"]
    session, arguments = words[2], words[4:]
    assert session in SESSIONS
    if session == "bench" and not {"DSN", "NAME", "./mine.py", "my_strategy"} & set(arguments):
        understood = looptrap("run", *arguments, "--list")
        assert understood.returncode == 0, understood.stderr


def test_pages_show_commands() -> None:
    """The README's two commands are among those that are looked at."""
    assert {"nox -s bench", "nox -s tests"} <= set(nox_commands())


def test_example_strategy_runs(tmp_path: Path, looptrap: Command) -> None:
    """The strategy that docs/strategies.md shows is written from it alone, and passes the workload."""
    example = next(text for text in blocks(ROOT / "docs" / "strategies.md", "python") if "strategy = Strategy(" in text)
    path = tmp_path / "from_the_docs.py"
    path.write_text(example)
    arguments = ("--server", "embedded", "--tests", 14, "--rounds", 1, "--no-check", "--strategies", path)
    done = looptrap("run", *arguments, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^from_the_docs .* 14/14 ", done.stdout, re.MULTILINE), done.stdout


def test_probes_page_repeats_the_declarations() -> None:
    """docs/probes.md has every probe, and beside it the strategies that declare to hide it."""
    text = (ROOT / "docs" / "probes.md").read_text()
    for probe in Probe:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{probe.value}`"))
        hiding = {name for name in names_in_tree() if probe in load(name).declared.hides and name != "none_twin"}
        assert {name for name in names_in_tree() if f"`{name}`" in row} == hiding


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link on a page leads to a file of the project."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
