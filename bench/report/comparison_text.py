"""The tables and sentences about two compared runs and their gates; the figures come from `bench/analysis`."""

from collections.abc import Iterable, Iterator, Sequence

from bench.analysis.comparison import Change, Comparison, Difference, Pair, Section, Value
from bench.analysis.estimates import Estimate
from bench.analysis.gates import GateFailure, GateReason
from bench.analysis.ranking import StrategyResult
from bench.report.findings_text import not_ranked_text
from bench.report.formatting import significant
from bench.results.printable import printable
from bench.results.records import Run
from bench.strategy.declaration import FLOOR

NOTHING = "-"


def strategy_table(comparison: Comparison) -> list[tuple[str, ...]]:
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
    return (
        printable(pair.name),
        _milliseconds(pair.a),
        _milliseconds(pair.b),
        _ratio(pair.ratio),
        pair.change or NOTHING,
        _ratio(pair.to_floor),
        *map(_kilobytes, (pair.a, pair.b)),
        *map(_statements, (pair.a, pair.b)),
    )


def difference_table(differences: Sequence[Difference]) -> list[tuple[str, ...]]:
    """
    Return what differs between the runs; the first row is the header.

    Packages that only one run has share a row: a development environment has dozens more than a CI job's.
    """
    unshared = [one for one in differences if one.section is Section.PACKAGE and None in (one.a, one.b)]
    rows = [(_label(one), _value(one.a), _value(one.b)) for one in differences if one not in unshared]
    if unshared:
        of_a, of_b = [(one.name, one.a) for one in unshared], [(one.name, one.b) for one in unshared]
        rows.append(("packages in one run only", _packages(of_a), _packages(of_b)))
    return [("", "A", "B"), *rows]


def _label(difference: Difference) -> str:
    of = " of" if difference.section is Section.SOURCE else ""
    return f"{difference.section}{of} {difference.name}".rstrip()


def _value(value: Value) -> str:
    if value is None:
        return NOTHING
    return f"{significant(value)} GiB" if isinstance(value, float) else value or "not known"


def _packages(versions: Iterable[tuple[str, Value]]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions if version is not None) or NOTHING


def remarks(comparison: Comparison) -> Iterator[str]:
    """Say which strategies are not ranked, and whether the floor itself changed."""
    for pair in comparison.pairs:
        for letter, result in (("A", pair.a), ("B", pair.b)):
            if not result.ranked and pair.name != FLOOR:
                yield f"{pair.name} is not ranked in {letter}: {not_ranked_text(result)}."
        if pair.name == FLOOR and pair.change in (Change.SLOWER, Change.FASTER):
            yield (
                f"The floor itself is {pair.change} in B, by a factor of {_ratio(pair.ratio)}, because of the machine, "
                "the server or a package. That is part of every B / A ratio and cancels in the ratio to the floor; no "
                "gate checks the floor."
            )


def gate_text(failure: GateFailure) -> str:
    """Say which gate a strategy failed, with the figures of both runs."""
    pair, limit = failure.pair, f"the limit is {100 * failure.allowed:g} % more"
    if pair is None:
        return f"{failure.strategy} is ranked in A but was not measured in B."
    match failure.reason:
        case GateReason.SLOWER:
            to_floor = f", relative to the floor {_ratio(pair.to_floor)}" if pair.to_floor else ""
            what = f"is slower: {_milliseconds(pair.b)} ms per test in B, {_milliseconds(pair.a)} ms in A"
            limit = f"B / A is {_ratio(pair.ratio)}{to_floor}; the limit is {1 + failure.allowed:g}"
        case GateReason.WAL:
            what = f"writes more WAL: {_kilobytes(pair.b)} kB per test in B, {_kilobytes(pair.a)} kB in A"
        case GateReason.STATEMENTS:
            what = f"sends more statements: {_statements(pair.b)} per test in B, {_statements(pair.a)} in A"
        case _:
            return f"{pair.name} is ranked in A but not in B: {not_ranked_text(pair.b)}."
    return f"{pair.name} {what}; {limit}."


def workload_text(run: Run) -> str:
    """Name the workload of a run."""
    return f"{run.workload.fingerprint} of {run.workload.size.tests} tests"


def _milliseconds(result: StrategyResult) -> str:
    return NOTHING if result.per_test is None else significant(result.per_test.value * 1000)


def _kilobytes(result: StrategyResult) -> str:
    return NOTHING if result.wal_bytes is None else significant(result.wal_bytes / 1000)


def _statements(result: StrategyResult) -> str:
    return NOTHING if result.statements is None else significant(result.statements)


def _ratio(ratio: Estimate | None) -> str:
    """Return a ratio with its confidence interval, such as `1.2 (1.1 to 1.3)`."""
    if ratio is None:
        return NOTHING
    if ratio.low is None or ratio.high is None:
        return significant(ratio.value)
    return f"{significant(ratio.value)} ({significant(ratio.low)} to {significant(ratio.high)})"
