"""Whole runs on a real Postgres, started like a user starts them."""

import re
import shutil
from pathlib import Path

import pytest

from bench.analysis.ranking import Analysis, analyse
from bench.report.findings_text import deviation_text, not_ranked_text
from bench.results.files import read_cells, read_run
from bench.results.paths import ROOT
from bench.results.records import WARM_UP, Size
from bench.server import Server
from bench.strategy.discovery import load, names_in_tree
from tests.conftest import Command

HANGS = '''
"""Hang in the first test."""
import time
import pytest
from bench import Strategy

strategy = Strategy()

@pytest.fixture
def session_factory():
    time.sleep(600)
'''

DIES = HANGS.replace("Hang in", "Die in").replace("import time", "import os").replace("time.sleep(600)", "os._exit(7)")

LEAKS = '''
"""Isolate nothing, and declare nothing."""
from strategies.none import db_engine, session_factory
from bench import Strategy

strategy = Strategy(test_loop_scope="session", fixture_loop_scope="session")
'''

TAME_TRAP = '''
"""A trap that does not fail."""
from strategies.savepoint_rollback import db_engine, session_factory
from bench import ExpectedError, Trap

strategy = Trap(
    test_loop_scope="session", fixture_loop_scope="session", errors=[ExpectedError("RuntimeError", "different loop")]
)
'''


def run(
    looptrap: Command, server: Server | tuple[str, ...], folder: Path, *arguments: object, code: int = 0
) -> tuple[str, Analysis]:
    """Run a small benchmark on the tests' server, or on one of its own; return its output and its analysis."""
    given = server if isinstance(server, tuple) else ("--server", server.admin_dsn)
    done = looptrap("run", *given, "--no-check", "--out", folder, *arguments)
    assert done.returncode == code, done.stderr + done.stdout
    assert done.stderr == ""
    return done.stdout, analyse(read_run(folder), read_cells(folder))


@pytest.fixture(scope="session")
def full_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of the strategies in `core`, which several tests use."""
    return tmp_path_factory.mktemp("full") / "run"


@pytest.fixture
def everything(looptrap: Command, full_run: Path, own_server: tuple[str, ...]) -> tuple[str, Analysis]:
    """The output and the analysis of that run."""
    output = full_run.with_suffix(".txt")
    if not output.exists():
        output.write_text(run(looptrap, own_server, full_run, "--tests", 9, "--rounds", 2, "--seed", 4)[0])
    return output.read_text(), analyse(read_run(full_run), read_cells(full_run))


def test_every_strategy_but_the_floor_passes_all_tests_in_every_round(everything: tuple[str, Analysis]) -> None:
    """Strategies that are not traps work: all tests pass in each round, and no row is left for the next test."""
    results = {result.facts.name: result for result in everything[1].strategies}
    assert set(results) >= {"engine_per_test", "null_pool", "create_drop", "savepoint_rollback", "baseline_restore"}
    for name, result in results.items():
        assert (result.rounds, result.tests) == (2, 18)
        if name != "none":
            assert (result.passed, result.leaked, result.ranked) == (18, 0, True), name


def test_those_that_stand_apart_pass_all_tests_too(
    tmp_path: Path, looptrap: Command, own_server: tuple[str, ...]
) -> None:
    """Strategies that a default run leaves out work as well: all tests pass, and no row is left for the next test."""
    apart = [name for name in names_in_tree() if not load(name).declared.core]
    arguments = ("--strategies", ",".join(apart), "--tests", 7, "--rounds", 1)
    _, analysis = run(looptrap, own_server, tmp_path / "run", *arguments)
    results = {result.facts.name: result for result in analysis.strategies if result.facts.name != "none"}
    assert set(results) == set(apart)
    assert {(result.passed, result.leaked, result.ranked) for result in results.values()} == {(7, 0, True)}


def test_the_floor_shows_its_leak_and_is_not_ranked(everything: tuple[str, Analysis]) -> None:
    """Without isolation every test but the first finds rows of an earlier one."""
    output, analysis = everything
    floor = next(result for result in analysis.strategies if result.facts.name == "none")
    assert (floor.passed, floor.leaked, floor.ranked) == (2, 16, False)
    assert "none is not ranked: it is the floor, which isolates nothing" in output
    assert "none_twin" not in {result.facts.name for result in analysis.strategies}


def test_traps_fail_as_they_declare(everything: tuple[str, Analysis]) -> None:
    """Each trap produces its errors in the tests that it declares, and they are shown with their number."""
    output, analysis = everything
    loud = [trap for trap in analysis.traps if trap.facts.expected_errors]
    assert {trap.facts.name: (trap.passed, trap.deviations) for trap in loud} == {
        "session_engine_function_loops": (0, ()),
        "module_engine_function_loops": (1, ()),
        "pre_ping_function_loops": (5, ()),
    }
    for words in ("attached to a different loop", "another operation is in progress", "4 of 9 tests"):
        assert words in output


def test_run_leaves_chart_table_and_raw_samples(everything: tuple[str, Analysis], full_run: Path) -> None:
    """A run's folder holds the chart in two formats, the summary, and every sample of each cell."""
    output, _ = everything
    assert (full_run / "charts" / "cost.png").read_bytes().startswith(b"\x89PNG")
    assert "savepoint_rollback" in (full_run / "charts" / "cost.svg").read_text()
    assert "savepoint_rollback" in (full_run / "summary.md").read_text()
    assert str(full_run) in output
    cells = list(read_cells(full_run))
    assert sum(cell.round == WARM_UP for cell in cells) == 16
    assert sum(cell.round != WARM_UP for cell in cells) == 22
    for cell in cells:
        columns = cell.samples
        tests = 7 if cell.round == WARM_UP and cell.start == "spawned" else 9
        assert {len(columns.setup), len(columns.call), len(columns.teardown), len(columns.outcomes)} == {tests}


def test_phases_add_up_to_the_wall(everything: tuple[str, Analysis], full_run: Path) -> None:
    """Start-up, collection, fixtures, tests, shutdown and residual add up to the wall time of the process."""
    assert everything
    for cell in read_cells(full_run):
        samples = sum(cell.samples.setup) + sum(cell.samples.call) + sum(cell.samples.teardown)
        fixed = cell.startup + cell.collection + cell.session_setup + cell.session_teardown + cell.shutdown
        assert fixed + samples + cell.residual == pytest.approx(cell.wall, abs=1e-4)
        assert cell.residual >= 0


def test_statements_repeat_exactly(everything: tuple[str, Analysis], full_run: Path) -> None:
    """The number of statements per test is the same in every round: noise does not affect it."""
    assert everything
    seen: dict[str, set[tuple[int, ...]]] = {}
    for cell in read_cells(full_run):
        if cell.round != WARM_UP:
            seen.setdefault(cell.strategy, set()).add(cell.samples.statements)
    assert all(len(different) == 1 for different in seen.values())
    assert seen["none"] == seen["none_twin"]


def test_report_draws_the_same_from_the_files(
    everything: tuple[str, Analysis], full_run: Path, looptrap: Command
) -> None:
    """Table and chart are made from the files alone, and are the same each time."""
    svg = (full_run / "charts" / "cost.svg").read_bytes()
    again = looptrap("report", full_run)
    assert again.returncode == 0, again.stderr
    assert again.stdout in everything[0]
    assert (full_run / "charts" / "cost.svg").read_bytes() == svg


def test_command_in_the_summary_makes_such_a_run_again(
    everything: tuple[str, Analysis], full_run: Path, own_server: tuple[str, ...]
) -> None:
    """The summary ends with a command that has the tests, rounds, seed and server of the run."""
    assert everything
    command = f"nox -s bench -- --tests 9 --no-check --rounds 2 --seed 4 {' '.join(own_server)}"
    assert read_run(full_run).command == command
    assert command in (full_run / "summary.md").read_text()


def test_new_strategy_is_in_the_race_with_nothing_else_edited(
    tmp_path: Path, server: Server, looptrap: Command
) -> None:
    """`new` writes a file that runs unchanged and appears in table and chart."""
    tree = tmp_path / "clone"
    shutil.copytree(ROOT / "bench", tree / "bench")
    shutil.copytree(ROOT / "strategies", tree / "strategies")
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tree)
    written = looptrap("new", "my_way", cwd=tree, PYTHONPATH=str(tree))
    assert written.returncode == 0, written.stderr
    arguments = ("--server", server.admin_dsn, "--tests", 3, "--rounds", 1, "--strategies", "my_way")
    done = looptrap("run", *arguments, "--no-check", "--out", tmp_path / "run", cwd=tree, PYTHONPATH=str(tree))
    assert done.returncode == 0, done.stderr
    assert re.search(r"^my_way .* 3/3 ", done.stdout, re.MULTILINE)
    assert "my_way" in (tmp_path / "run" / "charts" / "cost.svg").read_text()
    assert looptrap("new", "my_way", cwd=tree, PYTHONPATH=str(tree)).returncode == 2


def test_what_goes_wrong_is_shown_and_not_ranked(tmp_path: Path, server: Server, looptrap: Command) -> None:
    """
    A hang, a crash, an undeclared leak and a trap that works do not stop the run: each is reported and not ranked.

    One round has no interval, so the run is unusable: with --strict the exit code is 3, and the results are shown.
    """
    for name, text in {"hangs": HANGS, "dies": DIES, "leaks": LEAKS, "tame_trap": TAME_TRAP}.items():
        (tmp_path / f"{name}.py").write_text(text.lstrip())
    paths = ",".join(str(tmp_path / f"{name}.py") for name in ("hangs", "dies", "leaks", "tame_trap"))
    arguments = ("--strategies", paths, "--tests", 3, "--rounds", 1, "--cell-timeout", 12, "--strict")
    output, analysis = run(looptrap, server, tmp_path / "run", *arguments, code=3)
    results = {result.facts.name: result for result in analysis.strategies}
    assert not any(result.ranked for result in results.values())
    assert "ran out of time in round 1: killed after 12 s" in not_ranked_text(results["hangs"])
    assert "crashed in round 1: exit code 7" in not_ranked_text(results["dies"])
    assert "which it does not declare" in not_ranked_text(results["leaks"])
    assert "expected every test to fail, but 7 of 7 passed" in deviation_text(analysis.traps[0])
    for words in ("killed after 12 s", "exit code 7", "FINDING", "Noise: unusable"):
        assert words in output


def test_two_runs_agree_on_the_witnesses(
    everything: tuple[str, Analysis], full_run: Path, tmp_path: Path, looptrap: Command, own_server: tuple[str, ...]
) -> None:
    """A second run sends exactly as many statements, and writes as much log within 2 % or 0.5 kB; compare shows it."""
    again = tmp_path / "again"
    arguments = ("--strategies", "create_drop,savepoint_rollback", "--tests", 9, "--rounds", 2, "--seed", 5)
    _, second = run(looptrap, own_server, again, *arguments)
    first = {result.facts.name: result for result in everything[1].strategies}
    for result in second.strategies:
        other = first[result.facts.name]
        assert result.statements == other.statements
        assert result.transactions == other.transactions
        assert result.wal_bytes is not None
        assert result.wal_bytes == pytest.approx(other.wal_bytes, rel=0.02, abs=500)
    same = looptrap("compare", again, again)
    assert same.returncode == 2
    gates = looptrap("compare", full_run, again, "--fail-statements", "0%", "--fail-wal", "2%")
    # The second run does not have all strategies of the first, and a gate must hold for all of these.
    assert gates.returncode == 1, gates.stderr
    assert "GATE FAILED: null_pool" in gates.stdout
    assert "GATE FAILED: create_drop" not in gates.stdout
    held = looptrap("compare", again, full_run, "--fail-statements", "0%", "--fail-wal", "2%")
    assert held.returncode == 0, held.stdout
    assert "All gates passed" in held.stdout


def test_sweep_shows_how_cost_grows(tmp_path: Path, server: Server, looptrap: Command) -> None:
    """Each size runs in each round; create_drop needs more statements for more tables, and tables show the growth."""
    arguments = ("--strategies", "create_drop", "--tests", 3, "--rounds", 1)
    sweep = ("--sweep", "tests=3,6", "--sweep", "tables=5,12", "--sweep", "rows=0,10")
    output, _ = run(looptrap, server, tmp_path / "run", *arguments, *sweep)
    timed = [cell for cell in read_cells(tmp_path / "run") if cell.round != WARM_UP]
    sizes = [Size(3, 5, 0), Size(3, 5, 10), Size(3, 12, 0), Size(6, 5, 0)]
    for name in ("none", "none_twin", "create_drop"):
        own = sorted((cell for cell in timed if cell.strategy == name), key=lambda cell: str(cell.size))
        assert [cell.size for cell in own] == sorted(sizes, key=str)
        assert all(len(cell.samples.setup) == cell.size.tests for cell in own)
    statements = {cell.size: sum(cell.samples.statements) for cell in timed if cell.strategy == "create_drop"}
    assert statements[Size(3, 12, 0)] > statements[Size(3, 5, 0)]
    for words in ("Wall time of a suite by number of tests", "ms at 12 tables", "ms at 10 rows"):
        assert words in output
