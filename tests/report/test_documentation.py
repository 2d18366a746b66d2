"""What the documentation says is so: commands parse, examples run, figures come from the committed run."""

import io
import re
import shlex
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from bench.analysis.conditions import under_conditions
from bench.measure.probing import control
from bench.report.charts import FOLDER, conditions
from bench.report.documentation import PAGES as GENERATED_PAGES
from bench.report.documentation import REFERENCE, SERVERS, TUNING, reference, with_generated_parts
from bench.report.run_report import report_run
from bench.results.files import CELLS_FILE, FIDELITY_FILE, RUN_FILE, read_cells, read_run
from bench.results.paths import ROOT
from bench.results.traces import TRACES_FILE
from bench.server import Server
from bench.strategy.discovery import load, load_all, names_in_tree, peers_in_tree
from bench.strategy.probe_catalogue import CONTROL
from tests.conftest import Command

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
SESSIONS = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.MULTILINE))


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def nox_commands() -> list[str]:
    """Return every nox command that a page shows, in a block or in a line."""
    found = [command for page in PAGES for command in re.findall(r"nox -s [^`#&|\n]+", page.read_text())]
    return sorted({command.strip() for command in found})


def test_reference_run_is_what_its_charts_show(tmp_path: Path) -> None:
    """Pictures, page and summary of the reference run are what its raw samples, outcomes and traces give today."""
    for name in (RUN_FILE, CELLS_FILE, FIDELITY_FILE, TRACES_FILE):
        shutil.copy(REFERENCE / name, tmp_path)
    report_run(tmp_path, Console(file=io.StringIO()))
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    assert made == sorted(path.relative_to(REFERENCE) for path in REFERENCE.rglob("*.*"))
    for path in made:
        # A picture of pixels is the same as its SVG, but for what processors make of its last digits.
        if path.suffix != ".png":
            assert (tmp_path / path).read_text() == (REFERENCE / path).read_text(), path


@pytest.mark.parametrize("folder", [SERVERS, TUNING], ids=lambda folder: folder.name)
def test_picture_of_conditions_is_what_its_samples_give(folder: Path, tmp_path: Path) -> None:
    """The pictures that docs/servers-clients-conditions.md shows are what the committed samples give today."""
    swept = under_conditions(read_run(folder), read_cells(folder))
    assert swept is not None
    drawn = conditions.picture(swept).write_svg(tmp_path)
    assert drawn.read_text() == (folder / FOLDER / drawn.name).read_text()


@pytest.mark.parametrize("page", GENERATED_PAGES, ids=lambda page: page.name)
def test_generated_parts_are_current(page: Path) -> None:
    """`nox -s docs` would change nothing: every generated part agrees with strategies, probes and committed runs."""
    text = page.read_text()
    assert "<!-- generated: " in text
    assert with_generated_parts(text, load_all([*names_in_tree(), *peers_in_tree()])) == text


def test_probes_are_where_links_to_them_lead() -> None:
    """Every probe that docs/strategies.md links to has its place in docs/probes.md."""
    linked = set(re.findall(r"\(probes\.md#(\w+)\)", (ROOT / "docs" / "strategies.md").read_text()))
    places = re.findall(r'<a id="(\w+)">', (ROOT / "docs" / "probes.md").read_text())
    assert linked
    assert linked <= set(places)


def test_reference_run_probed_these_strategies() -> None:
    """The outcomes in the reference run are of the strategies' files as they are in the tree."""
    for fidelity in reference().outcomes.values():
        loaded = control() if fidelity.strategy == CONTROL else load(fidelity.strategy)
        assert fidelity.source_sha256 == loaded.facts().source_sha256, fidelity.strategy


def test_reference_run_is_of_this_workload() -> None:
    """The reference run measured the application and the tests that are in the tree."""
    from bench.workload import describe  # noqa: PLC0415 - for this test alone

    run = read_run(REFERENCE)
    assert run.workload == describe(run.workload.size)


@pytest.mark.parametrize("command", nox_commands())
def test_commands_are_understood(command: str, typed: Command) -> None:
    """Every nox command on a page names a session that there is, with options that it takes."""
    words = shlex.split(command)
    assert words[:2] == ["nox", "-s"]
    session, arguments = words[2], words[4:]
    assert session in SESSIONS
    if session == "bench" and not {"DSN", "NAME", "./mine.py", "my_strategy"} & set(arguments):
        understood = typed("run", *arguments, "--list")
        assert understood.returncode == 0, understood.stderr


def test_workflow_calls_sessions_that_there_are() -> None:
    """Every session that the workflow of GitHub Actions runs, which cannot run here, is one of the noxfile."""
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
    in_matrix = re.findall(r"session: ([\w ]+?)(?: -- [^}]*)? }", workflow)
    called = {session for names in in_matrix for session in names.split()} | set(re.findall(r"nox -s (\w+)", workflow))
    assert {"lint", "types", "tests", "bench"} <= called <= SESSIONS


def test_pages_show_commands() -> None:
    """The README's two commands are among those that are looked at."""
    assert {"nox -s bench", "nox -s tests"} <= set(nox_commands())


def example_strategy(folder: Path) -> Path:
    """Write the strategy that docs/adding-a-strategy.md shows, from it alone, into a file."""
    page = ROOT / "docs" / "adding-a-strategy.md"
    example = next(text for text in blocks(page, "python") if "strategy = Strategy(" in text)
    path = folder / "from_the_docs.py"
    path.write_text(example)
    return path


def test_example_strategy_runs(tmp_path: Path, server: Server, looptrap: Command) -> None:
    """The strategy that docs/adding-a-strategy.md shows passes the workload."""
    path = example_strategy(tmp_path)
    arguments = ("--server", server.admin_dsn, "--tests", 14, "--rounds", 1, "--no-check", "--strategies", path)
    done = looptrap("run", *arguments, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^from_the_docs .* 14/14 ", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link on a page leads to a file of the project."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
