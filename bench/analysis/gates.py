"""
Gates for a CI job: how much worse the second of two runs may be.

Takes and returns records. `docs/comparing.md` says why a gate looks at two ratios: change a rule only together with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.analysis.comparison import Comparison, Pair
from bench.report.comparison_text import kilobytes, milliseconds, ratio_words, work
from bench.report.formatting import significant
from bench.results.errors import UserError

LEAST_WAL = 500.0
"""Bytes per test: a smaller increase is no finding, whatever its share; the server writes some on its own account."""


@dataclass(frozen=True)
class Gates:
    """How much worse the second run may be, as shares: 0.2 allows a fifth more. None: that gate is open."""

    slower: float | None = None
    wal: float | None = None
    statements: float | None = None

    def __bool__(self) -> bool:
        """Whether there is any."""
        return (self.slower, self.wal, self.statements) != (None, None, None)


def failed_gates(comparison: Comparison, gates: Gates) -> list[str]:
    """
    Return a sentence for each strategy and gate that failed.

    The gates are for strategies that are ranked in A; one that is not ranked in B any more fails them all.

    :raises UserError: a gate was asked for and cannot be judged: the runs did different work, nothing is ranked in A,
        there is no interval, or a witness is missing.
    """
    if not gates:
        return []
    a, b = comparison.a, comparison.b
    if not comparison.same_work:
        raise UserError(
            f"{a.folder} and {b.folder} did different work (workloads {work(a.run)} and {work(b.run)}), so no gate "
            f"can be judged: compare them without one, or measure the second as the first was: {a.run.command}"
        )
    ranked = [result.facts.name for result in a.analysis.strategies if result.ranked]
    if not ranked:
        raise UserError(f"{a.folder} ranks no strategy, so there is nothing for a gate to hold: measure it again.")
    pairs = {pair.name: pair for pair in comparison.pairs}
    failed = []
    for name in ranked:
        if name not in pairs:
            failed.append(f"{name} is ranked in A and was not measured in B.")
        elif not pairs[name].b.ranked:
            failed.append(f"{name} is ranked in A and broke in B: {pairs[name].b.why_unranked}.")
        else:
            failed += _failures(pairs[name], gates)
    return failed


def _failures(pair: Pair, gates: Gates) -> Iterator[str]:
    if gates.slower is not None and _is_slower(pair, gates.slower):
        relative = f", {ratio_words(pair.to_floor)} times relative to the floor" if pair.to_floor else ""
        yield (
            f"{pair.name} is slower: {milliseconds(pair.b)} ms per test, it was {milliseconds(pair.a)}; "
            f"{ratio_words(pair.ratio)} times{relative}; allowed is {1 + gates.slower:g}."
        )
    if gates.wal is not None:
        a, b = _both(pair, "WAL", pair.a.wal_bytes, pair.b.wal_bytes)
        if b > a * (1 + gates.wal) and b - a > LEAST_WAL:
            yield f"{pair.name} writes more WAL: {kilobytes(b)} kB per test, it was {kilobytes(a)}{_more(gates.wal)}"
    if gates.statements is not None:
        a, b = _both(pair, "statements", pair.a.statements, pair.b.statements)
        if b > a * (1 + gates.statements):
            figures = f"{significant(b)} per test, it was {significant(a)}"
            yield f"{pair.name} sends more statements: {figures}{_more(gates.statements)}"


def _is_slower(pair: Pair, share: float) -> bool:
    """
    Whether a strategy is slower relative to the floor, beyond the share and its interval, and the clock agrees.

    The clock alone would fire on a machine that is slower today, the ratio to the floor alone where a faster disk has
    made the floor cheaper. Where the floor was not measured, the clock decides, with its interval.
    """
    ratio = pair.to_floor or pair.ratio
    if ratio is None or pair.ratio is None:
        return False
    if ratio.low is None:
        raise UserError(f"{pair.name} has no interval, for which a gate takes two rounds: measure with --rounds 6.")
    return ratio.low > 1 and min(ratio.value, pair.ratio.value) > 1 + share


def _both(pair: Pair, what: str, a: float | None, b: float | None) -> tuple[float, float]:
    if a is None or b is None:
        raise UserError(f"{what} per test of {pair.name} is not known in both runs: measure with --tests 3 or more.")
    return a, b


def _more(share: float) -> str:
    return f"; allowed are {100 * share:g} % more."
