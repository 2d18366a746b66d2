"""
Which strategies are ranked, their ties and figures, and why others are not ranked.

The cells are synthetic, made of the real records, so each test decides exactly what was measured.
"""

import dataclasses
import json
import tracemalloc
from dataclasses import replace

import pytest

from bench.analysis.cell_figures import figures_of
from bench.analysis.findings import ErrorKind, NotRanked, Reason
from bench.analysis.ranking import analyse, analyse_each
from bench.report.findings_text import not_ranked_text, unfinished_text
from bench.report.formatting import headline
from bench.results.endpoints import Client
from bench.results.records import (
    WARM_UP,
    Cell,
    Condition,
    Fidelity,
    ProbeResult,
    Samples,
    Size,
)
from tests.made_runs import (
    BOOM,
    COSTS,
    FAST,
    NONE,
    SLOW,
    TESTS,
    TWIN,
    a_cell,
    a_run,
    by_name,
    crashed,
    facts,
    rounds_of,
)

OTHER_LOOP = ErrorKind(BOOM.type, BOOM.message)


def test_costs_are_kept_by_round() -> None:
    """The warm-up, other sizes and unfinished cells do not count; a cell that was run again replaces the first."""
    larger = replace(a_cell("fast", 3, 7.0), size=Size(2000, 5, 0))
    cells = [*rounds_of(COSTS), larger, crashed("fast", 4), crashed("slow", 5), a_cell("slow", 5, 0.051)]
    results = by_name(analyse(a_run(NONE, TWIN, FAST, SLOW), cells))
    assert sorted(results["fast"].costs) == [1, 2, 3, 5, 6, 7]
    assert results["slow"].costs[5] == pytest.approx(0.051)
    assert results["slow"].whole
    assert not results["fast"].whole


def test_another_condition_is_analysed_as_a_run_of_its_own() -> None:
    """Its cells do not affect the first condition, and it has its own costs, ties, traps and noise."""
    trap = facts("trap", errors=(("RuntimeError", "loop"),), failures="all fail")
    alone = a_run(NONE, TWIN, FAST, SLOW, trap)
    other = Condition("fsync=off", replace(alone.server, settings={"fsync": "off"}), Client(loop="uvloop"))
    first = [a_cell("trap", 0, outcomes="F" * TESTS), *rounds_of(COSTS)]
    then = [a_cell("trap", 0), *rounds_of({**COSTS, "slow": 0.008}, seed=1)]
    cells = [
        *first,
        *(replace(cell, condition="fsync=off") for cell in then),
        replace(a_cell("fast", 1), condition="?"),
    ]
    run = replace(alone, conditions=(other,))
    assert replace(analyse(run, cells), run=alone) == analyse(alone, first)
    found = analyse_each(run, cells)
    assert list(found) == ["", "fsync=off"]
    expected = analyse(replace(alone, server=other.server, client=other.client), then)
    assert replace(found["fsync=off"], run=expected.run) == expected
    assert found["fsync=off"].traps[0].deviations
    assert not found["fsync=off"].traps[0].is_finding
    assert not found[""].traps[0].deviations


def test_a_strategy_that_cannot_run_under_a_condition_has_no_figure_there() -> None:
    """It is not ranked under that condition only, for the reason that it declares; a trap is then not a finding."""
    cannot = {"anyio": "it has fixtures of a session's scope"}
    trap = replace(facts("trap", errors=(("RuntimeError", "loop"),), failures="all fail"), cannot=cannot)
    run = a_run(NONE, replace(FAST, cannot=cannot), trap)
    other = Condition("runner=anyio", run.server, Client(runner="anyio"))
    found = analyse_each(replace(run, conditions=(other,)), [a_cell("fast", 1)])
    assert by_name(found[""])["fast"].ranked
    assert by_name(found["runner=anyio"])["fast"].not_ranked == (
        NotRanked(Reason.CANNOT_RUN, cause=f"anyio: {cannot['anyio']}"),
    )
    assert found["runner=anyio"].traps == ()


def test_strategies_come_cheapest_first_and_unranked_last_without_the_twin() -> None:
    """Results are in the order of the table: ranked strategies by cost, then the others; the twin is left out."""
    analysis = analyse(a_run(NONE, TWIN, SLOW, FAST), rounds_of(COSTS))
    assert [result.facts.name for result in analysis.strategies] == ["fast", "slow", "none"]
    assert [result.letters for result in analysis.strategies] == ["a", "b", ""]
    assert by_name(analysis)["none"].not_ranked == (NotRanked(Reason.FLOOR),)


def test_the_warm_up_round_is_discarded() -> None:
    """A warm-up round that is 100 times slower changes no figure."""
    cold = [a_cell(name, 0, 1.0) for name in COSTS]
    warm = rounds_of(COSTS, range(1, 8))
    run = a_run(NONE, TWIN, FAST, SLOW)
    assert analyse(run, cold + warm) == analyse(run, warm)


def test_the_figures_are_those_of_the_typical_test() -> None:
    """Cost, phases and witnesses are medians over tests and rounds, so the first test's long setup does not count."""
    fast = by_name(analyse(a_run(FAST), [a_cell("fast", number) for number in range(1, 8)]))["fast"]
    assert fast.per_test is not None
    assert fast.per_test.value == pytest.approx(0.010)
    assert fast.phases == pytest.approx({"setup": 0.002, "call": 0.007, "teardown": 0.001})
    assert (fast.rounds, fast.tests, fast.passed, fast.leaked) == (7, 140, 140, 0)
    assert fast.fixed == pytest.approx(1.0)
    assert fast.suite_seconds(700) == pytest.approx(8.0)
    assert (fast.wal_bytes, fast.statements, fast.connections) == (1000.0, 8.0, 1.0)


def test_ratios_are_paired_within_rounds() -> None:
    """Rounds that differ by 20 % do not widen the intervals of the ratios to the floor and to the best."""
    results = by_name(analyse(a_run(NONE, TWIN, FAST, SLOW), rounds_of(COSTS)))
    to_floor, to_best = results["slow"].to_floor, results["slow"].to_best
    assert to_floor is not None
    assert to_floor.low is not None
    assert to_floor.high is not None
    assert to_floor.value == pytest.approx(5, rel=0.02)
    assert to_floor.high / to_floor.low < 1.04
    assert to_best is not None
    assert to_best.value == pytest.approx(6.25, rel=0.02)
    own = results["slow"].per_test
    assert own is not None
    assert own.low is not None
    assert own.high is not None
    assert own.high / own.low > 1.1


def test_an_interrupted_run_pairs_the_rounds_that_both_have() -> None:
    """A last round with only the slow strategy, on a machine that was twice as slow, does not change its ratio."""
    whole = [a_cell(name, number, cost) for number in range(1, 7) for name, cost in COSTS.items()]
    torn = [*whole, a_cell("slow", 7, 0.100)]
    results = by_name(analyse(a_run(NONE, TWIN, FAST, SLOW), torn))
    assert results["slow"].rounds == 7
    assert results["slow"].to_floor is not None
    assert results["slow"].to_floor.value == pytest.approx(5)
    assert results["fast"].rounds == 6
    assert results["fast"].probability_first == 1.0


def test_the_order_never_contradicts_the_pairs() -> None:
    """If rounds differ wildly, medians may order strategies differently from every pair; the pairs decide."""
    costs = {f"s{number:02}": 0.010 * 1.03**number for number in range(12)}
    run = a_run(*(facts(name) for name in costs))
    results = analyse(run, rounds_of(costs, range(31), noise=0.03)).strategies
    assert [result.facts.name for result in results] == list(costs)
    medians = [result.per_test.value for result in results if result.per_test]
    assert medians != sorted(medians)


def test_equal_strategies_share_a_letter_and_the_chance_to_be_first() -> None:
    """Two strategies with equal costs are tied, and neither is likely to be first."""
    costs = {"none": 0.010, "none_twin": 0.010, "one": 0.020, "two": 0.020}
    results = by_name(analyse(a_run(NONE, TWIN, facts("one"), facts("two")), rounds_of(costs)))
    assert (results["one"].letters, results["two"].letters) == ("a", "a")
    chances = [results[name].probability_first for name in ("one", "two")]
    assert sum(chance for chance in chances if chance is not None) == pytest.approx(1)
    assert all(chance is not None and chance > 0.02 for chance in chances)


def test_a_difference_smaller_than_the_noise_is_a_tie() -> None:
    """Two strategies that differ by 1 % in every round are tied if the floor and its twin differ by 3 %."""
    costs = {"none": 0.010, "none_twin": 0.0103, "one": 0.0200, "two": 0.0202}
    run = a_run(NONE, TWIN, facts("one"), facts("two"))
    noisy = by_name(analyse(run, rounds_of(costs, noise=0.0005)))
    assert (noisy["one"].letters, noisy["two"].letters) == ("a", "a")
    quiet = by_name(analyse(run, rounds_of({**costs, "none_twin": 0.010}, noise=0.0005)))
    assert (quiet["one"].letters, quiet["two"].letters) == ("a", "b")


def test_one_round_gives_figures_without_intervals_and_no_order() -> None:
    """With one round there are no intervals, all strategies are tied and the run is unusable."""
    analysis = analyse(a_run(NONE, TWIN, FAST, SLOW), rounds_of(COSTS, range(2)))
    slow = by_name(analysis)["slow"]
    assert slow.per_test is not None
    assert (slow.per_test.low, slow.per_test.high) == (None, None)
    assert slow.to_best is not None
    assert slow.to_best.low is None
    assert slow.letters == "a"
    assert slow.probability_first is None
    assert analysis.noise.verdict == "unusable"


@pytest.mark.parametrize("cells", [[], [a_cell("fast", 0)], [crashed("fast", 1)]], ids=["none", "warm-up", "crashed"])
def test_a_run_without_a_timed_cell_is_analysed(cells: list[Cell]) -> None:
    """A run that ended before its first timed cell has a result with the reason, and raises no error."""
    analysis = analyse(a_run(NONE, TWIN, FAST), cells)
    fast = by_name(analysis)["fast"]
    assert fast.per_test is None
    assert not fast.ranked
    assert fast.not_ranked[-1] == NotRanked(Reason.NO_ROUND)
    assert fast.suite_seconds(100) is None
    assert analysis.noise.verdict == "unusable"


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (3, NotRanked(Reason.FAILURES, 2, 140, error=OTHER_LOOP)),
        (0, NotRanked(Reason.FAILURES, 2, 20, in_warm_up=True, error=OTHER_LOOP)),
    ],
)
def test_a_strategy_that_failed_a_test_is_not_ranked(number: int, reason: NotRanked) -> None:
    """One failing round is enough, even the warm-up; the reason has the number of tests and the error."""
    cells = [a_cell("fast", each, outcomes="FE" + "." * 18 if each == number else "." * 20) for each in range(8)]
    fast = by_name(analyse(a_run(FAST), cells))["fast"]
    assert (fast.ranked, fast.not_ranked, fast.letters, fast.to_best) == (False, (reason,), "", None)
    assert fast.failures == (((OTHER_LOOP, 2),) if number else ())


@pytest.mark.parametrize("hides", [(), ("rows_gone",)])
def test_a_strategy_that_leaks_is_shown_but_not_ranked(hides: tuple[str, ...]) -> None:
    """Leaked rows exclude a strategy from the ranking, declared or not; the reason has which."""
    cells = [a_cell("fast", number, outcomes="." + "L" * 19) for number in range(8)]
    fast = by_name(analyse(a_run(facts("fast", hides=hides)), cells))["fast"]
    assert not fast.ranked
    assert fast.not_ranked == (NotRanked(Reason.LEAKS, 133, 140, declared=bool(hides)),)
    assert (fast.passed, fast.leaked, fast.failures) == (7, 133, ())
    assert fast.per_test is not None


def test_a_strategy_that_skipped_tests_is_not_ranked() -> None:
    """A cell with fewer tests than the workload did not do the work."""
    cells = [a_cell("fast", number, outcomes="." * (20 - (number == 2))) for number in range(8)]
    assert by_name(analyse(a_run(FAST), cells))["fast"].not_ranked == (NotRanked(Reason.MISSING_TESTS, 1, 140),)


def test_a_crashed_cell_keeps_its_strategy_from_being_ranked_and_is_reported() -> None:
    """Crashes and timeouts are reported, also of the twin; other rounds still give figures."""
    cells = [a_cell(name, number) for number in range(8) for name in ("fast", "slow", "none_twin") if number != 3]
    cells += [
        crashed("fast", 3, "exit code -9."),
        crashed("none_twin", 0, ""),
        dataclasses.replace(crashed("slow", 3, "after 60 s"), status="timeout"),
    ]
    analysis = analyse(a_run(NONE, TWIN, FAST, SLOW), cells)
    assert [unfinished_text(cell, analysis.run) for cell in analysis.unfinished] == [
        "fast crashed in round 3: exit code -9.",
        "none_twin crashed in the warm-up round.",
        "slow ran out of time in round 3: after 60 s.",
    ]
    fast = by_name(analysis)["fast"]
    assert not_ranked_text(fast) == "it crashed in round 3: exit code -9"
    assert fast.rounds == 6
    assert fast.per_test is not None


def test_a_cell_that_was_run_again_replaces_the_crashed_one() -> None:
    """After a resume the later cell of a round counts, and the crash is still reported."""
    cells = [*(a_cell("fast", number) for number in range(7)), crashed("fast", 7), a_cell("fast", 7)]
    analysis = analyse(a_run(FAST), cells)
    assert by_name(analysis)["fast"].ranked
    assert by_name(analysis)["fast"].rounds == 7
    assert len(analysis.unfinished) == 1


def test_a_server_that_died_is_not_held_against_the_strategy() -> None:
    """The cell is reported as unfinished and its round is missing, but the strategy is still ranked."""
    cells = [
        dataclasses.replace(cell, status="server died", detail="no answer", samples=Samples())
        if (cell.strategy, cell.round) == ("fast", 3)
        else cell
        for cell in rounds_of(COSTS)
    ]
    analysis = analyse(a_run(NONE, TWIN, FAST, SLOW), cells)
    fast = by_name(analysis)["fast"]
    assert (fast.ranked, fast.rounds) == (True, 6)
    (cell,) = analysis.unfinished
    assert unfinished_text(cell, analysis.run) == "fast lost its server in round 3: no answer."


def test_cells_of_a_sweep_do_not_reach_the_comparison() -> None:
    """A cell of another size changes no figure of the base size; if it crashed, it is reported with its size."""
    run = a_run(NONE, TWIN, FAST, SLOW)
    large = Size(TESTS, 200, 0)
    run = dataclasses.replace(run, workload=dataclasses.replace(run.workload, sweep=(large,)))
    cells = rounds_of(COSTS)
    others = [dataclasses.replace(a_cell(name, 2, 9.0), size=large) for name in COSTS]
    others.append(dataclasses.replace(crashed("fast", 3), size=large))
    analysis = analyse(run, [*cells, *others])
    assert analysis.strategies == analyse(run, cells).strategies
    (cell,) = analysis.unfinished
    assert unfinished_text(cell, run) == "fast with 200 tables crashed in round 3: exit code -9."


def test_memory_does_not_grow_with_the_samples() -> None:
    """40 cells of 100 times as many tests need less additional memory than two such cells at once."""

    def peak(tests: int) -> int:
        template = a_cell("fast", 1, outcomes="." * tests)
        cells = (json.loads(json.dumps(template.samples.setup)) for _ in range(40))
        stream = (
            dataclasses.replace(
                template,
                size=Size(tests, 5, 0),
                round=number,
                samples=dataclasses.replace(template.samples, setup=setup),
            )
            for number, setup in enumerate(cells, start=1)
        )
        tracemalloc.start()
        assert by_name(analyse(a_run(FAST, tests=tests), stream))["fast"].tests == 40 * tests
        traced = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return traced

    peak(50)  # what libraries load once is not counted
    phases, bytes_per_float = 3, 32
    assert peak(5000) - peak(50) < 2 * 5000 * phases * bytes_per_float


SEES = Fidelity("fast", "", "", (ProbeResult("notify", "sees", ""), ProbeResult("same_key", "sees", "")))
HIDES = replace(
    SEES, strategy="slow", sights=(ProbeResult("notify", "hides", "why"), ProbeResult("same_key", "sees", ""))
)
BOTH = [a_cell(name, number, cost) for number in range(1, 8) for name, cost in (("fast", 0.01), ("slow", 0.001))]


def test_only_strategies_that_pass_the_needed_probes_are_ranked() -> None:
    """A cheaper strategy that lacks a needed probe is not ranked, and the headline names the need."""
    run, outcomes = a_run(FAST, facts("slow")), {"fast": SEES, "slow": HIDES}
    assert by_name(analyse(run, BOTH, outcomes))["slow"].letters == "a"
    analysis = analyse(run, BOTH, outcomes, need=("notify", "same_key"))
    fast, slow = (by_name(analysis)[name] for name in ("fast", "slow"))
    assert (fast.ranked, fast.letters) == (True, "a")
    assert (slow.ranked, slow.not_ranked) == (False, (NotRanked(Reason.LACKS_PROBES, probes=("notify",)),))
    assert headline(analysis) == "Where tests must see notify and same_key: fast costs 10.0 ms per test"
    assert by_name(analyse(run, BOTH, outcomes, need=("same_key",)))["slow"].ranked


def test_need_of_a_run_that_was_not_probed_ranks_nobody() -> None:
    """Without outcomes no strategy is known to pass the needed probes."""
    asked = replace(a_run(FAST), configuration=replace(a_run(FAST).configuration, need=("notify",)))
    analysis = analyse(asked, BOTH[::2])
    assert by_name(analysis)["fast"].not_ranked == (NotRanked(Reason.NOT_PROBED),)
    assert headline(analysis).startswith("Where tests must see notify: No strategy is ranked")


def test_a_forked_cell_costs_what_a_new_interpreter_would() -> None:
    """Start-up and shutdown of forked cells are the median of the warm-up's new interpreters, for every strategy."""
    base = a_cell("savepoint_rollback", 1)
    warm = [
        replace(base, strategy=name, round=WARM_UP, start="spawned", startup=seconds, shutdown=0.5)
        for name, seconds in (("none", 1.0), ("savepoint_rollback", 1.2), ("create_drop", 9.0))
    ]
    forked = replace(base, start="forked", startup=0.1, shutdown=0.0, wall=1.0)
    figures = [*figures_of([*warm, forked, replace(forked, strategy="create_drop")])][3:]
    assert [one.fixed - forked.fixed for one in figures] == pytest.approx([1.6, 1.6])
    assert [one.wall for one in figures] == pytest.approx([2.6, 2.6])
