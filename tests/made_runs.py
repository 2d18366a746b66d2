"""Synthetic runs and cells for tests, made of the real records, so each test decides what was measured."""

import dataclasses

import numpy as np

from bench.analysis.estimates import Estimate, bounds
from bench.analysis.ranking import Analysis, StrategyResult
from bench.results.endpoints import ServerSource
from bench.results.records import (
    SCHEMA,
    Cell,
    Configuration,
    Decision,
    DecisionKind,
    Failure,
    Machine,
    RoundLimits,
    Run,
    Samples,
    ServerFacts,
    Size,
    StrategyFacts,
    Workload,
)

TESTS = 20

BOOM = Failure("call", "RuntimeError", "attached to a different loop")


def facts(
    name: str,
    *,
    hides: tuple[str, ...] = (),
    errors: tuple[tuple[str, str], ...] = (),
    failures: str = "",
) -> StrategyFacts:
    """Declare a strategy, or a trap if it has errors."""
    return StrategyFacts(
        name=name,
        summary=f"Summary of {name}.",
        test_loop_scope="session",
        fixture_loop_scope="session",
        hides=hides,
        is_trap=bool(errors),
        expected_errors=errors,
        expected_failures=failures,
    )


def a_run(*strategies: StrategyFacts, tests: int = TESTS) -> Run:
    """Make a run of these strategies."""
    return Run(
        schema=SCHEMA,
        looptrap="0.1.0",
        started="2025-01-01T00:00:00+00:00",
        database_prefix="looptrap_0a1b2c3d_",
        commit="",
        command="nox -s bench",
        configuration=Configuration(tuple(one.name for one in strategies), source=ServerSource(), cell_timeout=900),
        seed=1,
        limits=RoundLimits(7, 7, None),
        decisions=(Decision(DecisionKind.ROUNDS_DONE, 7),),
        strategies=strategies,
        workload=Workload(Size(tests, 5, 0), shapes=("one",), fingerprint="0123456789ab"),
        server=ServerFacts("embedded", "", "18.4", "unix socket", "ext4", "", {}),
        machine=Machine("cpu", 2, 1, "Linux", "3.13", {}),
    )


def a_cell(
    strategy: str,
    round: int,  # noqa: A002 - the record's own word
    per_test: float = 0.010,
    *,
    outcomes: str = "." * TESTS,
    failures: tuple[Failure, ...] = (BOOM,),
    position: int = 0,
    residual: float = 0.0,
) -> Cell:
    """Make a finished cell whose median test takes `per_test` seconds: 20 % setup, 70 % call, 10 % teardown."""
    count = len(outcomes)
    # A first test that takes 50 times as long is what a median must not see.
    times = np.full(count, per_test) * np.where(np.arange(count) == 0, 50, 1)
    return Cell(
        strategy=strategy,
        size=Size(TESTS, 5, 0),
        round=round,
        position=position,
        started="2025-01-01T00:00:00+00:00",
        status="finished",
        detail="",
        wall=2.0,
        cpu=1.5,
        startup=0.5,
        collection=0.1,
        session_setup=0.2,
        session_teardown=0.1,
        shutdown=0.1,
        residual=residual,
        wal_bytes_per_test=1000.0,
        load=1.0,
        steal=0.0,
        failures=failures if set(outcomes) & set("FE") else (),
        samples=Samples(
            setup=tuple(times * 0.2),
            call=tuple(times * 0.7),
            teardown=tuple(times * 0.1),
            outcomes=outcomes,
            leaked=tuple(int(letter == "L") for letter in outcomes),
            failure=tuple(0 if letter in "FE" else -1 for letter in outcomes),
            statements=(8,) * count,
            connections=(1,) * count,
            transactions=(3,) * count,
            cpu=tuple(times * 0.5),
            peak_memory=tuple(range(100_000_000, 100_000_000 + count)),
        ),
    )


def crashed(strategy: str, round: int, detail: str = "exit code -9") -> Cell:  # noqa: A002 - as above
    """Make a cell whose process died in the middle of its second test."""
    torn = Samples(setup=(0.1, 0.1), call=(0.1,), outcomes=".")
    return dataclasses.replace(a_cell(strategy, round), status="crashed", detail=detail, samples=torn)


def rounds_of(costs: dict[str, float], rounds: range = range(8), noise: float = 0.01, seed: int = 0) -> list[Cell]:
    """Make the cells of complete rounds; a round effect of 20 % is shared by all strategies of a round."""
    random = np.random.default_rng(seed)
    cells = []
    for number in rounds:
        block = random.normal(0, 0.2)
        order = random.permutation(list(costs))
        for position, name in enumerate(order):
            cost = costs[name] * np.exp(block + random.normal(0, noise))
            cells.append(a_cell(str(name), number, float(cost), position=position))
    return cells


def by_name(analysis: Analysis) -> dict[str, StrategyResult]:
    """Return results by the name of the strategy."""
    return {result.facts.name: result for result in analysis.strategies}


def covers(estimate: Estimate | None, truth: float) -> bool:
    """Whether there is an interval that contains the truth."""
    low, high = bounds(estimate)
    assert low <= high
    return low <= truth <= high


NONE, TWIN, FAST, SLOW = facts("none"), facts("none_twin"), facts("fast"), facts("slow")

COSTS = {"none": 0.010, "none_twin": 0.010, "fast": 0.008, "slow": 0.050}
