"""The result of each strategy of a run: its cost per test, its ties, and whether and where it is ranked."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

import numpy as np
import pandas as pd

from bench.analysis import statistics
from bench.analysis.cell_figures import CellFigures, figures_of
from bench.analysis.estimates import Estimate, bounds, estimate, known, paired_in
from bench.analysis.fidelity import lacking
from bench.analysis.findings import ErrorKind, NotRanked, RankingOutcome, Reason, StoppedCell
from bench.analysis.noise import Noise, judge_noise
from bench.analysis.scaling import suite_lines
from bench.analysis.totals import SuiteLine
from bench.analysis.traps import TrapResult, judge_trap
from bench.results.records import WARM_UP, Cell, Fidelity, Run, StrategyFacts
from bench.strategy.declaration import FLOOR, TWIN
from bench.strategy.probe_catalogue import Probe


@dataclass(frozen=True)
class StrategyResult:
    """The result of one strategy; traps have `TrapResult`."""

    facts: StrategyFacts
    rounds: int
    """Timed rounds that finished."""
    tests: int
    """Tests that ran in these rounds, in total."""
    passed: int
    leaked: int
    """Tests whose work passed, but which found rows of an earlier test."""
    failures: tuple[tuple[ErrorKind, int], ...]
    """Distinct errors of tests that did not pass, leaks excluded, and how many tests had each."""
    not_ranked: tuple[NotRanked, ...]
    """Why it is not ranked; empty if it is: it is not the floor, and every test of every round passed."""
    per_test: Estimate | None
    """Seconds per test; None if no timed cell finished."""
    letters: str
    """Strategies that share a letter are tied; empty if it is not ranked."""
    to_floor: Estimate | None
    """Ratio of the cost per test to the floor's, paired within rounds."""
    to_best: Estimate | None
    """Ratio to the cheapest ranked strategy, paired within rounds."""
    probability_first: float | None
    phases: dict[Literal["setup", "call", "teardown"], float]
    """Seconds per test in each phase: medians, so they need not add up to `per_test`."""
    fixed: float
    """Seconds per run of a suite of any length: start-up, collection, session fixtures, shutdown."""
    residual: float
    """The largest share, over timed cells, of a cell's wall time that is in no phase."""
    wal_bytes: float | None
    statements: float | None
    connections: float | None
    transactions: float | None
    """The witnesses, per test: the median over rounds of the mean over a cell's tests."""
    cpu: float | None
    """Seconds of processor time of the test process per test: the median over tests, then over rounds."""
    peak_memory: float | None
    """Peak resident memory of the test process, in bytes: the median over rounds."""
    fidelity: Fidelity | None = None
    """The outcomes of the probes; None if they did not run."""
    costs: Mapping[int, float] = field(default_factory=dict)
    """Seconds per test by the number of the round, for each timed round that finished."""
    suite: SuiteLine | None = None
    """How long suites take; None or without rounds if that is not known."""
    whole: bool = False
    """Whether no timed cell crashed or ran out of time and no test of one failed, so that `per_test` is of all work."""

    @property
    def ranked(self) -> bool:
        """Whether the strategy is compared with the others."""
        return not self.not_ranked

    def tied_with(self, others: Iterable["StrategyResult"]) -> list["StrategyResult"]:
        """Return the others that share a letter with it."""
        return [other for other in others if other is not self and set(other.letters) & set(self.letters)]

    def suite_seconds(self, tests: int) -> float | None:
        """Return the seconds that a suite of this size takes; None where the chart of totals has no curve either."""
        return float(self.suite.totals(tests).value) if self.suite and self.suite.is_positive else None


@dataclass(frozen=True)
class Analysis:
    """Everything that a report shows of a run under one condition."""

    run: Run
    strategies: tuple[StrategyResult, ...]
    """Cheapest first, then those that are not ranked; without the twin."""
    traps: tuple[TrapResult, ...]
    noise: Noise
    unfinished: tuple[StoppedCell, ...]
    """Cells of all sizes that did not finish."""
    outcomes: Mapping[str, Fidelity] = field(default_factory=dict)
    """The outcomes of the probes by strategy, including the control; empty if they did not run."""
    need: tuple[str, ...] = ()
    """Probes that a strategy must pass to be ranked."""

    @property
    def ranked(self) -> list[StrategyResult]:
        """The strategies that are compared, cheapest first."""
        return [result for result in self.strategies if result.ranked]

    @property
    def outcome(self) -> RankingOutcome:
        """What the run can say about which strategy is cheapest."""
        match self.ranked:
            case []:
                return RankingOutcome.NONE_RANKED
            case [_]:
                return RankingOutcome.ONE_RANKED
            case [best, *others] if best.per_test and best.per_test.low is not None:
                if self.noise.verdict == "unusable":
                    return RankingOutcome.TOO_NOISY
                all_tied = len(best.tied_with(others)) == len(others)
                return RankingOutcome.ALL_TIED if all_tied else RankingOutcome.CHEAPEST
            case _:
                return RankingOutcome.NO_INTERVAL


_PHASES: tuple[Literal["setup", "call", "teardown"], ...] = ("setup", "call", "teardown")
_COLUMNS = [field.name for field in fields(CellFigures)]


@dataclass
class _Gathered:
    """Collects the cells of one condition as they are read."""

    traps: dict[str, TrapResult]
    outcomes: Mapping[str, Fidelity]
    cells: list[CellFigures] = field(default_factory=list)
    """Of strategies, at all sizes."""
    unfinished: list[StoppedCell] = field(default_factory=list)


def analyse(
    run: Run,
    cells: Iterable[Cell | CellFigures],
    outcomes: Mapping[str, Fidelity] | None = None,
    need: tuple[str, ...] = (),
) -> Analysis:
    """
    Analyse a run under its first condition; cells may be missing, crashed or stopped by their time limit.

    If a strategy has two cells in one round, as after a resume, the later one counts.

    :param cells: in the order in which they ran, or their figures; cells of other conditions are skipped.
    :param outcomes: the outcomes of the probes by strategy; none if they did not run.
    :param need: probes that a strategy must pass to be ranked; by default those that the run was made with.
    """
    return analyse_each(replace(run, conditions=()), cells, outcomes, need)[""]


def analyse_each(
    run: Run,
    cells: Iterable[Cell | CellFigures],
    outcomes: Mapping[str, Fidelity] | None = None,
    need: tuple[str, ...] = (),
) -> dict[str, Analysis]:
    """
    Analyse a run under each of its conditions, by name; the first condition comes first, under the name "".

    Each is analysed like a run of its own, whose `run` has the server and client of the condition. The probes ran only
    under the first: their outcomes are taken to hold for strategies under all conditions, but not for traps.

    Parameters as in `analyse`.
    """
    outcomes, need = outcomes or {}, need or run.configuration.need
    runs = {"": run, **{one.name: replace(run, server=one.server, client=one.client) for one in run.conditions}}
    gathered = {name: _gather(of_condition, outcomes, first=not name) for name, of_condition in runs.items()}
    for cell in figures_of(cells):
        if (found := gathered.get(cell.condition)) is None:
            continue
        if cell.strategy in found.traps:
            facts, client = found.traps[cell.strategy].facts, runs[cell.condition].client
            found.traps[cell.strategy] = judge_trap(facts, cell, found.outcomes, client)
        else:
            found.cells.append(cell)
        if cell.stopped:
            found.unfinished.append(cell.stopped)
    return {name: _analysis(runs[name], found, need) for name, found in gathered.items()}


def _gather(run: Run, outcomes: Mapping[str, Fidelity], *, first: bool) -> _Gathered:
    traps = [facts for facts in run.strategies if facts.is_trap and not _cannot(facts, run)]
    seen = {name: one for name, one in outcomes.items() if first or all(facts.name != name for facts in traps)}
    return _Gathered({facts.name: judge_trap(facts, None, seen, run.client) for facts in traps}, seen)


def _analysis(run: Run, found: _Gathered, need: tuple[str, ...]) -> Analysis:
    compared = [vars(cell) for cell in found.cells if cell.size == run.workload.size]
    seen = pd.DataFrame(compared, columns=_COLUMNS).drop_duplicates(["strategy", "round"], keep="last")
    timed = seen[(seen["round"] != WARM_UP) & (seen["stopped"].isna())]
    costs = timed.pivot_table(index="round", columns="strategy", values="per_test")
    noise = judge_noise(timed, costs, run.machine.cores)
    strategies = _strategies(run, seen, timed, costs, noise, found.outcomes, need)
    suites = suite_lines(run, found.cells)
    strategies = tuple(replace(result, suite=suites[result.facts.name]) for result in strategies)
    return Analysis(run, strategies, tuple(found.traps.values()), noise, tuple(found.unfinished), found.outcomes, need)


def _cannot(facts: StrategyFacts, run: Run) -> tuple[str, ...]:
    """Return why a strategy cannot run under the client of a run; empty if it can."""
    parts = (run.client.driver, run.client.loop, run.client.runner)
    return tuple(f"{part}: {facts.cannot[part]}" for part in parts if part in facts.cannot)


def _strategies(  # noqa: PLR0917 - called in one place
    run: Run,
    seen: pd.DataFrame,
    timed: pd.DataFrame,
    costs: pd.DataFrame,
    noise: Noise,
    outcomes: Mapping[str, Fidelity],
    need: Sequence[str],
) -> tuple[StrategyResult, ...]:
    facts = {one.name: one for one in run.strategies if not one.is_trap and one.name != TWIN}
    why = {name: _not_ranked(one, seen[seen["strategy"] == name], run) for name, one in facts.items()}
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
                failures=tuple(sum(own["failures"], Counter[ErrorKind]()).most_common()),
                not_ranked=why[name],
                per_test=per_test.get(name),
                letters=letters.get(name, ""),
                to_floor=paired_in(costs, name, FLOOR),
                to_best=paired_in(costs, name, ranked[0]) if ranked else None,
                probability_first=probabilities.get(name),
                phases={phase: own[phase].median() for phase in _PHASES},
                fixed=own["fixed"].median(),
                residual=own["residual"].max(),
                wal_bytes=known(own["wal_bytes"].median()),
                statements=known(own["statements"].median()),
                connections=known(own["connections"].median()),
                transactions=known(own["transactions"].median()),
                cpu=known(own["cpu"].median()),
                peak_memory=known(own["peak_memory"].median()),
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
    """Sort by the mean paired log-ratio to all others: medians of very different rounds may contradict the pairs."""
    ratios = {name: [paired_in(costs, name, other) for other in names] for name in names}
    return sorted(names, key=lambda name: np.mean([np.log(ratio.value) for ratio in ratios[name] if ratio]))


def _letters(ranked: list[str], costs: pd.DataFrame, noise: Noise) -> list[str]:
    reach = statistics.reach(*bounds(noise.twin_ratio))

    def differ(i: int, j: int) -> bool:
        return statistics.significantly_different(*bounds(paired_in(costs, ranked[i], ranked[j])), reach)

    return statistics.letters(len(ranked), differ)


def _not_ranked(facts: StrategyFacts, own: pd.DataFrame, run: Run) -> tuple[NotRanked, ...]:
    # `unable` is about the first condition's client, so it counts only where there are no cells.
    if causes := _cannot(facts, run) or ((facts.unable,) if facts.unable and own.empty else ()):
        return tuple(NotRanked(Reason.CANNOT_RUN, cause=cause) for cause in causes)
    reasons = [NotRanked(Reason.FLOOR)] if facts.name == FLOOR else []
    reasons += [NotRanked(Reason.STOPPED, cell=cell) for cell in own["stopped"].dropna() if cell.is_own_fault]
    finished, in_warm_up = own["stopped"].isna(), own["round"] == WARM_UP
    timed, warm_up = own[finished & ~in_warm_up], own[finished & in_warm_up]
    # The warm-up round matters only if nothing is wrong with the timed rounds.
    reasons += [*_faults(facts, timed, run)] or [
        replace(reason, in_warm_up=True) for reason in _faults(facts, warm_up, run)
    ]
    if timed.empty:
        reasons.append(NotRanked(Reason.NO_ROUND))
    return tuple(reasons)


def _whole(timed: pd.DataFrame, run: Run) -> bool:
    """Whether all timed cells of a strategy did all of their work; cells that lost their server do not count."""
    lost_its_server = [bool(cell) and not cell.is_own_fault for cell in timed["stopped"]]
    own = timed.drop(timed.index[lost_its_server])
    done = own["stopped"].isna() & (own["passed"] + own["leaked"] == run.workload.size.tests)
    return not own.empty and bool(done.all())


def _not_seen(fidelity: Fidelity | None, need: Sequence[str]) -> tuple[NotRanked, ...]:
    """Return why a strategy does not fulfil the need, if it does not."""
    if not need:
        return ()
    if fidelity is None:
        return (NotRanked(Reason.NOT_PROBED),)
    missing = tuple(lacking(fidelity, need))
    return (NotRanked(Reason.LACKS_PROBES, probes=missing),) if missing else ()


def _faults(facts: StrategyFacts, own: pd.DataFrame, run: Run) -> Iterator[NotRanked]:
    tests, leaked = int(own["tests"].sum()), int(own["leaked"].sum())
    if failed := tests - leaked - int(own["passed"].sum()):
        ((error, _),) = sum(own["failures"], Counter[ErrorKind]()).most_common(1) or ((None, 0),)
        yield NotRanked(Reason.FAILURES, failed, tests, error=error)
    if leaked and facts.name != FLOOR:
        yield NotRanked(Reason.LEAKS, leaked, tests, declared=Probe.ROWS_GONE in facts.hides)
    planned = len(own) * run.workload.size.tests
    if tests < planned:
        yield NotRanked(Reason.MISSING_TESTS, planned - tests, planned)
