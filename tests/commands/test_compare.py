"""
Two runs side by side: what is said of them, and which cannot be compared.

The cells are synthetic, but made of the real records.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len

from bench.analysis import statistics
from bench.analysis.comparison import Difference, compare, differences
from bench.analysis.gates import Gates
from bench.report.comparison_text import table
from bench.results.errors import UserError
from bench.results.records import Machine, Size
from tests.compared_runs import (
    ALL_GATES,
    OTHER_WORK,
    RUN,
    after,
    against,
    measured,
    pairs_of,
    printed,
    witness,
    written,
)
from tests.made_runs import COSTS, a_cell, a_run, by_name, facts, rounds_of
from tests.servers import POSIX


def test_each_strategy_has_its_ratio_and_a_word() -> None:
    """B over A with an interval: slower and faster where it excludes 1, same where it covers it."""
    run = a_run(*(facts(name) for name in (*COSTS, "steady")))
    costs = {**COSTS, "steady": 0.02}
    a = measured("before", rounds_of(costs, range(13)), run)
    b = measured("after", rounds_of({**costs, "slow": 0.1, "fast": 0.004}, range(13), seed=1), run)
    pairs = pairs_of(compare(a, b))
    assert {name: pair.word for name, pair in pairs.items()} == {
        "fast": "faster",
        "steady": "same",
        "slow": "slower",
        "none": "same",
    }
    assert pairs["slow"].ratio is not None
    expected = statistics.unpaired_ratio(
        *(np.array(list(by_name(run.analysis)["slow"].costs.values())) for run in (b, a))
    )
    assert dataclasses.astuple(pairs["slow"].ratio) == pytest.approx(expected)
    assert pairs["slow"].ratio.value == pytest.approx(2, rel=0.25)


def test_a_machine_that_is_slower_as_a_whole_is_not_in_the_ratio_to_the_floor() -> None:
    """All costs doubled: each ratio is 2, relative to the floor it is 1, and narrower since rounds cancel."""
    pairs = pairs_of(against(after(dict.fromkeys(COSTS, 2.0))))
    for name in ("fast", "slow"):
        ratio, to_floor = pairs[name].ratio, pairs[name].to_floor
        assert ratio is not None
        assert to_floor is not None
        assert to_floor.low is not None
        assert to_floor.high is not None
        assert ratio.value == pytest.approx(2, rel=0.2)
        assert to_floor.low < 1 < to_floor.high
        assert to_floor.high / to_floor.low < 1.04
    assert pairs["none"].to_floor is None


def test_the_ratio_to_the_floor_pairs_within_rounds() -> None:
    """A round without the floor is left out of it, though the strategy took ten times as long in that round."""
    cells = [cell for cell in after({}) if (cell.strategy, cell.round) != ("none", 2)]
    cells = [a_cell("slow", 2, 0.5) if (cell.strategy, cell.round) == ("slow", 2) else cell for cell in cells]
    to_floor = pairs_of(against(cells))["slow"].to_floor
    assert to_floor is not None
    assert to_floor.high is not None
    assert to_floor.high < 1.03


def test_one_round_gives_ratios_without_interval_or_word() -> None:
    """One round is no replication: the ratio stands alone and nothing is called slower."""
    pair = pairs_of(against(after({}, rounds=range(2))))["slow"]
    assert pair.ratio is not None
    assert (pair.ratio.low, pair.ratio.high, pair.word) == (None, None, "")


def test_the_table_shows_both_runs() -> None:
    """A row has both costs in ms, both ratios with intervals, the word, and both witnesses of both runs."""
    comparison = against(after({"slow": 2.0}, witness("slow", wal=2500, statements=9)))
    header, *rows = table(comparison)
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
    name, a, b, ratio, word, _, *witnesses = next(row for row in rows if row[0] == "slow")
    assert (name, word, witnesses) == ("slow", "slower", ["1.00", "2.50", "8.00", "9.00"])
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
        ({"machine": dataclasses.replace(MACHINE, cpu="other")}, Difference("machine's cpu", "cpu", "other")),
        (
            {"machine": dataclasses.replace(MACHINE, memory_bytes=4 << 30)},
            Difference("machine's memory", "8.00 GiB", "4.00 GiB"),
        ),
        (
            {"machine": dataclasses.replace(MACHINE, governor="powersave")},
            Difference("machine's governor", "not known", "powersave"),
        ),
        ({"machine": dataclasses.replace(MACHINE, python="3.14")}, Difference("Python", "3.13", "3.14")),
        (
            {"machine": dataclasses.replace(MACHINE, packages={"asyncpg": "0.31", "pluggy": "1.6"})},
            Difference("package asyncpg", "0.30", "0.31"),
        ),
        (
            {"machine": dataclasses.replace(MACHINE, packages={"asyncpg": "0.30"})},
            Difference("packages in one only", "pluggy 1.6", "-"),
        ),
        ({"server": dataclasses.replace(RUN.server, version="17.2")}, Difference("server's version", "18.4", "17.2")),
        (
            {"server": dataclasses.replace(RUN.server, settings={"fsync": "off"})},
            Difference("setting fsync", "-", "off"),
        ),
        ({"workload": OTHER_WORK}, Difference("workload", "0123456789ab", "ba9876543210")),
        (
            {"workload": dataclasses.replace(RUN.workload, size=Size(20, 50, 0))},
            Difference("workload's tables", "5", "50"),
        ),
        ({"looptrap": "0.2.0"}, Difference("looptrap", "0.1.0", "0.2.0")),
        ({"commit": "0a1b2c3+"}, Difference("looptrap's commit", "not known", "0a1b2c3+")),
        (
            {"strategies": (dataclasses.replace(SLOW, source_sha256="ab" * 32),)},
            Difference("source of slow", "not known", "ab" * 6),
        ),
        ({"strategies": (SLOW, facts("new"))}, Difference("source of new", "-", "not known")),
    ],
    ids=lambda value: value.what if isinstance(value, Difference) else "",
)
def test_each_difference_is_named(change: dict[str, object], expected: Difference) -> None:
    """What is another in B stands there alone, with both values; what is in one run only has a dash."""
    a = dataclasses.replace(RUN, machine=MACHINE, strategies=(SLOW,))
    b = dataclasses.replace(a, **change)  # type: ignore[arg-type]
    assert list(differences(a, b)) == [expected]
    assert list(differences(b, a)) == [Difference(expected.what, expected.b, expected.a)]


def test_what_makes_no_difference_is_not_named() -> None:
    """Time, seed, command, why a server was chosen and a few kB of memory belong to every run."""
    server = dataclasses.replace(RUN.server, why="another reason")
    machine = dataclasses.replace(MACHINE, memory_bytes=MACHINE.memory_bytes + 4096)
    a = dataclasses.replace(RUN, machine=MACHINE)
    b = dataclasses.replace(a, started="2026", seed=5, command="x", server=server, machine=machine)
    assert list(differences(a, b)) == []


def test_differences_are_said_first(tmp_path: Path) -> None:
    """Runs, their noise and what differs stand above the table; remarks and gates below it."""
    other = dataclasses.replace(RUN, machine=dataclasses.replace(RUN.machine, cpu="[b]other"), looptrap="0.2.0")
    a = written(tmp_path / "a", rounds_of(COSTS))
    b = written(tmp_path / "b", after({**dict.fromkeys(COSTS, 2.5), "slow": 4.0}), other)
    failed, text = printed(a, b, ALL_GATES)
    order = [
        f"A: {a}",
        "Noise: ",
        f"B: {b}",
        "Noise: ",
        "What differs:",
        "looptrap ",
        "machine's cpu",
        "[b]other",
        "strategy ",
        "The floor itself is slower in B",
        "GATE: slow is slower",
    ]
    place = 0
    for words in order:
        assert words in text[place:], words
        place = text.index(words, place) + len(words)
    assert len(failed) == 1


def test_runs_without_a_difference_say_so(tmp_path: Path) -> None:
    """Where nothing recorded differs, that is said in place of the list; no gate, no word of gates."""
    failed, text = printed(written(tmp_path / "a", rounds_of(COSTS)), written(tmp_path / "b", after({})))
    assert failed == []
    assert "Nothing that is recorded differs" in text
    assert "What differs" not in text
    assert "DIFFERENT WORK" not in text
    assert "gate" not in text.lower()


def test_different_work_is_said_loudly(tmp_path: Path) -> None:
    """Without a gate such runs are shown, with a warning above their figures; with one they are refused."""
    a = written(tmp_path / "a", rounds_of(COSTS))
    b = written(tmp_path / "b", after({}), dataclasses.replace(RUN, workload=OTHER_WORK))
    text = printed(a, b)[1]
    assert text.index("DIFFERENT WORK") < text.index("A ms")
    for gates in (Gates(slower=0.2), Gates(wal=0.2), Gates(statements=0.0)):
        with pytest.raises(UserError, match=r"0123456789ab .* and ba9876543210 .* nox -s bench"):
            printed(a, b, gates)


@pytest.mark.parametrize("width", [80, 140])
def test_the_console_is_never_too_wide(width: int, tmp_path: Path) -> None:
    """No line but a path is wider than the terminal, and every figure is there, whole, at 80 columns too."""
    cells = after({"slow": 2.0}, witness("slow", wal=123_456, statements=77))
    text = printed(written(tmp_path / "a", rounds_of(COSTS)), written(tmp_path / "b", cells), width=width)[1]
    lines = [line for line in text.splitlines() if str(tmp_path) not in line]
    assert max(map(cell_len, lines)) <= width
    for figure in ("123", "77.0", "slower"):
        assert any(figure in line.split() for line in lines)


@POSIX
def test_a_run_is_not_compared_with_itself(tmp_path: Path) -> None:
    """One folder twice, by whatever name, is refused with both names."""
    folder = written(tmp_path / "a", rounds_of(COSTS, range(2)))
    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.raises(UserError, match=r"a and .*link hold the same run"):
        printed(folder, link)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    """The error names the folder that holds none, first or second."""
    folder = written(tmp_path / "a", rounds_of(COSTS, range(2)))
    for one, other in ((folder, tmp_path / "b"), (tmp_path / "b", folder)):
        with pytest.raises(UserError, match=r"b holds no run"):
            printed(one, other)


def test_runs_that_share_nothing_are_refused() -> None:
    """A run in which nothing finished, or which has other strategies, leaves no figure to compare."""
    alone = a_run(facts("alone"))
    for cells, run in (([], RUN), ([a_cell("fast", 0)], RUN), ([a_cell("alone", 1)], alone)):
        with pytest.raises(UserError, match=r"before and after have no strategy .* nox -s bench"):
            against(cells, run)
