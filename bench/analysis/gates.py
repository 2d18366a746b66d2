"""
Gates for a CI job: how much worse the second of two runs may be.

`docs/internals/comparison.md` explains why the gate on time checks two ratios: change both together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from bench.analysis.comparison import Comparison, Pair
from bench.results.errors import UserError

LEAST_WAL = 500.0
"""Bytes per test. A smaller increase is ignored: the server writes some WAL on its own."""


@dataclass(frozen=True)
class Gates:
    """Allowed increases, as shares: 0.2 allows 20 % more. None: no limit."""

    slower: float | None = None
    wal: float | None = None
    statements: float | None = None

    def __bool__(self) -> bool:
        """Whether any limit is set."""
        return (self.slower, self.wal, self.statements) != (None, None, None)


class GateReason(Enum):
    """Why a strategy failed a gate."""

    NOT_MEASURED = auto()
    """It is ranked in A and missing in B."""
    NOT_RANKED = auto()
    """It is ranked in A and not in B."""
    SLOWER = auto()
    WAL = auto()
    STATEMENTS = auto()


@dataclass(frozen=True)
class GateFailure:
    """A strategy that failed a gate."""

    strategy: str
    reason: GateReason
    pair: Pair | None = None
    """Its figures in both runs; None if it was not measured in B."""
    allowed: float = 0.0
    """The share by which the figure of the gate may increase."""


def failed_gates(comparison: Comparison, gates: Gates) -> list[GateFailure]:
    """
    Check each strategy that is ranked in A against the gates; one that is not ranked in B fails, whatever the gates.

    :raises UserError: a gate cannot be checked because the workloads differ, nothing is ranked in A, or a confidence
        interval or a witness is missing.
    """
    if not gates:
        return []
    a, b = comparison.a, comparison.b
    if not comparison.same_workload:
        workloads = " and ".join(
            f"{run.workload.fingerprint} of {run.workload.size.tests} tests" for run in (a.run, b.run)
        )
        raise UserError(
            f"{a.folder} and {b.folder} ran different workloads ({workloads}), so gates cannot be checked. Compare "
            f"without gates, or measure the second like the first: {a.run.command}"
        )
    ranked = [result.facts.name for result in a.analysis.strategies if result.ranked]
    if not ranked:
        raise UserError(f"{a.folder} ranks no strategy, so the gates have nothing to check: measure it again.")
    pairs = {pair.name: pair for pair in comparison.pairs}
    return [failure for name in ranked for failure in _failures(name, pairs.get(name), gates)]


def _failures(name: str, pair: Pair | None, gates: Gates) -> Iterator[GateFailure]:
    if pair is None:
        yield GateFailure(name, GateReason.NOT_MEASURED)
        return
    if not pair.b.ranked:
        yield GateFailure(name, GateReason.NOT_RANKED, pair)
        return
    if gates.slower is not None and _is_slower(pair, gates.slower):
        yield GateFailure(name, GateReason.SLOWER, pair, gates.slower)
    if gates.wal is not None:
        a, b = _both(pair, "WAL", pair.a.wal_bytes, pair.b.wal_bytes)
        if b > a * (1 + gates.wal) and b - a > LEAST_WAL:
            yield GateFailure(name, GateReason.WAL, pair, gates.wal)
    if gates.statements is not None:
        a, b = _both(pair, "statements", pair.a.statements, pair.b.statements)
        if b > a * (1 + gates.statements):
            yield GateFailure(name, GateReason.STATEMENTS, pair, gates.statements)


def _is_slower(pair: Pair, share: float) -> bool:
    """
    Whether a strategy is significantly slower relative to the floor, and both ratios exceed the share.

    The plain ratio alone would fire on a machine that is slower today, the ratio to the floor alone on a disk that
    makes only the floor cheaper. Without a floor, the plain ratio decides.
    """
    ratio = pair.to_floor or pair.ratio
    if ratio is None or pair.ratio is None:
        return False
    if ratio.low is None:
        raise UserError(f"{pair.name} has no confidence interval, which takes two rounds: measure with --rounds 6.")
    return ratio.low > 1 and min(ratio.value, pair.ratio.value) > 1 + share


def _both(pair: Pair, what: str, a: float | None, b: float | None) -> tuple[float, float]:
    if a is None or b is None:
        raise UserError(f"{what} per test of {pair.name} is not known in both runs: measure with --tests 3 or more.")
    return a, b
