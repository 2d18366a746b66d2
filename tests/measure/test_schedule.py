"""The order of the cells, and the stopping rule."""

import math
import statistics
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.schedule import Plan, round_orders
from bench.measure.stopping import Costs, Limits, all_settled, resting
from bench.measure.templates import START
from bench.results.records import WARM_UP, Size
from bench.strategy.discovery import load_all, names_in_tree

STRATEGIES = load_all(names_in_tree())


def plan(seed: int = 1, tests: int = 3) -> Plan:
    """Return a plan with all strategies."""
    return Plan(strategies=STRATEGIES, sizes=[Size(tests, 5, 0)], limits=Limits(7, 7), seed=seed, cell_timeout=60)


def names(seed: int, number: int) -> list[str]:
    """Return the names of a round in their order."""
    return [order.strategy.name for order in round_orders(plan(seed), number)]


@given(seed=st.integers(0, 2**32 - 1), number=st.integers(1, 30))
def test_round_is_a_complete_block_in_an_order_of_its_seed(seed: int, number: int) -> None:
    """Each round has every timed strategy once; the same seed gives the same order."""
    timed = sorted(strategy.name for strategy in STRATEGIES if not strategy.facts().is_trap)
    assert sorted(names(seed, number)) == timed
    assert names(seed, number) == names(seed, number)
    assert [order.position for order in round_orders(plan(seed), number)] == list(range(len(timed)))


def test_orders_differ_between_rounds_and_seeds() -> None:
    """The order is random: over many rounds, each strategy is first about equally often."""
    first = [names(1, number)[0] for number in range(1, 701)]
    share = {name: first.count(name) / len(first) for name in set(first)}
    assert len(share) == len(names(1, 1))
    assert all(abs(part - 1 / len(share)) < 0.06 for part in share.values())
    assert names(1, 1) != names(2, 1)


@pytest.mark.parametrize(("tests", "traps", "others"), [(1, 7, 1), (28, 28, 7)])
def test_warm_up_has_every_strategy_once(tests: int, traps: int, others: int) -> None:
    """Traps run enough tests to show their pattern; other strategies start a new interpreter for few tests."""
    warm_up = round_orders(plan(tests=tests), WARM_UP)
    assert sorted(order.strategy.name for order in warm_up) == sorted(strategy.name for strategy in STRATEGIES)
    for order in warm_up:
        is_trap = order.strategy.facts().is_trap
        assert order.size.tests == (traps if is_trap else others)
        assert order.start == (START if is_trap else "spawned")


def test_timed_cells_are_forked_unless_the_strategy_forbids_it() -> None:
    """Where forking is possible, a strategy declared as not forkable is the only one whose timed cells are spawned."""
    first = STRATEGIES[0]
    fussy = replace(first, declared=replace(first.declared, forkable=False))
    mixed = replace(plan(), strategies=[fussy, *STRATEGIES[1:]])
    starts = {order.strategy.name: order.start for order in round_orders(mixed, 1)}
    assert starts.pop(first.name) == "spawned"
    assert set(starts.values()) == {START}


def rounds(**costs: list[float]) -> Costs:
    """Return costs by strategy and round."""
    return {name: dict(enumerate(values, start=1)) for name, values in costs.items()}


def test_enough_when_neighbours_are_apart_or_equal() -> None:
    """A pair is settled if the costs are far apart or within 5 %, and open in between."""
    wobble = [0.999, 1.0, 1.001, 1.0, 0.999, 1.001]
    apart = rounds(a=wobble, b=[2 * value for value in wobble[::-1]])
    equal = rounds(a=wobble, b=wobble[::-1])
    unclear = rounds(a=[1.0, 1.2, 0.9, 1.1, 1.0, 0.8], b=[1.1, 1.0, 1.2, 0.9, 1.0, 1.1])
    assert all_settled(apart)
    assert all_settled(equal)
    assert not all_settled(unclear)


def test_the_twin_is_nobodys_neighbour() -> None:
    """A difference between the floor and its twin does not keep a run going."""
    wobble = [0.999, 1.0, 1.001]
    assert all_settled(rounds(none=wobble, none_twin=[0.7, 1.4, 1.0], b=[5 * value for value in wobble[::-1]]))


def test_slow_and_far_ones_rest_but_not_the_floor() -> None:
    """A slow strategy that is far from both neighbours in three rounds rests; a fast one and the floor do not."""
    costs = rounds(none=[1, 1, 1], a=[1.01, 1, 1.02], b=[10, 10, 11], c=[20, 21, 20])
    seconds = {"none": 3.0, "a": 3.0, "b": 12.0, "c": 22.0}
    assert resting(costs, seconds) == {"b", "c"}
    assert resting({name: {1: 1.0, 2: 2.0} for name in costs}, seconds) == set()
    assert resting(rounds(none=[30, 30, 30], a=[1, 1, 1]), {"none": 30.0, "a": 3.0}) == set()
    near = rounds(none=[1, 1, 1], b=[10, 10, 12], c=[11, 13, 11])
    assert resting(near, seconds) == set()


@given(st.lists(st.floats(0.001, 10), min_size=1, max_size=5))
def test_a_pair_is_never_enough_with_fewer_than_three_rounds(costs: list[float]) -> None:
    """Two rounds settle nothing, however far the medians are apart."""
    other = [cost * 1000 for cost in costs[:2]]
    assert not all_settled(rounds(a=costs[:2], b=other))
    assert math.isfinite(statistics.median(other))
