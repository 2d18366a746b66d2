"""The documentation is right: commands parse, examples run, links work, figures come from the committed runs."""

import io
import re
import shlex
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from bench.analysis.conditions import analyse_conditions
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

USER_PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
LONGEST_PAGE = 150
SESSIONS = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.MULTILINE))


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def nox_commands() -> list[str]:
    """Return every nox command that a page shows, in a block or in a line."""
    found = [command for page in PAGES for command in re.findall(r"nox -s [^`#&|\n]+", page.read_text())]
    return sorted({command.strip() for command in found})


def test_reference_run_is_what_its_charts_show(tmp_path: Path) -> None:
    """Charts, page and summary of the reference run are what its samples, outcomes and traces give today."""
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
    """The charts in docs/servers-clients-conditions.md are what the committed samples give today."""
    swept = analyse_conditions(read_run(folder), read_cells(folder))
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
    """Every probe that docs/strategies.md links to has an anchor in docs/probes.md."""
    linked = set(re.findall(r"\(probes\.md#(\w+)\)", (ROOT / "docs" / "strategies.md").read_text()))
    places = re.findall(r'<a id="(\w+)">', (ROOT / "docs" / "probes.md").read_text())
    assert linked
    assert linked <= set(places)


def test_reference_run_probed_these_strategies() -> None:
    """The reference run probed the strategy files that are in the tree."""
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
    """Every nox command on a page names an existing session, with options that it accepts."""
    words = shlex.split(command)
    assert words[:2] == ["nox", "-s"]
    session, arguments = words[2], words[4:]
    assert session in SESSIONS
    if session == "bench" and not {"DSN", "NAME", "./mine.py", "my_strategy"} & set(arguments):
        understood = typed("run", *arguments, "--list")
        assert understood.returncode == 0, understood.stderr


def test_workflow_calls_sessions_that_there_are() -> None:
    """Every session that the workflow of GitHub Actions runs is in the noxfile; the workflow cannot run here."""
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
    in_matrix = re.findall(r"session: ([\w ]+?)(?: -- [^}]*)? }", workflow)
    called = {session for names in in_matrix for session in names.split()} | set(re.findall(r"nox -s (\w+)", workflow))
    assert {"lint", "types", "tests", "bench"} <= called <= SESSIONS


def test_pages_show_commands() -> None:
    """The README's two commands are among the commands that are tested."""
    assert {"nox -s bench", "nox -s tests"} <= set(nox_commands())


def example_strategy(folder: Path) -> Path:
    """Write the example in docs/adding-a-strategy.md to a file, without changes."""
    page = ROOT / "docs" / "adding-a-strategy.md"
    example = next(text for text in blocks(page, "python") if "strategy = Strategy(" in text)
    path = folder / "from_the_docs.py"
    path.write_text(example)
    return path


def test_example_strategy_runs(tmp_path: Path, server: Server, looptrap: Command) -> None:
    """The example in docs/adding-a-strategy.md passes the workload."""
    path = example_strategy(tmp_path)
    arguments = ("--server", server.admin_dsn, "--tests", 14, "--rounds", 1, "--no-check", "--strategies", path)
    done = looptrap("run", *arguments, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^from_the_docs .* 14/14 ", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    """Every relative link on a page leads to a file of the project, and its anchor to a heading or a mark there."""
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """Return what a link can lead to on a page: headings, as GitHub names them, and marks."""
    text = page.read_text()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings} | {
        *re.findall(r'<a id="(\w+)">', text)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    """Every file of the harness or of its tests that a page names is there."""
    named = re.findall(r"(?<![\w./])(?:bench|tests)/[\w/]+\.\w+", written_by_hand(page))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_pages_that_code_names_exist() -> None:
    """Every page of docs/ that a message, a docstring or a comment names is there."""
    sources = [path for folder in ("bench", "tests", "strategies") for path in (ROOT / folder).rglob("*.py")]
    named = {(name, path) for path in sources for name in re.findall(r"(?<![\w/])docs/[\w/-]+\.md", path.read_text())}
    assert [(name, path) for name, path in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", USER_PAGES, ids=lambda page: page.name)
def test_pages_for_users_are_short(page: Path) -> None:
    """A page for users has at most 150 lines, generated parts aside."""
    assert len(written_by_hand(page).splitlines()) <= LONGEST_PAGE


def written_by_hand(page: Path) -> str:
    """Return the text of a page without its generated parts."""
    return re.sub(r"<!-- generated: .*?<!-- end -->", "", page.read_text(), flags=re.DOTALL)
