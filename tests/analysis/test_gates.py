"""When a gate fires, when it holds, and when it cannot be judged. The cells are synthetic."""

import dataclasses
from pathlib import Path

import pytest

from bench.analysis.comparison import compare
from bench.analysis.gates import Gates, failed_gates
from bench.results.errors import UserError
from bench.results.records import Cell
from tests.compared_runs import (
    ALL_GATES,
    Change,
    after,
    against,
    measured,
    pairs_of,
    printed,
    witness,
    written,
)
from tests.made_runs import COSTS, a_cell, a_run, facts, rounds_of


def failures(
    gates: Gates, factors: dict[str, float], change: Change = lambda cell: cell, rounds: range = range(9)
) -> list[str]:
    """Return the sentences of the gates that a later run fails."""
    return failed_gates(against(after(factors, change, rounds)), gates)


def test_a_slower_strategy_fails_the_gate() -> None:
    """The sentence has strategy, both costs, both ratios with intervals, and what was allowed."""
    (sentence,) = failures(Gates(slower=0.2), {"slow": 1.6})
    assert sentence.startswith("slow is slower: ")
    assert " ms per test, it was " in sentence
    assert " times relative to the floor; allowed is 1.2." in sentence
    assert sentence.count(" to ") == 3


@pytest.mark.parametrize(
    ("why", "factors", "share"),
    [
        ("nothing changed", {}, 0.0),
        ("less than the share", {"slow": 1.6}, 1.0),
        ("faster", {"slow": 0.5}, 0.0),
        ("the whole machine", dict.fromkeys(COSTS, 2.0), 0.2),
        ("only the floor is cheaper", {"none": 0.6, "none_twin": 0.6}, 0.2),
        ("the floor and its twin are not ranked", {"none": 2.0, "none_twin": 2.0}, 0.2),
    ],
)
def test_the_gate_for_time_holds(why: str, factors: dict[str, float], share: float) -> None:
    """It takes both ratios beyond the share, and that to the floor beyond its interval; one ratio alone does not do."""
    assert failures(Gates(slower=share), factors) == [], why


def test_a_ratio_beyond_the_share_but_within_its_interval_does_not_fire() -> None:
    """One slowed round of three may be chance, though both figures are far beyond the share."""
    cells = [
        a_cell(name, number, cost * (4 if (name, number) == ("slow", 2) else 1 + 0.01 * number))
        for number in range(1, 4)
        for name, cost in COSTS.items()
    ]
    comparison = against(cells)
    pair = pairs_of(comparison)["slow"]
    for ratio in (pair.ratio, pair.to_floor):
        assert ratio is not None
        assert ratio.value > 1.2
    assert failed_gates(comparison, Gates(slower=0.2)) == []


def test_rounds_that_differ_do_not_hide_a_slower_strategy() -> None:
    """Rounds that vary by a fifth leave 1 in the clock's interval; that to the floor is narrow, and the gate fires."""
    comparison = against(after({"slow": 1.6}))
    pair = pairs_of(comparison)["slow"]
    assert pair.word == "same"
    (sentence,) = failed_gates(comparison, Gates(slower=0.2))
    assert sentence.startswith("slow is slower")


def test_without_a_floor_the_clock_decides() -> None:
    """Where the floor did not finish there is one ratio, and the gate goes by that."""
    cells = [cell for cell in after({"slow": 2.0}) if cell.strategy != "none"]
    (sentence,) = failed_gates(against(cells), Gates(slower=0.2))
    assert "slow is slower" in sentence
    assert "floor" not in sentence


@pytest.mark.parametrize(
    ("gates", "change", "sentence"),
    [
        (
            Gates(wal=0.2),
            witness("slow", wal=1600),
            "slow writes more WAL: 1.60 kB per test, it was 1.00; allowed are 20 % more.",
        ),
        (Gates(wal=0.2), witness("slow", wal=1450), None),
        (Gates(wal=0.7), witness("slow", wal=1600), None),
        (Gates(wal=0.0), witness("slow", wal=400), None),
        (
            Gates(statements=0.0),
            witness("slow", statements=9),
            "slow sends more statements: 9.00 per test, it was 8.00; allowed are 0 % more.",
        ),
        (Gates(statements=0.125), witness("slow", statements=9), None),
        (Gates(statements=0.0), witness("slow", statements=7), None),
        (Gates(statements=0.0, wal=0.0), witness("none", statements=20, wal=9000), None),
        (Gates(slower=0.2), witness("slow", statements=20, wal=9000), None),
    ],
)
def test_witnesses_gate_too(gates: Gates, change: Change, sentence: str | None) -> None:
    """WAL fires beyond its share and 0.5 kB, statements beyond theirs; the floor is not held to them."""
    assert failures(gates, {}, change) == ([sentence] if sentence else [])


@pytest.mark.parametrize("gates", [Gates(slower=9), Gates(wal=9), Gates(statements=9), ALL_GATES])
def test_a_strategy_that_broke_fails_every_gate(gates: Gates) -> None:
    """Ranked in A and not in B: one sentence with the reason, whichever gate was asked for and however slow it is."""

    def broken(cell: Cell) -> Cell:
        return a_cell("slow", 3, outcomes="F" + "." * 19) if (cell.strategy, cell.round) == ("slow", 3) else cell

    assert failures(gates, {}, broken) == [
        "slow is ranked in A and broke in B: 1 of 160 tests failed: RuntimeError: attached to a different loop."
    ]
    gone = against(
        [cell for cell in after({}) if cell.strategy != "slow"], a_run(*(facts(n) for n in COSTS if n != "slow"))
    )
    assert failed_gates(gone, gates) == ["slow is ranked in A and was not measured in B."]


def test_a_strategy_that_was_broken_before_is_not_gated() -> None:
    """What is not ranked in A may be so in B, or be there for the first time: neither fails a gate."""
    run = a_run(*(facts(name) for name in (*COSTS, "new")))
    before = measured("before", [*rounds_of(COSTS), a_cell("slow", 8, outcomes="F" * 20)])
    cells = [*after({"slow": 3.0}), *(a_cell("new", number, 9.0) for number in range(1, 9))]
    comparison = compare(before, measured("after", cells, run))
    assert not pairs_of(comparison)["slow"].a.ranked
    assert failed_gates(comparison, ALL_GATES) == []


def test_gates_that_hold_are_said_to_hold(tmp_path: Path) -> None:
    """A job's log shows that gates were looked at."""
    failed, text = printed(written(tmp_path / "a", rounds_of(COSTS)), written(tmp_path / "b", after({})), ALL_GATES)
    assert failed == []
    assert text.rstrip().endswith("All gates hold.")


def test_a_gate_that_cannot_be_judged_is_refused() -> None:
    """No interval, no witness or nothing ranked would let every change pass unseen: an error, not a pass."""
    with pytest.raises(UserError, match=r"fast has no interval.*--rounds 6"):
        failures(Gates(slower=0.2), {}, rounds=range(2))
    unwitnessed: Change = lambda cell: dataclasses.replace(cell, wal_bytes_per_test=None)  # noqa: E731 - typed
    with pytest.raises(UserError, match=r"WAL per test of fast is not known"):
        failures(Gates(wal=0.2), {}, unwitnessed)
    floors = [cell for cell in rounds_of(COSTS) if cell.strategy in ("none", "none_twin")]
    only_floor = compare(measured("before", floors, a_run(facts("none"))), measured("after", after({})))
    with pytest.raises(UserError, match="before ranks no strategy"):
        failed_gates(only_floor, Gates(statements=0.0))
