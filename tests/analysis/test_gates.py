"""When gates fail, when they pass, and when they cannot be checked. The cells are synthetic."""

import dataclasses
import re
from pathlib import Path

import pytest

from bench.analysis.comparison import Change, Comparison, compare
from bench.analysis.gates import GateReason, Gates, failed_gates
from bench.report.comparison_text import gate_text
from bench.results.errors import UserError
from bench.results.records import Cell
from tests.compared_runs import (
    ALL_GATES,
    CellChange,
    after,
    against,
    compared_run,
    pairs_of,
    printed,
    witness,
    written,
)
from tests.made_runs import COSTS, a_cell, a_run, facts, rounds_of


def texts(comparison: Comparison, gates: Gates) -> list[str]:
    """Return the sentences about failed gates."""
    return [gate_text(failure) for failure in failed_gates(comparison, gates)]


def failures(
    gates: Gates, factors: dict[str, float], change: CellChange = lambda cell: cell, rounds: range = range(9)
) -> list[str]:
    """Return the sentences about the gates that a later run fails."""
    return texts(against(after(factors, change, rounds)), gates)


def test_a_slower_strategy_fails_the_gate() -> None:
    """The sentence has both costs, both ratios with intervals, and the limit."""
    (sentence,) = failures(Gates(slower=0.2), {"slow": 1.6})
    assert sentence.startswith("slow is slower: ")
    assert re.search(
        r" ms per test in B, [\d.]+ ms in A; B / A is .*, relative to the floor .*; the limit is 1\.2\.$", sentence
    )
    assert sentence.count(" to ") == 3


@pytest.mark.parametrize(
    ("factors", "share"),
    [
        pytest.param({}, 0.0, id="nothing changed"),
        pytest.param({"slow": 1.6}, 1.0, id="less than the share"),
        pytest.param({"slow": 0.5}, 0.0, id="faster"),
        pytest.param(dict.fromkeys(COSTS, 2.0), 0.2, id="the whole machine"),
        pytest.param({"none": 0.6, "none_twin": 0.6}, 0.2, id="only the floor is cheaper"),
        pytest.param({"none": 2.0, "none_twin": 2.0}, 0.2, id="only the floor is dearer"),
    ],
)
def test_the_gate_on_time_passes(factors: dict[str, float], share: float) -> None:
    """It fails only if both ratios exceed the share and the ratio to the floor is significant."""
    assert failures(Gates(slower=share), factors) == []


def test_a_ratio_that_is_not_significant_passes() -> None:
    """One slow round of three may be chance, although both ratios are far beyond the share."""
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


def test_varying_rounds_do_not_hide_a_slower_strategy() -> None:
    """Rounds that vary by 20 % widen the interval of B / A until it covers 1; the ratio to the floor stays precise."""
    comparison = against(after({"slow": 1.6}))
    pair = pairs_of(comparison)["slow"]
    assert pair.change is Change.TIED
    (failure,) = failed_gates(comparison, Gates(slower=0.2))
    assert (failure.strategy, failure.reason) == ("slow", GateReason.SLOWER)


def test_without_a_floor_the_plain_ratio_decides() -> None:
    """If the floor did not finish, B / A is the only ratio."""
    cells = [cell for cell in after({"slow": 2.0}) if cell.strategy != "none"]
    (sentence,) = texts(against(cells), Gates(slower=0.2))
    assert "slow is slower" in sentence
    assert "floor" not in sentence


@pytest.mark.parametrize(
    ("gates", "change", "sentence"),
    [
        (
            Gates(wal=0.2),
            witness("slow", wal=1600),
            "slow writes more WAL: 1.60 kB per test in B, 1.00 kB in A; the limit is 20 % more.",
        ),
        (Gates(wal=0.2), witness("slow", wal=1450), None),
        (Gates(wal=0.7), witness("slow", wal=1600), None),
        (Gates(wal=0.0), witness("slow", wal=400), None),
        (
            Gates(statements=0.0),
            witness("slow", statements=9),
            "slow sends more statements: 9.00 per test in B, 8.00 in A; the limit is 0 % more.",
        ),
        (Gates(statements=0.125), witness("slow", statements=9), None),
        (Gates(statements=0.0), witness("slow", statements=7), None),
        (Gates(statements=0.0, wal=0.0), witness("none", statements=20, wal=9000), None),
        (Gates(slower=0.2), witness("slow", statements=20, wal=9000), None),
    ],
)
def test_gates_on_witnesses(gates: Gates, change: CellChange, sentence: str | None) -> None:
    """WAL must exceed its share and 0.5 kB, statements their share; the floor is not checked."""
    assert failures(gates, {}, change) == ([sentence] if sentence else [])


@pytest.mark.parametrize("gates", [Gates(slower=9), Gates(wal=9), Gates(statements=9), ALL_GATES])
def test_a_strategy_that_is_no_longer_ranked_fails_every_gate(gates: Gates) -> None:
    """One sentence gives the reason, whichever gates are set and however slow the strategy is."""

    def broken(cell: Cell) -> Cell:
        return a_cell("slow", 3, outcomes="F" + "." * 19) if (cell.strategy, cell.round) == ("slow", 3) else cell

    assert failures(gates, {}, broken) == [
        "slow is ranked in A but not in B: 1 of 160 tests failed: RuntimeError: attached to a different loop."
    ]
    gone = against(
        [cell for cell in after({}) if cell.strategy != "slow"], a_run(*(facts(n) for n in COSTS if n != "slow"))
    )
    assert texts(gone, gates) == ["slow is ranked in A but was not measured in B."]


def test_a_strategy_that_is_not_ranked_in_a_is_not_checked() -> None:
    """It may have failed there, or be new in B."""
    run = a_run(*(facts(name) for name in (*COSTS, "new")))
    before = compared_run("before", [*rounds_of(COSTS), a_cell("slow", 8, outcomes="F" * 20)])
    cells = [*after({"slow": 3.0}), *(a_cell("new", number, 9.0) for number in range(1, 9))]
    comparison = compare(before, compared_run("after", cells, run))
    assert not pairs_of(comparison)["slow"].a.ranked
    assert failed_gates(comparison, ALL_GATES) == []


def test_passed_gates_are_printed(tmp_path: Path) -> None:
    """The log of a CI job shows that gates were checked."""
    failed, text = printed(written(tmp_path / "a", rounds_of(COSTS)), written(tmp_path / "b", after({})), ALL_GATES)
    assert failed == []
    assert text.rstrip().endswith("All gates passed.")


def test_a_gate_that_cannot_be_checked_is_refused() -> None:
    """Without an interval, a witness or a ranked strategy every change would pass."""
    with pytest.raises(UserError, match=r"fast has no confidence interval.*--rounds 6"):
        failures(Gates(slower=0.2), {}, rounds=range(2))
    unwitnessed: CellChange = lambda cell: dataclasses.replace(cell, wal_bytes_per_test=None)  # noqa: E731 - typed
    with pytest.raises(UserError, match=r"fast has no WAL per test"):
        failures(Gates(wal=0.2), {}, unwitnessed)
    floors = [cell for cell in rounds_of(COSTS) if cell.strategy in ("none", "none_twin")]
    only_floor = compare(compared_run("before", floors, a_run(facts("none"))), compared_run("after", after({})))
    with pytest.raises(UserError, match="before ranks no strategy"):
        failed_gates(only_floor, Gates(statements=0.0))
