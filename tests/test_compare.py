"""
Two runs side by side: what is said of them, when a gate fires, and how often the interval of their ratio is right.

The cells are synthetic, but made of the real records. `python -m pytest tests/test_compare.py -k coverage -s` prints
the table of docs/comparing.md.
"""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rich.cells import cell_len
from rich.console import Console
from scipy import stats

from bench import statistics
from bench.analysis import analyse
from bench.compare import (
    Comparison,
    Difference,
    Gates,
    Measured,
    Pair,
    compare,
    compare_runs,
    differences,
    failed_gates,
    table,
)
from bench.errors import UserError
from bench.results import Cell, Machine, Run, Size, append_cell, create_run
from bench.statistics import Floats
from tests.test_analysis import COSTS, a_cell, a_run, by_name, facts, rounds_of
from tests.test_statistics import ERROR, RUNS, Draw, contaminated, normal, skewed, slowed, student

RUN = a_run(*(facts(name) for name in COSTS))
OTHER_WORK = dataclasses.replace(RUN.workload, fingerprint="ba9876543210")
ALL_GATES = Gates(slower=0.2, wal=0.2, statements=0.0)
Change = Callable[[Cell], Cell]


def measured(name: str, cells: list[Cell], run: Run = RUN) -> Measured:
    """Make one side of a comparison, called `name`, of cells."""
    run = dataclasses.replace(run, started=name)
    return Measured(Path(name), analyse(run, cells))


def after(factors: dict[str, float], change: Change = lambda cell: cell, rounds: range = range(9)) -> list[Cell]:
    """Make the cells of a later run in which costs are multiplied by factors, each cell changed by `change`."""
    costs = {name: cost * factors.get(name, 1) for name, cost in COSTS.items()}
    return [change(cell) for cell in rounds_of(costs, rounds, seed=1)]


BEFORE = measured("before", rounds_of(COSTS))


def against(cells: list[Cell], run: Run = RUN) -> Comparison:
    """Compare the run before with one of these cells."""
    return compare(BEFORE, measured("after", cells, run))


def pairs_of(comparison: Comparison) -> dict[str, Pair]:
    """Look strategies up by their names."""
    return {pair.name: pair for pair in comparison.pairs}


def witness(name: str, **figures: float) -> Change:
    """Return what gives a strategy's cells another number of `statements` per test, or of bytes of `wal`."""

    def change(cell: Cell) -> Cell:
        if cell.strategy != name:
            return cell
        statements = (int(figures.get("statements", 8)),) * len(cell.samples.outcomes)
        samples = dataclasses.replace(cell.samples, statements=statements)
        return dataclasses.replace(cell, samples=samples, wal_bytes_per_test=figures.get("wal", 1000.0))

    return change


def written(folder: Path, cells: list[Cell], run: Run = RUN) -> Path:
    """Write a run's two files."""
    create_run(folder, dataclasses.replace(run, started=folder.name))
    for cell in cells:
        append_cell(folder, cell)
    return folder


def printed(a: Path, b: Path, gates: Gates = Gates(), width: int = 140) -> tuple[list[str], str]:  # noqa: B008 - frozen
    """Return the gates that failed, and what was printed."""
    file = io.StringIO()
    failed = compare_runs(a, b, gates, Console(file=file, width=width))
    return failed, file.getvalue()


# --- what is compared -----------------------------------------------------------------------------------------------


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


# --- what differs ---------------------------------------------------------------------------------------------------

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


# --- gates ----------------------------------------------------------------------------------------------------------


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


# --- bad input ------------------------------------------------------------------------------------------------------


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


# --- the interval ---------------------------------------------------------------------------------------------------

costs_of_rounds = st.integers(1, 12).flatmap(lambda rounds: arrays(float, rounds, elements=st.floats(1e-4, 10)))


@given(costs_of_rounds, costs_of_rounds)
def test_a_ratio_of_two_runs_turned_over_is_its_inverse(a: Floats, b: Floats) -> None:
    """A/B and B/A say the same, and the figure lies within its interval, which needs two rounds of both."""
    value, low, high = statistics.unpaired_ratio(b, a)
    turned = statistics.unpaired_ratio(a, b)
    assert np.allclose(np.log(turned), -np.log([value, high, low]), atol=1e-9, equal_nan=True)
    if min(len(a), len(b)) < 2:
        assert np.isnan(low)
    else:
        assert low <= value <= high


@pytest.mark.parametrize(("rounds", "others"), [(2, 2), (3, 4), (6, 6), (7, 12), (30, 6)])
def test_the_interval_is_scipys(rounds: int, others: int) -> None:
    """It is that of scipy's t test with unequal variances and a fifth trimmed, which is Yuen's."""
    random = np.random.default_rng(rounds)
    b, a = random.normal(size=(50, rounds)), random.normal(size=(50, others))
    found = statistics.unpaired_ratio(np.exp(b), np.exp(a))
    expected = stats.ttest_ind(b, a, axis=-1, equal_var=False, trim=0.2).confidence_interval()
    assert np.allclose(np.log(found[1:]), [expected.low, expected.high])


def test_costs_that_do_not_vary_have_an_interval_without_width() -> None:
    """Nothing is divided by nothing where all rounds of both runs agree."""
    value, low, high = statistics.unpaired_ratio(np.full(7, 0.2), np.full(6, 0.1))
    assert value == pytest.approx(2)
    assert low == pytest.approx(high)


def wide(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Cells vary by 9 %."""
    return 3 * normal(random, shape)


def wide_student(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Cells vary by 15 %, with the tails of Student's t."""
    return 3 * student(random, shape)


WORLDS: dict[str, tuple[Draw, Draw]] = {
    "lognormal": (normal, normal),
    "heavy tails (t, 3 df)": (student, student),
    "contaminated: every 10th cell x 8": (contaminated, contaminated),
    "every 10th cell slowed by 35 %": (slowed, slowed),
    "skewed (exponential)": (skewed, skewed),
    "B varies 3 times as much": (normal, wide),
    "A varies 3 times as much": (wide, normal),
    "heavy tails, B varies 3 times as much": (student, wide_student),
    "only cells of B are slowed": (normal, slowed),
    "only cells of A are slowed": (slowed, normal),
}
"""Of each: what happens to the log costs of A, and of B."""


def coverage(world: tuple[Draw, Draw], rounds: tuple[int, int]) -> float:
    """Return how often, in percent, the interval covers the median ratio over endlessly many rounds."""
    random = np.random.default_rng(20250101)
    a, b = (draw(random, (300_000,)) for draw in world)
    truth = 2.5 * np.exp(np.median(b - a))
    a, b = (np.exp(draw(random, (RUNS, number))) for draw, number in zip(world, rounds, strict=True))
    _, low, high = statistics.unpaired_ratio(2.5 * b, a)
    return 100 * float(np.mean((low <= truth) & (truth <= high)))


def report(name: str, figures: list[float]) -> None:
    """Print one row of the table."""
    print(f"\n| {name} | {' | '.join(f'{figure:.1f}' for figure in figures)} |", end="")  # noqa: T201 - for the docs


@pytest.mark.parametrize("name", WORLDS)
def test_coverage_of_two_runs_is_93_to_97_percent(name: str) -> None:
    """With 6 to 12 rounds each, as many or not, whatever the noise of either run."""
    figures = [coverage(WORLDS[name], rounds) for rounds in [(6, 6), (7, 7), (10, 10), (12, 12), (6, 12), (12, 6)]]
    report(name, figures)
    assert min(figures) >= 93 - ERROR
    assert max(figures) <= 97 + ERROR


@pytest.mark.parametrize("name", WORLDS)
def test_coverage_with_few_rounds(name: str) -> None:
    """With 2 to 5 rounds on one side or both it is 93 % or more; where cells are slowed it is too wide."""
    figures = [coverage(WORLDS[name], rounds) for rounds in [(2, 2), (3, 3), (5, 5), (3, 7), (5, 8)]]
    report(f"2 x 2, 3 x 3, 5 x 5, 3 x 7, 5 x 8: {name}", figures)
    assert min(figures) >= 93 - ERROR


def test_coverage_when_a_run_is_slower_as_a_whole() -> None:
    """Runs that differ by 10 % as a whole: the clock's interval knows nothing of it, that to the floor covers."""
    random = np.random.default_rng(7)
    covered = []
    for rounds in (6, 12):
        shape = (2, RUNS, rounds)
        whole = random.normal(0, 0.1, (2, RUNS, 1))
        strategy, floor = np.exp(normal(random, shape) + whole), np.exp(normal(random, shape) + whole)
        for costs in (strategy, strategy / floor):
            _, low, high = statistics.unpaired_ratio(costs[1], costs[0])
            covered.append(100 * float(np.mean((low <= 1) & (high >= 1))))
    report("runs differ by 10 %: clock and floor at 6 rounds, at 12", covered)
    assert max(covered[0], covered[2]) < 50
    assert min(covered[1], covered[3]) >= 93 - ERROR
    assert max(covered[1], covered[3]) <= 97 + ERROR
