"""
From a run's folder to what a person reads: the table on the console, `summary.md`, and the charts.

Console and Markdown are made from the same rows (`table`, `trap_table`), so they cannot differ. Whatever comes from
strategies or errors is escaped for Markdown, and never read as markup by rich. Data are in seconds, what is shown is
in milliseconds, with three significant digits.
"""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bench.analysis import Analysis, Estimate, StrategyResult, TrapResult, analyse
from bench.charts import cost, heatmap
from bench.errors import UserError
from bench.export import write_benchmark_json
from bench.fidelity import columns_of, complaints, family_table, probe_table, seen
from bench.growth import Growth, grow, sentences, tables
from bench.probes import Probe
from bench.results import Machine, Run, StrategyFacts, read_cells, read_fidelity, read_run
from bench.tables import bullets, escaped, markdown_table, print_figures
from bench.words import frequent_errors, headline, printable, significant, tests_and_rounds, trap_verdict

CHARTS, SUMMARY = "charts", "summary.md"
NOTHING = "-"
NAME, LETTERS, FIRST = 0, 3, 4
"""Columns of the table."""
WIDE = 116
"""Columns of a console from which on the table has room for all of it."""
TIES = "Strategies that share a letter are tied: what differs between them may be noise."
SIGHTS = "What tests see of a real Postgres"
PHASES = "Where the time goes"
WITNESSES = "Beside the clock, per test"
WORDS = {
    SIGHTS: "Behaviours of a real Postgres, by family. More is not better for everyone: docs/probes.md says which kind "
    "of application needs which. Why one is not seen: `nox -s check -- --why STRATEGY PROBE`.",
    PHASES: "Medians per test, so they need not add up. Fixed: start-up, imports, collection, session fixtures, "
    "shutdown of a process. Unexplained: the largest share of a process's wall time that none of these holds.",
    WITNESSES: "What SQLAlchemy sent and opened; the server's write-ahead log; the processor time of the test process, "
    "without Postgres's own; the most memory that the test process ever had.",
}
PROBES = "Probe by probe"
TRAPS = "Traps: people write them, and they fail"


def report_run(folder: Path, console: Console, need: tuple[str, ...] = ()) -> Analysis:
    """
    Analyse the run in `folder`, write its charts, its summary and `benchmark.json` into it, and print it.

    :param need: probes that a strategy must pass to be ranked; without any those that the run was made with.
    :raises UserError: there is no run, none of its cells finished, or the folder cannot be written.
    """
    run = read_run(folder)
    _check_some_finished(folder, run)
    analysis = analyse(run, read_cells(folder), read_fidelity(folder), need)
    growth = grow(run, read_cells(folder))
    try:
        cost.picture(analysis).write(folder / CHARTS)
        if columns := columns_of(analysis.outcomes, [facts.name for facts in in_order(analysis)]):
            heatmap.picture(columns).write(folder / CHARTS)
        write_summary(analysis, growth, folder)
        write_benchmark_json(analysis, read_cells(folder), folder)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}. Copy the run to a folder with room.") from error
    print_summary(analysis, growth, folder, console)
    return analysis


def _check_some_finished(folder: Path, run: Run) -> None:
    trouble = ""
    for cell in read_cells(folder):
        if cell.status == "finished":
            return
        trouble = trouble or f" ({cell.strategy} {cell.status}: {textwrap.shorten(printable(cell.detail), 200)})"
    raise UserError(f"{folder} holds no finished cell{trouble}; to measure again: {run.command}")


def table(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return the table of strategies, cheapest first; its first row is the header."""
    tests = analysis.run.workload.size.tests
    header = ("strategy", "ms per test", "95 % interval", "ties", "first", "passed", "leaks", f"{tests} tests", "sees")
    return [header, *(_row(result, tests) for result in analysis.strategies)]


def phase_table(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return where the time of each strategy goes; its first row is the header."""
    header = ("strategy", "setup ms", "call ms", "teardown ms", "fixed s", "unexplained")
    return [header, *(_phase_row(result) for result in analysis.strategies if result.rounds)]


def witness_table(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return what was counted beside the clock; its first row is the header."""
    header = ("strategy", "statements", "transactions", "connections", "WAL kB", "CPU ms", "memory MB")
    return [header, *(_witness_row(result) for result in analysis.strategies if result.rounds)]


def trap_table(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return the table of traps: what each declared and what happened; its first row is the header."""
    return [("trap", "declared", "happened", "errors"), *(_trap_row(trap) for trap in analysis.traps)]


def write_summary(analysis: Analysis, growth: Growth, folder: Path) -> Path:
    """Write `summary.md`, in GitHub's Markdown, into `folder`."""
    path = folder / SUMMARY
    path.write_text("\n".join(_markdown(analysis, growth)) + "\n", encoding="utf-8")
    return path


def print_summary(analysis: Analysis, growth: Growth, folder: Path, console: Console) -> None:
    """Print what the run found, its traps, findings, noise, and where the results lie."""
    console.print()
    console.print(Text(printable(headline(analysis)), style="bold"))
    console.print()
    _print_table(table(analysis), console)
    for title, rows in _figures(analysis, growth).items():
        print_figures(title, rows, console)
    for sentence in sentences(growth):
        console.print(Text(sentence))
    for sentence in _not_ranked(analysis):
        console.print(Text(sentence))
    console.print(Text(TIES, style="dim"))
    _print_traps(trap_table(analysis)[1:], console)
    console.print()
    for sentence in _alarms(analysis):
        console.print(Text(sentence, style="bold red"))
    quiet = analysis.noise.verdict == "quiet"
    console.print(Text(noise_sentence(analysis), style="" if quiet else "bold yellow"))
    # Not wrapped, so that a path can be copied whole.
    console.print(Text(f"Results: {folder}"), soft_wrap=True)
    console.print(Text(f"Chart:   {folder / CHARTS / 'cost.png'}"), soft_wrap=True)
    if analysis.outcomes:
        console.print(Text(f"         {folder / CHARTS / 'fidelity.png'}"), soft_wrap=True)


# --- the words of both


def _row(result: StrategyResult, tests: int) -> tuple[str, ...]:
    suite = result.suite_seconds(tests)
    return (
        printable(result.facts.peer or result.facts.name),
        NOTHING if result.per_test is None else significant(result.per_test.value * 1000),
        _interval(result.per_test),
        result.letters or NOTHING,
        _share(result.probability_first),
        f"{result.passed}/{result.tests}",
        str(result.leaked),
        NOTHING if suite is None else f"{significant(suite)} s",
        NOTHING if result.fidelity is None else f"{len(seen(result.fidelity))}/{len(Probe)}",
    )


def _figures(analysis: Analysis, growth: Growth) -> dict[str, list[tuple[str, ...]]]:
    """Return the tables of a name and figures in each row by their titles, those without a row left out."""
    sights = family_table(columns_of(analysis.outcomes, [facts.name for facts in in_order(analysis)]))
    found = {SIGHTS: sights, PHASES: phase_table(analysis), WITNESSES: witness_table(analysis), **tables(growth)}
    return {title: rows for title, rows in found.items() if len(rows) > 1}


def in_order(analysis: Analysis) -> list[StrategyFacts]:
    """Return what every table begins with: the strategies, cheapest first, then the traps."""
    return [*(result.facts for result in analysis.strategies), *(trap.facts for trap in analysis.traps)]


def _phase_row(result: StrategyResult) -> tuple[str, ...]:
    phases = (significant(seconds * 1000) for seconds in result.phases.values())
    return (
        printable(result.facts.name),
        *phases,
        significant(result.fixed),
        f"{significant(result.residual * 100, 2)} %",
    )


def _witness_row(result: StrategyResult) -> tuple[str, ...]:
    counts = (result.statements, result.transactions, result.connections)
    return (
        printable(result.facts.name),
        *(NOTHING if count is None else f"{count:.2f}" for count in counts),
        NOTHING if result.wal_bytes is None else significant(result.wal_bytes / 1000),
        NOTHING if result.cpu is None else significant(result.cpu * 1000),
        NOTHING if result.peak_memory is None else significant(result.peak_memory / 1e6),
    )


def _share(probability: float | None) -> str:
    """Return a probability in percent, never as a certainty."""
    if probability is None:
        return NOTHING
    percent = round(probability * 100)
    return "<1 %" if percent < 1 else ">99 %" if percent > 99 else f"{percent} %"  # noqa: PLR2004 - percent


def _interval(estimate: Estimate | None) -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return NOTHING
    return f"{significant(estimate.low * 1000)} to {significant(estimate.high * 1000)}"


def _trap_row(trap: TrapResult) -> tuple[str, ...]:
    facts = trap.facts
    errors = " and ".join(f"{exception}: {words}" for exception, words in facts.expected_errors)
    declared = (
        f"{facts.expected_failures}, with {errors}" if errors else f"no error; caught by {', '.join(facts.caught_by)}"
    )
    return (
        printable(facts.peer or facts.name),
        printable(declared),
        trap_verdict(trap),
        _errors(trap) or "none",
    )


def _not_ranked(analysis: Analysis) -> Iterator[str]:
    """Say of every strategy that is not ranked why; with the errors of its tests, where the reason has but one."""
    for result in analysis.strategies:
        if not result.ranked:
            seen = f" ({_errors(result)})" if len(result.failures) > 1 else ""
            yield printable(f"{result.facts.name} is not ranked: {result.why_unranked}{seen}")


def _errors(result: StrategyResult | TrapResult) -> str:
    return "; ".join(f"{count} x {error}" for error, count in frequent_errors(result.facts, result.failures))


def _alarms(analysis: Analysis) -> list[str]:
    findings = [f"FINDING: {trap.facts.name} {trap_verdict(trap)}" for trap in analysis.traps if trap.finding]
    findings += [f"FINDING: {complaint}" for complaint in complaints(analysis.run.strategies, analysis.outcomes)]
    return [printable(text) for text in (*findings, *(f"UNFINISHED: {cell}" for cell in analysis.unfinished))]


def noise_sentence(analysis: Analysis) -> str:
    """Say how far the clock is to be believed, and why."""
    return printable(f"Noise: {analysis.noise.verdict}. {' '.join(analysis.noise.reasons)}")


def _caveats(analysis: Analysis) -> Iterator[str]:
    run = analysis.run
    machine, server = run.machine, run.server
    yield (
        f"Measured on {machine.cpu}, {machine.cores} cores, {significant(machine.memory_bytes / 2**30, 2)} GiB, "
        f"{machine.system}{_around(machine)}, Python {machine.python}; another machine gives other figures."
    )
    where = f"{server.kind}, {server.transport}" + (f", {server.filesystem}" if server.filesystem else "")
    yield f"Postgres {server.version} ({where}), {', '.join(f'{key}={it}' for key, it in server.settings.items())}."
    if server.architecture and _common(server.architecture) != _common(machine.architecture):
        yield (
            f"The server was built for {server.architecture} and ran on {machine.architecture}: emulated, it is slow "
            "in ways that turn rankings round. Take an image of the machine's own architecture."
        )
    if server.settings.get("fsync") == "off" or server.settings.get("synchronous_commit") == "off":
        yield "A commit did not wait for the disk here; where it does, strategies that commit cost more."
    yield f"{tests_and_rounds(analysis)}, seed {run.seed}, workload {run.workload.fingerprint}."
    yield from (sentence[0].upper() + sentence[1:] for sentence in run.decisions)
    marked = max(analysis.strategies, key=lambda result: (result.rounds > 0, result.residual), default=None)
    if marked and marked.rounds:
        share = significant(marked.residual * 100, 2)
        yield f"At most {share} % of a cell's time is unexplained ({marked.facts.name})."
    if not analysis.outcomes:
        yield "Not probed: what the strategies hide is not known; nox -s check finds out."


def _around(machine: Machine) -> str:
    """Say what else decides how fast the machine is, as far as it is known."""
    virtual = f" in {machine.virtualisation}" if machine.virtualisation not in {"", "none"} else ""
    return virtual + (f", governor {machine.governor}" if machine.governor else "")


def _common(architecture: str) -> str:
    """Return the one name of an architecture that goes by two."""
    name = architecture.lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


# --- Markdown


def strategy_lines(analysis: Analysis) -> Iterator[str]:
    """Yield the table of strategies as Markdown."""
    yield from markdown_table(table(analysis), "lrrlrrrrr")


def trap_lines(analysis: Analysis) -> Iterator[str]:
    """Yield the table of traps as Markdown."""
    yield from markdown_table(trap_table(analysis), "llll")


def _markdown(analysis: Analysis, growth: Growth) -> Iterator[str]:
    yield f"# {escaped(headline(analysis))}"
    yield ""
    yield f"**{escaped(noise_sentence(analysis))}**"
    yield ""
    yield from bullets([f"**{escaped(sentence)}**" for sentence in _alarms(analysis)])
    yield from strategy_lines(analysis)
    yield TIES
    yield ""
    yield from bullets([escaped(sentence) for sentence in _not_ranked(analysis)])
    if analysis.traps:
        yield f"## {TRAPS}"
        yield ""
        yield from trap_lines(analysis)
    for title, rows in _figures(analysis, growth).items():
        yield f"## {title}"
        yield ""
        yield from markdown_table(rows, "l" + "r" * (len(rows[0]) - 1))
        if title in WORDS:
            yield WORDS[title]
            yield ""
    yield from bullets([escaped(sentence) for sentence in sentences(growth)])
    if columns := columns_of(analysis.outcomes, [facts.name for facts in in_order(analysis)]):
        yield f"## {PROBES}"
        yield ""
        yield from markdown_table(probe_table(columns), "l" * (1 + len(columns)))
    yield "## Caveats"
    yield ""
    yield from bullets([escaped(caveat) for caveat in _caveats(analysis)])
    yield "## Made by"
    yield ""
    yield f"    {printable(analysis.run.command)}"


# --- the console


def _print_table(rows: list[tuple[str, ...]], console: Console) -> None:
    wide = console.width >= WIDE
    shown = Table(box=None, padding=(0, 2 if wide else 1, 0, 0), pad_edge=False, header_style="bold")
    columns = [number for number in range(len(rows[0])) if wide or number != FIRST]
    for number in columns:
        title = rows[0][number] if wide else textwrap.fill(rows[0][number], 7, break_long_words=False)
        side: Literal["left", "right"] = "left" if number in {NAME, LETTERS} else "right"
        shown.add_column(Text(title), justify=side, no_wrap=number != NAME, overflow="fold")
    for row in rows[1:]:
        shown.add_row(*(Text(row[number]) for number in columns))
    console.print(shown)
    console.print()


def _print_traps(rows: Sequence[Sequence[str]], console: Console) -> None:
    if rows:
        console.print()
        console.print(Text(TRAPS, style="bold"))
    for name, declared, happened, errors in rows:
        console.print(Padding(Text(f"{name}: {happened}"), (0, 0, 0, 2), expand=False))
        for line in (f"declared: {declared}", f"seen: {errors}"):
            console.print(Padding(Text(line, style="dim"), (0, 0, 0, 6), expand=False))
