"""
From what conditions make of strategies to words: the tables and sentences that a report shows of them.

From records to text; how the figures came about stands in `bench/analysis/conditions.py`. No word depends on a
strategy's name.
"""

from collections.abc import Iterator, Sequence
from textwrap import shorten
from typing import NamedTuple

from bench.analysis.conditions import Conditions, Flip, Gain, Gains, Option, Under
from bench.analysis.estimates import Estimate, bounds
from bench.analysis.traps import TrapResult
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
    COSTS: "Times the same strategy's cost under the default, paired within rounds: below 1 is cheaper. ~: not told "
    "apart from the default. -: no figure; the reason stands below.",
    GAINS: "How many times as fast a test gets, with the 95 % interval; a choice counts what the other rounds would "
    "have chosen, so that luck is no gain. No more: than the better one of the two alone. docs/conditions.md says how.",
    TRAPS: "Whether each fails as it declares. A trap that works here fails elsewhere: who has another version or "
    "runner meets it.",
}
NOTHING = "-"
MOST_FLIPS, MOST_REASONS, LONGEST = 5, 8, 200
_PACKAGES = ("sqlalchemy", "asyncpg", "psycopg", "uvloop", "anyio", "pytest", "pytest-asyncio")
"""Those of which a report says the versions where these differ."""


class Reason(NamedTuple):
    """Why something has no figure under a condition, or a trap did not fail as declared."""

    name: str
    """Of the strategy or the trap."""
    place: int
    """Of the condition, from 0."""
    why: str


def tables(conditions: Conditions) -> dict[str, list[tuple[str, ...]]]:
    """
    Return the tables by their titles; the first row of each is its header.

    Those without a row are left out, and what is gained where the run cannot tell strategies apart.
    """
    found = {
        COSTS: cost_table(conditions),
        GAINS: [] if caution(conditions.analyses[0]) else _gains_table(conditions),
        TRAPS: trap_table(conditions),
        CONDITIONS: _conditions_table(conditions),
    }
    return {title: rows for title, rows in found.items() if len(rows) > 1}


def sentences(conditions: Conditions) -> list[str]:
    """Say what is gained by what, who changes places, which traps fail otherwise, and what is in doubt."""
    said = (
        f"{headline(conditions)}.",
        *_range(conditions),
        *_flips(conditions),
        *_traps(conditions),
        *_noise(conditions),
        *_emulated(conditions),
    )
    return [printable(sentence) for sentence in said]


def safety(conditions: Conditions) -> list[str]:
    """Say what the settings that are in play give up, a sentence each."""
    return what_is_given_up(analysis.run.server for analysis in conditions.analyses)


def reasons(conditions: Conditions) -> list[Reason]:
    """Return why there is no figure, for each strategy and condition, and what a trap did that was not declared."""
    found = [
        Reason(row.trap, place, printable(why))
        for row in conditions.traps
        for place, cell in enumerate(row.cells)
        if cell and (why := deviation_text(cell))
    ]
    return [*without_figure(conditions), *found]


def without_figure(conditions: Conditions) -> list[Reason]:
    """Return why there is no figure, for each strategy and condition that has none."""
    return [
        Reason(row.strategy, place, printable(not_ranked_text(cell.result) if cell.result else "it was not run"))
        for row in conditions.rows
        for place, cell in enumerate(row.cells)
        if cell.per_test is None
    ]


def reason_sentences(conditions: Conditions, found: Sequence[Reason]) -> list[str]:
    """Say some reasons one after the other, equal ones at once; of many the first ones."""
    places: dict[tuple[str, str], list[str]] = {}
    for name, place, why in found:
        places.setdefault((name, why), []).append(_named(conditions, place))
    said = [
        f"{name} under {_these(where)}: {shorten(why, LONGEST, placeholder=' ...').rstrip('.')}."
        for (name, why), where in places.items()
    ]
    more = [f"{len(said) - MOST_REASONS} further reasons stand in the page."] if len(said) > MOST_REASONS else []
    return [printable(sentence) for sentence in (*said[:MOST_REASONS], *more)]


def headline(conditions: Conditions) -> str:
    """Say what there is to gain for who has the dearest strategy."""
    if not conditions.gains:
        return "No strategy is ranked under the default, so there is nothing that another condition could gain"
    if doubt := caution(conditions.analyses[0]):
        return f"{doubt}, so what another condition gains is not known"
    start = conditions.gains[0]
    cost = f"{conditions.names[0]}; {milliseconds(start.per_test)} per test"
    tuning, strategy, both = (_gained(gain, start) for gain in (start.condition, start.strategy, start.both))
    if start.both.known and not start.both_gain_more:
        both = "gains no more beyond noise"
    gained = f"{_alone(conditions)} {tuning}; another strategy alone {strategy}; both together {both}"
    return f"Starting from {start.start} under the default ({cost}), {gained}"


def cost_words(cell: Under) -> str:
    """Return a ratio to the default with the milliseconds beside it, such as `0.32 (9.80 ms)`."""
    if cell.per_test is None:
        return NOTHING
    if cell.ratio is None:
        return milliseconds(cell.per_test)
    return f"{'' if cell.changed else '~'}{significant(cell.ratio.value)} ({milliseconds(cell.per_test)})"


def trap_words(trap: TrapResult | None) -> str:
    """Say in two words what a trap did."""
    if trap is None:
        return NOTHING
    if trap.deviations:
        spared = trap.tests and trap.passed + trap.leaked == trap.tests
        return "works here" if spared else "not as declared"
    return "as declared" if trap.facts.expected_errors or trap.probed else "not probed"


# --- tables


def cost_table(conditions: Conditions) -> list[tuple[str, ...]]:
    """Return what each strategy costs under each condition; its first row is the header."""
    header = ("strategy", f"ms, {conditions.names[0]}", *conditions.names[1:])
    rows = (
        (row.strategy, _milliseconds(row.cells[0].per_test), *map(cost_words, row.cells[1:])) for row in conditions.rows
    )
    return [tuple(map(printable, row)) for row in (header, *rows)]


def trap_table(conditions: Conditions) -> list[tuple[str, ...]]:
    """Return what each trap did under each condition; its first row is the header."""
    rows = [("trap", *conditions.names), *((row.trap, *map(trap_words, row.cells)) for row in conditions.traps)]
    return [tuple(map(printable, row)) for row in rows]


def _gains_table(conditions: Conditions) -> list[tuple[str, ...]]:
    tuning = _alone(conditions)
    rows: list[tuple[str, ...]] = [("start", "ms", tuning, "which", "another strategy alone", "which", "both", "which")]
    for one in conditions.gains:
        both = ("no more", NOTHING) if one.both.known and not one.both_gain_more else _figures(one.both, one)
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
                _named(conditions, place),
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
    """Return how much is gained, and by what."""
    if not gain.known:
        return "none", NOTHING
    low, high = bounds(gain.times)
    return f"{significant(gain.times.value)} ({significant(low)} to {significant(high)})", _chosen(gain, start)


def _milliseconds(estimate: Estimate | None) -> str:
    return NOTHING if estimate is None else significant(estimate.value * 1000)


# --- sentences


def _named(conditions: Conditions, place: int) -> str:
    return f"the default ({conditions.names[0]})" if place == 0 else conditions.names[place]


def _these(names: Sequence[str]) -> str:
    """Name some conditions in a sentence: a name with a comma stands in quotation marks."""
    return listed([f"'{name}'" if len(names) > 1 and name[-1] != ")" and "," in name else name for name in names])


def _alone(conditions: Conditions) -> str:
    return "tuning alone" if conditions.of_servers else "another condition alone"


def _gained(gain: Gain, start: Gains) -> str:
    if not gain.known:
        return "gains nothing beyond noise"
    tied = f", tied with {len(gain.tied)} other{'' if len(gain.tied) == 1 else 's'}" if gain.tied else ""
    return f"is {significant(gain.times.value, 2)} times as fast ({_chosen(gain, start)}{tied})"


def _chosen(gain: Gain, start: Gains) -> str:
    """Name what was chosen by what differs from the start."""
    first: Option = start.strategy.chosen
    strategy, condition = gain.chosen
    if strategy == start.start:
        return condition
    return strategy if condition == first.condition else f"{strategy} under {condition}"


def _range(conditions: Conditions) -> Iterator[str]:
    """Say what is gained from the other starts, too."""
    everyone = conditions.gains
    if len(everyone) < 2 or caution(conditions.analyses[0]):  # noqa: PLR2004 - of one there is no range
        return
    tuning = _of([one.condition for one in everyone if one.condition.known], len(everyone))
    strategy = _of([one.strategy for one in everyone if one.strategy.known], len(everyone))
    more = [one.both for one in everyone if one.both_gain_more]
    both = f"makes {_of(more, len(everyone))}, more than either alone" if more else "gains no more for any of them"
    yield (
        f"Of the {len(everyone)} ranked strategies as a start, {_alone(conditions)} makes {tuning}; another strategy "
        f"alone makes {strategy}; both together {both}."
    )


def _of(gains: Sequence[Gain], count: int) -> str:
    if not gains:
        return "none faster"
    times = sorted({significant(gain.times.value, 2) for gain in gains}, key=float)
    many, ends = f"{'all' if len(gains) == count else len(gains)} of them", dict.fromkeys((times[0], times[-1]))
    return f"{many} {' to '.join(ends)} times as fast"


def _flips(conditions: Conditions) -> Iterator[str]:
    if not conditions.gains or caution(conditions.analyses[0]):
        return
    shown = conditions.flips[:MOST_FLIPS]
    yield from (_flip(flip) for flip in shown)
    if more := len(conditions.flips) - len(shown):
        yield f"{more} further pair{'' if more == 1 else 's'} of strategies change{'s' if more == 1 else ''} places."
    if not shown:
        yield "No two strategies change places: none that are told apart under the default are so the other way round."


def _flip(flip: Flip) -> str:
    where, ratio = min(flip.turned, key=lambda one: one[1].value)
    more = len(flip.turned) - 1
    others = f" (and the other way round under {more} further condition{'' if more == 1 else 's'})" if more else ""
    return (
        f"They change places: {flip.dearer} costs {significant(flip.ratio.value, 2)} times what {flip.cheaper} does "
        f"under the default, and {significant(ratio.value, 2)} times under {where}{others}."
    )


def _traps(conditions: Conditions) -> Iterator[str]:
    """Name the traps of which the outcome is not the same under all conditions."""
    for row in conditions.traps:
        places: dict[str, list[str]] = {}
        for place, cell in enumerate(row.cells):
            places.setdefault(trap_words(cell), []).append(_named(conditions, place))
        places = {what: where for what, where in places.items() if what not in {NOTHING, "not probed"}}
        if len(places) > 1:
            said = (f"{what} under {_these(where)}" for what, where in places.items())
            yield f"The trap {row.trap}: {'; '.join(said)}."


def _noise(conditions: Conditions) -> Iterator[str]:
    for verdict in ("noisy", "unusable"):
        named = [
            _named(conditions, place)
            for place, analysis in enumerate(conditions.analyses)
            if analysis.noise.verdict == verdict
        ]
        if named:
            where = "all conditions" if len(named) == len(conditions.names) else _these(named)
            yield f"The clock was {verdict} under {where}."


def _emulated(conditions: Conditions) -> Iterator[str]:
    """Warn of a server that is not of the machine's architecture; of the first one, the whole report does."""
    run = conditions.analyses[0].run
    for condition in run.conditions:
        if emulated := emulation(condition.server.architecture, run.machine.architecture):
            yield f"Under {condition.name}: {emulated}"
