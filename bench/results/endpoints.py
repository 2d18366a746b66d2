"""
The options for both ends of a connection: where Postgres comes from, and which driver, loop and runner tests use.

Each kind of server and each strategy checks which of these options it supports.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

DEFAULT_IMAGE = "postgres:17"
OLDEST_MAJOR = 13
"""The first major version of Postgres that has DROP DATABASE ... WITH (FORCE)."""

Transport = Literal["unix", "tcp"]
Driver = Literal["asyncpg", "psycopg"]
Loop = Literal["asyncio", "uvloop"]
Runner = Literal["pytest-asyncio", "anyio"]


@dataclass(frozen=True)
class ServerSource:
    """Where a server comes from: the argument of `bench.server.open_server`. Each kind of server has its defaults."""

    choice: str = "auto"
    """`auto`, `container`, `embedded`, or a DSN."""
    image: str = ""
    """The image of a container; empty for the official Postgres image."""
    allow_remote: bool = False
    """Whether the server of a DSN may be on another host."""
    pg: int | None = None
    """The major version of Postgres."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of postgresql.conf by name, such as `fsync` and `off`."""
    tmpfs: bool = False
    """Whether the server keeps its data in memory."""
    transport: Transport | None = None
    """How tests connect to it."""


@dataclass(frozen=True)
class Client:
    """How tests connect and run: driver, event loop, runner and Python."""

    driver: Driver = "asyncpg"
    loop: Loop = "asyncio"
    """The package whose event loop the tests run in."""
    runner: Runner = "pytest-asyncio"
    """The pytest plugin that runs async tests and fixtures."""
    interpreter: str = ""
    """The path of the Python that runs the tests, with its packages; empty for the harness's own."""

    @property
    def is_declared_for(self) -> bool:
        """Whether it is the default client, in any Python. The declarations of strategies are about that one."""
        return replace(self, interpreter="") == Client()
