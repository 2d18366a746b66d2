"""The chart of a run: everything that a reader needs stands on it, nothing collides, and drawing is reproducible."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from bench.analysis import Analysis, Estimate, Noise, StrategyResult, TrapResult
from bench.charts import cost_figure, draw_cost, frequent_errors, headline, significant, trap_verdict
from bench.results import SCHEMA, Machine, Run, ServerFacts, StrategyFacts, Workload

SUMMARIES = {
    "savepoint_rollback": "Wrap each test in an outer transaction and roll it back.",
    "null_pool": "One engine with `NullPool`, a new event loop for every test, and one transaction that is rolled back.",
    "create_drop": "Create all tables before each test and drop them after it.",
    "migrate_per_test": "Migrate up to head before each test and down to base after it.",
    "none": "No isolation: one engine in one session loop, and everything that a test commits stays.",
}


def facts_of(name: str, *, hides: Sequence[str] = (), errors: Sequence[tuple[str, str]] = ()) -> StrategyFacts:
    """Return what a strategy declared; with errors it is a trap."""
    return StrategyFacts(
        name=name,
        summary=SUMMARIES.get(name, f"What {name} does to give each test a clean database, in one sentence."),
        test_loop_scope="function" if errors else "session",
        fixture_loop_scope="session",
        hides=tuple(hides),
        expected_errors=tuple(errors),
        expected_failures="all fail" if errors else "",
    )


def result_of(
    name: str, ms: float | None, letters: str = "", *, ratio: float | None = None, why: str = "", hides: Sequence[str] = ()
) -> StrategyResult:
    """Return the result of a strategy that costs so many milliseconds; one with a reason in `why` is not ranked."""
    floor = name == "none"
    return StrategyResult(
        facts=facts_of(name, hides=hides),
        rounds=0 if ms is None else 7,
        tests=0 if ms is None else 700,
        passed=0 if ms is None else 7 if floor else 700,
        leaked=693 if floor else 0,
        failures=(),
        ranked=not why,
        why_unranked=why,
        per_test=None if ms is None else around(ms / 1000),
        letters=letters,
        to_floor=None if ms is None else around(ms / 3.52),
        to_best=None if ratio is None else around(ratio),
        probability_first=None,
        phases={"setup": 0.001, "call": 0.001, "teardown": 0.0001},
        fixed=1.25,
        residual=0.021,
        wal_bytes=812.0,
        statements=8.2,
        connections=0.0,
    )


def around(value: float) -> Estimate:
    """Return an estimate with an interval of about 6 %."""
    return Estimate(value, value * 0.97, value * 1.035)


def trap_of(name: str, errors: Sequence[tuple[str, str]], failures: dict[str, int], finding: str = "") -> TrapResult:
    """Return the result of a trap in 100 tests."""
    return TrapResult(facts_of(name, errors=errors), 100, 100 - sum(failures.values()), tuple(failures.items()), finding)


OTHER_LOOP = ("RuntimeError", "attached to a different loop")
IN_PROGRESS = ("InterfaceError", "another operation is in progress")
OTHER_LOOP_ERROR = (
    "RuntimeError: Task <Task pending name='Task-{n}' coro=<test_{n}() running at workload.py:31> cb=[run_until_complete]> "
    "got Future <Future pending cb=[BaseProtocol._on_waiter_completed()]> attached to a different loop"
)
IN_PROGRESS_ERROR = "InterfaceError: cannot perform operation: another operation is in progress"

TRAPS = (
    trap_of("session_engine_function_loops", [OTHER_LOOP], {OTHER_LOOP_ERROR.format(n=n): 20 for n in range(5)}),
    trap_of(
        "module_engine_function_loops",
        [OTHER_LOOP, IN_PROGRESS],
        {IN_PROGRESS_ERROR: 98, OTHER_LOOP_ERROR.format(n=2): 1},
    ),
    trap_of(
        "pre_ping_function_loops",
        [OTHER_LOOP],
        {"ConnectionDoesNotExistError: connection was closed in the middle of operation": 1},
        finding="50 of 100 tests should fail with RuntimeError: ... attached to a different loop, 0 did.",
    ),
)
PROBES = ("sequences_restart", "second_connection", "concurrent_requests", "deferred_constraint", "now_moves", "notify")

RESULTS = (
    result_of("savepoint_rollback", 2.1, "a", ratio=1.0, hides=PROBES),
    result_of("engine_per_test", 9.31, "b", ratio=4.43, hides=PROBES[1:]),
    result_of("null_pool", 9.45, "b", ratio=4.5, hides=PROBES[1:]),
    result_of("create_drop", 24.6, "c", ratio=11.7, hides=["reference_rows", "migrated_objects"]),
    result_of("migrate_per_test", 118.4, "d", ratio=56.4),
    result_of("none", 3.52, why="the floor: it isolates nothing"),
)
QUIET = Noise("quiet", ("Load, steal, A/A interval and drift were looked at.",), Estimate(1.004, 0.981, 1.03))


def analysis_of(
    strategies: Sequence[StrategyResult] = RESULTS, traps: Sequence[TrapResult] = TRAPS, noise: Noise = QUIET
) -> Analysis:
    """Return the analysis of a run of 7 rounds of 100 tests."""
    run = Run(
        schema=SCHEMA,
        looptrap="0.1.0",
        started="2026-11-23T09:16:41+00:00",
        command="nox -s bench -- --tests 100 --rounds 7 --server embedded --seed 20261123",
        seed=20261123,
        rounds=7,
        strategies=tuple(result.facts for result in (*strategies, *traps)),
        workload=Workload(100, ("create_and_list", "update"), "0123456789ab"),
        server=ServerFacts(
            "embedded", "no Docker", "18.4", "unix socket", "ext4", "", {"fsync": "off", "synchronous_commit": "on"}
        ),
        machine=Machine("AMD EPYC 7763 64-Core Processor", 2, 8 << 30, "Linux 6.1 x86_64", "3.11.7", {}),
    )
    return Analysis(run, tuple(strategies), tuple(traps), noise, ())
