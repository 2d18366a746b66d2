"""A server that the user runs, given by a DSN. It is checked first, and its configuration is never changed."""

import asyncio
import contextlib
import ipaddress
import os
import re
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from bench.results.endpoints import ServerSource
from bench.results.errors import UserError
from bench.server.machine import filesystem_of
from bench.server.server import CONNECT_SECONDS, Server

EXAMPLE = "postgresql://user:password@localhost:5432/postgres"
_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")


@contextlib.contextmanager
def connect(dsn: str, source: ServerSource, why: str) -> Iterator[Server]:
    """
    Open the server of a DSN.

    :raises UserError: the DSN is invalid or names another host; the server does not answer or denies access; or the
        source has options that would change the server.
    """
    url = _parse(dsn)
    _refuse_changes(source)
    if not source.allow_remote and not _is_local(url):
        raise UserError(f"{_shown(url)} is not on this machine: add --allow-remote if you may create databases there.")
    yield Server(url, source, kind="dsn", why=why, filesystem=_try(url))


def _parse(dsn: str) -> URL:
    try:
        url = make_url(dsn)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in _SCHEMES:
        # An invalid DSN may contain a password anywhere, so the message does not repeat it.
        scheme = dsn.partition("://")[0]
        known = "://" in dsn and scheme in _SCHEMES  # the error is elsewhere
        given = f"'{scheme}'" if re.fullmatch(r"[a-zA-Z0-9+]+", scheme) and not known else "the text given"
        raise UserError(f"--server: {given} is not auto, container, embedded, or a DSN such as {EXAMPLE}")
    return url.set(drivername="postgresql", database=url.database or "postgres")


def _refuse_changes(source: ServerSource) -> None:
    """Refuse options that would change the user's server, and say how to change it there."""
    instead = "or use --server embedded or container."
    for name, value in source.settings.items():
        typed = value if re.fullmatch(r"\w+", value) else "'{}'".format(value.replace("'", "''"))
        raise UserError(
            f"--setting {name}={value}: looptrap never changes the server of a DSN. Run ALTER SYSTEM SET {name} = "
            f"{typed} and SELECT pg_reload_conf() there, and restart it if necessary, {instead}"
        )
    if source.tmpfs:
        raise UserError(
            f"--tmpfs: looptrap never changes the server of a DSN. Give the DSN of one in memory, {instead}"
        )
    if source.pg is not None:
        raise UserError(
            f"--pg {source.pg}: looptrap never changes the server of a DSN. Give the DSN of such a server, {instead}"
        )
    if source.transport is not None:
        raise UserError(
            f"--transport {source.transport}: a DSN determines the transport: a socket with ?host=/var/run/postgresql, "
            f"otherwise TCP. Change the DSN, {instead}"
        )


def _is_local(url: URL) -> bool:
    host = _host(url)
    if host in {"", "localhost"} or host.startswith("/"):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _host(url: URL) -> str:
    """Return the host of a URL as asyncpg determines it; an empty string for the default unix socket."""
    return url.host or str(url.query.get("host", "")) or os.environ.get("PGHOST", "")


def _try(url: URL) -> str:
    """Connect, check the permission to create databases, and return the file system of the data."""
    shown = _shown(url)
    try:
        permitted, filesystem = asyncio.run(_look(url))
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise UserError(f"{shown} rejects the user or password: {_first_line(error)}. Correct the DSN.") from error
    except asyncpg.InvalidCatalogNameError as error:
        raise UserError(f"{shown}: {_first_line(error)}. Give an existing database, such as postgres.") from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = _first_line(error) or f"no answer within {CONNECT_SECONDS:.0f} seconds"
        raise UserError(f"{shown} does not answer: {reason}. Start it, or use --server embedded.") from error
    if not permitted:
        raise UserError(
            f"{shown}: {url.username or 'the user'} may not create databases. As a superuser, run: "
            f'ALTER ROLE "{url.username or "..."}" CREATEDB'
        )
    return filesystem


async def _look(url: URL) -> tuple[bool, str]:
    connection = await asyncpg.connect(url.render_as_string(hide_password=False), timeout=CONNECT_SECONDS)
    try:
        permitted = await connection.fetchval(
            "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
        )
        # A role without the permission to see it gets no row.
        folder = await connection.fetchval("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
        return bool(permitted), _filesystem(folder, connection.get_server_pid())
    finally:
        await connection.close()


def _filesystem(folder: str | None, backend: int) -> str:
    """Return the file system of the data of a running backend; empty if unknown."""
    # The working directory of a backend is the data folder. If no such process exists here, the server runs elsewhere,
    # for example in a container, whose folders are not those of this machine.
    with contextlib.suppress(psutil.Error, ValueError):
        if folder is not None and Path(psutil.Process(backend).cwd()) == Path(folder).resolve():
            return filesystem_of(Path(folder))
    return ""


def _shown(url: URL) -> str:
    # SQLAlchemy hides the password before the host, but not one in the query.
    hidden = {name: "***" for name in url.query if "password" in name}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].rstrip(".")
