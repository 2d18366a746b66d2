"""Comparing two runs: ratios, differences, the console output, and which runs are refused. The cells are synthetic."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len

from bench.analysis import statistics
from bench.analysis.comparison import Change, compare, differences
from bench.analysis.estimates import bounds
from bench.analysis.gates import Gates
from bench.report.comparison_text import difference_table, strategy_table
from bench.results.errors import UserError
from bench.results.records import Machine, Size
from tests.compared_runs import (
    ALL_GATES,
    OTHER_WORKLOAD,
    RUN,
    after,
    against,
    compared_run,
    pairs_of,
    printed,
    witness,
    written,
)
from tests.made_runs import COSTS, a_cell, a_run, by_name, facts, rounds_of
from tests.servers import POSIX


def test_each_strategy_has_its_ratio_and_change() -> None:
    """A strategy is slower or faster in B if the interval of B / A excludes 1, and tied otherwise."""
    run = a_run(*(facts(name) for name in (*COSTS, "steady")))
    costs = {**COSTS, "steady": 0.02}
    a = compared_run("before", rounds_of(costs, range(13)), run)
    b = compared_run("after", rounds_of({**costs, "slow": 0.1, "fast": 0.004}, range(13), seed=1), run)
    pairs = pairs_of(compare(a, b))
    assert {name: pair.change for name, pair in pairs.items()} == {
        "fast": Change.FASTER,
        "steady": Change.TIED,
        "slow": Change.SLOWER,
        "none": Change.TIED,
    }
    assert pairs["slow"].ratio is not None
    expected = statistics.unpaired_ratio(
        *(np.array(list(by_name(run.analysis)["slow"].costs.values())) for run in (b, a))
    )
    assert dataclasses.astuple(pairs["slow"].ratio) == pytest.approx(expected)
    assert pairs["slow"].ratio.value == pytest.approx(2, rel=0.25)


def test_a_slower_machine_cancels_in_the_ratio_to_the_floor() -> None:
    """With all costs doubled, each ratio is 2 and the ratio to the floor is 1, with a narrower interval."""
    pairs = pairs_of(against(after(dict.fromkeys(COSTS, 2.0))))
    for name in ("fast", "slow"):
        ratio, (low, high) = pairs[name].ratio, bounds(pairs[name].to_floor)
        assert ratio
        assert ratio.value == pytest.approx(2, rel=0.2)
        assert low < 1 < high < 1.04 * low
    assert pairs["none"].to_floor is None


def test_the_ratio_to_the_floor_pairs_within_rounds() -> None:
    """A round without the floor is left out, although the strategy took ten times as long in that round."""
    cells = [cell for cell in after({}) if (cell.strategy, cell.round) != ("none", 2)]
    cells = [a_cell("slow", 2, 0.5) if (cell.strategy, cell.round) == ("slow", 2) else cell for cell in cells]
    _, high = bounds(pairs_of(against(cells))["slow"].to_floor)
    assert high < 1.03


def test_one_round_gives_ratios_without_interval_or_change() -> None:
    """One round is no replication, so nothing is called slower."""
    pair = pairs_of(against(after({}, rounds=range(2))))["slow"]
    assert pair.ratio is not None
    assert (pair.ratio.low, pair.ratio.high, pair.change) == (None, None, None)


def test_the_table_shows_both_runs() -> None:
    """A row has both costs in ms, both ratios with intervals, the change, and both witnesses of both runs."""
    comparison = against(after({"slow": 2.0}, witness("slow", wal=2500, statements=9)))
    header, *rows = strategy_table(comparison)
    assert header == (
        "strategy",
        "A ms",
        "B ms",
        "B / A (95 %)",
        "",
        "to the floor (95 %)",
        "A WAL kB",
        "B",
        "A statements",
        "B",
    )
    name, a, b, ratio, change, _, *witnesses = next(row for row in rows if row[0] == "slow")
    assert (name, change, witnesses) == ("slow", "slower", ["1.00", "2.50", "8.00", "9.00"])
    per_test = pairs_of(comparison)["slow"].b.per_test
    assert per_test is not None
    assert float(b) == pytest.approx(per_test.value * 1000, rel=0.005)
    assert float(a) < float(b)
    value, low, _, high = ratio.replace("(", "").replace(")", "").split()
    assert float(low) < float(value) < float(high)
    assert [row[0] for row in rows] == ["fast", "slow", "none"]


MACHINE = Machine("cpu", 2, 8 << 30, "Linux", "3.13", {"asyncpg": "0.30", "pluggy": "1.6"}, "x86_64", "", "kvm")
SLOW = facts("slow")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"machine": dataclasses.replace(MACHINE, cpu="other")}, ("machine cpu", "cpu", "other")),
        (
            {"machine": dataclasses.replace(MACHINE, memory_bytes=4 << 30)},
            ("machine memory", "8.00 GiB", "4.00 GiB"),
        ),
        (
            {"machine": dataclasses.replace(MACHINE, governor="powersave")},
            ("machine governor", "not known", "powersave"),
        ),
        ({"machine": dataclasses.replace(MACHINE, python="3.14")}, ("Python", "3.13", "3.14")),
        (
            {"machine": dataclasses.replace(MACHINE, packages={"asyncpg": "0.31", "pluggy": "1.6"})},
            ("package asyncpg", "0.30", "0.31"),
        ),
        (
            {"machine": dataclasses.replace(MACHINE, packages={"asyncpg": "0.30"})},
            ("packages in one run only", "pluggy 1.6", "-"),
        ),
        ({"server": dataclasses.replace(RUN.server, version="17.2")}, ("server version", "18.4", "17.2")),
        ({"server": dataclasses.replace(RUN.server, settings={"fsync": "off"})}, ("setting fsync", "-", "off")),
        ({"workload": OTHER_WORKLOAD}, ("workload fingerprint", "0123456789ab", "ba9876543210")),
        ({"workload": dataclasses.replace(RUN.workload, size=Size(20, 50, 0))}, ("workload tables", "5", "50")),
        ({"looptrap": "0.2.0"}, ("looptrap version", "0.1.0", "0.2.0")),
        ({"commit": "0a1b2c3+"}, ("looptrap commit", "not known", "0a1b2c3+")),
        (
            {"strategies": (dataclasses.replace(SLOW, source_sha256="ab" * 32),)},
            ("source of slow", "not known", "ab" * 6),
        ),
        ({"strategies": (SLOW, facts("new"))}, ("source of new", "-", "not known")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_each_difference_is_named(change: dict[str, object], expected: tuple[str, str, str]) -> None:
    """The table has one row, with both values; a dash stands for a fact that only one run has."""
    a = dataclasses.replace(RUN, machine=MACHINE, strategies=(SLOW,))
    b = dataclasses.replace(a, **change)  # type: ignore[arg-type]
    name, of_a, of_b = expected
    assert difference_table([*differences(a, b)])[1:] == [expected]
    assert difference_table([*differences(b, a)])[1:] == [(name, of_b, of_a)]


def test_facts_that_vary_between_any_two_runs_are_ignored() -> None:
    """These are time, seed, command, the reason for choosing a server and a few kB of memory."""
    server = dataclasses.replace(RUN.server, why="another reason")
    machine = dataclasses.replace(MACHINE, memory_bytes=MACHINE.memory_bytes + 4096)
    a = dataclasses.replace(RUN, machine=MACHINE)
    b = dataclasses.replace(a, started="2026", seed=5, command="x", server=server, machine=machine)
    assert list(differences(a, b)) == []


def test_the_order_of_the_output(tmp_path: Path) -> None:
    """Runs, their noise and the differences come before the table, remarks and gates after it."""
    other = dataclasses.replace(RUN, machine=dataclasses.replace(RUN.machine, cpu="[b]other"), looptrap="0.2.0")
    a = written(tmp_path / "a", rounds_of(COSTS))
    b = written(tmp_path / "b", after({**dict.fromkeys(COSTS, 2.5), "slow": 4.0}), other)
    failed, text = printed(a, b, ALL_GATES)
    order = [
        f"A: {a}",
        "Noise: ",
        f"B: {b}",
        "Noise: ",
        "Differences:",
        "looptrap version",
        "machine cpu",
        "[b]other",
        "strategy ",
        "The floor itself is slower in B",
        "GATE FAILED: slow is slower",
    ]
    assert re.search(".*".join(map(re.escape, order)), text, re.DOTALL)
    assert len(failed) == 1


def test_runs_without_a_difference(tmp_path: Path) -> None:
    """A sentence replaces the list of differences; without gates, the output does not mention them."""
    failed, text = printed(written(tmp_path / "a", rounds_of(COSTS)), written(tmp_path / "b", after({})))
    assert failed == []
    assert "No recorded differences" in text
    assert "Differences:" not in text
    assert "DIFFERENT WORKLOADS" not in text
    assert "gate" not in text.lower()


def test_different_workloads(tmp_path: Path) -> None:
    """Without gates such runs are shown with a warning above their figures; with gates they are refused."""
    a = written(tmp_path / "a", rounds_of(COSTS))
    b = written(tmp_path / "b", after({}), dataclasses.replace(RUN, workload=OTHER_WORKLOAD))
    text = printed(a, b)[1]
    assert text.index("DIFFERENT WORKLOADS") < text.index("A ms")
    for gates in (Gates(slower=0.2), Gates(wal=0.2), Gates(statements=0.0)):
        with pytest.raises(UserError, match=r"0123456789ab .* and ba9876543210 .* nox -s bench"):
            printed(a, b, gates)


@pytest.mark.parametrize("width", [80, 140])
def test_the_output_fits_the_console(width: int, tmp_path: Path) -> None:
    """Only a path may be wider than the terminal, and no figure is folded, even at 80 columns."""
    cells = after({"slow": 2.0}, witness("slow", wal=123_456, statements=77))
    text = printed(written(tmp_path / "a", rounds_of(COSTS)), written(tmp_path / "b", cells), width=width)[1]
    lines = [line for line in text.splitlines() if str(tmp_path) not in line]
    assert max(map(cell_len, lines)) <= width
    for figure in ("123", "77.0", "slower"):
        assert any(figure in line.split() for line in lines)


@POSIX
def test_a_run_is_not_compared_with_itself(tmp_path: Path) -> None:
    """A second name for the same folder does not help."""
    folder = written(tmp_path / "a", rounds_of(COSTS, range(2)))
    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.raises(UserError, match=r"a and .*link hold the same run"):
        printed(folder, link)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    """The error names the folder without a run, whether it is the first or the second."""
    folder = written(tmp_path / "a", rounds_of(COSTS, range(2)))
    for one, other in ((folder, tmp_path / "b"), (tmp_path / "b", folder)):
        with pytest.raises(UserError, match=r"b holds no run"):
            printed(one, other)


def test_runs_without_a_common_figure_are_refused() -> None:
    """Either nothing finished in one of the runs, or they have different strategies."""
    alone = a_run(facts("alone"))
    for cells, run in (([], RUN), ([a_cell("fast", 0)], RUN), ([a_cell("alone", 1)], alone)):
        with pytest.raises(UserError, match=r"before and after have no strategy .* nox -s bench"):
            against(cells, run)
