"""
What a sweep over conditions becomes: ratios, flips, gains, traps, and why there is no figure.

The cells are synthetic, but made of the real records, so the truth that is to be found again is known.
"""

import re
from dataclasses import replace

import numpy as np

from bench.analysis import statistics
from bench.analysis.conditions import Conditions, Gains, Option, Under, _choose, under_conditions
from bench.analysis.estimates import Estimate
from bench.report.conditions_text import reason_sentences, reasons, safety, sentences, tables, trap_table
from bench.report.durability import NON_DURABILITY
from bench.report.findings_text import not_ranked_text
from bench.results.endpoints import Client
from bench.results.records import Condition
from tests.conditions_run import FLOOR, USUAL, Made, made, usual
from tests.made_runs import BOOM, a_cell, crashed


def cell(conditions: Conditions, strategy: str, place: int) -> Under:
    """Look a strategy up under a condition."""
    return next(row for row in conditions.rows if row.strategy == strategy).cells[place]


def why(one: Under) -> str:
    """Return why a strategy has no figure under a condition."""
    assert one.result
    return not_ranked_text(one.result)


def gains_of(conditions: Conditions, start: str) -> Gains:
    """Look up what there is to gain from a start."""
    return next(one for one in conditions.gains if one.start == start)


def covers(estimate: Estimate | None, truth: float) -> bool:
    """Whether there is an interval, and the truth lies in it."""
    assert estimate is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


def without(run: Made, condition: str, strategy: str) -> Made:
    """Return a run without the cells of a strategy under a condition."""
    return replace(run, cells=tuple(one for one in run.cells if (one.condition, one.strategy) != (condition, strategy)))


# --- ratios


def test_a_ratio_is_paired_with_the_same_strategy_under_the_default() -> None:
    """Rounds differ by a fifth, cells by a hundredth: a quarter of the cost is found to a few percent."""
    conditions = usual().conditions
    assert conditions.names == ("fsync=on, tmpfs=no", "fsync=off", "tmpfs=yes", "fsync=off, tmpfs=yes")
    dear = cell(conditions, "dear", 1)
    assert covers(dear.ratio, 0.25)
    assert dear.ratio is not None
    assert dear.ratio.high / dear.ratio.low < 1.05  # type: ignore[operator] # there is an interval, as just seen
    assert dear.changed
    assert cell(conditions, "dear", 0).ratio == Estimate(1.0, 1.0, 1.0)


def test_what_lies_inside_the_noise_is_no_change() -> None:
    """The floor costs the same everywhere, and is not told apart from itself."""
    conditions = usual().conditions
    assert [cell(conditions, "none", place).changed for place in range(4)] == [False] * 4


def test_the_a_a_band_of_either_condition_is_noise() -> None:
    """Where the twins differ by a tenth under one condition, a change by a twentieth under it is none."""
    costs = {"": {"one": 0.0100, **FLOOR}, "fsync=off": {"one": 0.0095, **FLOOR, "none_twin": 0.011}}
    assert not cell(made(costs).conditions, "one", 1).changed
    costs["fsync=off"]["none_twin"] = 0.010
    assert cell(made(costs).conditions, "one", 1).changed


def test_a_run_without_conditions_has_none() -> None:
    """There is nothing to say."""
    run = usual()
    assert under_conditions(replace(run.run, conditions=()), run.cells) is None


# --- what has no figure


def test_a_strategy_has_no_figure_where_its_tests_fail_and_the_reason_stands_there() -> None:
    """Under the other conditions it keeps its figures."""
    run = usual()
    failing = replace(a_cell("cheap", 3, outcomes="." * 19 + "F", failures=(BOOM,)), condition="fsync=off")
    conditions = replace(run, cells=(*run.cells, failing)).conditions
    found = cell(conditions, "cheap", 1)
    assert found.per_test is None
    assert re.match(r"1 of 160 tests failed: RuntimeError", why(found))
    assert cell(conditions, "cheap", 2).per_test is not None
    assert any(
        said.startswith("cheap under fsync=off: 1 of 160 tests failed")
        for said in reason_sentences(conditions, reasons(conditions))
    )


def test_a_condition_of_which_all_cells_crashed_is_said_and_chosen_by_nobody() -> None:
    """All of its column is empty, with reasons; the others are as they were."""
    run = usual()
    kept = [one for one in run.cells if one.condition != "tmpfs=yes"]
    dead = [replace(crashed(name, number), condition="tmpfs=yes") for name in USUAL[""] for number in range(1, 9)]
    conditions = replace(run, cells=(*kept, *dead)).conditions
    column = [row.cells[2] for row in conditions.rows]
    assert all(one.per_test is None and "it crashed in round 1" in why(one) for one in column)
    assert "tmpfs=yes" not in {gain.chosen.condition for one in conditions.gains for gain in (one.condition, one.both)}
    assert cell(conditions, "dear", 1) == cell(usual().conditions, "dear", 1)


def test_a_condition_that_a_strategy_declares_impossible() -> None:
    """What it says in its declaration is the reason, and a trap that cannot run there is no finding."""
    run = usual()
    cannot = {"anyio": "its fixtures are pytest-asyncio's"}
    strategies = tuple(
        replace(facts, cannot=cannot) if facts.name in {"dear", "trap"} else facts for facts in run.run.strategies
    )
    other = Condition("runner=anyio", run.run.server, Client(runner="anyio"))
    swept = replace(run.run, strategies=strategies, conditions=(other,))
    conditions = Made(swept, tuple(one for one in run.cells if not one.condition)).conditions
    assert why(cell(conditions, "dear", 1)) == "cannot run here: anyio: its fixtures are pytest-asyncio's"
    assert why(cell(conditions, "cheap", 1)) == "no timed round finished"
    assert trap_table(conditions)[1] == ("trap", "as declared", "-")


# --- flips


def test_strategies_that_change_places_are_named() -> None:
    """The dear one costs twice what the middle one does under the default, and less under every other condition."""
    conditions = usual().conditions
    assert [(flip.cheaper, flip.dearer) for flip in conditions.flips] == [("middle", "dear")]
    [flip] = conditions.flips
    assert covers(flip.ratio, 2.0)
    assert [name for name, _ in flip.turned] == ["fsync=off", "tmpfs=yes", "fsync=off, tmpfs=yes"]
    assert covers(flip.turned[0][1], 10 / 16)


def test_places_change_only_where_both_are_told_apart() -> None:
    """A lead of a tenth under the default, and one of a hundredth the other way round that noise drowns: no flip."""
    costs = {"": {"one": 0.010, "other": 0.011, **FLOOR}, "fsync=off": {"one": 0.0101, "other": 0.010, **FLOOR}}
    assert made(costs, noise=0.03).conditions.flips == ()
    assert len(made(costs, noise=0.001).conditions.flips) == 1


# --- gains


def test_what_tuning_a_strategy_and_both_gain() -> None:
    """From the dear one: 40 to 10 ms by fsync=off alone, to 10 by the cheap one alone, and to 5 by both."""
    gains = gains_of(usual().conditions, "dear")
    assert gains.condition.chosen == Option("dear", "fsync=off")
    assert covers(gains.condition.times, 4.0)
    assert gains.strategy.chosen == Option("cheap", "fsync=on, tmpfs=no")
    assert covers(gains.strategy.times, 4.0)
    assert gains.both.chosen == Option("cheap", "tmpfs=yes")
    assert covers(gains.both.times, 8.0)
    assert gains.condition.apart
    assert gains.strategy.apart
    assert gains.both.apart
    assert [one.start for one in usual().conditions.gains] == ["dear", "middle", "cheap"]


def test_choices_that_tie_are_said() -> None:
    """Two conditions that do the same to a strategy tie for it."""
    costs = {"": {"one": 0.02, **FLOOR}, "jit=off": {"one": 0.01, **FLOOR}, "tmpfs=yes": {"one": 0.01, **FLOOR}}
    [gains] = made(costs).conditions.gains
    assert {gains.condition.chosen.condition, *(one.condition for one in gains.condition.tied)} == {
        "jit=off",
        "tmpfs=yes",
    }
    assert not gains.strategy.apart


def test_both_together_are_said_to_gain_only_what_neither_does_alone() -> None:
    """Where a strategy alone does it all, tuning adds nothing to it, and no figure of both stands beside its own."""
    tuned = {"dear": 0.02, "cheap": 0.01, **FLOOR}
    conditions = made({"": {"dear": 0.04, "cheap": 0.01, **FLOOR}, "fsync=off": tuned, "tmpfs=yes": tuned}).conditions
    gains = gains_of(conditions, "dear")
    assert gains.both.known
    assert not gains.both_gain_more
    first, everyone, *_ = sentences(conditions)
    assert first.endswith("times as fast (cheap); both together gains no more beyond noise.")
    assert everyone.endswith("both together gains no more for any of them.")
    assert tables(conditions)["What another condition and another strategy gain"][1][-2:] == ("no more", "-")
    assert gains_of(usual().conditions, "dear").both_gain_more
    assert sentences(usual().conditions)[1].endswith(", more than either alone.")


def test_both_together_may_gain_where_neither_does_alone() -> None:
    """Then that is more, too."""
    costs = {"": {"dear": 0.02, "other": 0.02, **FLOOR}, "tmpfs=yes": {"dear": 0.02, "other": 0.01, **FLOOR}}
    gains = gains_of(made(costs).conditions, "dear")
    assert not gains.condition.known
    assert not gains.strategy.known
    assert gains.both_gain_more


def test_a_gain_inside_noise_is_none() -> None:
    """Where no condition changes anything, tuning gains nothing, and the sentence says so."""
    costs = {name: {"one": 0.01, "other": 0.02, **FLOOR} for name in USUAL}
    conditions = made(costs).conditions
    assert "tuning alone gains nothing beyond noise" in sentences(conditions)[0]
    assert "tuning alone makes none faster" in sentences(conditions)[1]


def luck(options: int, rounds: int = 7, runs: int = 300) -> tuple[float, float]:
    """Return in which share of runs the best of equals is told apart: by its own rounds, and by the others."""
    random, naive, honest = np.random.default_rng(0), 0, 0
    for _ in range(runs):
        seconds = np.exp(random.normal(0, 0.1, rounds)[:, None] + random.normal(0, 0.03, (rounds, options)))
        choice = {Option("one", str(number)): dict(enumerate(seconds[:, number])) for number in range(options)}
        own = statistics.ratio(seconds[:, 0], seconds[:, np.log(seconds).mean(axis=0).argmin()])
        _, times = _choose(choice[Option("one", "0")], choice)
        naive += statistics.significantly_different(float(own.low), float(own.high))
        assert times.low is not None
        assert times.high is not None
        honest += times.low > 1
    return naive / runs, honest / runs


def test_luck_is_no_gain() -> None:
    """The best of 300 equals seems faster in a third of runs; in each round it is another that the others choose."""
    naive, honest = luck(300, runs=150)
    assert naive > 0.2
    assert honest < 0.1


def test_one_round_tells_nothing() -> None:
    """There is a ratio without an interval, and no sentence claims a gain or a flip."""
    conditions = made(USUAL, rounds=1).conditions
    assert cell(conditions, "dear", 1).ratio is not None
    assert not cell(conditions, "dear", 1).changed
    said = sentences(conditions)
    assert said[0] == "One round cannot tell strategies apart, so what another condition gains is not known."
    assert not any("places" in sentence for sentence in said)
    assert "What another condition and another strategy gain" not in tables(conditions)


def test_a_round_that_a_condition_lacks_is_left_out_of_its_pairs() -> None:
    """A slow round that is missing under one condition does not make the condition seem fast."""
    run = made({"": {"one": 0.02, **FLOOR}, "jit=off": {"one": 0.01, **FLOOR}}, differ=1.0)
    kept = tuple(one for one in run.cells if not (one.condition and one.round in {2, 5}))
    assert covers(cell(replace(run, cells=kept).conditions, "one", 1).ratio, 0.5)


def test_twenty_conditions() -> None:
    """Each has its column, and the one that is best is found."""
    names = ["", *(f"shared_buffers={number}MB" for number in range(1, 20))]
    costs = {name: {"one": 0.02 if name != names[7] else 0.01, "other": 0.03, **FLOOR} for name in names}
    conditions = made(costs, sweep=("setting:shared_buffers=128MB,1MB",)).conditions
    assert all(len(row.cells) == 20 for row in conditions.rows)
    assert gains_of(conditions, "one").condition.chosen.condition == names[7]


# --- words


def test_the_sentence_begins_with_the_dearest() -> None:
    """It says what tuning alone gains, what another strategy alone, and both, with what they are."""
    first, everyone, *rest = sentences(usual().conditions)
    assert re.fullmatch(
        r"Starting from dear under the default \(fsync=on, tmpfs=no; [\d.]+ ms per test\), "
        r"tuning alone is [34]\.\d times as fast \(fsync=off\); "
        r"another strategy alone is [34]\.\d times as fast \(cheap\); "
        r"both together is [78]\.\d times as fast \(cheap under tmpfs=yes\)\.",
        first,
    )
    assert everyone.startswith("Of the 3 ranked strategies as a start, tuning alone makes all of them 1.2")
    assert any(said.startswith("They change places: dear costs ") for said in rest)


def test_a_client_is_not_tuned() -> None:
    """Where drivers or loops differ, the sentence speaks of another condition."""
    costs = {"": USUAL[""], "loop=uvloop": USUAL["fsync=off"]}
    conditions = made(costs, sweep=("loop=asyncio,uvloop",)).conditions
    assert "another condition alone is " in sentences(conditions)[0]


def test_the_table_has_milliseconds_and_ratios() -> None:
    """The first column is the default's cost, the others how it changes; what is not told apart begins with ~."""
    rows = tables(usual().conditions)["Cost per test under other conditions"]
    assert rows[0] == ("strategy", "ms, fsync=on, tmpfs=no", "fsync=off", "tmpfs=yes", "fsync=off, tmpfs=yes")
    by_name = {row[0]: row for row in rows}
    assert re.fullmatch(r"0\.2\d+ \(\d+\.?\d* ms\)", by_name["dear"][2])
    assert by_name["none"][2].startswith("~")


def test_traps_that_work_under_a_condition_are_said() -> None:
    """A version in which all tests of a trap pass is one in which it works, and so says a sentence."""
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


def test_a_trap_that_another_client_spares_is_said_to_work_there() -> None:
    """With another driver it is no finding, and still the table says that no test met the error, and why."""
    run, psycopg = usual(), Client(driver="psycopg")
    others = tuple(replace(one, client=psycopg) if one.name == "tmpfs=yes" else one for one in run.run.conditions)
    spared = replace(a_cell("trap", 0, outcomes="." + "L" * 19), condition="tmpfs=yes")
    conditions = replace(run, run=replace(run.run, conditions=others), cells=(*run.cells, spared)).conditions
    assert trap_table(conditions)[1] == ("trap", "as declared", "as declared", "works here", "as declared")
    assert [one.place for one in reasons(conditions) if one.name == "trap"] == [2]


def test_an_emulated_server_is_said_of_the_condition_that_has_it() -> None:
    """The default's own is among the report's caveats; one of another condition stands with what is said of that."""
    run = usual().run
    first, *others = run.conditions
    foreign = replace(first, server=replace(first.server, architecture="s390x"))
    machine = replace(run.machine, architecture="x86_64")
    emulated = replace(usual(), run=replace(run, machine=machine, conditions=(foreign, *others)))
    assert any(
        said.startswith("Under fsync=off: The server was built for s390x and runs on x86_64: emulated")
        for said in sentences(emulated.conditions)
    )
    assert not any("emulated" in said for said in sentences(usual().conditions))


def test_what_the_settings_in_play_give_up_is_said() -> None:
    """Of fsync=off and of data in memory, and of nothing else; the table has them beside their conditions."""
    conditions = usual().conditions
    assert [said.split(" gives up")[0] for said in safety(conditions)][:-1] == ["fsync=off", "tmpfs"]
    assert safety(conditions)[-1].endswith(NON_DURABILITY)
    rows = tables(conditions)["The conditions"]
    assert [row[6] for row in rows] == ["gives up", "-", "fsync=off", "tmpfs", "fsync=off, tmpfs"]


def test_a_strategy_that_was_not_run_under_a_condition_has_a_dash() -> None:
    """Where it has no cell, the reason is that no round of it finished."""
    conditions = without(usual(), "fsync=off", "middle").conditions
    assert why(cell(conditions, "middle", 1)) == "no timed round finished"
    rows = {row[0]: row for row in tables(conditions)["Cost per test under other conditions"]}
    assert rows["middle"][2] == "-"
