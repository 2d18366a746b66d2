"""
From a run's raw samples to what the charts and the report say: cost per test, ties, traps, noise.

Reads records, returns records; draws and prints nothing. The statistics themselves stand in `bench/statistics.py`.
Every cell is reduced to one row of figures as it comes, so memory does not grow with the number of tests.
"""

import dataclasses
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from bench import statistics
from bench.fidelity import lacking, listed
from bench.probes import Probe
from bench.results import ERROR, FAILED, LEAKED, PASSED, WARM_UP, Cell, Fidelity, Run, Samples, StrategyFacts
from bench.source import Client
from bench.strategy import FLOOR, TWIN

QUIET_WITHIN = 1.05
"""A run is quiet when the A/A interval reaches no farther from 1 than this factor."""
UNUSABLE_BEYOND = 1.25
"""Beyond this factor a run is unusable: a difference of a quarter would be noise."""
TWIN_OFF = 1.02
"""An A/A interval excludes 1 by chance in up to 5 % of runs; it counts when the ratio is off by this factor."""
DRIFT, DRIFT_P = 0.05, 0.01
"""A drift counts from this share of the cost over the run on, unless chance explains it."""
LAG_ONE, LAG_SPREAD = 0.5, 0.05
"""Correlated neighbours count from this correlation on, where cells vary by this share of their cost at least."""
STEAL, UNUSABLE_STEAL = 0.02, 0.2
"""Steal counts from this share of all processor time on, the median over cells; a run is unusable beyond the second."""
RESIDUAL_SHARE = 0.05
"""A cell is marked when more of its wall time than this is not explained."""

_EXPECTED: dict[str, tuple[str, Callable[[int], bool]]] = {
    "all fail": ("every test to fail", lambda _: True),
    "first passes": ("the first test to pass and all others to fail", lambda number: number > 0),
    "alternates": ("every other test to pass, the first among them", lambda number: number % 2 == 1),
}
"""Of each way in which a trap may fail: its wording, and whether the test of a number, from 0, is to fail."""


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
    transactions: float | None
    """The witnesses, per test: medians over rounds of a cell's mean."""
    cpu: float | None
    """Seconds of processor time of the test process, per test: the median over tests, then over rounds."""
    peak_memory: float | None
    """Bytes of resident memory that the test process had at most: the median over rounds."""
    fidelity: Fidelity | None = None
    """What the probes saw; None where they did not run."""
    costs: Mapping[int, float] = field(default_factory=dict)
    """Seconds per test in each timed round that finished, by the round's number."""
    whole: bool = False
    """Whether `per_test` is of all of its work: no timed cell crashed or ran out of time, no test of one failed."""

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
    leaked: int = 0
    """Tests whose work passed, but which found rows of an earlier test."""
    probed: bool = False
    """Whether the probes ran, which alone catch a trap without errors."""
    otherwise: str = ""
    """As `finding`, where tests ran under another client than traps declare for: there it is none."""


@dataclass(frozen=True)
class Noise:
    """How far the clock is to be believed."""

    verdict: Literal["quiet", "noisy", "unusable"]
    reasons: tuple[str, ...]
    """One sentence for each thing that makes it less than quiet; for `quiet` one that says what was looked at."""
    twin_ratio: Estimate | None
    """`none_twin` to `none`, paired within rounds: the A/A check. Differences inside its interval are noise."""
    drift: float | None = None
    """Share by which the cost per test changed from the first cell to the last; None where little or by chance."""
    wanders: bool = False
    """Whether neighbouring cells vary together."""


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
    outcomes: Mapping[str, Fidelity] = field(default_factory=dict)
    """What the probes saw, by the strategies' names, the control's among them; empty where they did not run."""
    need: tuple[str, ...] = ()
    """Probes that a strategy must pass to be ranked."""


_PHASES: tuple[Literal["setup", "call", "teardown"], ...] = ("setup", "call", "teardown")
_COUNTS = ("statements", "connections", "transactions")
_COLUMNS = (
    *("strategy", "round", "position", "trouble", "own_fault", "tests", "passed", "leaked", "failures"),
    *("per_test", *_PHASES, "fixed", "residual", "load", "steal", "wal_bytes", *_COUNTS, "cpu", "peak_memory"),
)
"""What `_reduce` leaves of a cell. Figures are NaN where there was nothing to measure."""


@dataclass
class _Gathered:
    """What is kept of the cells of one condition."""

    traps: dict[str, TrapResult]
    outcomes: Mapping[str, Fidelity]
    rows: list[tuple[object, ...]] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)


def analyse(
    run: Run, cells: Iterable[Cell], outcomes: Mapping[str, Fidelity] | None = None, need: tuple[str, ...] = ()
) -> Analysis:
    """
    Say what a run shows under its first condition; cells may be missing, crashed or stopped by their time limit.

    Where a strategy has two cells in one round, as after a resume, the later one counts.

    :param cells: in the order in which they ran; they are read one at a time, those of other conditions passed over.
    :param outcomes: what the probes saw, by the strategies' names; none where they did not run.
    :param need: probes that a strategy must pass to be ranked; without any those that the run was made with.
    """
    return analyse_each(replace(run, conditions=()), cells, outcomes, need)[""]


def analyse_each(
    run: Run, cells: Iterable[Cell], outcomes: Mapping[str, Fidelity] | None = None, need: tuple[str, ...] = ()
) -> dict[str, Analysis]:
    """
    Say what a run shows under each of its conditions, by their names; the first, which has none, comes first.

    Each is analysed as if it had been a run of its own, and its `run` has its server and its client. The probes ran
    under the first alone: what they saw of a strategy is taken to hold under all, what they saw of a trap is not.

    Parameters are those of `analyse`.
    """
    outcomes, need = outcomes or {}, need or run.configuration.need
    runs = {"": run, **{one.name: replace(run, server=one.server, client=one.client) for one in run.conditions}}
    gathered = {name: _gather(of_condition, outcomes, first=not name) for name, of_condition in runs.items()}
    for cell in map(_without_torn_samples, cells):
        if (found := gathered.get(cell.condition)) is None:
            continue
        if cell.strategy in found.traps:
            facts, client = found.traps[cell.strategy].facts, runs[cell.condition].client
            found.traps[cell.strategy] = _trap(facts, cell, found.outcomes, client)
        elif cell.size == run.workload.size:
            found.rows.append(_reduce(cell))
        if trouble := _trouble(cell):
            found.unfinished.append(f"{cell.strategy}{_at(cell, run)} {trouble}.")
    return {name: _analysis(runs[name], found, need) for name, found in gathered.items()}


def _gather(run: Run, outcomes: Mapping[str, Fidelity], *, first: bool) -> _Gathered:
    traps = [facts for facts in run.strategies if facts.is_trap and not _cannot(facts, run)]
    seen = {name: one for name, one in outcomes.items() if first or all(facts.name != name for facts in traps)}
    return _Gathered({facts.name: _trap(facts, None, seen, run.client) for facts in traps}, seen)


def _analysis(run: Run, found: _Gathered, need: tuple[str, ...]) -> Analysis:
    seen = pd.DataFrame(found.rows, columns=_COLUMNS).drop_duplicates(["strategy", "round"], keep="last")
    timed = seen[(seen["round"] != WARM_UP) & (seen["trouble"] == "")]
    costs = timed.pivot_table(index="round", columns="strategy", values="per_test")
    noise = _noise(timed, costs, run.machine.cores)
    strategies = _strategies(run, seen, timed, costs, noise, found.outcomes, need)
    return Analysis(run, strategies, tuple(found.traps.values()), noise, tuple(found.unfinished), found.outcomes, need)


def _cannot(facts: StrategyFacts, run: Run) -> str:
    """Say why a strategy has no cells under the client of a run; empty where it can have."""
    client = run.client
    parts = (client.driver, client.loop, client.runner)
    return "; ".join(f"{part}: {facts.cannot[part]}" for part in parts if part in facts.cannot)


def _without_torn_samples(cell: Cell) -> Cell:
    """Empty a cell that did not finish: its columns may end at different tests."""
    return cell if cell.status == "finished" else replace(cell, samples=Samples())


def _reduce(cell: Cell) -> tuple[object, ...]:
    samples, outcomes = cell.samples, cell.samples.outcomes
    phases = np.array([samples.setup, samples.call, samples.teardown]) if outcomes else np.full((3, 1), np.nan)
    return (
        *(cell.strategy, cell.round, cell.position, _trouble(cell), cell.status in ("crashed", "timeout")),
        *(len(outcomes), outcomes.count(PASSED), outcomes.count(LEAKED), _failures(cell)),
        *(np.nan if cell.cost is None else cell.cost, *np.median(phases, axis=1)),
        cell.fixed,
        abs(cell.residual) / cell.wall,
        cell.load,
        np.nan if cell.steal is None else cell.steal,
        np.nan if cell.wal_bytes_per_test is None else cell.wal_bytes_per_test,
        *(np.mean(column) if column else np.nan for column in (getattr(samples, name) for name in _COUNTS)),
        np.median(samples.cpu) if samples.cpu else np.nan,
        max(samples.peak_memory, default=np.nan),
    )


def _at(cell: Cell, run: Run) -> str:
    """Say of a sweep's cell which size it had."""
    base, size = dataclasses.asdict(run.workload.size), dataclasses.asdict(cell.size)
    other = [f"{value} {name}" for name, value in size.items() if value != base[name]]
    return f" with {' and '.join(other)}" if cell.size in run.workload.sweep else ""


def _trouble(cell: Cell) -> str:
    if cell.status == "finished":
        return ""
    where = "the warm-up round" if cell.round == WARM_UP else f"round {cell.round}"
    what = {"crashed": "crashed", "timeout": "ran out of time", "server died": "lost its server"}[cell.status]
    return f"{what} in {where}" + (f": {cell.detail.rstrip('.')}" if cell.detail else "")


def _failures(cell: Cell) -> Counter[str]:
    """Count the failures of tests that did not pass; a leak is not one of them."""
    return Counter(
        f"{cell.failures[index].type}: {cell.failures[index].message}"
        for index, outcome in zip(cell.samples.failure, cell.samples.outcomes, strict=True)
        if index >= 0 and outcome in (FAILED, ERROR)
    )


def _strategies(  # noqa: PLR0917 - called in one place, above
    run: Run,
    seen: pd.DataFrame,
    timed: pd.DataFrame,
    costs: pd.DataFrame,
    noise: Noise,
    outcomes: Mapping[str, Fidelity],
    need: Sequence[str],
) -> tuple[StrategyResult, ...]:
    facts = {one.name: one for one in run.strategies if not one.is_trap and one.name != TWIN}
    why = {name: _why_unranked(one, seen[seen["strategy"] == name], run) for name, one in facts.items()}
    why |= {name: _not_seen(outcomes.get(name), need) for name in facts if not why[name]}
    per_test = {name: estimate(statistics.cost(costs[name].dropna().to_numpy())) for name in facts if name in costs}

    ranked = _by_pairs([name for name in facts if not why[name]], costs)
    unranked = sorted((name for name in per_test if why[name]), key=lambda name: per_test[name].value)
    names = [*ranked, *unranked, *(name for name in facts if name not in per_test)]
    letters = dict(zip(ranked, _letters(ranked, costs, noise), strict=True))
    first = statistics.probability_first(costs[ranked].to_numpy(), run.seed)
    probabilities = {} if first is None else dict(zip(ranked, first.tolist(), strict=True))
    results = []
    for name in names:
        own = timed[timed["strategy"] == name]
        results.append(
            StrategyResult(
                facts=facts[name],
                rounds=len(own),
                tests=int(own["tests"].sum()),
                passed=int(own["passed"].sum()),
                leaked=int(own["leaked"].sum()),
                failures=tuple(sum(own["failures"], Counter[str]()).most_common()),
                ranked=not why[name],
                why_unranked=why[name],
                per_test=per_test.get(name),
                letters=letters.get(name, ""),
                to_floor=_paired(costs, name, FLOOR),
                to_best=_paired(costs, name, ranked[0]) if ranked else None,
                probability_first=probabilities.get(name),
                phases={phase: own[phase].median() for phase in _PHASES},
                fixed=own["fixed"].median(),
                residual=own["residual"].max(),
                wal_bytes=_known(own["wal_bytes"].median()),
                statements=_known(own["statements"].median()),
                connections=_known(own["connections"].median()),
                transactions=_known(own["transactions"].median()),
                cpu=_known(own["cpu"].median()),
                peak_memory=_known(own["peak_memory"].median()),
                fidelity=outcomes.get(name),
                costs=_by_round(costs, name),
                whole=_whole(seen[(seen["strategy"] == name) & (seen["round"] != WARM_UP)], run),
            )
        )
    return tuple(results)


def _by_round(costs: pd.DataFrame, name: str) -> dict[int, float]:
    if name not in costs:
        return {}
    known = costs[name].dropna()
    return dict(zip(known.index.tolist(), known.tolist(), strict=True))


def _by_pairs(names: list[str], costs: pd.DataFrame) -> list[str]:
    """Sort by the mean log-ratio to all others: medians of rounds that differ may contradict what pairs tell apart."""
    ratios = {name: [_paired(costs, name, other) for other in names] for name in names}
    return sorted(names, key=lambda name: np.mean([np.log(ratio.value) for ratio in ratios[name] if ratio]))


def _letters(ranked: list[str], costs: pd.DataFrame, noise: Noise) -> list[str]:
    reach = statistics.reach(*bounds(noise.twin_ratio))

    def differ(i: int, j: int) -> bool:
        return statistics.told_apart(*bounds(_paired(costs, ranked[i], ranked[j])), reach)

    return statistics.letters(len(ranked), differ)


def _why_unranked(facts: StrategyFacts, own: pd.DataFrame, run: Run) -> str:
    # `unable` may be about the first condition's client, where another one's is meant.
    if why := _cannot(facts, run) or (facts.unable if own.empty else ""):
        return f"cannot run here: {why}"
    reasons = ["the floor: no isolation, rows leak"] if facts.name == FLOOR else []
    reasons += [f"it {trouble}" for trouble in own[own["own_fault"].astype(bool)]["trouble"]]
    finished, in_warm_up = own["trouble"] == "", own["round"] == WARM_UP
    timed, warm_up = own[finished & ~in_warm_up], own[finished & in_warm_up]
    # A complaint about the timed rounds makes the same one about the warm-up superfluous.
    reasons += [*_complaints(facts, timed, run, "")] or [*_complaints(facts, warm_up, run, " of the warm-up round")]
    if timed.empty:
        reasons.append("no timed round finished")
    return "; ".join(reasons)


def _whole(timed: pd.DataFrame, run: Run) -> bool:
    """Whether all timed cells of a strategy, but those that lost their server, did all of their work."""
    own = timed[(timed["trouble"] == "") | timed["own_fault"].astype(bool)]
    done = own["passed"] + own["leaked"] == run.workload.size.tests
    return not own.empty and bool(done.all())


def _not_seen(fidelity: Fidelity | None, need: Sequence[str]) -> str:
    """Say what its tests do not see of what is needed; empty where they see it all."""
    if not need:
        return ""
    if fidelity is None:
        return "it was not probed, so whether its tests see what is needed is not known"
    missing = lacking(fidelity, need)
    return f"its tests do not see {listed(missing)}" if missing else ""


def _complaints(facts: StrategyFacts, own: pd.DataFrame, run: Run, where: str) -> Iterator[str]:
    tests, leaked = own["tests"].sum(), own["leaked"].sum()
    if failed := tests - leaked - own["passed"].sum():
        commonest = sum(own["failures"], Counter[str]()).most_common(1)
        example = "".join(f": {textwrap.shorten(text, 160, placeholder='...')}" for text, _ in commonest)
        yield f"{failed} of {tests} tests{where} failed{example}"
    if leaked and facts.name != FLOOR:
        declared = "as it declares" if Probe.ROWS_GONE in facts.hides else "which it does not declare"
        yield f"{leaked} of {tests} tests{where} found rows of an earlier test, {declared}"
    planned = len(own) * run.workload.size.tests
    if tests < planned:
        yield f"{planned - tests} of {planned} tests{where} did not run"


def _trap(facts: StrategyFacts, cell: Cell | None, outcomes: Mapping[str, Fidelity], client: Client) -> TrapResult:
    if cell is None:
        return TrapResult(facts, 0, 0, (), "it did not run")
    letters, fidelity = cell.samples.outcomes, outcomes.get(facts.name)
    trouble, unlike = _trouble(cell), _unlike_declared(facts, cell, fidelity)
    return TrapResult(
        facts=facts,
        tests=len(letters),
        passed=letters.count(PASSED),
        failures=tuple(_failures(cell).most_common()),
        finding=f"it {trouble}" if trouble else unlike if client.is_declared_for else "",
        leaked=letters.count(LEAKED),
        probed=fidelity is not None,
        otherwise="" if trouble or client.is_declared_for else unlike,
    )


def _unlike_declared(facts: StrategyFacts, cell: Cell, fidelity: Fidelity | None) -> str:
    """Say what a trap declares that did not happen; empty when all of it did."""
    if not facts.expected_errors:
        passed = [probe for probe in facts.caught_by if fidelity and not lacking(fidelity, [probe])]
        return (
            f"expected {listed(passed)} to catch it, which saw nothing wrong: a library has changed" if passed else ""
        )
    missing = [
        f"expected {exception} with the words '{words}', which did not come"
        for exception, words in facts.expected_errors
        if not any(failure.type == exception and words in failure.message for failure in cell.failures)
    ]
    wording, fails = _EXPECTED[facts.expected_failures]
    # A test that found rows of an earlier one counts as passed here: the declared error spared it.
    failed = [outcome in (FAILED, ERROR) for outcome in cell.samples.outcomes]
    expected = [fails(number) for number in range(len(failed))]
    if failed != expected:
        order = f", in the order {cell.samples.outcomes[:12]}" if sum(failed) == sum(expected) else ""
        missing.append(f"expected {wording}, but {failed.count(False)} of {len(failed)} passed{order}")
    too_few = sum(expected) < len(facts.expected_errors)
    cause = f"the number of tests, {len(failed)}, is too small for it" if too_few else "a library has changed"
    return f"{'; '.join(missing)}: {cause}" if missing else ""


@dataclass(frozen=True)
class _Wandering:
    drift: float | None = None
    """As in `Noise`."""
    together: tuple[float, float] | None = None
    """Correlation of neighbouring cells and their spread; None where they do not vary together."""


def _noise(timed: pd.DataFrame, costs: pd.DataFrame, cores: int) -> Noise:
    twin, wandering = _paired(costs, TWIN, FLOOR), _wandering(timed, costs)
    faults = (
        *_scarcity(len(costs)),
        *_apart(twin),
        *_drifted(wandering),
        *_others(timed, cores),
        *_unexplained(timed),
    )
    found = (wandering.drift, wandering.together is not None)
    if (
        len(costs) < statistics.LEAST_ROUNDS
        or statistics.reach(*bounds(twin)) > UNUSABLE_BEYOND
        or timed["steal"].median() > UNUSABLE_STEAL
    ):
        return Noise("unusable", faults, twin, *found)
    quiet = f"{_says(twin)}; no drift, no load of others, no cell with much time unexplained."
    return Noise("noisy" if faults else "quiet", faults or (quiet,), twin, *found)


def _scarcity(rounds: int) -> Iterator[str]:
    finished = f"{rounds} timed round{'' if rounds == 1 else 's'} finished"
    if rounds < statistics.LEAST_ROUNDS:
        yield f"{finished}: it takes {statistics.LEAST_ROUNDS} for an interval."
    elif rounds < statistics.EXACT_ROUNDS:
        yield f"{finished}: below {statistics.EXACT_ROUNDS}, intervals hold only where rounds vary like a normal."


def _apart(twin: Estimate | None) -> Iterator[str]:
    """Judge the A/A check."""
    low, high = bounds(twin)
    if twin is None or twin.low is None:
        yield f"{FLOOR} and {TWIN} did not both finish two timed rounds: how far equals differ is not known."
        return
    reach = statistics.reach(low, high)
    if reach > QUIET_WITHIN:
        yield f"{_says(twin)}: differences up to {reach - 1:.0%} are noise."
    if statistics.told_apart(low, high) and statistics.reach(twin.value, twin.value) > TWIN_OFF:
        yield f"{_says(twin)}: equals are told apart, so more than chance is at work."


def _says(twin: Estimate | None) -> str:
    low, high = bounds(twin)
    return f"{TWIN} costs {twin.value if twin else np.nan:.3f} times {FLOOR}, its equal ({low:.3f} to {high:.3f})"


def _wandering(timed: pd.DataFrame, costs: pd.DataFrame) -> _Wandering:
    """Look for what the order of execution explains once each strategy's own cost is taken away."""
    if len(costs) < statistics.LEAST_ROUNDS:
        return _Wandering()
    measured = timed.dropna(subset="per_test").sort_values(["round", "position"])
    effects = dict(zip(costs.columns, statistics.additive_effects(costs.to_numpy())[0], strict=True))
    residuals = np.log(measured["per_test"].to_numpy(float)) - measured["strategy"].map(effects).to_numpy(float)
    if np.ptp(residuals) == 0:
        return _Wandering()
    change, p = statistics.drift(residuals)
    lag_one, spread = statistics.lag_one(residuals), statistics.spread(residuals)
    return _Wandering(
        drift=float(np.expm1(change)) if abs(change) > DRIFT and p < DRIFT_P else None,
        together=(lag_one, spread) if lag_one > LAG_ONE and spread > LAG_SPREAD else None,
    )


def _drifted(found: _Wandering) -> Iterator[str]:
    if found.drift is not None:
        yield f"The cost per test drifted by {found.drift:+.0%} from the first cell to the last."
    if found.together:
        figures = "correlation {:.2f}, spread {:.0%}".format(*found.together)
        yield f"Neighbouring cells vary together ({figures}): the machine's speed wanders; trust ratios over costs."


def _others(timed: pd.DataFrame, cores: int) -> Iterator[str]:
    """Look for others who used the processors."""
    load, steal = timed["load"].median(), timed["steal"].median()
    if load > cores:
        yield f"Others used the machine: its load was {load:.1f} on {cores} cores, and a run makes about 1."
    if steal > STEAL:
        yield f"The hypervisor gave {steal:.0%} of the processors' time to others."


def _unexplained(timed: pd.DataFrame) -> Iterator[str]:
    marked = timed[timed["residual"] > RESIDUAL_SHARE].sort_values("residual")
    if not marked.empty:
        worst = "{strategy} in round {round} with {residual:.0%}".format(**marked.iloc[-1])
        share = f"{len(marked)} of {len(timed)} cells have more than {RESIDUAL_SHARE:.0%} of their time unexplained"
        yield f"{share}, most {worst}."


def _paired(costs: pd.DataFrame, numerator: str, denominator: str) -> Estimate | None:
    """Compare two strategies over the rounds that both have; None where there is no such round."""
    if numerator not in costs or denominator not in costs:
        return None
    # As arrays: picking columns from a frame takes ten times as long as the ratio itself.
    one, other = costs[numerator].to_numpy(), costs[denominator].to_numpy()
    both = ~(np.isnan(one) | np.isnan(other))
    return estimate(statistics.ratio(one[both], other[both])) if both.any() else None


def paired(numerator: Mapping[int, float], denominator: Mapping[int, float]) -> Estimate | None:
    """
    Return the ratio of two costs over the rounds that both have; None where there is no such round.

    :param numerator: seconds by the round's number.
    :param denominator: the same of the other.
    """
    both = sorted(numerator.keys() & denominator.keys())
    if not both:
        return None
    return estimate(statistics.ratio(*(np.array([one[number] for number in both]) for one in (numerator, denominator))))


def estimate(interval: statistics.Interval) -> Estimate:
    """Return a single interval as a record: NaN, where there is no end, becomes None."""
    value, low, high = (float(end) for end in interval)
    return Estimate(value, _known(low), _known(high))


def bounds(found: Estimate | None) -> tuple[float, float]:
    """Return the ends of an interval; NaN where there is none."""
    if found is None or found.low is None or found.high is None:
        return np.nan, np.nan
    return found.low, found.high


def _known(figure: float) -> float | None:
    return None if np.isnan(figure) else float(figure)
