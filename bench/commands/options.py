"""The options that several commands share, and the types of their values."""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_args

import click

from bench.results.endpoints import OLDEST_MAJOR, Client, Driver, Loop, Runner, ServerSource, Transport
from bench.strategy.discovery import ALL, CORE, PEERS

_T = TypeVar("_T")


class PatternType(click.ParamType[_T]):
    """
    A click type whose values have a fixed form.

    :param name: of the type.
    :param pattern: a regular expression that the whole text must match.
    :param expected: the expected form, for the error message after `is not`.
    :param parse: converts the match to the value.
    """

    def __init__(self, name: str, pattern: str, expected: str, parse: Callable[[re.Match[str]], _T]) -> None:
        self.name = name
        self._pattern = pattern
        self._expected = expected
        self._parse = parse

    def convert(self, value: str | _T, param: click.Parameter | None, ctx: click.Context | None) -> _T:
        """Parse text; a value that is not text has been parsed before."""
        if not isinstance(value, str):
            return value
        match = re.fullmatch(self._pattern, value)
        if match is None:
            self.fail(f"{value!r} is not {self._expected}.", param, ctx)
        return self._parse(match)


DURATION = PatternType(
    "duration",
    r"(?=.*[1-9])(\d+(?:\.\d+)?)([smh]?)",
    "a duration: give a number and s, m or h, such as 90s or 3m",
    lambda match: float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]],
)
"""A duration such as 90s, 3m or 1h, in seconds."""

SHARE = PatternType(
    "percentage", r"(\d+(?:\.\d+)?)%", "a percentage: give one such as 20%", lambda match: float(match[1]) / 100
)
"""A percentage such as 20%, as a fraction: 0.2."""

SETTING = PatternType(
    "setting",
    r"([A-Za-z_][\w.]*)=([^\x00-\x1f]*)",
    "NAME=VALUE: give one such as fsync=off",
    lambda match: (match[1].lower(), match[2]),
)
"""A setting of postgresql.conf such as fsync=off, as name and value. Postgres checks both when it starts."""


def server_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for the source and the settings of Postgres; the command gets them as `source`."""

    @functools.wraps(command)
    def with_source(*args: object, settings: Sequence[tuple[str, str]], **options: Any) -> None:  # noqa: ANN401 - click has checked them
        parts = {name: options.pop(name) for name in ("choice", "image", "allow_remote", "pg", "tmpfs", "transport")}
        command(*args, **options, source=ServerSource(settings=dict(settings), **parts))

    for option in (
        click.option("--allow-remote", is_flag=True, help="Allow a DSN of another host."),
        click.option(
            "--transport",
            type=click.Choice(get_args(Transport)),
            help="How tests connect to a server that looptrap starts.  [default: unix if embedded, tcp if a container]",
        ),
        click.option("--tmpfs", is_flag=True, help="Start a server with its data in memory."),
        click.option(
            "--setting",
            "settings",
            type=SETTING,
            multiple=True,
            metavar="NAME=VALUE",
            help="Start a server with a setting, such as fsync=off. Repeatable.",
        ),
        click.option(
            "--pg",
            type=click.IntRange(OLDEST_MAJOR),
            metavar="VERSION",
            help="Start a server of this major version, such as 16.  [default: embedded 18, container 17]",
        ),
        click.option("--image", default="", help="Image of the container.  [default: postgres:17]"),
        click.option(
            "--server",
            "choice",
            metavar="auto|container|embedded|DSN",
            default="auto",
            show_default=True,
            help="Where Postgres comes from. auto: LOOPTRAP_DSN if set, else Docker if it runs, else embedded.",
        ),
    ):
        with_source = option(with_source)
    return with_source


def client_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for driver, event loop and runner of the tests; the command gets them as `client`."""

    @functools.wraps(command)
    def with_client(*args: object, **options: Any) -> None:  # noqa: ANN401 - as above
        parts = {name: options.pop(name) for name in ("driver", "loop", "runner")}
        command(*args, **options, client=Client(**parts))

    for option in (
        click.option(
            "--runner",
            type=click.Choice(get_args(Runner)),
            default=Client.runner,
            show_default=True,
            help="Pytest plugin that runs async tests.",
        ),
        click.option(
            "--loop", type=click.Choice(get_args(Loop)), default=Client.loop, show_default=True, help="Event loop."
        ),
        click.option(
            "--driver",
            type=click.Choice(get_args(Driver)),
            default=Client.driver,
            show_default=True,
            help="SQLAlchemy's driver.",
        ),
    ):
        with_client = option(with_client)
    return with_client


def strategies_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that choose strategies."""
    for option in (
        click.option("--peers", is_flag=True, help=f"Add the set {PEERS}: adapters of published packages."),
        click.option(
            "--strategies",
            "names",
            metavar="A,B",
            default=CORE,
            show_default=True,
            help=f"Names, dotted names, paths, or sets: {CORE} (the default set), {ALL} (all in strategies/), "
            f"{PEERS} (all in strategies/peers/).",
        ),
    ):
        command = option(command)
    return command


def with_peers(names: str, *, peers: bool) -> str:
    """Return the names of --strategies, with the set of peers if --peers is given."""
    return f"{names},{PEERS}" if peers else names
