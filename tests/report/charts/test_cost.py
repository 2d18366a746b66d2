"""The chart of costs: it is complete by itself, nothing overlaps, and drawing is reproducible."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context, rcParams
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from bench.analysis.estimates import Estimate
from bench.analysis.findings import (
    Deviation,
    ErrorKind,
    NoiseFinding,
    NoiseKind,
    NotRanked,
    Reason,
    StoppedCell,
    TrapFinding,
)
from bench.analysis.noise import Noise
from bench.analysis.ranking import Analysis, StrategyResult
from bench.analysis.totals import SuiteLine
from bench.analysis.traps import TrapResult
from bench.report.charts.cost import picture
from bench.report.findings_text import frequent_errors, not_ranked_text
from bench.report.formatting import headline, milliseconds, significant
from bench.results.endpoints import ServerSource
from bench.results.records import (
    SCHEMA,
    Configuration,
    Decision,
    DecisionKind,
    Machine,
    RoundLimits,
    Run,
    ServerFacts,
    Size,
    StrategyFacts,
    Workload,
)
from tests.report.charts.pictures import boxes_in, check_layout, words_in

SUMMARIES = {
    "savepoint_rollback": "Wrap each test in an outer transaction and roll it back.",
    "null_pool": "One engine with `NullPool`, a new event loop for every test, one transaction that is rolled back.",
    "create_drop": "Create all tables before each test and drop them after it.",
    "migrate_per_test": "Migrate up to head before each test and down to base after it.",
    "none": "No isolation: one engine in one session loop, and everything that a test commits stays.",
}


def facts_of(name: str, *, errors: Sequence[tuple[str, str]] = ()) -> StrategyFacts:
    """Return the declaration of a strategy; with errors, of a trap."""
    return StrategyFacts(
        name=name,
        summary=SUMMARIES.get(name, f"What {name} does to give each test a clean database, in one sentence."),
        test_loop_scope="function" if errors else "session",
        fixture_loop_scope="session",
        hides=(),
        is_trap=bool(errors),
        expected_errors=tuple(errors),
        expected_failures="all fail" if errors else "",
    )


def result_of(
    name: str,
    ms: float | None,
    letters: str = "",
    *,
    ratio: float | None = None,
    why: NotRanked | None = None,
) -> StrategyResult:
    """Return the result of a strategy that costs `ms` milliseconds; with a reason in `why`, it is not ranked."""
    floor = name == "none"
    return StrategyResult(
        facts=facts_of(name),
        rounds=0 if ms is None else 7,
        tests=0 if ms is None else 700,
        passed=0 if ms is None else 7 if floor else 700,
        leaked=693 if floor else 0,
        failures=(),
        not_ranked=(why,) if why else (),
        per_test=None if ms is None else around(ms / 1000),
        letters=letters,
        to_floor=None if ms is None else around(ms / 3.52),
        to_best=None if ratio is None else around(ratio),
        probability_first=None,
        phases={"setup": 0.001, "call": 0.001, "teardown": 0.0001},
        fixed=1.25,
        suite=None if ms is None else SuiteLine(dict.fromkeys(range(1, 8), (1.25, ms / 1000))),
        residual=0.021,
        wal_bytes=812.0,
        statements=8.2,
        connections=0.0,
        transactions=2.0,
        cpu=None if ms is None else ms / 2000,
        peak_memory=100e6,
    )


def around(value: float) -> Estimate:
    """Return an estimate with an interval of about 6 %."""
    return Estimate(value, value * 0.97, value * 1.035)


def trap_of(
    name: str, errors: Sequence[tuple[str, str]], failures: dict[str, int], *deviations: TrapFinding
) -> TrapResult:
    """Return the result of a trap in 100 tests; errors are given as `RuntimeError: ...`."""
    counts = tuple((ErrorKind(*error.split(": ", 1)), count) for error, count in failures.items())
    return TrapResult(facts_of(name, errors=errors), 100, 100 - sum(failures.values()), counts, deviations)


OTHER_LOOP = ("RuntimeError", "attached to a different loop")
IN_PROGRESS = ("InterfaceError", "another operation is in progress")
OTHER_LOOP_ERROR = (
    "RuntimeError: Task <Task pending name='Task-{n}' coro=<test_{n}() running at workload.py:31>> "
    "got Future <Future pending cb=[BaseProtocol._on_waiter_completed()]> attached to a different loop"
)
IN_PROGRESS_ERROR = "InterfaceError: cannot perform operation: another operation is in progress"

TRAPS = (
    trap_of("session_engine_function_loops", [OTHER_LOOP], {OTHER_LOOP_ERROR.format(n=n): 20 for n in range(5)}),
    trap_of(
        "module_engine_function_loops",
        [OTHER_LOOP, IN_PROGRESS],
        {IN_PROGRESS_ERROR: 98, OTHER_LOOP_ERROR.format(n=2): 1},
    ),
    trap_of(
        "pre_ping_function_loops",
        [OTHER_LOOP],
        {"ConnectionDoesNotExistError: connection was closed in the middle of operation": 1},
        TrapFinding(Deviation.ERROR_ABSENT, error=ErrorKind(*OTHER_LOOP)),
    ),
)
RESULTS = (
    result_of("savepoint_rollback", 2.1, "a", ratio=1.0),
    result_of("engine_per_test", 9.31, "b", ratio=4.43),
    result_of("null_pool", 9.45, "b", ratio=4.5),
    result_of("create_drop", 24.6, "c", ratio=11.7),
    result_of("migrate_per_test", 118.4, "d", ratio=56.4),
    result_of("none", 3.52, why=NotRanked(Reason.FLOOR)),
)
UNFINISHED = StoppedCell("create_drop", Size(100, 5, 0), 4, "crashed", "")
QUIET = Noise("quiet", (), Estimate(1.004, 0.981, 1.03))
NO_TWIN = Noise("noisy", (NoiseFinding(NoiseKind.NO_TWIN),), None)


def analysis_of(
    strategies: Sequence[StrategyResult] = RESULTS, traps: Sequence[TrapResult] = TRAPS, noise: Noise = QUIET
) -> Analysis:
    """Return the analysis of a run of 7 rounds of 100 tests."""
    traps_and_others: list[StrategyResult | TrapResult] = [*strategies, *traps]
    run = Run(
        schema=SCHEMA,
        looptrap="0.1.0",
        started="2026-11-23T09:16:41+00:00",
        database_prefix="looptrap_0a1b2c3d_",
        commit="",
        command="nox -s bench -- --tests 100 --rounds 7 --server embedded --seed 20261123",
        configuration=Configuration(("none", "none_twin"), source=ServerSource(), cell_timeout=900),
        seed=20261123,
        limits=RoundLimits(7, 7, None),
        decisions=(Decision(DecisionKind.ROUNDS_DONE, 7),),
        strategies=tuple(result.facts for result in traps_and_others),
        workload=Workload(Size(100, 5, 0), ("create_and_list", "update"), "0123456789ab"),
        server=ServerFacts(
            "embedded", "no Docker", "18.4", "unix socket", "ext4", "", {"fsync": "off", "synchronous_commit": "on"}
        ),
        machine=Machine("AMD EPYC 7763 64-Core Processor", 2, 8 << 30, "Linux 6.1 x86_64", "3.11.7", {}),
    )
    return Analysis(run, tuple(strategies), tuple(traps), noise, ())


def many(count: int) -> list[StrategyResult]:
    """Return results of strategies with names of 40 characters, tied in groups of three."""
    return [
        result_of(f"number_{i:02}_a_strategy_with_a_very_long_name"[:40], 2 * 1.2**i, "abcdefghi"[i // 3], ratio=1.2**i)
        for i in range(count)
    ]


def one_round(results: Sequence[StrategyResult]) -> list[StrategyResult]:
    """Return the results as a single round gives them: no interval, and all tied for want of evidence."""
    return [
        replace(
            result,
            rounds=1,
            letters="a" if result.ranked else "",
            per_test=replace(result.per_test, low=None, high=None) if result.per_test else None,
        )
        for result in results
    ]


FAILS_AND_ABSENT = [
    result_of(
        "fails_often",
        5,
        why=NotRanked(
            Reason.FAILURES, 3, 700, error=ErrorKind("IntegrityError", "duplicate key value violates unique constraint")
        ),
    ),
    result_of("never_finished", None, why=NotRanked(Reason.NO_ROUND)),
]
WIDE_INTERVALS = [
    replace(result, per_test=replace(result.per_test, low=1e-6, high=1e3)) if result.per_test else result
    for result in RESULTS
]
ANALYSES = {
    "usual": analysis_of(),
    "one strategy": analysis_of(RESULTS[:1], (), NO_TWIN),
    "eight, one unfinished": analysis_of([*RESULTS, *FAILS_AND_ABSENT]),
    "25 with long names": analysis_of([*many(22), RESULTS[-1], *FAILS_AND_ABSENT]),
    "all alike": analysis_of([replace(r, facts=replace(r.facts, name=f"s{i}")) for i, r in enumerate(RESULTS[:1] * 4)]),
    "all tied": analysis_of([replace(result, letters="abcdefgh") for result in many(8)]),
    "one round": analysis_of(
        one_round(RESULTS),
        TRAPS,
        Noise("unusable", (NoiseFinding(NoiseKind.NO_INTERVAL, rounds=1),), Estimate(1, None, None)),
    ),
    "intervals of two rounds": analysis_of(WIDE_INTERVALS),
    "floor only": analysis_of([RESULTS[-1]]),
    "floor dearest": analysis_of([RESULTS[0], result_of("none", 400, why=NotRanked(Reason.FLOOR))]),
    "nothing finished": analysis_of(FAILS_AND_ABSENT[1:], ()),
    "no strategy": analysis_of([], TRAPS),
}


@cache
def drawn(name: str) -> tuple[Figure, list[tuple[str, Bbox]]]:
    """Return the figure of one of `ANALYSES`, and every text on it with the box that it fills."""
    figure = picture(ANALYSES[name]).figure
    return figure, boxes_in(figure)


@pytest.mark.parametrize("name", ANALYSES)
def test_no_two_texts_overlap_and_none_leaves_the_page(name: str) -> None:
    """No text overlaps another or is cut off, for many strategies and long names too."""
    check_layout(*drawn(name))


@pytest.mark.parametrize("name", ANALYSES)
def test_no_dot_lies_under_a_text_or_off_the_axis(name: str) -> None:
    """Every timed strategy has a dot within the axis, and no text covers it."""
    figure, boxes = drawn(name)
    (axes,) = figure.axes
    points = [np.asarray(line.get_xydata())[0] for line in axes.lines if line.get_marker() == "o"]
    dots = [axes.transData.transform(point) for point in points]
    assert len(dots) == sum(result.per_test is not None for result in ANALYSES[name].strategies)
    assert all(axes.bbox.contains(*dot) for dot in dots)
    assert not any(box.contains(*dot) for _, box in boxes for dot in dots)


@pytest.mark.parametrize("name", ANALYSES)
def test_the_axis_has_ticks(name: str) -> None:
    """The axis has at least two ticks."""
    (axes,) = drawn(name)[0].axes
    assert len(axes.get_xticks()) >= 2


@pytest.mark.parametrize("name", ANALYSES)
def test_the_chart_is_complete_by_itself(name: str, tmp_path: Path) -> None:
    """The SVG holds as text every strategy, its summary and its value, and the noise, machine, server and seed."""
    analysis = ANALYSES[name]
    words = words_in(picture(analysis).write_svg(tmp_path))
    joined = words.replace(" ", "")  # a long name may be broken over two lines
    for result in analysis.strategies:
        assert result.facts.name in joined
        assert result.facts.summary in words
        assert not_ranked_text(result) in words
        assert result.per_test is None or milliseconds(result.per_test) in words
    assert headline(analysis) in words
    assert analysis.noise.verdict in words
    assert "AMD EPYC 7763 64-Core Processor, 2 cores" in words
    assert "Python 3.11.7" in words
    assert "Postgres 18.4, embedded, unix socket, fsync=off" in words
    assert "seed 20261123, 2026-11-23" in words


def test_the_floor_and_its_band_are_named(tmp_path: Path) -> None:
    """The chart explains the dashed line and the shaded band; without a twin there is no band."""
    assert "dashed: the floor (none), 3.52 ms; shaded: noise in the A/A test" in words_in(
        picture(analysis_of()).write_svg(tmp_path)
    )
    alone = analysis_of(noise=NO_TWIN)
    assert "shaded" not in words_in(picture(alone).write_svg(tmp_path))


def test_a_run_that_was_cut_short_says_so(tmp_path: Path) -> None:
    """The footer of a run that was stopped states its rounds and the planned number."""
    stopped = analysis_of([replace(result, rounds=3) for result in RESULTS])
    stopped = replace(stopped, run=replace(stopped.run, decisions=()), unfinished=(UNFINISHED,))
    words = words_in(picture(stopped).write_svg(tmp_path))
    assert "100 tests x 3 of 7 rounds" in words
    assert "Cells that did not finish: 1." in words


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """A committed chart does not change when it is drawn again from the same run."""
    first, second = (picture(analysis_of()).write(tmp_path / name) for name in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_readers_own_settings_of_matplotlib_are_ignored(tmp_path: Path) -> None:
    """A matplotlibrc that changes fonts and colours does not change the chart, and drawing does not change it."""
    first = picture(analysis_of()).write(tmp_path / "one")
    with rc_context({"font.size": 20, "axes.facecolor": "black", "svg.fonttype": "path"}):
        second = picture(analysis_of()).write(tmp_path / "two")
        assert rcParams["svg.fonttype"] == "path"
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_strange_text_is_drawn_as_text(tmp_path: Path) -> None:
    """An error with formulas, markup, terminal codes or unknown characters does not break the chart."""
    strange = result_of(
        "strange", 5, why=NotRanked(Reason.CANNOT_RUN, cause="$x^2$ <b>&amp; \x1b[31mred\x00 \u65e5\u672c")
    )
    words = words_in(picture(analysis_of([*RESULTS, strange])).write_svg(tmp_path))
    assert "$x^2$ <b>&amp; \ufffd[31mred\ufffd \ufffd\ufffd" in words


PAIRWISE_TIES = [
    result_of("a", 3, "a", ratio=1),
    result_of("b", 3.1, "ab", ratio=1.03),
    result_of("c", 3.6, "b", ratio=1.2),
]
HEADLINES = {
    "savepoint_rollback costs 2.10 ms per test, 4.4x less than engine_per_test and 56x less than migrate_per_test": (
        analysis_of()
    ),
    "savepoint_rollback costs 2.10 ms per test": analysis_of(RESULTS[:1]),
    "No strategy is ranked: none passed all tests in a timed round": analysis_of(RESULTS[-1:]),
    "All 2 strategies tie, at 9.31 ms to 9.45 ms per test": analysis_of(RESULTS[1:3]),
    "a (tied with b) costs 3.00 ms per test, 17 % less than c": analysis_of(PAIRWISE_TIES),
    "savepoint_rollback (tied with 2 others) costs 2.10 ms per test, 12x less than create_drop": (
        analysis_of([RESULTS[0], *(replace(result, letters="a") for result in RESULTS[1:3]), RESULTS[3]])
    ),
    "savepoint_rollback measured 2.10 ms per test, but one round cannot rank strategies": ANALYSES["one round"],
    "Too noisy to compare strategies: savepoint_rollback measured 2.10 ms per test, which may be wrong": (
        analysis_of(noise=replace(QUIET, verdict="unusable"))
    ),
}


@pytest.mark.parametrize("expected", HEADLINES)
def test_the_headline_claims_no_more_than_the_run_shows(expected: str) -> None:
    """The title names the cheapest with its ties, and makes no comparison that noise or few rounds forbid."""
    assert headline(HEADLINES[expected]) == expected


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2.1, "2.10"), (0.012345, "0.0123"), (9.999, "10.0"), (118.4, "118"), (1234.5, "1230"), (0, "0"), (999.6, "1000")],
)
def test_numbers_have_three_significant_digits(value: float, shown: str) -> None:
    """Numbers are shown with three significant digits and without an exponent."""
    assert significant(value) == shown


def test_errors_that_differ_only_beside_the_declared_words_are_one() -> None:
    """A declared error of five tasks counts once; others stay apart, and the rarest are summed up."""
    assert frequent_errors(TRAPS[0].facts, TRAPS[0].failures) == [
        ("RuntimeError: ... attached to a different loop", 100)
    ]
    others = tuple((ErrorKind("ValueError", f"{number}"), 9 - number) for number in range(5))
    assert frequent_errors(TRAPS[0].facts, others)[-1] == ("2 other kinds", 11)
