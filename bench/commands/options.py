"""The options that several commands share, and the kinds of values that options take."""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_args

import click

from bench.results.endpoints import OLDEST_MAJOR, Client, Driver, Loop, Runner, ServerSource, Transport
from bench.strategy.discovery import ALL, CORE, PEERS

_T = TypeVar("_T")


class Written(click.ParamType[_T]):
    """
    A value that is written in one way.

    :param name: of the kind of value.
    :param pattern: what the whole text has to match.
    :param meant: what to give instead of one that does not, after `is not`.
    :param read: makes the value of the match.
    """

    def __init__(self, name: str, pattern: str, meant: str, read: Callable[[re.Match[str]], _T]) -> None:
        self.name = name
        self._pattern = pattern
        self._meant = meant
        self._read = read

    def convert(self, value: str | _T, param: click.Parameter | None, ctx: click.Context | None) -> _T:
        """Return the value; one that is no text has been read before."""
        if not isinstance(value, str):
            return value
        match = re.fullmatch(self._pattern, value)
        if match is None:
            self.fail(f"{value!r} is not {self._meant}.", param, ctx)
        return self._read(match)


DURATION = Written(
    "duration",
    r"(?=.*[1-9])(\d+(?:\.\d+)?)([smh]?)",
    "a duration: give a number and s, m or h, such as 90s or 3m",
    lambda match: float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]],
)
"""A length of time such as 90s, 3m or 1h, in seconds."""

SHARE = Written(
    "percentage", r"(\d+(?:\.\d+)?)%", "a percentage: give one such as 20%", lambda match: float(match[1]) / 100
)
"""A percentage such as 20%, as a share: 0.2."""

SETTING = Written(
    "setting",
    r"([A-Za-z_][\w.]*)=([^\x00-\x1f]*)",
    "NAME=VALUE: give one such as fsync=off",
    lambda match: (match[1].lower(), match[2]),
)
"""A setting of postgresql.conf such as fsync=off, as its name and its value; whether there is such, Postgres says."""


def server_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say where Postgres comes from and how it is set; the command gets them as `source`."""

    @functools.wraps(command)
    def with_source(*args: object, settings: Sequence[tuple[str, str]], **options: Any) -> None:  # noqa: ANN401 - click has checked them
        parts = {name: options.pop(name) for name in ("choice", "image", "allow_remote", "pg", "tmpfs", "transport")}
        command(*args, **options, source=ServerSource(settings=dict(settings), **parts))

    for option in (
        click.option("--allow-remote", is_flag=True, help="Accept a DSN of another host."),
        click.option(
            "--transport",
            type=click.Choice(get_args(Transport)),
            help="How tests reach a server of ours.  [default: unix where it is embedded, tcp where it is a container]",
        ),
        click.option("--tmpfs", is_flag=True, help="Have a server of ours keep its data in memory."),
        click.option(
            "--setting",
            "settings",
            type=SETTING,
            multiple=True,
            metavar="NAME=VALUE",
            help="Set a server of ours, such as fsync=off. May be said of each setting.",
        ),
        click.option(
            "--pg",
            type=click.IntRange(OLDEST_MAJOR),
            metavar="VERSION",
            help="Major version of Postgres of a server of ours, such as 16.  [default: embedded 18, container 17]",
        ),
        click.option("--image", default="", help="Image of the container.  [default: postgres:17]"),
        click.option(
            "--server",
            "choice",
            metavar="auto|container|embedded|DSN",
            default="auto",
            show_default=True,
            help="Where Postgres comes from. auto: LOOPTRAP_DSN if set, else Docker, else embedded.",
        ),
    ):
        with_source = option(with_source)
    return with_source


def client_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what tests are to the server; the command gets them as `client`."""

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
    """Add the options that say which strategies are meant."""
    for option in (
        click.option("--peers", is_flag=True, help=f"Add the set {PEERS}: packages that others publish."),
        click.option(
            "--strategies",
            "names",
            metavar="A,B",
            default=CORE,
            show_default=True,
            help=f"Names, dotted names, paths, or the sets {CORE}, {ALL} and {PEERS}: those of a default run, all in "
            "strategies/, all in strategies/peers/.",
        ),
    ):
        command = option(command)
    return command


def with_peers(names: str, *, peers: bool) -> str:
    """Return the names that --strategies gives, and with --peers the set of them."""
    return f"{names},{PEERS}" if peers else names
