"""
Write `benchmark.json` in pytest-benchmark's format, so that `pytest-benchmark compare` can read it.

Its statistics are those of pytest-benchmark's own `Stats`. Each round gives one value, because the round is the unit of
replication. The twin is left out: it repeats the floor, and a table without ties would rank it.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import pytest_benchmark
from pytest_benchmark.stats import Stats

from bench.analysis.cell_figures import CellFigures, figures_of
from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.findings_text import not_ranked_text
from bench.results.records import WARM_UP, Cell, Machine, Size

BENCHMARK = "benchmark.json"


_WITNESSES = {
    "wal_bytes": "wal_bytes",
    "statements": "statements",
    "connections": "connections",
    "transactions": "transactions",
    "cpu_seconds": "cpu",
}
"""The figures per test in `extra_info`, by their names there."""


def write_benchmark_json(analysis: Analysis, cells: Iterable[Cell | CellFigures], folder: Path) -> Path:
    """
    Write `benchmark.json` into `folder` and return its path; the same run gives the same bytes.

    It has a benchmark for each strategy, except traps, and each size at which one of its timed rounds finished, under
    the run's first condition. Data are seconds, one value per round: the median over tests of setup + call + teardown.
    `extra_info` has what pytest-benchmark's table does not show: witnesses per test (the median over rounds of a mean
    over tests, or of the median for processor time), tests passed, ties, why a strategy is not ranked, and the noise.

    Different workloads have different `group` and `fullname`, so that pytest-benchmark does not compare them.

    :param cells: all cells of the run, in the order in which they ran, or their figures.
    :raises OSError: the folder cannot be written.
    """
    run = analysis.run
    rounds = _timed_rounds(cells)
    document = {
        "machine_info": _machine_info(run.machine),
        "commit_info": _commit_info(run.commit),
        "benchmarks": [
            _benchmark(analysis, result, size, of_size)
            for size in (run.workload.size, *run.workload.sweep)
            for result in analysis.strategies
            if (of_size := rounds[result.facts.name, size])
        ],
        "datetime": run.started,
        "version": pytest_benchmark.__version__,
    }
    path = folder / BENCHMARK
    path.write_text(json.dumps(document, indent=4, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _timed_rounds(cells: Iterable[Cell | CellFigures]) -> defaultdict[tuple[str, Size], list[CellFigures]]:
    """Return the finished cells of the first condition by round; of two in one round, the later counts."""
    latest = {
        (cell.strategy, cell.size, cell.round): cell
        for cell in figures_of(cells)
        if cell.round != WARM_UP and not cell.condition
    }
    rounds = defaultdict[tuple[str, Size], list[CellFigures]](list)
    for (strategy, size, _), cell in sorted(latest.items(), key=lambda item: item[0][2]):
        if not math.isnan(cell.per_test):
            rounds[strategy, size].append(cell)
    return rounds


def _benchmark(
    analysis: Analysis, result: StrategyResult, size: Size, rounds: Sequence[CellFigures]
) -> dict[str, object]:
    run = analysis.run
    param = f"{size.tests}-{size.tables}-{size.rows}"
    name = f"{result.facts.name}[{param}]"
    return {
        "group": f"{size.tests} tests, {size.tables} tables, {size.rows} rows, workload {run.workload.fingerprint}",
        "name": name,
        "fullname": f"{run.workload.fingerprint}::{name}",
        "params": asdict(size),
        "param": param,
        "extra_info": _extra_info(analysis, result, size, rounds),
        "options": {"disable_gc": False, "timer": "perf_counter", "min_rounds": run.limits.fewest},
        "stats": _stats([found.per_test for found in rounds]),
    }


def _stats(values: Sequence[float]) -> dict[str, object]:
    stats: Any = Stats()  # type: ignore[no-untyped-call]
    for value in values:
        stats.update(value)
    # A value is a median over tests, not a sum to be divided by a number of iterations.
    return {**stats.as_dict(), "data": stats.data, "iterations": 1}


def _extra_info(
    analysis: Analysis, result: StrategyResult, size: Size, rounds: Sequence[CellFigures]
) -> dict[str, object]:
    run = analysis.run
    compared = size == run.workload.size
    return {
        "ranked": result.ranked and compared,
        "why_unranked": not_ranked_text(result) if compared else "a size of the sweep, which shows how cost grows",
        "ties": result.letters if compared else "",
        "noise": analysis.noise.verdict,
        "tests": sum(found.tests for found in rounds),
        "passed": sum(found.passed for found in rounds),
        **{f"{name}_per_test": _median_known(rounds, field) for name, field in _WITNESSES.items()},
        "server": f"Postgres {run.server.version}, {run.server.kind}, {run.server.transport}",
        "looptrap": run.looptrap,
    }


def _median_known(rounds: Sequence[CellFigures], field: str) -> float | None:
    known = [value for cell in rounds if not math.isnan(value := getattr(cell, field))]
    return median(known) if known else None


def _machine_info(machine: Machine) -> dict[str, object]:
    """Name things as pytest-benchmark does where it has a name, and as `run.json` does where it has none."""
    return {
        "machine": machine.architecture,
        "system": machine.system,
        "python_version": machine.python,
        "cpu": {"brand_raw": machine.cpu, "count": machine.cores},
        "memory_bytes": machine.memory_bytes,
        "governor": machine.governor,
        "virtualisation": machine.virtualisation,
        "packages": machine.packages,
    }


def _commit_info(commit: str) -> dict[str, object]:
    """Describe the harness's commit as pytest-benchmark does, with its words for unknown values."""
    return {
        "id": commit.removesuffix("+") or "unversioned",
        "time": None,
        "author_time": None,
        "dirty": commit.endswith("+"),
        "project": "looptrap",
        "branch": "(unknown)",
    }
