"""
From a run to `benchmark.json`, in pytest-benchmark's format, so that `pytest-benchmark compare` reads it.

The figures are those of pytest-benchmark's own `Stats`, never of ours. One round gives one value, because the round is
the unit of replication. The twin is left out: it is the floor again, and a table without ties would place it as a rival
of what it measures the noise of. Change the layout only together with what pytest-benchmark reads.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest_benchmark
from pytest_benchmark.stats import Stats

from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.findings_text import not_ranked_text
from bench.results.records import PASSED, WARM_UP, Cell, Machine, Size

BENCHMARK = "benchmark.json"


@dataclass(frozen=True)
class _Round:
    """What one finished cell gives: one value, and what explains it. A figure that is not known is None."""

    per_test: float
    tests: int
    passed: int
    witnesses: dict[str, float | None]


def write_benchmark_json(analysis: Analysis, cells: Iterable[Cell], folder: Path) -> Path:
    """
    Write `benchmark.json` into `folder` and return its path; the same run gives the same bytes.

    It has a benchmark for each strategy that is no trap and each size at which a timed round of it finished. Its data
    are seconds, one value per round: the median over the tests of setup + call + teardown. `extra_info` has what the
    table of pytest-benchmark does not show: witnesses per test (counts are means over a cell's tests, processor time
    is the median, and of both the median over rounds), tests passed, ties, rank or the reason for none, and the noise.

    It is of the run's first condition alone: what a test costs under another one is not what it costs.

    Another workload has another `group` and `fullname`, so that pytest-benchmark never sets one against the other.

    :param cells: all of the run, in the order in which they ran; they are read one at a time.
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


def _timed_rounds(cells: Iterable[Cell]) -> defaultdict[tuple[str, Size], list[_Round]]:
    """Reduce each cell as it comes; of two in one round, as after a resume, the later counts."""
    latest = {(cell.strategy, cell.size, cell.round): _reduce(cell) for cell in cells if _counts(cell)}
    rounds = defaultdict[tuple[str, Size], list[_Round]](list)
    for (strategy, size, _), found in sorted(latest.items(), key=lambda item: item[0][2]):
        if found:
            rounds[strategy, size].append(found)
    return rounds


def _counts(cell: Cell) -> bool:
    """Whether a cell is timed, under the run's first condition."""
    return cell.round != WARM_UP and not cell.condition


def _reduce(cell: Cell) -> _Round | None:
    samples = cell.samples
    if cell.cost is None:
        return None
    return _Round(
        per_test=cell.cost,
        tests=len(samples.outcomes),
        passed=samples.outcomes.count(PASSED),
        witnesses={
            "wal_bytes": cell.wal_bytes_per_test,
            "statements": _mean(samples.statements),
            "connections": _mean(samples.connections),
            "transactions": _mean(samples.transactions),
            "cpu_seconds": median(samples.cpu) if samples.cpu else None,
        },
    )


def _mean(counts: Sequence[int]) -> float | None:
    return fmean(counts) if counts else None


def _benchmark(analysis: Analysis, result: StrategyResult, size: Size, rounds: Sequence[_Round]) -> dict[str, object]:
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
    # A value is a median over tests, no sum that could be divided by a number of iterations.
    return {**stats.as_dict(), "data": stats.data, "iterations": 1}


def _extra_info(analysis: Analysis, result: StrategyResult, size: Size, rounds: Sequence[_Round]) -> dict[str, object]:
    run = analysis.run
    compared = size == run.workload.size
    return {
        "ranked": result.ranked and compared,
        "why_unranked": not_ranked_text(result) if compared else "a size of the sweep, which shows how cost grows",
        "ties": result.letters if compared else "",
        "noise": analysis.noise.verdict,
        "tests": sum(found.tests for found in rounds),
        "passed": sum(found.passed for found in rounds),
        **{f"{name}_per_test": _median_known(rounds, name) for name in rounds[0].witnesses},
        "server": f"Postgres {run.server.version}, {run.server.kind}, {run.server.transport}",
        "looptrap": run.looptrap,
    }


def _median_known(rounds: Sequence[_Round], name: str) -> float | None:
    known = [value for found in rounds if (value := found.witnesses[name]) is not None]
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
    """Put the harness's commit as pytest-benchmark would; the words for what is not known are its own."""
    return {
        "id": commit.removesuffix("+") or "unversioned",
        "time": None,
        "author_time": None,
        "dirty": commit.endswith("+"),
        "project": "looptrap",
        "branch": "(unknown)",
    }
