"""
How conditions are analysed and reported: ratios, order reversals, gains, traps and missing figures.

The cells are synthetic, so the true costs are known.
"""

import re
from dataclasses import replace

import numpy as np

from bench.analysis import statistics
from bench.analysis.conditions import ConditionResult, Conditions, Gains, Option, _choose, analyse_conditions
from bench.analysis.estimates import Estimate, bounds
from bench.report.conditions_text import explanation_sentences, explanations, safety, sentences, tables, trap_table
from bench.report.durability import NON_DURABILITY
from bench.report.findings_text import not_ranked_text
from bench.results.endpoints import Client
from bench.results.records import Condition
from tests.conditions_run import FLOOR, USUAL, Made, made, usual
from tests.made_runs import BOOM, a_cell, covers, crashed


def result_of(conditions: Conditions, strategy: str, place: int) -> ConditionResult:
    """Return the result of a strategy under a condition."""
    return next(row for row in conditions.rows if row.strategy == strategy).results[place]


def why(one: ConditionResult) -> str:
    """Return why a strategy has no figure under a condition."""
    assert one.result
    return not_ranked_text(one.result)


def gains_of(conditions: Conditions, start: str) -> Gains:
    """Return the gains of a start."""
    return next(one for one in conditions.gains if one.start == start)


# --- ratios


def test_a_ratio_is_paired_with_the_same_strategy_under_the_default() -> None:
    """A cost that falls to a quarter is found within a few percent, although rounds vary by 20 %."""
    conditions = usual().conditions
    assert conditions.names == ("fsync=on, tmpfs=no", "fsync=off", "tmpfs=yes", "fsync=off, tmpfs=yes")
    dear = result_of(conditions, "dear", 1)
    low, high = bounds(dear.ratio)
    assert low < 0.25 < high < 1.05 * low
    assert dear.significant
    assert result_of(conditions, "dear", 0).ratio == Estimate(1.0, 1.0, 1.0)
    # The floor costs the same everywhere.
    assert [result_of(conditions, "none", place).significant for place in range(4)] == [False] * 4


def test_the_a_a_interval_of_either_condition_is_noise() -> None:
    """If floor and twin differ by 10 % under one condition, a change by 5 % is not significant there."""
    costs = {"": {"one": 0.0100, **FLOOR}, "fsync=off": {"one": 0.0095, **FLOOR, "none_twin": 0.011}}
    assert not result_of(made(costs).conditions, "one", 1).significant
    costs["fsync=off"]["none_twin"] = 0.010
    assert result_of(made(costs).conditions, "one", 1).significant


def test_a_run_without_conditions() -> None:
    """There is nothing to analyse."""
    run = usual()
    assert analyse_conditions(replace(run.run, conditions=()), run.cells) is None


# --- what has no figure


def test_a_failed_test_removes_the_figure_under_that_condition() -> None:
    """The report gives the reason; under other conditions the strategy keeps its figures."""
    run = usual()
    failing = replace(a_cell("cheap", 3, outcomes="." * 19 + "F", failures=(BOOM,)), condition="fsync=off")
    conditions = replace(run, cells=(*run.cells, failing)).conditions
    found = result_of(conditions, "cheap", 1)
    assert found.per_test is None
    assert re.match(r"1 of 160 tests failed: RuntimeError", why(found))
    assert result_of(conditions, "cheap", 2).per_test is not None
    assert any(
        said.startswith("cheap under fsync=off: 1 of 160 tests failed")
        for said in explanation_sentences(conditions, explanations(conditions))
    )


def test_a_condition_under_which_all_cells_crashed() -> None:
    """Its column is empty, with reasons, and no gain chooses it; other conditions are not affected."""
    run = usual()
    kept = [one for one in run.cells if one.condition != "tmpfs=yes"]
    dead = [replace(crashed(name, number), condition="tmpfs=yes") for name in USUAL[""] for number in range(1, 9)]
    conditions = replace(run, cells=(*kept, *dead)).conditions
    column = [row.results[2] for row in conditions.rows]
    assert all(one.per_test is None and "it crashed in round 1" in why(one) for one in column)
    assert "tmpfs=yes" not in {gain.chosen.condition for one in conditions.gains for gain in (one.condition, one.both)}
    assert result_of(conditions, "dear", 1) == result_of(usual().conditions, "dear", 1)


def test_a_condition_that_a_strategy_cannot_run_under() -> None:
    """The reason comes from its declaration, and a trap that cannot run there is no finding."""
    run = usual()
    cannot = {"anyio": "its fixtures are pytest-asyncio's"}
    strategies = tuple(
        replace(facts, cannot=cannot) if facts.name in {"dear", "trap"} else facts for facts in run.run.strategies
    )
    other = Condition("runner=anyio", run.run.server, Client(runner="anyio"))
    swept = replace(run.run, strategies=strategies, conditions=(other,))
    conditions = Made(swept, tuple(one for one in run.cells if not one.condition)).conditions
    assert why(result_of(conditions, "dear", 1)) == "cannot run here: anyio: its fixtures are pytest-asyncio's"
    assert why(result_of(conditions, "cheap", 1)) == "no timed round finished"
    assert trap_table(conditions)[1] == ("trap", "as declared", "-")


# --- the order of strategies


def test_an_order_reversal() -> None:
    """One strategy costs twice as much as another under the default, and less under every other condition."""
    conditions = usual().conditions
    assert [(one.cheaper, one.dearer) for one in conditions.reversals] == [("middle", "dear")]
    [reversal] = conditions.reversals
    assert covers(reversal.ratio, 2.0)
    assert [name for name, _ in reversal.reversed] == ["fsync=off", "tmpfs=yes", "fsync=off, tmpfs=yes"]
    assert covers(reversal.reversed[0][1], 10 / 16)


def test_an_order_reversal_is_significant_under_both_conditions() -> None:
    """A difference of 10 % under the default, and of 1 % in the other direction that is lost in noise, is none."""
    costs = {"": {"one": 0.010, "other": 0.011, **FLOOR}, "fsync=off": {"one": 0.0101, "other": 0.010, **FLOOR}}
    assert made(costs, noise=0.03).conditions.reversals == ()
    assert len(made(costs, noise=0.001).conditions.reversals) == 1


# --- gains


def test_gains_by_a_condition_a_strategy_and_both() -> None:
    """From 40 ms to 10 ms by fsync=off alone, to 10 ms by another strategy alone, and to 5 ms by both."""
    gains = gains_of(usual().conditions, "dear")
    for gain, chosen, times in (
        (gains.condition, Option("dear", "fsync=off"), 4.0),
        (gains.strategy, Option("cheap", "fsync=on, tmpfs=no"), 4.0),
        (gains.both, Option("cheap", "tmpfs=yes"), 8.0),
    ):
        assert (gain.chosen, gain.significant) == (chosen, True)
        assert covers(gain.times, times)
    assert [one.start for one in usual().conditions.gains] == ["dear", "middle", "cheap"]


def test_tied_choices() -> None:
    """Two conditions with the same effect on a strategy are tied."""
    costs = {"": {"one": 0.02, **FLOOR}, "jit=off": {"one": 0.01, **FLOOR}, "tmpfs=yes": {"one": 0.01, **FLOOR}}
    [gains] = made(costs).conditions.gains
    assert {gains.condition.chosen.condition, *(one.condition for one in gains.condition.tied)} == {
        "jit=off",
        "tmpfs=yes",
    }
    assert not gains.strategy.significant


def test_both_together_have_a_figure_only_if_they_gain_more() -> None:
    """If tuning adds nothing to another strategy, table and sentences say so."""
    tuned = {"dear": 0.02, "cheap": 0.01, **FLOOR}
    conditions = made({"": {"dear": 0.04, "cheap": 0.01, **FLOOR}, "fsync=off": tuned, "tmpfs=yes": tuned}).conditions
    gains = gains_of(conditions, "dear")
    assert gains.both.is_faster
    assert not gains.both_gain_more
    first, everyone, *_ = sentences(conditions)
    assert first.endswith("(cheap); both together are not significantly faster than the better one of the two.")
    assert everyone.endswith("both together add no significant gain.")
    assert tables(conditions)["What another condition and another strategy gain"][1][-2:] == ("no more", "-")
    assert gains_of(usual().conditions, "dear").both_gain_more
    assert sentences(usual().conditions)[1].endswith(", more than either alone.")


def test_both_together_may_gain_where_neither_does_alone() -> None:
    """That counts as more, too."""
    costs = {"": {"dear": 0.02, "other": 0.02, **FLOOR}, "tmpfs=yes": {"dear": 0.02, "other": 0.01, **FLOOR}}
    gains = gains_of(made(costs).conditions, "dear")
    assert not gains.condition.is_faster
    assert not gains.strategy.is_faster
    assert gains.both_gain_more


def test_an_insignificant_gain() -> None:
    """If no condition changes anything, the sentences say that tuning does not help."""
    costs = {name: {"one": 0.01, "other": 0.02, **FLOOR} for name in USUAL}
    conditions = made(costs).conditions
    assert "tuning alone is not significantly faster" in sentences(conditions)[0]
    assert "tuning alone makes none of them significantly faster" in sentences(conditions)[1]


def test_luck_is_no_gain() -> None:
    """The best of 300 equals seems significantly faster in a third of runs, but not if other rounds choose it."""
    options, rounds, runs = 300, 7, 150
    random, naive, honest = np.random.default_rng(0), 0, 0
    for _ in range(runs):
        seconds = np.exp(random.normal(0, 0.1, rounds)[:, None] + random.normal(0, 0.03, (rounds, options)))
        choice = {Option("one", str(number)): dict(enumerate(seconds[:, number])) for number in range(options)}
        own = statistics.ratio(seconds[:, 0], seconds[:, np.log(seconds).mean(axis=0).argmin()])
        _, times = _choose(choice[Option("one", "0")], choice)
        naive += statistics.significantly_different(float(own.low), float(own.high))
        low, high = bounds(times)
        assert low <= high
        honest += low > 1
    assert naive > 0.2 * runs
    assert honest < 0.1 * runs


def test_one_round_shows_no_gain() -> None:
    """There is a ratio without an interval, and no sentence claims a gain or a reversal."""
    conditions = made(USUAL, rounds=1).conditions
    assert result_of(conditions, "dear", 1).ratio is not None
    assert not result_of(conditions, "dear", 1).significant
    said = sentences(conditions)
    assert said[0] == "One round cannot rank strategies, so gains are not known."
    assert not any("reverse" in sentence for sentence in said)
    assert "What another condition and another strategy gain" not in tables(conditions)


def test_a_round_that_a_condition_lacks_is_left_out() -> None:
    """If a slow round is missing under one condition, the condition does not seem faster."""
    run = made({"": {"one": 0.02, **FLOOR}, "jit=off": {"one": 0.01, **FLOOR}}, differ=1.0)
    kept = tuple(one for one in run.cells if not (one.condition and one.round in {2, 5}))
    assert covers(result_of(replace(run, cells=kept).conditions, "one", 1).ratio, 0.5)


def test_twenty_conditions() -> None:
    """Each has a column, and the best one is found."""
    names = ["", *(f"shared_buffers={number}MB" for number in range(1, 20))]
    costs = {name: {"one": 0.02 if name != names[7] else 0.01, "other": 0.03, **FLOOR} for name in names}
    conditions = made(costs, sweep=("setting:shared_buffers=128MB,1MB",)).conditions
    assert all(len(row.results) == 20 for row in conditions.rows)
    assert gains_of(conditions, "one").condition.chosen.condition == names[7]


# --- words


def test_the_headline_starts_from_the_dearest_strategy() -> None:
    """It says what tuning alone, another strategy alone and both gain, and by which choice."""
    first, everyone, *rest = sentences(usual().conditions)
    assert re.fullmatch(
        r"Starting from dear under the default \(fsync=on, tmpfs=no; [\d.]+ ms per test\), "
        r"tuning alone is [34]\.\d times as fast \(fsync=off\); "
        r"another strategy alone is [34]\.\d times as fast \(cheap\); "
        r"both together are [78]\.\d times as fast \(cheap under tmpfs=yes\)\.",
        first,
    )
    assert everyone.startswith("Starting from each of the 3 ranked strategies, tuning alone makes all of them 1.2")
    assert any(said.startswith("Order reverses: dear costs ") for said in rest)


def test_another_client_is_not_called_tuning() -> None:
    """If drivers or event loops differ, the sentence says "another condition"."""
    costs = {"": USUAL[""], "loop=uvloop": USUAL["fsync=off"]}
    conditions = made(costs, sweep=("loop=asyncio,uvloop",)).conditions
    assert "another condition alone is " in sentences(conditions)[0]


def test_the_table_has_milliseconds_and_ratios() -> None:
    """The first column has costs under the default, the others ratios; a tie starts with ~."""
    rows = tables(usual().conditions)["Cost per test under other conditions"]
    assert rows[0] == ("strategy", "ms, fsync=on, tmpfs=no", "fsync=off", "tmpfs=yes", "fsync=off, tmpfs=yes")
    by_name = {row[0]: row for row in rows}
    assert re.fullmatch(r"0\.2\d+ \(\d+\.?\d* ms\)", by_name["dear"][2])
    assert by_name["none"][2].startswith("~")


def test_a_trap_that_works_under_a_condition_is_reported() -> None:
    """A trap works where all of its tests pass."""
    run = usual()
    works = replace(a_cell("trap", 0), condition="tmpfs=yes")
    conditions = replace(run, cells=(*run.cells, works)).conditions
    assert trap_table(conditions)[1] == ("trap", "as declared", "as declared", "works here", "as declared")
    assert any(
        said.startswith(
            "The trap trap: as declared under the default (fsync=on, tmpfs=no), fsync=off and 'fsync=off, tmpfs=yes'; "
        )
        and said.endswith("works here under tmpfs=yes.")
        for said in sentences(conditions)
    )


def test_a_trap_that_works_with_another_client_is_reported() -> None:
    """It is no finding, because traps declare errors for one client, but the table shows it with the reason."""
    run, psycopg = usual(), Client(driver="psycopg")
    others = tuple(replace(one, client=psycopg) if one.name == "tmpfs=yes" else one for one in run.run.conditions)
    spared = replace(a_cell("trap", 0, outcomes="." + "L" * 19), condition="tmpfs=yes")
    conditions = replace(run, run=replace(run.run, conditions=others), cells=(*run.cells, spared)).conditions
    assert trap_table(conditions)[1] == ("trap", "as declared", "as declared", "works here", "as declared")
    assert [one.place for one in explanations(conditions) if one.name == "trap"] == [2]


def test_an_emulated_server_is_reported_for_its_condition() -> None:
    """That of the default is among the caveats of the report."""
    run = usual().run
    first, *others = run.conditions
    foreign = replace(first, server=replace(first.server, architecture="s390x"))
    machine = replace(run.machine, architecture="x86_64")
    emulated = replace(usual(), run=replace(run, machine=machine, conditions=(foreign, *others)))
    assert any(
        said.startswith("Under fsync=off: The server was built for s390x and runs emulated on x86_64")
        for said in sentences(emulated.conditions)
    )
    assert not any("emulated" in said for said in sentences(usual().conditions))


def test_settings_that_give_up_safety_are_explained() -> None:
    """Sentences explain fsync=off and tmpfs, and the table shows them for each condition."""
    conditions = usual().conditions
    assert [said.split(" gives up")[0] for said in safety(conditions)][:-1] == ["fsync=off", "tmpfs"]
    assert safety(conditions)[-1].endswith(NON_DURABILITY)
    rows = tables(conditions)["The conditions"]
    assert [row[6] for row in rows] == ["gives up", "-", "fsync=off", "tmpfs", "fsync=off, tmpfs"]


def test_a_strategy_that_was_not_run_under_a_condition_has_a_dash() -> None:
    """The reason is that no round finished."""
    kept = tuple(one for one in usual().cells if (one.condition, one.strategy) != ("fsync=off", "middle"))
    conditions = replace(usual(), cells=kept).conditions
    assert why(result_of(conditions, "middle", 1)) == "no timed round finished"
    rows = {row[0]: row for row in tables(conditions)["Cost per test under other conditions"]}
    assert rows["middle"][2] == "-"
