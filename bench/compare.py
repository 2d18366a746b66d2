"""
Two runs side by side: what differs around them, the ratio of each strategy's costs, and gates for a CI job.

From the folders of two runs to a table on the console. `compare` and `failed_gates` take and return records, all else
here reads or prints. Rounds of two runs are not paired; `docs/comparing.md` says what follows from that, and why a gate
looks at both ratios. Change a rule only together with that page.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench import statistics
from bench.analysis import Analysis, Estimate, StrategyResult, analyse, estimate
from bench.errors import UserError
from bench.printable import printable
from bench.results import Run, read_cells, read_run
from bench.strategy import FLOOR
from bench.words import significant, tests_and_rounds

NOTHING = "-"
UNKNOWN = "not known"
LEAST_WAL = 500.0
"""Bytes per test: a smaller increase is no finding, whatever its share; the server writes some on its own account."""
WIDE = 120
"""Columns of a console from which on costs and witnesses have room in one table."""


@dataclass(frozen=True)
class Gates:
    """How much worse the second run may be, as shares: 0.2 allows a fifth more. None: that gate is open."""

    slower: float | None = None
    wal: float | None = None
    statements: float | None = None

    def __bool__(self) -> bool:
        """Whether there is any."""
        return (self.slower, self.wal, self.statements) != (None, None, None)


@dataclass(frozen=True)
class Measured:
    """One of the two runs."""

    folder: Path
    analysis: Analysis

    @property
    def run(self) -> Run:
        """Everything about the run but its cells."""
        return self.analysis.run

    def result(self, name: str) -> StrategyResult | None:
        """Return what the run says of a strategy; None where it was not in it."""
        return next((result for result in self.analysis.strategies if result.facts.name == name), None)


@dataclass(frozen=True)
class Difference:
    """One fact in which the two runs differ."""

    what: str
    a: str
    b: str


@dataclass(frozen=True)
class Pair:
    """One strategy in both runs."""

    a: StrategyResult
    b: StrategyResult
    ratio: Estimate | None
    """Cost per test in B over that in A; None where either has no timed round."""
    to_floor: Estimate | None
    """The same of the costs relative to the floor, within rounds: what slowed a run as a whole is not in it."""

    @property
    def name(self) -> str:
        """The strategy's."""
        return self.a.facts.name

    @property
    def word(self) -> Literal["slower", "faster", "same", ""]:
        """What the interval of the ratio says of B; `same`: no difference was found. Empty without an interval."""
        if self.ratio is None or self.ratio.low is None or self.ratio.high is None:
            return ""
        if not statistics.told_apart(self.ratio.low, self.ratio.high):
            return "same"
        return "slower" if self.ratio.low > 1 else "faster"


@dataclass(frozen=True)
class Comparison:
    """What can be said of two runs together."""

    a: Measured
    b: Measured
    differences: tuple[Difference, ...]
    pairs: tuple[Pair, ...]
    """Of the strategies that both runs have, in the order of B."""

    @property
    def same_work(self) -> bool:
        """Whether the strategies of both runs had the same to do; else their figures say nothing of each other."""
        return self.a.run.workload.fingerprint == self.b.run.workload.fingerprint


def compare_runs(a: Path, b: Path, gates: Gates, console: Console) -> list[str]:
    """
    Compare two runs and print it: what differs, the strategies side by side, the gates.

    :param a: folder of the run to compare with, such as one of the main branch.
    :param b: folder of the run in question.
    :returns: a sentence for each strategy and gate that failed; empty where all hold, or none was asked for.
    :raises UserError: a folder holds no run or both hold the same, the runs share no measured strategy, or a gate
        cannot be judged.
    """
    comparison = compare(measured(a), measured(b))
    failed = failed_gates(comparison, gates)
    _print(comparison, console)
    if gates:
        console.print()
        for sentence in failed:
            console.print(Text(printable(f"GATE: {sentence}"), style="bold red"))
        if not failed:
            console.print(Text("All gates hold."))
    return failed


def measured(folder: Path) -> Measured:
    """
    Read one run.

    :raises UserError: there is none in the folder.
    """
    run = read_run(folder)
    return Measured(folder, analyse(run, read_cells(folder)))


def compare(a: Measured, b: Measured) -> Comparison:
    """
    Put two runs side by side.

    :raises UserError: both are the same run, or no strategy has a timed round in both.
    """
    if a.run == b.run:
        raise UserError(f"{a.folder} and {b.folder} hold the same run: give two different ones.")
    pairs = [
        Pair(
            a=of_a,
            b=of_b,
            ratio=_ratio(_seconds(a, name), _seconds(b, name)),
            to_floor=None if name == FLOOR else _ratio(_floors(a, name), _floors(b, name)),
        )
        for of_b in b.analysis.strategies
        if (of_a := a.result(name := of_b.facts.name)) is not None
    ]
    if not any(pair.ratio for pair in pairs):
        raise UserError(
            f"{a.folder} and {b.folder} have no strategy of which both finished a timed round; to measure the second "
            f"as the first was: {a.run.command}"
        )
    return Comparison(a, b, tuple(differences(a.run, b.run)), tuple(pairs))


def differences(a: Run, b: Run) -> Iterator[Difference]:
    """Yield what differs around two runs: workload, strategies, harness, server, machine, and each package."""
    packages = a.machine.packages.keys() & b.machine.packages.keys()
    of_a, of_b = _facts(a, packages), _facts(b, packages)
    for what in {**of_a, **of_b}:
        one, other = (facts.get(what, NOTHING) or UNKNOWN for facts in (of_a, of_b))
        if one != other:
            yield Difference(what, one, other)


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
            f"{a.folder} and {b.folder} did different work (workloads {_work(a.run)} and {_work(b.run)}), so no gate "
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


# --- the comparison


def _seconds(run: Measured, name: str) -> list[float]:
    return list(_costs(run, name).values())


def _floors(run: Measured, name: str) -> list[float]:
    """Return the strategy's cost in floors, of each round that has both."""
    floor = _costs(run, FLOOR)
    return [seconds / floor[number] for number, seconds in _costs(run, name).items() if number in floor]


def _costs(run: Measured, name: str) -> Mapping[int, float]:
    result = run.result(name)
    return result.costs if result else {}


def _ratio(a: Sequence[float], b: Sequence[float]) -> Estimate | None:
    if not a or not b:
        return None
    return estimate(statistics.unpaired_ratio(np.array(b), np.array(a)))


def _facts(run: Run, shared: Collection[str]) -> dict[str, str]:
    """
    Name all that may differ around a run; empty where it is not known.

    :param shared: the packages that both runs have. An environment for developers has dozens more than one for a job,
        so the others are named together.
    """
    machine, server, size = dataclasses.asdict(run.machine), dataclasses.asdict(run.server), run.workload.size
    packages, settings = machine.pop("packages"), server.pop("settings")
    # Why a server was chosen changes nothing of it.
    server.pop("why")
    # A kernel counts a few kB more or less as it starts.
    machine["memory"] = f"{significant(machine.pop('memory_bytes') / 2**30)} GiB"
    facts = {
        "workload": run.workload.fingerprint,
        **{f"workload's {what}": count for what, count in dataclasses.asdict(size).items()},
        **{f"source of {facts.name}": facts.source_sha256[:12] for facts in run.strategies},
        "looptrap": run.looptrap,
        "looptrap's commit": run.commit,
        "schema": run.schema,
        **{f"server's {what}": value for what, value in server.items()},
        **{f"setting {name}": value for name, value in settings.items()},
        "Python": machine.pop("python"),
        **{f"machine's {what}": value for what, value in machine.items()},
        **{f"package {name}": packages[name] for name in packages if name in shared},
        "packages in one only": ", ".join(f"{name} {packages[name]}" for name in packages if name not in shared)
        or NOTHING,
    }
    return {what: str(value) for what, value in facts.items()}


# --- the gates


def _failures(pair: Pair, gates: Gates) -> Iterator[str]:
    if gates.slower is not None and _is_slower(pair, gates.slower):
        relative = f", {_words(pair.to_floor)} times relative to the floor" if pair.to_floor else ""
        yield (
            f"{pair.name} is slower: {_milliseconds(pair.b)} ms per test, it was {_milliseconds(pair.a)}; "
            f"{_words(pair.ratio)} times{relative}; allowed is {1 + gates.slower:g}."
        )
    if gates.wal is not None:
        a, b = _both(pair, "WAL", pair.a.wal_bytes, pair.b.wal_bytes)
        if b > a * (1 + gates.wal) and b - a > LEAST_WAL:
            yield f"{pair.name} writes more WAL: {_kilobytes(b)} kB per test, it was {_kilobytes(a)}{_more(gates.wal)}"
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


# --- the words


def _row(pair: Pair) -> tuple[str, ...]:
    witnesses = [
        NOTHING if figure is None else words(figure)
        for words, *figures in (
            (_kilobytes, pair.a.wal_bytes, pair.b.wal_bytes),
            (significant, pair.a.statements, pair.b.statements),
        )
        for figure in figures
    ]
    return (
        printable(pair.name),
        _milliseconds(pair.a),
        _milliseconds(pair.b),
        _words(pair.ratio),
        pair.word or NOTHING,
        _words(pair.to_floor),
        *witnesses,
    )


def _milliseconds(result: StrategyResult) -> str:
    return NOTHING if result.per_test is None else significant(result.per_test.value * 1000)


def _kilobytes(count: float) -> str:
    return significant(count / 1000)


def _words(ratio: Estimate | None) -> str:
    if ratio is None:
        return NOTHING
    if ratio.low is None or ratio.high is None:
        return significant(ratio.value)
    return f"{significant(ratio.value)} ({significant(ratio.low)} to {significant(ratio.high)})"


def _work(run: Run) -> str:
    return f"{run.workload.fingerprint} of {run.workload.size.tests} tests"


def _remarks(comparison: Comparison) -> Iterator[str]:
    """Say what the table cannot: who is not ranked, and whether the floor itself moved."""
    for pair in comparison.pairs:
        for letter, result in (("A", pair.a), ("B", pair.b)):
            if not result.ranked and pair.name != FLOOR:
                yield f"{pair.name} is not ranked in {letter}: {result.why_unranked}."
        if pair.name == FLOOR and pair.word in ("slower", "faster"):
            yield (
                f"The floor itself is {pair.word} in B, {_words(pair.ratio)} times: machine, server or a package. "
                "That is in every B / A, not in what stands to the floor, and no gate fires for it."
            )


# --- the console


def _print(comparison: Comparison, console: Console) -> None:
    console.print()
    for letter, run in (("A", comparison.a), ("B", comparison.b)):
        # Not wrapped, so that a path can be copied whole.
        console.print(Text(f"{letter}: {run.folder}", style="bold"), soft_wrap=True)
        console.print(Text(printable(f"{run.run.started}, {tests_and_rounds(run.analysis)}")))
        noise = run.analysis.noise
        quiet = noise.verdict == "quiet"
        words = printable(f"Noise: {noise.verdict}. {' '.join(noise.reasons)}")
        console.print(Text(words, style="" if quiet else "bold yellow"))
    console.print()
    if comparison.differences:
        console.print(Text("What differs:", style="bold"))
        facts = [(one.what, one.a, one.b) for one in comparison.differences]
        _print_table([("", "A", "B"), *facts], "lll", console)
    else:
        console.print(Text("Nothing that is recorded differs: machine, server, versions, strategies and workload."))
    if not comparison.same_work:
        console.print()
        work = f"{_work(comparison.a.run)} and {_work(comparison.b.run)}"
        warning = f"DIFFERENT WORK: the workloads are {work}. No ratio below says that a strategy changed."
        console.print(Text(printable(warning), style="bold red"))
    console.print()
    rows = table(comparison)
    if console.width >= WIDE:
        _print_table(rows, "lrrrlrrrrr", console)
    else:
        _print_table([row[:6] for row in rows], "lrrrlr", console)
        console.print()
        _print_table([(row[0], *row[6:]) for row in rows], "lrrrr", console)
    for number, remark in enumerate(_remarks(comparison)):
        console.print(Text("\n" * (number == 0) + printable(remark)))


def _print_table(rows: Sequence[Sequence[str]], alignment: str, console: Console) -> None:
    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for title, side in zip(rows[0], alignment, strict=True):
        shown.add_column(Text(title), justify="left" if side == "l" else "right", overflow="fold")
    for row in rows[1:]:
        shown.add_row(*(Text(printable(text)) for text in row))
    console.print(shown)
