"""The tables and sentences that a report shows of conditions; the figures come from `bench/analysis/conditions.py`."""

from collections.abc import Iterator, Sequence
from textwrap import shorten
from typing import NamedTuple

from bench.analysis.conditions import ConditionResult, Conditions, Gain, Gains, OrderReversal, TrapOutcome
from bench.analysis.estimates import Estimate, bounds
from bench.report.durability import given_up, what_is_given_up
from bench.report.findings_text import deviation_text, not_ranked_text
from bench.report.formatting import caution, listed, milliseconds, significant
from bench.results.architecture import emulation
from bench.results.printable import printable
from bench.results.records import Condition, Run

TITLE = "Under other conditions"
COSTS = "Cost per test under other conditions"
GAINS = "What another condition and another strategy gain"
TRAPS = "Traps under other conditions"
CONDITIONS = "The conditions"
WORDS = {
    COSTS: "Ratio to the same strategy's cost under the default, paired within rounds: below 1 is cheaper. ~: tied "
    "with the default. -: no figure; the reason is below.",
    GAINS: "How many times as fast a test becomes, with the 95 % interval. Gains are cross-validated: in each round, "
    "the option is the one that the other rounds would choose, so luck does not count as a gain. No more: not "
    "significantly more than the better one of the two alone. docs/internals/conditions.md explains the method.",
    TRAPS: "Whether each trap fails as it declares. Even if a trap works under one condition, it may fail with other "
    "versions or runners.",
}
NOTHING = "-"
MOST_REVERSALS, MOST_REASONS, LONGEST = 5, 8, 200
_PACKAGES = ("sqlalchemy", "asyncpg", "psycopg", "uvloop", "anyio", "pytest", "pytest-asyncio")
"""Packages whose versions are shown if they differ."""


class Explanation(NamedTuple):
    """Why a strategy has no figure under a condition, or how a trap deviates from its declaration."""

    name: str
    """Of the strategy or the trap."""
    place: int
    """Of the condition, from 0."""
    why: str


def tables(conditions: Conditions) -> dict[str, list[tuple[str, ...]]]:
    """
    Return the tables by their titles; the first row of each is its header.

    Empty tables are left out, and gains if the run cannot compare strategies.
    """
    found = {
        COSTS: cost_table(conditions),
        GAINS: [] if caution(conditions.analyses[0]) else _gains_table(conditions),
        TRAPS: trap_table(conditions),
        CONDITIONS: _conditions_table(conditions),
    }
    return {title: rows for title, rows in found.items() if len(rows) > 1}


def sentences(conditions: Conditions) -> list[str]:
    """Return the possible gains, what changes between conditions, and which timings are doubtful."""
    said = (
        f"{headline(conditions)}.",
        *_range_of_gains(conditions),
        *_reversals(conditions),
        *_traps(conditions),
        *_noise(conditions),
        *_emulated(conditions),
    )
    return [printable(sentence) for sentence in said]


def safety(conditions: Conditions) -> list[str]:
    """Return a sentence for each server setting of the conditions that gives up safety."""
    return what_is_given_up(analysis.run.server for analysis in conditions.analyses)


def explanations(conditions: Conditions) -> list[Explanation]:
    """Return why there is no figure, for each strategy and condition, and how traps deviate."""
    deviations = [
        Explanation(row.trap, place, printable(deviation_text(trap)))
        for row in conditions.traps
        for place, trap in enumerate(row.results)
        if trap and trap.deviations
    ]
    return [*without_figure(conditions), *deviations]


def without_figure(conditions: Conditions) -> list[Explanation]:
    """Return why there is no figure, for each strategy and condition that has none."""
    return [
        Explanation(row.strategy, place, printable(not_ranked_text(one.result) if one.result else "it was not run"))
        for row in conditions.rows
        for place, one in enumerate(row.results)
        if one.per_test is None
    ]


def explanation_sentences(conditions: Conditions, found: Sequence[Explanation]) -> list[str]:
    """Return at most `MOST_REASONS` sentences; explanations that differ only in the condition share one."""
    places: dict[tuple[str, str], list[int]] = {}
    for name, place, why in found:
        places.setdefault((name, why), []).append(place)
    said = [
        f"{name} under {_names(conditions, where)}: {shorten(why, LONGEST, placeholder=' ...').rstrip('.')}."
        for (name, why), where in places.items()
    ]
    more = [f"The page lists {len(said) - MOST_REASONS} more reasons."] if len(said) > MOST_REASONS else []
    return [printable(sentence) for sentence in (*said[:MOST_REASONS], *more)]


def headline(conditions: Conditions) -> str:
    """Return the possible gains for the most expensive strategy, without a full stop."""
    if not conditions.gains:
        return "No strategy is ranked under the default, so gains are not known"
    if doubt := caution(conditions.analyses[0]):
        return f"{doubt}, so gains are not known"
    start = conditions.gains[0]
    tuning, strategy, both = (_gain(gain, start) for gain in (start.condition, start.strategy, start.both))
    if start.both.is_faster and not start.both_gain_more:
        both = "not significantly faster than the better one of the two"
    return (
        f"Starting from {start.start} under the default ({conditions.names[0]}; {milliseconds(start.per_test)} per "
        f"test), {_alone(conditions)} is {tuning}; another strategy alone is {strategy}; both together are {both}"
    )


def cost_text(result: ConditionResult) -> str:
    """Return a ratio to the default and milliseconds, such as `0.32 (9.80 ms)`; a tie starts with `~`."""
    if result.per_test is None:
        return NOTHING
    if result.ratio is None:
        return milliseconds(result.per_test)
    tie = "" if result.significant else "~"
    return f"{tie}{significant(result.ratio.value)} ({milliseconds(result.per_test)})"


# --- tables


def cost_table(conditions: Conditions) -> list[tuple[str, ...]]:
    """Return what each strategy costs under each condition; the first row is the header."""
    header = ("strategy", f"ms, {conditions.names[0]}", *conditions.names[1:])
    rows = (
        (row.strategy, _milliseconds(row.results[0].per_test), *map(cost_text, row.results[1:]))
        for row in conditions.rows
    )
    return [tuple(map(printable, row)) for row in (header, *rows)]


def trap_table(conditions: Conditions) -> list[tuple[str, ...]]:
    """Return what each trap did under each condition; the first row is the header."""
    rows = (
        ("trap", *conditions.names),
        *((row.trap, *(one or NOTHING for one in row.outcomes)) for row in conditions.traps),
    )
    return [tuple(map(printable, row)) for row in rows]


def _gains_table(conditions: Conditions) -> list[tuple[str, ...]]:
    tuning = _alone(conditions)
    rows: list[tuple[str, ...]] = [("start", "ms", tuning, "which", "another strategy alone", "which", "both", "which")]
    for one in conditions.gains:
        both = ("no more", NOTHING) if one.both.is_faster and not one.both_gain_more else _figures(one.both, one)
        alone = (*_figures(one.condition, one), *_figures(one.strategy, one))
        rows.append((one.start, _milliseconds(one.per_test), *alone, *both))
    return [tuple(map(printable, row)) for row in rows]


def _conditions_table(conditions: Conditions) -> list[tuple[str, ...]]:
    run = conditions.analyses[0].run
    pythons = (run.machine.python, *(condition.python or run.machine.python for condition in run.conditions))
    packages = ("", *(listed(_other_versions(run, condition)) for condition in run.conditions))
    rows: list[tuple[str, ...]] = [
        ("condition", "server", "transport", "client", "Python", "other packages", "gives up", "noise")
    ]
    for place, analysis in enumerate(conditions.analyses):
        server, client = analysis.run.server, analysis.run.client
        rows.append(
            (
                _name(conditions, place),
                str(server),
                server.transport,
                f"{client.driver}, {client.loop}, {client.runner}",
                pythons[place],
                packages[place] or NOTHING,
                ", ".join(given_up(server)) or NOTHING,
                analysis.noise.verdict,
            )
        )
    return [tuple(map(printable, row)) for row in rows]


def _other_versions(run: Run, condition: Condition) -> list[str]:
    first = {name.lower(): version for name, version in run.machine.packages.items()}
    own = {name.lower(): version for name, version in condition.packages.items()} or first
    return [f"{name} {own[name]}" for name in _PACKAGES if name in own and own[name] != first.get(name)]


def _figures(gain: Gain, start: Gains) -> tuple[str, str]:
    """Return how much is gained, and by which choice."""
    if not gain.is_faster:
        return "none", NOTHING
    low, high = bounds(gain.times)
    return f"{significant(gain.times.value)} ({significant(low)} to {significant(high)})", _choice(gain, start)


def _milliseconds(estimate: Estimate | None) -> str:
    return NOTHING if estimate is None else significant(estimate.value * 1000)


# --- sentences


def _name(conditions: Conditions, place: int) -> str:
    return f"the default ({conditions.names[0]})" if place == 0 else conditions.names[place]


def _names(conditions: Conditions, places: Sequence[int]) -> str:
    """Return several names as a list in a sentence; a name that contains a comma is quoted."""
    names = [_name(conditions, place) for place in places]
    quoted = [f"'{name}'" if place and "," in name else name for place, name in zip(places, names, strict=True)]
    return listed(quoted if len(places) > 1 else names)


def _alone(conditions: Conditions) -> str:
    return "tuning alone" if conditions.only_servers_differ else "another condition alone"


def _gain(gain: Gain, start: Gains) -> str:
    if not gain.is_faster:
        return "not significantly faster"
    tied = f", tied with {len(gain.tied)} other{'' if len(gain.tied) == 1 else 's'}" if gain.tied else ""
    return f"{significant(gain.times.value, 2)} times as fast ({_choice(gain, start)}{tied})"


def _choice(gain: Gain, start: Gains) -> str:
    """Return the strategy, the condition, or both: whichever differs from the start."""
    strategy, condition = gain.chosen
    if strategy == start.start:
        return condition
    # `start.strategy` chooses among strategies under the first condition.
    return strategy if condition == start.strategy.chosen.condition else f"{strategy} under {condition}"


def _range_of_gains(conditions: Conditions) -> Iterator[str]:
    everyone = conditions.gains
    if len(everyone) < 2 or caution(conditions.analyses[0]):  # noqa: PLR2004 - a single strategy has no range
        return
    tuning = _range([one.condition for one in everyone if one.condition.is_faster], len(everyone))
    strategy = _range([one.strategy for one in everyone if one.strategy.is_faster], len(everyone))
    more = [one.both for one in everyone if one.both_gain_more]
    both = f"make {_range(more, len(everyone))}, more than either alone" if more else "add no significant gain"
    yield (
        f"Starting from each of the {len(everyone)} ranked strategies, {_alone(conditions)} makes {tuning}; another "
        f"strategy alone makes {strategy}; both together {both}."
    )


def _range(gains: Sequence[Gain], count: int) -> str:
    if not gains:
        return "none of them significantly faster"
    times = sorted({significant(gain.times.value, 2) for gain in gains}, key=float)
    many, ends = "all of them" if len(gains) == count else f"{len(gains)} of them", dict.fromkeys((times[0], times[-1]))
    return f"{many} {' to '.join(ends)} times as fast"


def _reversals(conditions: Conditions) -> Iterator[str]:
    if not conditions.gains or caution(conditions.analyses[0]):
        return
    shown = conditions.reversals[:MOST_REVERSALS]
    yield from map(_reversal, shown)
    if more := len(conditions.reversals) - len(shown):
        yield f"The order of {more} more pair{'' if more == 1 else 's'} of strategies reverses."
    if not shown:
        yield "No condition significantly reverses the order of two strategies."


def _reversal(reversal: OrderReversal) -> str:
    where, ratio = min(reversal.reversed, key=lambda one: one[1].value)
    more = len(reversal.reversed) - 1
    others = f" ({more} more condition{'' if more == 1 else 's'} also reverse{'s' if more == 1 else ''} the order)"
    return (
        f"Order reverses: {reversal.dearer} costs {significant(reversal.ratio.value, 2)} times "
        f"as much as {reversal.cheaper} under the default, but {significant(ratio.value, 2)} times as much under "
        f"{where}{others if more else ''}."
    )


def _traps(conditions: Conditions) -> Iterator[str]:
    """Name the traps whose outcome depends on the condition."""
    for row in conditions.traps:
        places: dict[TrapOutcome, list[int]] = {}
        for place, outcome in enumerate(row.outcomes):
            if outcome not in {None, TrapOutcome.NOT_PROBED}:
                places.setdefault(outcome, []).append(place)
        if len(places) > 1:
            said = (f"{outcome} under {_names(conditions, where)}" for outcome, where in places.items())
            yield f"The trap {row.trap}: {'; '.join(said)}."


def _noise(conditions: Conditions) -> Iterator[str]:
    for verdict in ("noisy", "unusable"):
        places = [place for place, one in enumerate(conditions.analyses) if one.noise.verdict == verdict]
        if places:
            everywhere = len(places) == len(conditions.names)
            yield f"Timings were {verdict} under {'all conditions' if everywhere else _names(conditions, places)}."


def _emulated(conditions: Conditions) -> Iterator[str]:
    """Warn of emulated servers; the report's caveats cover the first condition."""
    run = conditions.analyses[0].run
    for condition in run.conditions:
        if emulated := emulation(condition.server.architecture, run.machine.architecture):
            yield f"Under {condition.name}: {emulated}"
