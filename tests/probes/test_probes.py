"""The catalogue of probes matches the probe tests."""

import ast
import re
from pathlib import Path

import pytest

from bench.measure.probing import APART
from bench.results.paths import ROOT
from bench.strategy.declaration import Trap
from bench.strategy.discovery import load, names_in_tree
from bench.strategy.probe_catalogue import KEPT_CONNECTIONS, ONE_TRANSACTION, Family, Probe

FOLDER = ROOT / "bench" / "probes"


def functions_in(path: Path) -> list[str]:
    """Return the names of a file's test functions."""
    tree = ast.parse(path.read_text())
    functions = [node for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    return [function.name for function in functions if function.name.startswith("test_")]


@pytest.mark.parametrize("family", Family)
def test_each_probe_has_its_test_in_the_file_of_its_family(family: Family) -> None:
    """A family's file has one test for each of its probes, and no others."""
    expected = [f"test_{probe}" for probe in Probe if probe.family == family and probe not in APART]
    assert sorted(functions_in(FOLDER / f"test_{family}.py")) == sorted(expected)


def test_probes_with_processes_of_their_own_have_a_file_each() -> None:
    """Each probe that needs its own processes has a file in `apart/`."""
    assert sorted(path.stem for path in (FOLDER / "apart").glob("test_*.py")) == sorted(
        f"test_{probe}" for probe in APART
    )
    for probe in APART:
        assert functions_in(FOLDER / "apart" / f"test_{probe}.py") == [f"test_{probe}"]


@pytest.mark.parametrize("probe", Probe)
def test_each_probe_says_what_is_lost_and_where_it_is_documented(probe: Probe) -> None:
    """Every probe has two one-line sentences and a link to documentation."""
    assert probe.value == probe.name.lower()
    for sentence in (probe.sees, probe.lost):
        assert re.fullmatch(r"[A-Z][^\n]*\.", sentence)
    assert probe.link.startswith(("https://www.postgresql.org/docs/", "https://docs.sqlalchemy.org/", "https://"))


def test_groups_of_probes_are_in_use() -> None:
    """Some strategy hides every probe of each named group."""
    declared = [set(load(name).declared.hides) for name in names_in_tree()]
    for group in (ONE_TRANSACTION, KEPT_CONNECTIONS):
        assert any(group <= hides for hides in declared)


def test_silent_traps_are_caught_by_what_an_ordinary_strategy_passes() -> None:
    """savepoint_rollback, which silent traps resemble, passes every probe that catches them."""
    ordinary = set(load("savepoint_rollback").declared.hides)
    silent = [load(name).declared for name in names_in_tree()]
    caught = [set(trap.caught_by) for trap in silent if isinstance(trap, Trap) and not trap.errors]
    assert len(caught) == 2
    for probes in caught:
        assert probes
        assert not probes & ordinary
