"""
A running Postgres server of any kind: creates and drops our databases, and reads the settings that influence timings.

Our databases are named `looptrap_*`; no others are ever created or dropped. Each administrative statement uses a
connection of its own, so that none is open while a cell is measured.
"""

import asyncio
import contextlib
import functools
import re
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Any, Literal, NamedTuple, TypeVar

import asyncpg
from sqlalchemy.engine import URL

from bench.results.endpoints import OLDEST_MAJOR, ServerSource
from bench.results.errors import UserError
from bench.results.records import ServerFacts

PREFIX = "looptrap_"
CONNECT_SECONDS = 5.0
RECOVERY_SECONDS = 60.0
"""How long to wait for a server that refuses connections because it recovers from a crash of a process."""

# The settings that influence how long a test takes.
SETTINGS = (
    "autovacuum",
    "data_checksums",
    "fsync",
    "full_page_writes",
    "jit",
    "max_connections",
    "max_wal_size",
    "shared_buffers",
    "synchronous_commit",
    "wal_compression",
    "wal_level",
)

# Postgres overrides some values that it chooses itself, such as wal_buffers=-1.
OUR_SOURCES = {"command line", "configuration file", "override"}

# The errors of a statement during which the server dies.
_DEATHS = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)

_T = TypeVar("_T")


class ServerDiedError(UserError):
    """The server no longer answers."""


class Server:
    """
    A Postgres server that answers and has the requested properties, and on which we may create databases.

    :param url: of the maintenance database, with its password.
    :param warnings: to print before measuring, one sentence each.
    :raises UserError: it has another version or other settings than requested.
    """

    def __init__(
        self,
        url: URL,
        source: ServerSource,
        *,
        kind: Literal["dsn", "container", "embedded"],
        why: str,
        filesystem: str = "",
        image: str = "",
        warnings: tuple[str, ...] = (),
    ) -> None:
        self._url = url.set(drivername="postgresql+asyncpg")
        self._ours: set[str] = set()
        self.source, self._warnings = source, warnings
        found = asyncio.run(_on(self.admin_dsn, functools.partial(_look, asked=source.settings)))
        self._may_checkpoint = found.may_checkpoint
        self.facts = ServerFacts(
            kind=kind,
            why=why,
            version=found.version,
            transport="unix socket" if is_unix_socket(url) else "tcp",
            filesystem=filesystem,
            image=image,
            settings=found.settings,
            architecture=found.architecture,
        )
        self._check(found)

    def introduction(self, condition: str = "") -> str:
        """
        Return the lines to print before measuring: the server, and any warnings.

        :param condition: the name of its condition, if a run has several.
        """
        which = f" of {condition}" if condition else ""
        return "\n".join((f"Server{which}: {self.facts} ({self.facts.why}).", *self._warnings))

    @property
    def admin_dsn(self) -> str:
        """The DSN of the maintenance database for asyncpg, `postgresql://...`, with its password."""
        return self._url.set(drivername="postgresql").render_as_string(hide_password=False)

    def create_database(self, name: str) -> str:
        """
        Create an empty database and return its URL for SQLAlchemy, with its password.

        :raises ValueError: the name is not of the form `looptrap_*`.
        """
        _check_ours(name)
        self._ours.add(name)
        self._execute(f'CREATE DATABASE "{name}"')
        return self._url.set(database=name).render_as_string(hide_password=False)

    def check_alive(self) -> None:
        """
        Connect to the server.

        :raises ServerDiedError: it does not answer.
        """
        self._execute("SELECT")

    @contextlib.contextmanager
    def temporary_database(self, name: str) -> Iterator[str]:
        """
        Create an empty database, give its URL as `create_database` does, and drop it at the end.

        Databases whose names begin with its name are dropped, too: strategies create such databases, and a killed
        process cannot drop them.
        """
        url = self.create_database(name)
        try:
            yield url
        finally:
            self.drop_databases(name)

    def drop_database(self, name: str) -> None:
        """
        Drop a database if it exists, even if there are still connections to it.

        :raises ValueError: the name is not of the form `looptrap_*`.
        """
        _check_ours(name)
        drop = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
        try:
            self._execute(drop)
        except asyncpg.WrongObjectTypeError:
            # A process made a template of it and was killed.
            self._execute(f'ALTER DATABASE "{name}" IS_TEMPLATE false')
            self._execute(drop)
        self._ours.discard(name)

    def drop_databases(self, prefix: str = "") -> None:
        """
        Drop all databases that this object created.

        :param prefix: of the form `looptrap_*`: if given, drop all databases whose names begin with it instead.
        :raises ValueError: the prefix is not of that form.
        """
        if prefix:
            _check_ours(prefix)
            names = asyncio.run(_on(self.admin_dsn, functools.partial(_names_of, prefix=prefix)))
        else:
            names = list(self._ours)
        for name in sorted(names):
            self.drop_database(name)

    def checkpoint(self) -> None:
        """Write all dirty pages, so that no cell pays for the one before; do nothing without the permission."""
        if self._may_checkpoint:
            self._execute("CHECKPOINT")

    @contextlib.contextmanager
    def without_fsync(self) -> Iterator[None]:
        """Switch fsync off for work that is not timed; the server of a DSN is never changed."""
        # Requested settings are on a container's command line, which ALTER SYSTEM cannot override.
        fixed = self.facts.kind == "dsn" or "fsync" in self.source.settings
        if fixed or self.facts.settings["fsync"] == "off":
            yield
            return
        self._set_fsync("off")
        try:
            yield
        finally:
            self._set_fsync("on")

    def _check(self, found: "_Found") -> None:
        """Refuse a server without the requested properties; an image may ignore them."""
        if self.source.pg not in {None, found.major}:
            raise UserError(
                f"--pg {self.source.pg}: {self.facts.image.partition(' ')[0]} has Postgres {found.version}. "
                "Give another image with --image."
            )
        for name, value in self.source.settings.items():
            if name not in found.settings:
                raise UserError(
                    f"--setting {name}={value}: Postgres {found.version} does not know {name}. Leave it out."
                )
            if name not in found.set_by_us:
                raise UserError(
                    f"--setting {name}={value}: the server ignores it, {name} is {found.settings[name]}. "
                    "Leave it out, or use --server embedded."
                )

    def _set_fsync(self, value: Literal["on", "off"]) -> None:
        self._execute(f"ALTER SYSTEM SET fsync = {value}")
        self._execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + CONNECT_SECONDS
        # It reads its configuration asynchronously.
        while asyncio.run(_on(self.admin_dsn, _look)).settings["fsync"] != value:
            if time.monotonic() > deadline:
                raise UserError(f"this server ignores ALTER SYSTEM SET fsync = {value}.")
            time.sleep(0.01)

    def _execute(self, statement: str) -> None:
        async def run(connection: "asyncpg.Connection[Any]") -> None:
            await connection.execute(statement)

        asyncio.run(_on(self.admin_dsn, run))


class _Found(NamedTuple):
    """The properties of a server."""

    version: str
    major: int
    settings: dict[str, str]
    set_by_us: frozenset[str]
    """The settings whose values come from the command line or a configuration file."""
    architecture: str
    may_checkpoint: bool


async def _look(connection: "asyncpg.Connection[Any]", asked: Collection[str] = ()) -> _Found:
    version = connection.get_server_version()
    if version.major < OLDEST_MAJOR:
        raise UserError(f"Postgres {version.major} is too old: use {OLDEST_MAJOR} or later.")
    # The names in --setting are in lower case; TimeZone and DateStyle are not.
    rows = await connection.fetch(
        "SELECT lower(name) AS name, current_setting(name) AS value, source FROM pg_settings "
        "WHERE lower(name) = ANY($1)",
        [*SETTINGS, *asked],
    )
    # Before Postgres 15 there is no role pg_checkpoint, and to_regrole returns NULL.
    may_checkpoint = await connection.fetchval(
        "SELECT rolsuper OR coalesce(pg_has_role(to_regrole('pg_checkpoint'), 'MEMBER'), false) "
        "FROM pg_roles WHERE rolname = current_user"
    )
    settings = {row["name"]: row["value"] for row in rows}
    if not may_checkpoint:
        settings["looptrap.checkpoint"] = "not permitted"
    # "PostgreSQL 17.2 on x86_64-pc-linux-gnu, compiled by ..."
    built = re.search(r" on (\w+)-", await connection.fetchval("SELECT version()"))
    return _Found(
        version=(await connection.fetchval("SHOW server_version")).split()[0],
        major=version.major,
        settings=settings,
        set_by_us=frozenset(row["name"] for row in rows if row["source"] in OUR_SOURCES),
        architecture=built[1] if built else "",
        may_checkpoint=bool(may_checkpoint),
    )


async def _names_of(connection: "asyncpg.Connection[Any]", prefix: str) -> list[str]:
    rows = await connection.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", prefix)
    return [row["datname"] for row in rows]


async def _on(dsn: str, work: "Callable[[asyncpg.Connection[Any]], Awaitable[_T]]") -> _T:
    try:
        connection = await _connect(dsn)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise _died(error) from error
    try:
        return await work(connection)
    except asyncpg.WrongObjectTypeError:
        raise
    except _DEATHS as error:
        raise _died(error) from error
    except asyncpg.PostgresError as error:
        raise UserError(
            f"the server refuses a statement that looptrap needs: {_one_line(error)}. Check its configuration."
        ) from error
    finally:
        await connection.close()


def _died(error: BaseException) -> ServerDiedError:
    reason = _one_line(error) or f"no answer within {CONNECT_SECONDS:.0f} s"
    return ServerDiedError(f"the server no longer answers: {reason}. Look at its log, and restart it.")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")


async def _connect(dsn: str) -> "asyncpg.Connection[Any]":
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        try:
            return await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
        except asyncpg.CannotConnectNowError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


def is_unix_socket(url: URL) -> bool:
    """Whether a URL is that of a unix socket: it has no host, or a folder as host."""
    host = url.host or str(url.query.get("host", ""))
    return not host or host.startswith("/")


def _check_ours(name: str) -> None:
    if not name.startswith(PREFIX) or not name.removeprefix(PREFIX).replace("_", "").isalnum():
        raise ValueError(f"{name!r} is not a database of ours: its name must be {PREFIX} and letters, digits or _.")
