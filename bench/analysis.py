"""
From a run's raw samples to what the charts and the report say: cost per test, ties, traps, noise.

Reads records, returns records; draws and prints nothing. The statistics themselves stand in `bench/statistics.py`.
"""

from dataclasses import dataclass
from typing import Literal

from bench.results import Run, StrategyFacts


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval, in the unit of the field that holds it. With one round the interval is None."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class StrategyResult:
    """What a run says of one strategy that is no trap."""

    facts: StrategyFacts
    rounds: int
    """Timed rounds that finished."""
    tests: int
    """Tests run in them, all rounds together."""
    passed: int
    leaked: int
    """Tests whose work passed, but which found rows of an earlier test."""
    failures: tuple[tuple[str, int], ...]
    """Distinct failures (`RuntimeError: ...`) of tests that did not pass, leaks apart, and how many tests had each."""
    ranked: bool
    """Whether the strategy competes: not the floor, not its twin, and every test of every round passed."""
    why_unranked: str
    per_test: Estimate | None
    """Seconds per test; None where no timed cell finished."""
    letters: str
    """Strategies that share a letter are tied; empty for one that is not ranked."""
    to_floor: Estimate | None
    """Ratio of the cost per test to the floor's, paired within rounds."""
    to_best: Estimate | None
    """Ratio to the cheapest ranked strategy, paired within rounds."""
    probability_first: float | None
    phases: dict[Literal["setup", "call", "teardown"], float]
    """Seconds per test in each phase: medians, so they need not add up to `per_test`."""
    fixed: float
    """Seconds per run of the suite whatever its length: start-up, collection, session fixtures, shutdown."""
    residual: float
    """Largest share of a cell's wall time that no phase explains, over the timed cells."""
    wal_bytes: float | None
    statements: float | None
    connections: float | None
    """The witnesses, per test."""

    def suite_seconds(self, tests: int) -> float | None:
        """Seconds that a suite of so many tests takes: the fixed cost, and the cost per test times their number."""
        return None if self.per_test is None else self.fixed + tests * self.per_test.value


@dataclass(frozen=True)
class TrapResult:
    """What a run says of one trap."""

    facts: StrategyFacts
    tests: int
    passed: int
    failures: tuple[tuple[str, int], ...]
    """Distinct failures (`RuntimeError: ...`) and how many tests had each, most frequent first."""
    finding: str
    """Empty when the trap failed as declared; else what did not happen. Such a run is a finding."""


@dataclass(frozen=True)
class Noise:
    """How far the clock is to be believed."""

    verdict: Literal["quiet", "noisy", "unusable"]
    reasons: tuple[str, ...]
    """One sentence for each thing that makes it less than quiet; for `quiet` one that says what was looked at."""
    twin_ratio: Estimate | None
    """`none_twin` to `none`, paired within rounds: the A/A check. Differences inside its interval are noise."""


@dataclass(frozen=True)
class Analysis:
    """All that charts and report show of a run."""

    run: Run
    strategies: tuple[StrategyResult, ...]
    """Cheapest first, then those that are not ranked; the twin is not among them."""
    traps: tuple[TrapResult, ...]
    noise: Noise
    unfinished: tuple[str, ...]
    """One sentence for each cell that crashed or ran out of time."""
