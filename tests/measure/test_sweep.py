"""The conditions of `--sweep`: which ones, in which order, and their names."""

import sys
import venv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.interpreters import Interpreter, look
from bench.measure.schedule import Plan, round_orders
from bench.measure.stopping import Limits
from bench.measure.sweep import AXES, ConditionSpec, conditions, parse_sweep, sizes
from bench.results.endpoints import Client, ServerSource
from bench.results.errors import UserError
from bench.results.records import WARM_UP, Size
from bench.strategy.discovery import load_all, names_in_tree
from tests.servers import POSIX

STRATEGIES = load_all(names_in_tree())
SWEEP = ("server=embedded,container:16", "setting:fsync=on,off", "tmpfs=no,yes")


def asked(*sweep: str) -> list[ConditionSpec]:
    """Return the conditions of a sweep, with default options."""
    return conditions(ServerSource(), Client(), parse_sweep(sweep))


def test_all_combinations_the_first_values_first() -> None:
    """Three axes of two values are eight conditions. Their names say how they differ from the first, which has none."""
    found = asked(*SWEEP)
    assert [one.name for one in found] == [
        "",
        "tmpfs=yes",
        "fsync=off",
        "fsync=off, tmpfs=yes",
        "server=container:16",
        "server=container:16, tmpfs=yes",
        "server=container:16, fsync=off",
        "server=container:16, fsync=off, tmpfs=yes",
    ]
    assert found[0].source == ServerSource("embedded", settings={"fsync": "on"})
    assert found[-1].source == ServerSource("container", pg=16, settings={"fsync": "off"}, tmpfs=True)


def test_what_is_said_of_all_holds_under_all() -> None:
    """Options hold under every condition; a sweep adds to the settings."""
    found = conditions(
        ServerSource("embedded", pg=16, settings={"jit": "off"}),
        Client(loop="uvloop"),
        parse_sweep(["setting:fsync=on,off"]),
    )
    assert [one.source.settings for one in found] == [{"jit": "off", "fsync": "on"}, {"jit": "off", "fsync": "off"}]
    assert {(one.source.pg, one.client.loop) for one in found} == {(16, "uvloop")}


def test_clients_are_conditions_too() -> None:
    """Driver, event loop and runner change only the client, so that all conditions share one server."""
    found = asked("driver=asyncpg,psycopg", "runner=pytest-asyncio,anyio")
    assert [one.client for one in found] == [
        Client(),
        Client(runner="anyio"),
        Client(driver="psycopg"),
        Client(driver="psycopg", runner="anyio"),
    ]
    assert len({id(one.source) for one in found}) == 1


def test_every_axis_says_of_itself_what_it_takes() -> None:
    """The example in each error message is valid."""
    for name, axis in AXES.items():
        if name != "python":
            example = axis.example.partition(" or ")[0]
            assert len(asked(f"{name}={example}")) == 2
    assert len(asked("setting:synchronous_commit=on,off")) == 2


def test_sizes_and_conditions_pass_each_other_over() -> None:
    """`sizes` and `conditions` each use their own axes of a sweep, and ignore the others."""
    sweep = ["tables=5,50", "tmpfs=no,yes"]
    assert sizes(7, parse_sweep(sweep)) == [Size(7, 5, 0), Size(7, 50, 0)]
    assert [one.name for one in asked(*sweep)] == ["", "tmpfs=yes"]


@POSIX
def test_interpreters_are_called_by_what_differs(tmp_path: Path) -> None:
    """An environment without the packages is refused with the names of what is missing."""
    venv.create(tmp_path / "empty", symlinks=True)
    empty = str(tmp_path / "empty" / "bin" / "python")
    with pytest.raises(UserError, match=r"lacks .*sqlalchemy.* nox -s matrix"):
        asked(f"python={sys.executable},{empty}")
    found = look(sys.executable)
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    again = str(tmp_path / "again")
    Path(again).symlink_to(sys.executable)
    # A link to the interpreter of an environment does not find the packages of that environment.
    with pytest.raises(UserError, match="lacks"):
        asked(f"python={sys.executable},{again}")


def plan(*sweep: str, tests: int = 3) -> Plan:
    """Return a plan with all strategies under all conditions."""
    return Plan(
        strategies=STRATEGIES,
        sizes=sizes(tests, parse_sweep(sweep)),
        limits=Limits(7, 7),
        seed=1,
        cell_timeout=60,
        conditions=asked(*sweep),
    )


@given(number=st.integers(1, 30))
def test_round_has_every_strategy_under_every_condition(number: int) -> None:
    """A round has each timed strategy under each condition, and other sizes under the first only, in random order."""
    swept = plan("tmpfs=no,yes", "tables=5,50")
    orders = round_orders(swept, number)
    timed = {strategy.name for strategy in STRATEGIES if not strategy.facts().is_trap}
    kinds = [(order.strategy.name, order.condition, order.size.tables) for order in orders]
    assert sorted(kinds) == sorted((name, *kind) for name in timed for kind in (("", 5), ("", 50), ("tmpfs=yes", 5)))
    assert [order.position for order in orders] == list(range(len(kinds)))
    half = [order.condition for order in orders[: len(orders) // 2]]
    assert 0 < half.count("tmpfs=yes") < len(half)


def test_warm_up_has_the_traps_under_every_condition() -> None:
    """The warm-up round runs the traps and the floor under each condition, everything else under the first."""
    found = {(order.strategy.name, order.condition) for order in round_orders(plan("tmpfs=no,yes"), WARM_UP)}
    traps = {strategy.name for strategy in STRATEGIES if strategy.facts().is_trap} | {"none"}
    everything = {(strategy.name, "") for strategy in STRATEGIES}
    assert found == everything | {(name, "tmpfs=yes") for name in traps}


def test_what_a_strategy_cannot_is_left_out(tmp_path: Path) -> None:
    """A strategy that declares that it cannot run under anyio has no cells there, and has them everywhere else."""
    source = Path(STRATEGIES[0].path.parent, "null_pool.py").read_text()
    file = tmp_path / "picky.py"
    file.write_text(source.replace("hides=ONE_TRANSACTION,", 'hides=ONE_TRANSACTION, cannot={"anyio": "it says so"},'))
    (picky,) = load_all([str(file)])
    swept = Plan(
        strategies=[picky],
        sizes=sizes(3, ()),
        limits=Limits(1, 1),
        seed=1,
        cell_timeout=60,
        conditions=asked("runner=pytest-asyncio,anyio"),
    )
    assert [order.condition for order in round_orders(swept, 1)] == [""]
    assert picky.facts().cannot == {"anyio": "it says so"}
    assert picky.facts(Client(runner="anyio")).unable == "anyio: it says so"


def test_client_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver or loop whose package is not installed, such as uvloop on Windows, is an error before measuring."""
    found = look(sys.executable)
    poorer = Interpreter(found.python, {name: it for name, it in found.packages.items() if name != "uvloop"})
    monkeypatch.setattr("bench.measure.sweep.look", lambda _: poorer)
    assert len(asked("driver=asyncpg,psycopg")) == 2
    with pytest.raises(UserError, match=r"--loop uvloop: uvloop is not installed in .*. Install it there"):
        asked("loop=asyncio,uvloop")
