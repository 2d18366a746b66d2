"""
Gates for a CI job: how much worse the second of two runs may be.

`docs/internals/comparison.md` explains why the gate on time checks two ratios: change both together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

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


class GateReason(StrEnum):
    """Why a strategy failed a gate."""

    NOT_MEASURED = "not measured"
    """It is ranked in A and missing in B."""
    NOT_RANKED = "not ranked"
    """It is ranked in A and not in B."""
    SLOWER = "slower"
    WAL = "WAL per test"
    STATEMENTS = "statements per test"


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
    if gates == Gates():
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
    for reason, allowed, a, b, least in (
        (GateReason.WAL, gates.wal, pair.a.wal_bytes, pair.b.wal_bytes, LEAST_WAL),
        (GateReason.STATEMENTS, gates.statements, pair.a.statements, pair.b.statements, 0.0),
    ):
        if allowed is None:
            continue
        if a is None or b is None:
            raise UserError(f"{pair.name} has no {reason} in one of the runs: measure with --tests 3 or more.")
        if b > a * (1 + allowed) and b - a > least:
            yield GateFailure(name, reason, pair, allowed)


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
