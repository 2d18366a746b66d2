"""Probe outcomes: declarations are checked in both directions, and needs are looked up."""

import pytest

from bench.analysis.fidelity import (
    columns_of,
    contradictions,
    lacking,
    probe_result,
    seen,
)
from bench.probes.protocol import Outcome
from bench.report.findings_text import contradiction_text
from bench.report.formatting import listed
from bench.report.report_tables import family_table, probe_table
from bench.results.errors import UserError
from bench.results.records import Fidelity, ProbeResult, StrategyFacts
from bench.strategy.probe_catalogue import CONTROL, Family, Probe, parse_probes, probe_named


def outcomes_of(name: str, **outcomes: Outcome) -> Fidelity:
    """Make the outcomes of a strategy that passes all probes except the given ones."""
    sights = []
    for probe in Probe:
        outcome = outcomes.get(probe, "sees")
        sights.append(ProbeResult(probe, outcome, "" if outcome == "sees" else "why"))
    return Fidelity(name, "0" * 64, "embedded, Postgres 18.4", tuple(sights))


def facts(name: str, *hides: str) -> StrategyFacts:
    """Make the declaration of a strategy."""
    return StrategyFacts(name, "", "session", "session", hides)


def test_declaration_that_holds_is_no_contradiction() -> None:
    """A strategy that declares exactly the probes that it hides or breaks contradicts nothing."""
    found = {"mine": outcomes_of("mine", notify="hides", same_key="breaks")}
    assert [*contradictions([facts("mine", "notify", "same_key")], found)] == []


def test_declared_probe_that_passes_is_a_contradiction() -> None:
    """A probe that passes although the strategy declares to hide it is a contradiction."""
    (found,) = contradictions([facts("mine", "notify")], {"mine": outcomes_of("mine")})
    assert contradiction_text(found) == "mine declares to hide notify, but its tests see it: remove it from `hides`."


@pytest.mark.parametrize("outcome", ["hides", "breaks"])
def test_undeclared_probe_that_fails_is_a_contradiction(outcome: Outcome) -> None:
    """A probe that hides or breaks undeclared is a contradiction, whose text has the outcome."""
    (found,) = contradictions([facts("mine")], {"mine": outcomes_of("mine", notify=outcome)})
    assert contradiction_text(found) == f"mine {outcome} notify without declaring it: add it to `hides`."


def test_probe_that_the_control_fails_is_broken() -> None:
    """A probe is broken if it does not pass with real commits on plain connections."""
    (found,) = contradictions([], {CONTROL: outcomes_of(CONTROL, notify="hides")})
    assert "the probe notify is broken" in contradiction_text(found)


def test_strategy_without_outcomes_is_no_contradiction() -> None:
    """A strategy that was not probed contradicts nothing."""
    assert [*contradictions([facts("mine", "notify")], {})] == []


def test_needs_are_probes_and_families() -> None:
    """A need is a probe or a family, which stands for all of its probes, without duplicates."""
    assert parse_probes("notify, second_connection") == ("notify", "second_connection")
    loops = tuple(probe.value for probe in Probe if probe.family == Family.LOOPS)
    assert parse_probes("loops,two_workers") == loops


@pytest.mark.parametrize(
    ("text", "words"),
    [("notfy", "did you mean notify"), ("xyzzy", "families are clean_slate"), (" ,", "names no probe")],
)
def test_unknown_needs(text: str, words: str) -> None:
    """An unknown need raises a one-line error with similar or valid names."""
    with pytest.raises(UserError, match=words) as error:
        parse_probes(text)
    assert "\n" not in str(error.value)


def test_lacking_needs() -> None:
    """Needed probes that did not pass are lacking, including probes that did not run."""
    fidelity = outcomes_of("mine", notify="hides")
    assert lacking(fidelity, ["second_connection", "notify"]) == ["notify"]
    assert lacking(Fidelity("mine", "", "", ()), ["notify"]) == ["notify"]
    assert lacking(fidelity, []) == []


def test_listed_probes() -> None:
    """A short list is complete; a long one ends with the number of further names."""
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a and b"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdefg")) == "a, b, c, d and 3 more"


def test_tables_have_every_probe_and_count_each_family() -> None:
    """The table of probes has a row for each, and the counts of families add up to all probes."""
    columns = columns_of({"a": outcomes_of("a", notify="hides"), "b": outcomes_of("b")}, ["b", "missing", "a"])
    assert [fidelity.strategy for fidelity in columns] == ["b", "a"]
    rows = probe_table(columns)
    assert rows[0] == ("probe", "b", "a")
    assert [row[0] for row in rows[1:]] == list(Probe)
    assert ("notify", "sees", "hides") in rows
    _, b, a = family_table(columns)
    assert b[-1] == str(len(Probe))
    assert a[-1] == str(len(Probe) - 1)
    for row in (b, a):
        assert sum(int(count.partition("/")[0]) for count in row[1:-1]) == int(row[-1])
    assert len(seen(columns[1])) == len(Probe) - 1


def test_outcome_of_an_older_catalogue_is_a_dash() -> None:
    """A probe that is missing from a record counts as not seen."""
    older = Fidelity("older", "", "", (ProbeResult("rows_gone", "sees", ""),))
    assert probe_result(older, "notify") is None
    assert ("notify", "-") in probe_table([older])
    assert seen(older) == [Probe.ROWS_GONE]


def test_unknown_probe() -> None:
    """An unknown probe raises an error with a similar name."""
    assert probe_named("notify") is Probe.NOTIFY
    with pytest.raises(UserError, match="did you mean notify"):
        probe_named("notifi")
