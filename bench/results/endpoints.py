"""
What the user may say of both ends of a connection: where Postgres comes from, and what tests are to it.

What of it can be had is for each kind of server, and for each strategy, to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

DEFAULT_IMAGE = "postgres:17"
OLDEST_MAJOR = 13
"""The first Postgres to know DROP DATABASE ... WITH (FORCE)."""

Transport = Literal["unix", "tcp"]
Driver = Literal["asyncpg", "psycopg"]
Loop = Literal["asyncio", "uvloop"]
Runner = Literal["pytest-asyncio", "anyio"]


@dataclass(frozen=True)
class ServerSource:
    """Where a server comes from; what `bench.server.open_server` takes. A part that is left out is for the kind."""

    choice: str = "auto"
    """`auto`, `container`, `embedded`, or a DSN."""
    image: str = ""
    """Of a container; empty: Postgres's own, of the version asked for."""
    allow_remote: bool = False
    """Whether a DSN may lead to another host."""
    pg: int | None = None
    """The major version of Postgres."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of postgresql.conf, by their names, such as `fsync` and `off`."""
    tmpfs: bool = False
    """Whether the data are in memory."""
    transport: Transport | None = None
    """By what tests reach it."""


@dataclass(frozen=True)
class Client:
    """What tests are to the server."""

    driver: Driver = "asyncpg"
    loop: Loop = "asyncio"
    """Whose event loop the tests run in."""
    runner: Runner = "pytest-asyncio"
    """The pytest plugin that runs async tests and fixtures."""
    interpreter: str = ""
    """The Python, with its packages, that tests run in: a path; empty for the harness's own."""

    @property
    def is_declared_for(self) -> bool:
        """Whether it is the one, in any Python, for which strategies declare errors and what tests do not see."""
        return replace(self, interpreter="") == Client()
