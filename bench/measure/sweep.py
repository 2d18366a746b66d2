"""
From the options `--sweep` to the sizes and conditions of a run.

Each size changes one number of the workload. Conditions are all combinations of the given values of servers and
clients, so that a run shows how two settings act together. All are compared with the first values.
"""

import math
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import Any, NamedTuple, get_args

from bench.measure.interpreters import Interpreter, look
from bench.results.endpoints import OLDEST_MAJOR, Client, Driver, Loop, Runner, ServerSource, Transport
from bench.results.errors import UserError
from bench.results.records import Size, SweptAxis
from bench.workload import LARGEST, SMALLEST

MOST_CONDITIONS = 24
"""A limit, because each condition runs every strategy in every round."""

EXAMPLES = "tests=10,100,1000, server=embedded,container, setting:fsync=on,off or driver=asyncpg,psycopg"
_SETTING = "setting:"


@dataclass(frozen=True)
class ConditionSpec:
    """A condition before its server is open."""

    name: str = ""
    """How it differs from the first condition, such as `fsync=off, tmpfs=yes`; empty for the first."""
    source: ServerSource = field(default_factory=ServerSource)
    client: Client = field(default_factory=Client)


class _Axis(NamedTuple):
    """Something that can be swept: the form of its values, and their effect on a condition."""

    values: str
    """A regular expression of one value."""
    example: str
    apply: Callable[[ConditionSpec, str], ConditionSpec]


def _of_source(name: str, meaning: Callable[[str], object] = str) -> Callable[[ConditionSpec, str], ConditionSpec]:
    def apply(spec: ConditionSpec, value: str) -> ConditionSpec:
        changed: dict[str, Any] = {name: meaning(value)}
        return replace(spec, source=replace(spec.source, **changed))

    return apply


def _of_client(name: str) -> Callable[[ConditionSpec, str], ConditionSpec]:
    def apply(spec: ConditionSpec, value: str) -> ConditionSpec:
        changed: dict[str, Any] = {name: value}
        return replace(spec, client=replace(spec.client, **changed))

    return apply


def _server(spec: ConditionSpec, value: str) -> ConditionSpec:
    choice, _, pg = value.partition(":")
    return replace(spec, source=replace(spec.source, choice=choice, pg=int(pg) if pg else spec.source.pg))


def _one_of(values: Sequence[str]) -> tuple[str, str]:
    return "|".join(map(re.escape, values)), ",".join(values[:2])


AXES = {
    "server": _Axis(r"(embedded|container)(:\d{2})?", "embedded,container or embedded:18,embedded:16", _server),
    "pg": _Axis(r"\d{2}", "18,16", _of_source("pg", int)),
    "tmpfs": _Axis("no|yes", "no,yes", _of_source("tmpfs", "yes".__eq__)),
    "transport": _Axis(*_one_of(get_args(Transport)), _of_source("transport")),
    "driver": _Axis(*_one_of(get_args(Driver)), _of_client("driver")),
    "loop": _Axis(*_one_of(get_args(Loop)), _of_client("loop")),
    "runner": _Axis(*_one_of(get_args(Runner)), _of_client("runner")),
    "python": _Axis(r"[^,]+", "/usr/bin/python3.12,/usr/bin/python3.13", _of_client("interpreter")),
}
"""What can be swept besides sizes and settings (`setting:NAME`), by name."""


def parse_sweep(texts: Sequence[str]) -> tuple[SweptAxis, ...]:
    """
    Read `--sweep` options, such as `tmpfs=no,yes`; `sizes` and `conditions` check the values.

    :raises UserError: one is not of that form, or names nothing that can be swept.
    """
    return tuple(map(_parse, texts))


def sizes(tests: int, sweep: Sequence[SweptAxis]) -> list[Size]:
    """
    Return the base size, and for each other value of a swept size the base with that one number changed.

    One number at a time: a grid of all combinations would take hours. Axes that are not sizes are ignored.

    :raises UserError: a value is not a number, or out of range.
    """
    base = replace(SMALLEST, tests=tests)
    found = [base]
    for axis in sweep:
        name, typed = axis.name, str(axis)
        if name not in _SIZES:
            continue
        if not all(re.fullmatch(r"\d{1,9}", value) for value in axis.values):
            raise UserError(f"--sweep {typed!r}: give {', '.join(_SIZES)} and numbers, such as tests=10,100,1000.")
        least, most = getattr(SMALLEST, name), getattr(LARGEST, name)
        for value in map(int, axis.values):
            if not least <= value <= most:
                raise UserError(f"--sweep {typed!r}: {value} is out of range; {name} go from {least} to {most}.")
            found.append(replace(base, **{name: value}))
    return list(dict.fromkeys(found))


def conditions(source: ServerSource, client: Client, sweep: Sequence[SweptAxis]) -> list[ConditionSpec]:
    """
    Return all combinations of the swept values of servers and clients, the first values first.

    Axes that are sizes are ignored.

    :param source: the server that all conditions have in common, apart from what is swept; `client` likewise.
    :raises UserError: a value is unknown, an axis is given twice, or there are too many combinations.
    """
    first = ConditionSpec("", source, client)
    axes: dict[str, tuple[str, ...]] = {}
    for axis in sweep:
        if axis.name in _SIZES:
            continue
        if axis.name in axes:
            raise UserError(f"--sweep {str(axis)!r}: {axis.name} is swept twice; give all its values at once.")
        _check_values(axis)
        axes[axis.name] = axis.values
        _refuse_option_beside(axis.name, first)
    if "server" in axes and "pg" in axes and any(":" in value for value in axes["server"]):
        raise UserError("--sweep server= gives versions, and so does --sweep pg=: leave out one of the two.")
    count = math.prod(map(len, axes.values()))
    if count > MOST_CONDITIONS:
        raise UserError(f"--sweep asks for {count} conditions, at most {MOST_CONDITIONS} are possible: leave some out.")
    names = {name: _names(name, values) for name, values in axes.items()}
    found = []
    for combination in product(*axes.values()):
        spec = first
        for name, value in zip(axes, combination, strict=True):
            spec = _axis(name).apply(spec, value)
        differing = (
            names[name][value]
            for (name, values), value in zip(axes.items(), combination, strict=True)
            if value != values[0]
        )
        found.append(replace(spec, name=", ".join(differing)))
    for one in found:
        _check_installed(one.client)
    return found


_SIZES = tuple(part.name for part in fields(Size))


def _parse(text: str) -> SweptAxis:
    if "://" in text:  # it may hold a password, so the message does not repeat it
        raise UserError("--sweep: a DSN cannot be swept. To compare servers, use --sweep server=embedded,container.")
    name, equals, values = text.partition("=")
    if not equals or (
        name not in _SIZES and name not in AXES and not re.fullmatch(rf"{_SETTING}[A-Za-z_][\w.]*", name)
    ):
        known = ", ".join([*_SIZES, *AXES, f"{_SETTING}NAME"])
        raise UserError(f"--sweep {text!r}: give one of {known}, and its values, such as {EXAMPLES}.")
    return SweptAxis(name, tuple(values.split(",")))


def _axis(name: str) -> _Axis:
    if not name.startswith(_SETTING):
        return AXES[name]
    setting = name.removeprefix(_SETTING).lower()

    def apply(spec: ConditionSpec, value: str) -> ConditionSpec:
        return replace(spec, source=replace(spec.source, settings={**spec.source.settings, setting: value}))

    return _Axis(r"[^,\x00-\x1f]*", "on,off", apply)


def _check_values(swept: SweptAxis) -> None:
    name, values, typed, axis = swept.name, swept.values, str(swept), _axis(swept.name)
    for value in values:
        if not re.fullmatch(axis.values, value):
            raise UserError(
                f"--sweep {typed!r}: {value!r} is not a value of {name}; give values such as {name}={axis.example}."
            )
    for version in (
        int(digits) for value in values if name in {"server", "pg"} for digits in re.findall(r"\d+$", value)
    ):
        if version < OLDEST_MAJOR:
            raise UserError(f"--sweep {typed!r}: Postgres {version} is too old: use {OLDEST_MAJOR} or later.")
    if len(set(values)) < max(2, len(values)):
        raise UserError(f"--sweep {typed!r}: give at least two different values, such as {name}={axis.example}.")


def _refuse_option_beside(name: str, first: ConditionSpec) -> None:
    """Refuse an option for something that is swept: the first swept value takes its place."""
    settings = {f"{_SETTING}{setting}" for setting in first.source.settings}
    given = {"server": first.source.choice != "auto", "pg": bool(first.source.pg), "tmpfs": first.source.tmpfs}
    given |= {"transport": bool(first.source.transport), "python": bool(first.client.interpreter)}
    given |= {part: getattr(first.client, part) != getattr(Client, part) for part in ("driver", "loop", "runner")}
    if given.get(name) or name in settings:
        option = f"--setting {name.removeprefix(_SETTING)}=" if name in settings else f"--{name}"
        raise UserError(
            f"{option} and --sweep {name}= contradict each other: leave out the option. The first value of the sweep "
            "is the default."
        )


def _check_installed(client: Client) -> None:
    """Refuse a client whose packages are not installed, such as uvloop on Windows."""
    chosen = {"driver": client.driver, "loop": client.loop, "runner": client.runner}
    needed = {option: package for option, package in chosen.items() if package != getattr(Client, option)}
    if not needed:
        return
    python = client.interpreter or sys.executable
    there = {name.lower() for name in look(python).packages}
    for option, package in needed.items():
        if package not in there:
            raise UserError(
                f"--{option} {package}: {package} is not installed in {python}. Install it there, or leave the option "
                "out."
            )


def _names(name: str, values: Sequence[str]) -> dict[str, str]:
    """Return how each value of an axis appears in the name of a condition."""
    if name == "python":
        return _names_of_interpreters(values)
    shown = name.removeprefix(_SETTING)
    return {value: f"{shown}={value}" for value in values}


def _names_of_interpreters(paths: Sequence[str]) -> dict[str, str]:
    """Name environments by the versions that differ from the first environment's, or by path if none does."""
    first = _versions(look(paths[0]))
    names: dict[str, str] = {}
    for path in paths:
        differing = [f"{what} {found}" for what, found in _versions(look(path)).items() if found != first[what]]
        name = ", ".join(differing)
        names[path] = name if name and name not in names.values() else f"python={path}"
    return names


def _versions(found: Interpreter) -> dict[str, str]:
    named = {"SQLAlchemy": "sqlalchemy", "pytest-asyncio": "pytest-asyncio", "asyncpg": "asyncpg", "pytest": "pytest"}
    packages = {name.lower(): version for name, version in found.packages.items()}
    return {"Python": found.python, **{shown: packages.get(name, "none") for shown, name in named.items()}}
