"""The sentences and rows that answer which strategy to use."""

from dataclasses import replace

import pytest

from bench.analysis.findings import NoiseFinding, NoiseKind, NotRanked, Reason
from bench.analysis.noise import Noise
from bench.analysis.ranking import Analysis
from bench.analysis.totals import SuiteLine
from bench.report.answers import answers, choices
from bench.report.formatting import duration
from bench.results.records import Fidelity, ProbeResult
from bench.strategy.probe_catalogue import Family, Probe
from tests.report.charts.test_cost import analysis_of, result_of


def seeing(name: str, *hidden: Probe) -> Fidelity:
    """Return outcomes of a strategy that passes all probes except some."""
    sights = tuple(ProbeResult(probe, "hides" if probe in hidden else "sees", "") for probe in Probe)
    return Fidelity(name, "", "embedded, Postgres 18.4", sights)


EVERYTHING = seeing("template_clone")
NO_COMMITS = seeing("savepoint_rollback", Probe.SECOND_CONNECTION, Probe.NOTIFY, Probe.NOWAIT, Probe.SEQUENCES_RESTART)
NO_NOTIFY = seeing("delete_all", Probe.NOTIFY)


def probed(*tied: str, noise: Noise | None = None) -> Analysis:
    """Return an analysis of three strategies that see more the more they cost; the given ones share a letter."""
    rows = [("savepoint_rollback", 2.0, "a", NO_COMMITS), ("delete_all", 4.0, "b", NO_NOTIFY)]
    rows += [("template_clone", 40.0, "c", EVERYTHING)]
    results = [
        replace(result_of(name, ms, letter + ("z" if name in tied else ""), ratio=ms / 2), fidelity=fidelity)
        for name, ms, letter, fidelity in rows
    ]
    floor = result_of("none", 3.0, why=NotRanked(Reason.FLOOR))
    analysis = analysis_of([*results, floor])
    outcomes = {fidelity.strategy: fidelity for *_, fidelity in rows}
    return replace(analysis, outcomes=outcomes, noise=noise or analysis.noise)


def test_the_answers_say_what_is_cheapest_what_it_hides_and_what_sees_more() -> None:
    """They give the cost of the cheapest, what it hides, and the cheapest strategies for two greater needs."""
    assert answers(probed()) == [
        (
            "On this machine savepoint_rollback costs 2.00 ms per test, 2.0x less than delete_all and 20x less than "
            "template_clone."
        ),
        (
            "Tests under savepoint_rollback do not see 4 of 44 behaviours of a real Postgres, among them "
            "sequences_restart, second_connection and notify."
        ),
        (
            "If tests must see commits of another connection, the cheapest is delete_all, at 4.00 ms per test. "
            "If they must see all 44, the only one is template_clone, at 40.0 ms per test."
        ),
    ]


def test_no_strategy_is_called_cheapest_without_its_ties() -> None:
    """Strategies that share its letter are named beside the cheapest, and so is the one of them that sees more."""
    said = answers(probed("savepoint_rollback", "delete_all", "template_clone"))
    assert said[1].endswith("Of the strategies tied with it, template_clone sees most: 44.")
    assert "the cheapest is delete_all (tied with template_clone), at 4.00 ms per test." in said[2]


def test_an_unusable_run_names_no_cheapest() -> None:
    """In an unusable run no strategy is called cheapest, but the answer still names those that see what is needed."""
    said = answers(probed(noise=Noise("unusable", (NoiseFinding(NoiseKind.NO_INTERVAL, rounds=1),), None)))
    assert "Too noisy" in said[0]
    assert said[2].startswith("If tests must see commits of another connection: delete_all and template_clone.")


def test_what_was_not_probed_is_not_claimed() -> None:
    """Without probes there is only the cost, and every row warns that the strategy was not probed."""
    assert len(answers(analysis_of())) == 1
    assert {choice.caveat for choice in choices(analysis_of()) if choice.result.ranked} == {
        "not probed: what it hides is not known"
    }


def test_a_strategy_that_sees_all_needs_no_other() -> None:
    """If the cheapest strategy sees everything, no other is named."""
    only = replace(result_of("template_clone", 2.0, "a", ratio=1.0), fidelity=EVERYTHING)
    assert answers(analysis_of([only])) == [
        "On this machine template_clone costs 2.00 ms per test.",
        "Its tests see all 44 behaviours of a real Postgres that are probed.",
    ]


@pytest.mark.parametrize(
    ("hidden", "caveat"),
    [
        ((), "sees all that is probed"),
        ((Probe.NOTIFY,), "misses notify"),
        ((Probe.NOTIFY, Probe.NOWAIT), "misses nowait and notify"),
        (tuple(probe for probe in Probe if probe.family == Family.LOOPS), "misses loops 4/4"),
        (
            (*tuple(probe for probe in Probe if probe.family in {Family.LOOPS, Family.CONNECTIONS}), Probe.NOTIFY),
            "misses connections 8/8, loops 4/4 ...",
        ),
    ],
)
def test_a_caveat_is_one_short_line(hidden: tuple[Probe, ...], caveat: str) -> None:
    """It names the missing probes if they are few, else the families with the largest missing share."""
    result = replace(result_of("some", 2.0, "a"), fidelity=seeing("some", *hidden))
    assert [choice.caveat for choice in choices(analysis_of([result]))] == [caveat]


def test_a_row_says_how_long_suites_take() -> None:
    """The time of a suite is the fixed time plus that of its 100, 1,000 or 10,000 tests."""
    result = replace(result_of("some", 2.0, "a"), suite=SuiteLine({1: (1.25, 0.02)}))
    assert [words for choice in choices(analysis_of([result])) for _, words in choice.suites] == [
        "3.25 s",
        "21.2 s",
        "3 min 21 s",
    ]


def test_a_strategy_without_figures_has_no_times() -> None:
    """Without a finished timed cell there are no times."""
    assert [
        choice.suites for choice in choices(analysis_of([result_of("some", None, why=NotRanked(Reason.NO_ROUND))]))
    ] == [()]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.5, "0.500 s"), (59, "59.0 s"), (60, "1 min 00 s"), (3599.6, "1 h 00 min"), (9000, "2 h 30 min")],
)
def test_a_duration_reads_as_people_say_it(seconds: float, words: str) -> None:
    """Durations are in seconds, from a minute in minutes and seconds, from an hour in hours and minutes."""
    assert duration(seconds) == words
