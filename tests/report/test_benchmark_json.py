"""The content of `benchmark.json`, and that pytest-benchmark can read it."""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.ranking import analyse
from bench.report.benchmark_json import write_benchmark_json
from bench.report.findings_text import not_ranked_text
from bench.results.records import Cell, Run, Size
from tests.made_runs import COSTS, FAST, NONE, SLOW, TESTS, TWIN, a_cell, a_run, crashed, facts, rounds_of
from tests.servers import PATIENCE

TRAP = facts("trap", errors=(("RuntimeError", "different loop"),), failures="all fail")
BROKEN = facts("broken")
STRATEGIES = (NONE, TWIN, FAST, SLOW)


def exported(run: Run, cells: Sequence[Cell], folder: Path) -> dict[str, Any]:
    """Return the content of `benchmark.json` for a run."""
    folder.mkdir(exist_ok=True)
    document: dict[str, Any] = json.loads(write_benchmark_json(analyse(run, cells), cells, folder).read_text())
    return document


def benchmarks(run: Run, cells: Sequence[Cell], folder: Path) -> dict[str, dict[str, Any]]:
    """Return the exported benchmarks by strategy; for a sweep, by `strategy[tests-tables-rows]`."""
    found = exported(run, cells, folder)["benchmarks"]
    base = "[{tests}-{tables}-{rows}]".format(**vars(run.workload.size))
    by_name = {benchmark["name"].removesuffix(base): benchmark for benchmark in found}
    assert len(by_name) == len(found)
    return by_name


def compare(*arguments: object, cwd: Path) -> str:
    """Return the output of `pytest-benchmark compare`, which must not warn."""
    completed = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert completed.stderr == ""
    return completed.stdout


def test_pytest_benchmark_compares_two_runs(tmp_path: Path) -> None:
    """`pytest-benchmark compare A B` reads both files and shows the median of each strategy in milliseconds."""
    run = a_run(*STRATEGIES)
    paths, lines = [], []
    for name, slower in (("before", 1.0), ("after", 1.5)):
        cells = [a_cell("fast", number, slower * 0.008) for number in (1, 2, 3)]
        cells += [a_cell("slow", number, slower * 0.050) for number in (1, 2, 3)]
        (tmp_path / name).mkdir()
        paths.append(write_benchmark_json(analyse(run, cells), cells, tmp_path / name))
        lines += [("fast", name, slower * 8), ("slow", name, slower * 50)]
    shown = compare(*paths, "--columns=median,rounds", "--name=long", cwd=tmp_path)
    tables = [line for line in shown.splitlines() if " benchmark " in line]
    assert len(tables) == 1
    assert "4 tests" in tables[0]
    for strategy, source, milliseconds in lines:
        (line,) = [line for line in shown.splitlines() if f"::{strategy}[" in line and f"{source}/benchmark" in line]
        assert f" {milliseconds:.4f} " in line
        assert line.split()[-1] == "3"


def test_pytest_benchmark_never_sets_other_workloads_side_by_side(tmp_path: Path) -> None:
    """Runs of different fingerprints share no table and no full name."""
    run = a_run(*STRATEGIES)
    other = replace(run, workload=replace(run.workload, fingerprint="ba9876543210"))
    cells = [a_cell("fast", 1), a_cell("slow", 1)]
    for name, one in (("a", run), ("b", other)):
        exported(one, cells, tmp_path / name)
    shown = compare("a/benchmark.json", "b/benchmark.json", "--name=long", cwd=tmp_path)
    tables = [line for line in shown.splitlines() if " benchmark " in line]
    assert [("workload 0123456789ab" in line, "2 tests" in line) for line in tables] == [(True, True), (False, True)]
    assert shown.count("0123456789ab::fast") == shown.count("ba9876543210::fast") == 1


def test_figures_are_statistics_of_one_value_per_round(tmp_path: Path) -> None:
    """The data are one value per round, the median over tests of all phases; the statistics are of these values."""
    cells = rounds_of(COSTS, range(8), noise=0.1)
    stats = benchmarks(a_run(*STRATEGIES), cells, tmp_path)["slow"]["stats"]
    samples = [cell.samples for cell in cells if cell.strategy == "slow" and cell.round > 0]
    values = [statistics.median(map(sum, zip(one.setup, one.call, one.teardown, strict=True))) for one in samples]
    assert len(set(values)) == 7
    assert stats["data"] == values
    assert stats["rounds"] == 7
    assert (stats["min"], stats["max"], stats["median"]) == (min(values), max(values), statistics.median(values))
    assert stats["mean"] == pytest.approx(statistics.mean(values), rel=1e-12)
    assert stats["stddev"] == pytest.approx(statistics.stdev(values), rel=1e-12)
    assert stats["ops"] == pytest.approx(7 / sum(values), rel=1e-12)


def test_traps_the_twin_and_what_did_not_finish_are_left_out(tmp_path: Path) -> None:
    """A strategy without a finished timed round has no figures, and neither have traps and the twin."""
    cells = [*rounds_of(COSTS, range(3)), a_cell("trap", 0, outcomes="F" * TESTS)]
    cells += [a_cell("broken", 0), crashed("broken", 1), crashed("broken", 2)]
    run = a_run(NONE, TWIN, FAST, SLOW, BROKEN, TRAP)
    found = benchmarks(run, cells, tmp_path)
    assert list(found) == ["fast", "slow", "none"]
    assert {one["stats"]["rounds"] for one in found.values()} == {2}


def test_a_run_without_figures_is_a_file_without_benchmarks(tmp_path: Path) -> None:
    """The file of a run in which all timed cells crashed can still be written and read."""
    document = exported(a_run(NONE, BROKEN), [a_cell("none", 0), crashed("broken", 1)], tmp_path)
    assert document["benchmarks"] == []
    assert "benchmark.json" not in compare("benchmark.json", cwd=tmp_path)


def test_one_round_is_enough(tmp_path: Path) -> None:
    """A single round has figures without a spread, which pytest-benchmark shows."""
    one = benchmarks(a_run(FAST), [a_cell("fast", 1, 0.008)], tmp_path)["fast"]
    assert one["stats"]["stddev"] == 0
    assert one["stats"]["median"] == one["stats"]["q1"] == one["stats"]["data"][0] == pytest.approx(0.008)
    assert "fast[" in compare("benchmark.json", cwd=tmp_path)


def test_of_two_cells_in_one_round_the_later_counts(tmp_path: Path) -> None:
    """If a resume measured a round again, the later cell counts, as in the analysis, even if it crashed."""
    cells = [a_cell("fast", 2, 0.9), a_cell("fast", 1, 0.1), crashed("fast", 3), a_cell("fast", 2, 0.2)]
    cells += [a_cell("fast", 3, 0.3), a_cell("fast", 4, 0.4), crashed("fast", 4)]
    data = benchmarks(a_run(FAST), cells, tmp_path)["fast"]["stats"]["data"]
    assert data == pytest.approx([0.1, 0.2, 0.3])


def test_each_size_of_a_sweep_is_a_benchmark_of_its_own(tmp_path: Path) -> None:
    """Each size has its own parameters and table, and only the run's own size is ranked."""
    run = a_run(*STRATEGIES)
    base = run.workload.size
    larger, wider = replace(base, tests=10 * base.tests), replace(base, tables=base.tables + 50)
    run = replace(run, workload=replace(run.workload, sweep=(larger, wider)))
    cells = rounds_of(COSTS, range(8))
    cells += [replace(a_cell("fast", number, 0.012), size=larger) for number in (1, 2)]
    cells += [replace(a_cell("slow", number, 0.060), size=wider) for number in (1, 2, 3)]
    document = exported(run, cells, tmp_path)
    found = document["benchmarks"]
    assert [(one["params"], one["stats"]["rounds"]) for one in found[3:]] == [(vars(larger), 2), (vars(wider), 3)]
    assert [Size(**one["params"]) for one in found[:3]] == [base] * 3
    assert len({one["fullname"] for one in found}) == 5
    assert [one["extra_info"]["ranked"] for one in found] == [True, True, False, False, False]
    shown = compare("benchmark.json", "--group-by=func", cwd=tmp_path)
    assert [shown.count(f"benchmark '{name}': {count} tests") for name, count in (("fast", 2), ("none", 1))] == [1, 1]
    shown = compare("benchmark.json", cwd=tmp_path)
    assert [shown.count(f", {one.tables} tables, {one.rows} rows") for one in (base, wider)] == [2, 1]


def test_extra_info_says_what_the_figures_do_not(tmp_path: Path) -> None:
    """Counts are means over a cell's tests, processor time is the median; of both, the median over rounds."""
    quarter = TESTS // 4
    cells = []
    for number in (1, 2, 6):
        cell = a_cell("fast", number)
        samples = replace(
            cell.samples,
            statements=(number, number, number, 5 * number) * quarter,
            connections=(0, 0, 0, 1) * quarter,
            transactions=(2, 2, 3, 3) * quarter,
            cpu=(9.0, 0.01 * number, 0.01 * number, 0.01 * number) * quarter,
        )
        cells.append(replace(cell, wal_bytes_per_test=100.0 * number, samples=samples))
    extra = benchmarks(a_run(FAST), cells, tmp_path)["fast"]["extra_info"]
    assert extra["wal_bytes_per_test"] == 200
    assert extra["statements_per_test"] == 4
    assert extra["connections_per_test"] == 0.25
    assert extra["transactions_per_test"] == 2.5
    assert extra["cpu_seconds_per_test"] == pytest.approx(0.02)
    assert (extra["passed"], extra["tests"]) == (3 * TESTS, 3 * TESTS)


def test_what_was_not_measured_is_null(tmp_path: Path) -> None:
    """A witness that no round has is null, not 0; one that some rounds lack is the median of the others."""
    unknown = replace(a_cell("fast", 1), wal_bytes_per_test=None)
    known = replace(unknown, round=2, wal_bytes_per_test=7.0)
    bare = replace(unknown, samples=replace(unknown.samples, statements=(), cpu=()))
    extra = benchmarks(a_run(FAST), [bare], tmp_path)["fast"]["extra_info"]
    assert extra["wal_bytes_per_test"] is extra["statements_per_test"] is extra["cpu_seconds_per_test"] is None
    assert benchmarks(a_run(FAST), [unknown, known], tmp_path)["fast"]["extra_info"]["wal_bytes_per_test"] == 7


def test_extra_info_agrees_with_the_analysis(tmp_path: Path) -> None:
    """Each rank has its ties, each missing rank its reason, and all figures the noise verdict."""
    cells = [*rounds_of(COSTS, range(8)), *(a_cell("broken", number, outcomes=".F" * 10) for number in range(8))]
    run = a_run(*STRATEGIES, BROKEN)
    analysis = analyse(run, cells)
    found = benchmarks(run, cells, tmp_path)
    assert set(found) == {result.facts.name for result in analysis.strategies}
    for result in analysis.strategies:
        extra = found[result.facts.name]["extra_info"]
        assert (extra["ranked"], extra["why_unranked"]) == (result.ranked, not_ranked_text(result))
        assert (extra["ties"], extra["noise"]) == (result.letters, analysis.noise.verdict)
        assert (extra["passed"], extra["tests"]) == (result.passed, result.tests)
        assert extra["cpu_seconds_per_test"] == pytest.approx(result.cpu)
        assert extra["transactions_per_test"] == result.transactions
    assert found["fast"]["extra_info"]["ties"] == "a"
    assert "70 of 140 tests failed" in found["broken"]["extra_info"]["why_unranked"]


def test_machine_and_commit_stand_where_pytest_benchmark_has_them(tmp_path: Path) -> None:
    """They are those of the run, not of the exporting process; `+` means dirty, no commit `unversioned`."""
    run = replace(a_run(FAST), commit="0123abc+")
    run = replace(run, machine=replace(run.machine, cpu="Z80", architecture="z80", python="3.99.1"))
    document = exported(run, [a_cell("fast", 1)], tmp_path)
    machine = document["machine_info"]
    assert (machine["cpu"]["brand_raw"], machine["machine"], machine["python_version"]) == ("Z80", "z80", "3.99.1")
    assert (document["commit_info"]["id"], document["commit_info"]["dirty"]) == ("0123abc", True)
    assert document["datetime"] == run.started
    clean = exported(replace(run, commit=""), [a_cell("fast", 1)], tmp_path)["commit_info"]
    assert (clean["id"], clean["dirty"]) == ("unversioned", False)


def test_written_twice_it_is_the_same(tmp_path: Path) -> None:
    """The file depends only on the run, so a second report gives the same bytes."""
    cells = rounds_of(COSTS, range(8))
    analysis = analyse(a_run(*STRATEGIES), cells)
    first = write_benchmark_json(analysis, cells, tmp_path).read_bytes()
    assert write_benchmark_json(analysis, iter(cells), tmp_path).read_bytes() == first
