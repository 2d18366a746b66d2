"""The summary of a run: console and Markdown agree, and foreign text is never read as markup."""

import io
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.cells import cell_len
from rich.console import Console

from bench.analysis.findings import (
    Deviation,
    ErrorKind,
    NoiseFinding,
    NoiseKind,
    NotRanked,
    Reason,
    StoppedCell,
    TrapFinding,
)
from bench.analysis.noise import Noise
from bench.analysis.ranking import Analysis
from bench.analysis.scaling import Scaling
from bench.report.console import print_summary
from bench.report.findings_text import noise_text
from bench.report.markdown import write_summary
from bench.report.report_tables import phase_table, table, trap_table, witness_table
from bench.report.run_report import report_run
from bench.results.errors import UserError
from bench.results.files import FIDELITY, append_cell, create_run
from bench.results.paths import ROOT
from bench.results.records import Cell, Failure, Samples, Size
from bench.strategy.probe_catalogue import CONTROL, Probe
from tests.analysis.test_fidelity import outcomes_of
from tests.made_runs import by_name
from tests.report.charts.test_cost import ANALYSES, OTHER_LOOP, QUIET, RESULTS, TRAPS, analysis_of, result_of, trap_of

STRANGE = "[red]x[/red] a|b a\\|b `c` **d** __e__ <b>&amp; [f](g) ~h~ $i$ :smile: #1"
STRANGE_RESULT = replace(
    result_of("strange", 5, why=NotRanked(Reason.FAILURES, 3, 700, error=ErrorKind("ValueError", STRANGE))),
    failures=((ErrorKind("ValueError", "one\ntwo\x1b[31m"), 2), (ErrorKind("ValueError", STRANGE), 1)),
)
STRANGE_TRAP = trap_of(
    "strange_trap",
    [OTHER_LOOP],
    {f"ValueError: {STRANGE}": 100},
    TrapFinding(Deviation.ERROR_ABSENT, error=ErrorKind("ValueError", STRANGE)),
)
STRANGE_ANALYSIS = replace(
    analysis_of([*RESULTS, STRANGE_RESULT], [*TRAPS, STRANGE_TRAP]),
    unfinished=(StoppedCell("strange", Size(100, 5, 0), 1, "crashed", STRANGE),),
)

NO_GROWTH = Scaling(lines=(), curves={}, break_evens=(), noise=1, missing=())


def printed(analysis: Analysis, width: int, **options: bool) -> str:
    """Return what is printed on a console of this width."""
    file = io.StringIO()
    print_summary(analysis, NO_GROWTH, Path("results/sample"), Console(file=file, width=width, **options))  # type: ignore[arg-type]
    return file.getvalue()


def unwrapped(text: str) -> str:
    """Return text without line breaks and indents."""
    return " ".join(text.split())


def parsed(path: Path) -> list[Token]:
    """Return the tokens of a Markdown file, read as GitHub reads it."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(path.read_text())


def plain(token: Token) -> str:
    """Return the text of a line of Markdown as it is rendered."""
    return "".join(child.content for child in token.children or () if child.type in {"text", "code_inline"})


def tables_in(tokens: Sequence[Token]) -> list[list[tuple[str, ...]]]:
    """Return the tables of a Markdown file with their cells as they are rendered."""
    tables: list[list[tuple[str, ...]]] = []
    for before, token in pairwise(tokens):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append(())
        elif before.type in {"th_open", "td_open"}:
            tables[-1][-1] += (plain(token),)
    return tables


def test_the_table_says_what_the_run_measured() -> None:
    """A row has cost, interval, ties, probability of being first, passed, leaks, seconds of N tests, probes passed."""
    probed = replace(RESULTS[0], fidelity=outcomes_of("savepoint_rollback", notify="hides"))
    header, first, *_, floor = table(analysis_of([probed, *RESULTS[1:]]))
    words = ("strategy", "ms per test", "95 % interval", "ties", "first", "passed", "leaks", "100 tests", "sees")
    assert header == words
    sees = f"{len(Probe) - 1}/{len(Probe)}"
    assert first == ("savepoint_rollback", "2.10", "2.04 to 2.17", "a", "-", "700/700", "0", "1.46 s", sees)
    assert floor == ("none", "3.52", "3.41 to 3.64", "-", "-", "7/700", "693", "1.60 s", "-")


@pytest.mark.parametrize(
    ("probability", "shown"),
    [(None, "-"), (0.0, "<1 %"), (0.004, "<1 %"), (0.31, "31 %"), (0.997, ">99 %"), (1, ">99 %")],
)
def test_no_strategy_is_first_for_certain(probability: float | None, shown: str) -> None:
    """The probability of being first is in percent, never 0 % or 100 %, because it is an estimate."""
    assert table(analysis_of([replace(RESULTS[0], probability_first=probability)]))[1][4] == shown


def test_where_the_time_goes_and_what_was_counted() -> None:
    """Two more tables have the phases with the unexplained time, and the witnesses, in the units of their headers."""
    assert phase_table(analysis_of())[:2] == [
        ("strategy", "setup ms", "call ms", "teardown ms", "fixed s", "unexplained"),
        ("savepoint_rollback", "1.00", "1.00", "0.100", "1.25", "2.1 %"),
    ]
    assert witness_table(analysis_of())[:2] == [
        ("strategy", "statements", "transactions", "connections", "WAL kB", "CPU ms", "memory MB"),
        ("savepoint_rollback", "8.20", "2.00", "0.00", "0.812", "1.05", "100"),
    ]


def test_unknown_figures_are_dashes() -> None:
    """A strategy without a finished round has no cost, and one round has no interval."""
    assert table(ANALYSES["nothing finished"])[1][1:6] == ("-", "-", "-", "-", "0/0")
    assert table(ANALYSES["one round"])[1][1:3] == ("2.10", "-")


@pytest.mark.parametrize("analysis", [*ANALYSES.values(), STRANGE_ANALYSIS], ids=[*ANALYSES, "strange"])
def test_the_tables_survive_markdown(analysis: Analysis, tmp_path: Path) -> None:
    """Read as GitHub reads it, the Markdown has the same cells as the console, including pipes."""
    tables = tables_in(parsed(write_summary(analysis, NO_GROWTH, tmp_path)))
    figures = [rows for rows in (phase_table(analysis), witness_table(analysis)) if len(rows) > 1]
    assert tables == [table(analysis), *([trap_table(analysis)] if analysis.traps else []), *figures]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("analysis", [*ANALYSES.values(), STRANGE_ANALYSIS], ids=[*ANALYSES, "strange"])
def test_the_console_is_never_too_wide(analysis: Analysis, width: int) -> None:
    """No line is wider than the terminal, and every figure is complete."""
    lines = printed(analysis, width).splitlines()
    assert max(cell_len(line) for line in lines) <= width
    for row in table(analysis)[1:]:
        assert any(all(value in line for value in (*row[1:4], *row[5:8])) for line in lines)
    for row in (*phase_table(analysis)[1:], *witness_table(analysis)[1:]):
        assert any(all(value in line for value in row[1:]) for line in lines)


@pytest.mark.parametrize("width", [80, 120])
def test_the_console_shows_strange_text_as_it_is(width: int) -> None:
    """A message with rich's markup or an emoji's name is printed literally; terminal codes are replaced."""
    text = unwrapped(printed(STRANGE_ANALYSIS, width))
    assert f"not ranked: 3 of 700 tests failed: ValueError: {STRANGE}" in text
    assert f"FINDING: strange_trap DID NOT FAIL AS DECLARED: expected ValueError with the words '{STRANGE}'" in text
    assert f"UNFINISHED: strange crashed in round 1: {STRANGE}." in text
    assert "2 x ValueError: one two\ufffd[31m" in text
    assert "\x1b" not in text


def test_the_markdown_shows_strange_text_as_it_is(tmp_path: Path) -> None:
    """Text from errors never becomes a link, code, bold or HTML, also outside of tables."""
    tokens = parsed(write_summary(STRANGE_ANALYSIS, NO_GROWTH, tmp_path))
    lines = [plain(token) for token in tokens if token.type == "inline"]
    assert any(f"not ranked: 3 of 700 tests failed: ValueError: {STRANGE}" in line for line in lines)
    assert f"UNFINISHED: strange crashed in round 1: {STRANGE}." in lines
    kinds = {child.type for token in tokens for child in token.children or ()}
    assert kinds <= {"text", "strong_open", "strong_close"}


@pytest.mark.parametrize(
    ("server", "machine", "emulated"),
    [("x86_64", "AMD64", False), ("aarch64", "arm64", False), ("x86_64", "arm64", True), ("", "arm64", False)],
)
def test_an_emulated_server_is_a_caveat(server: str, machine: str, emulated: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a case
    """A server for another architecture than the machine's is a caveat; two names of one architecture are equal."""
    analysis = analysis_of()
    run = replace(
        analysis.run,
        server=replace(analysis.run.server, architecture=server),
        machine=replace(analysis.run.machine, architecture=machine),
    )
    text = write_summary(replace(analysis, run=run), NO_GROWTH, tmp_path).read_text()
    assert ("emulated" in text) == emulated


def test_findings_are_loud() -> None:
    """A trap that did not fail as declared is a FINDING, in bold red on a terminal."""
    coloured = printed(analysis_of(), 200, force_terminal=True)
    assert "\x1b[1;31mFINDING: pre_ping_function_loops DID NOT FAIL AS DECLARED" in coloured
    assert "FINDING" not in printed(analysis_of(traps=TRAPS[:2]), 200)


def test_traps_show_what_was_declared_and_what_happened() -> None:
    """Each trap is shown with its declaration, its errors and the number of tests that had them."""
    text = unwrapped(printed(analysis_of(), 80))
    assert "session_engine_function_loops: fails as declared: 100 of 100 tests" in text
    assert "declared: all fail, with RuntimeError: attached to a different loop" in text
    assert "98 x InterfaceError: ... another operation is in progress; 1 x RuntimeError: ... attached" in text


@pytest.mark.parametrize(
    "noise",
    [
        QUIET,
        Noise("noisy", (NoiseFinding(NoiseKind.LOAD, load=3.2, cores=2), NoiseFinding(NoiseKind.NO_TWIN)), None),
        Noise("unusable", (NoiseFinding(NoiseKind.STEAL, share=0.3),), None),
    ],
)
def test_the_noise_verdict_is_in_both(noise: Noise, tmp_path: Path) -> None:
    """The verdict and all of its reasons are on the console and in the Markdown."""
    analysis = analysis_of(noise=noise)
    verdict = noise_text(noise)
    assert verdict.startswith(f"Noise: {noise.verdict}. ")
    assert verdict in unwrapped(printed(analysis, 80))
    assert any(
        plain(token) == verdict
        for token in parsed(write_summary(analysis, NO_GROWTH, tmp_path))
        if token.type == "inline"
    )


def test_the_markdown_says_where_the_figures_hold(tmp_path: Path) -> None:
    """The summary has the machine, the server with its settings, the seed and the command of the run."""
    text = write_summary(analysis_of(), NO_GROWTH, tmp_path).read_text()
    assert "AMD EPYC 7763 64-Core Processor, 2 cores, 8.0 GiB, Linux 6.1 x86_64, Python 3.11.7" in text
    assert "Postgres 18.4 (embedded, unix socket, ext4), fsync=off, synchronous_commit=on" in text
    assert "A commit did not wait for the disk" in text
    assert "100 tests x 7 rounds, seed 20261123, workload 0123456789ab" in text
    assert "    nox -s bench -- --tests 100 --rounds 7 --server embedded --seed 20261123\n" in text


def test_the_console_ends_with_the_paths_of_the_results() -> None:
    """The last lines are the paths of the folder and the page, each on one line however long."""
    file = io.StringIO()
    folder = Path("/a/long/way/down") / ("x" * 100)
    print_summary(analysis_of(), NO_GROWTH, folder / "report.html", Console(file=file, width=80))
    assert file.getvalue().splitlines()[-2:] == [f"Results: {folder}", f"Report:  {folder}/report.html"]


def cell_of(strategy: str, number: int, ms: float, outcomes: str = "." * 12, failures: Sequence[Failure] = ()) -> Cell:
    """Return a cell of 12 tests that cost about `ms` milliseconds each."""
    each = tuple(ms / 3000 * (1 + 0.001 * ((number + test) % 5)) for test in range(12))
    failed = tuple(0 if outcome == "F" else -1 for outcome in outcomes)
    samples = Samples(each, each, each, outcomes, tuple(0 for _ in each), failed, (8,) * 12, (0,) * 12)
    wall = 1 + sum(each) * 3
    return Cell(
        *(strategy, Size(12, 5, 0), number, 0, "2026-11-23T09:16:41+00:00", "finished", ""),
        *(wall, wall * 0.8, 0.5, 0.2, 0.1, 0.1, 0.1, 0.0, 812.0),
        load=1.0,
        steal=0.0,
        failures=tuple(failures),
        samples=samples,
    )


def write_run(folder: Path, cells: Sequence[Cell]) -> Path:
    """Write a run of 12 tests with the usual strategies and a trap, and return its folder."""
    run = analysis_of(traps=TRAPS[:1]).run
    create_run(folder, replace(run, workload=replace(run.workload, size=Size(12, 5, 0))))
    for cell in cells:
        append_cell(folder, cell)
    return folder


COSTS = {"savepoint_rollback": 2.1, "engine_per_test": 9.3, "null_pool": 11.0, "create_drop": 24.6, "none": 3.5}
WRONG_LOOP = Failure("call", "RuntimeError", "Task got Future attached to a different loop")
CELLS = [
    cell_of("session_engine_function_loops", 0, 1, "F" * 12, [WRONG_LOOP]),
    *(cell_of(name, number, ms) for number in range(8) for name, ms in COSTS.items()),
]


def test_report_of_a_run_that_was_probed(tmp_path: Path) -> None:
    """With outcomes there are counts by family, a row for each probe, the heat map, and findings."""
    folder = write_run(tmp_path / "run", CELLS)
    for fidelity in (outcomes_of(CONTROL), outcomes_of("create_drop", notify="breaks")):
        FIDELITY.store(folder, fidelity)
    file = io.StringIO()
    analysis = report_run(folder, Console(file=file, width=120))
    assert by_name(analysis)["create_drop"].fidelity is not None
    tokens = parsed(folder / "summary.md")
    of_probes = next(rows for rows in tables_in(tokens) if rows[0][0] == "probe")
    assert of_probes[0] == ("probe", "create_drop")
    assert ("notify", "breaks") in of_probes
    assert len(of_probes) == 1 + len(Probe)
    of_families = next(rows for rows in tables_in(tokens) if rows[0][-1] == f"all {len(Probe)}")
    assert of_families[1][-1] == str(len(Probe) - 1)
    assert "FINDING: create_drop breaks notify without declaring it" in unwrapped(file.getvalue())
    assert (folder / "charts" / "fidelity.svg").exists()


def test_a_run_is_reported_from_its_files_alone(tmp_path: Path) -> None:
    """`run.json` and `cells.jsonl` are enough for the charts, the page, the summary and the console."""
    folder = write_run(tmp_path / "run", CELLS)
    file = io.StringIO()
    analysis = report_run(folder, Console(file=file, width=120))
    made = {"benchmark.json", "cells.jsonl", "charts", "report.html", "run.json", "summary.md"}
    assert {path.name for path in folder.iterdir()} == made
    drawn = ["cost.png", "cost.svg", "phases.svg", "totals.svg", "witnesses.svg"]
    assert sorted(path.name for path in (folder / "charts").iterdir()) == drawn
    shown = file.getvalue()
    order = ["savepoint_rollback", "engine_per_test", "null_pool", "create_drop", "none", "migrate_per_test"]
    assert [row[0] for row in table(analysis)[1:]] == order
    assert "84/84" in shown
    assert "session_engine_function_loops: fails as declared: 12 of 12 tests" in shown


def test_a_run_without_a_finished_cell_is_refused_in_one_line(tmp_path: Path) -> None:
    """Without a finished cell there is a one-line error with the reason and the command; nothing is written."""
    crashed = replace(CELLS[1], status="crashed", detail="no space\nleft on device")
    folder = write_run(tmp_path / "run", [crashed])
    with pytest.raises(UserError) as caught:
        report_run(folder, Console(file=io.StringIO()))
    message = str(caught.value)
    assert message.startswith(f"{folder} holds no finished cell (savepoint_rollback crashed: no space left on device);")
    assert "\n" not in message
    assert not (folder / "summary.md").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """If charts cannot be written, the error names the folder and what to do."""
    folder = write_run(tmp_path / "run", CELLS)
    (folder / "charts").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"cannot write to .*run: File exists\. Copy the run"):
        report_run(folder, Console(file=io.StringIO()))


def test_a_pipe_gets_plain_text_of_80_columns(tmp_path: Path) -> None:
    """In CI, without a terminal, the output has no colour codes and fits into 80 columns."""
    folder = write_run(tmp_path / "run", CELLS)
    code = (
        "from pathlib import Path; from rich.console import Console; from bench.report.run_report import report_run;"
        f"report_run(Path({str(folder)!r}), Console())"
    )
    root = ROOT
    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={"PATH": "", "MPLCONFIGDIR": str(tmp_path)},
        capture_output=True,
        check=True,
    ).stdout.decode()
    assert "\x1b" not in shown
    assert max(len(line) for line in shown.splitlines() if str(folder) not in line) <= 80


def test_measuring_needs_nothing_that_looks() -> None:
    """The modules that run cells, probes and traces import neither pandas nor matplotlib nor jinja2."""
    unwanted = {"pandas", "matplotlib", "jinja2"}
    code = f"import sys, bench.measure.session; print({unwanted} & set(sys.modules))"
    root = ROOT
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True).stdout
    assert shown.decode().strip() == "set()"


def test_looking_needs_neither_postgres_nor_sqlalchemy() -> None:
    """Reading a run imports nothing that runs Postgres, and not pyplot with its global state."""
    unwanted = {"sqlalchemy", "asyncpg", "matplotlib.pyplot"}
    code = f"import sys, bench.report.run_report; print({unwanted} & set(sys.modules))"
    root = ROOT
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True).stdout
    assert shown.decode().strip() == "set()"
