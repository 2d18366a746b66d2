"""
What is said of two runs: the table of strategies side by side, and what it cannot show.

From records to text; how the figures came about stands in `bench/analysis/comparison.py`.
"""

from collections.abc import Iterator

from bench.analysis.comparison import NOTHING, Comparison, Pair
from bench.analysis.estimates import Estimate
from bench.analysis.ranking import StrategyResult
from bench.report.formatting import significant
from bench.results.printable import printable
from bench.results.records import Run
from bench.strategy.declaration import FLOOR


def table(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return the strategies side by side; the first row is the header."""
    header = (
        "strategy",
        "A ms",
        "B ms",
        "B / A (95 %)",
        "",
        "to the floor (95 %)",
        "A WAL kB",
        "B",
        "A statements",
        "B",
    )
    return [header, *map(_row, comparison.pairs)]


def _row(pair: Pair) -> tuple[str, ...]:
    witnesses = [
        NOTHING if figure is None else words(figure)
        for words, *figures in (
            (kilobytes, pair.a.wal_bytes, pair.b.wal_bytes),
            (significant, pair.a.statements, pair.b.statements),
        )
        for figure in figures
    ]
    return (
        printable(pair.name),
        milliseconds(pair.a),
        milliseconds(pair.b),
        ratio_words(pair.ratio),
        pair.word or NOTHING,
        ratio_words(pair.to_floor),
        *witnesses,
    )


def remarks(comparison: Comparison) -> Iterator[str]:
    """Say what the table cannot: who is not ranked, and whether the floor itself moved."""
    for pair in comparison.pairs:
        for letter, result in (("A", pair.a), ("B", pair.b)):
            if not result.ranked and pair.name != FLOOR:
                yield f"{pair.name} is not ranked in {letter}: {result.why_unranked}."
        if pair.name == FLOOR and pair.word in ("slower", "faster"):
            yield (
                f"The floor itself is {pair.word} in B, {ratio_words(pair.ratio)} times: machine, server or a package. "
                "That is in every B / A, not in what stands to the floor, and no gate fires for it."
            )


def milliseconds(result: StrategyResult) -> str:
    """Return the cost per test, without its unit."""
    return NOTHING if result.per_test is None else significant(result.per_test.value * 1000)


def kilobytes(count: float) -> str:
    """Return a number of bytes in kB, without the unit."""
    return significant(count / 1000)


def ratio_words(ratio: Estimate | None) -> str:
    """Return a ratio with its interval, such as `1.2 (1.1 to 1.3)`."""
    if ratio is None:
        return NOTHING
    if ratio.low is None or ratio.high is None:
        return significant(ratio.value)
    return f"{significant(ratio.value)} ({significant(ratio.low)} to {significant(ratio.high)})"


def work(run: Run) -> str:
    """Name what the strategies of a run had to do."""
    return f"{run.workload.fingerprint} of {run.workload.size.tests} tests"
