"""A server that the user runs: reached by a DSN, looked at before anything is done, and left as it was."""

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
    Give the server behind a DSN.

    :raises UserError: it does not parse, leads to another host, does not answer, or may not be used; or the source
        asks for something that would have to be changed there.
    """
    url = _parse(dsn)
    _refuse_changes(source)
    if not source.allow_remote and not _is_local(url):
        raise UserError(
            f"{_shown(url)} is not on this machine: say --allow-remote if it is yours to make databases on."
        )
    yield Server(url, source, kind="dsn", why=why, filesystem=_try(url))


def _parse(dsn: str) -> URL:
    try:
        url = make_url(dsn)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in _SCHEMES:
        # What does not parse may hold a password anywhere, so it is not repeated.
        scheme = dsn.partition("://")[0]
        known = "://" in dsn and scheme in _SCHEMES  # so that something else is wrong
        given = f"'{scheme}'" if re.fullmatch(r"[a-zA-Z0-9+]+", scheme) and not known else "the text given"
        raise UserError(f"--server: {given} is none of auto, container, embedded, or a DSN such as {EXAMPLE}")
    return url.set(drivername="postgresql", database=url.database or "postgres")


def _refuse_changes(source: ServerSource) -> None:
    """Refuse what would change a server that the user runs, and say what to do there."""
    instead = "or use --server embedded or container."
    for name, value in source.settings.items():
        typed = value if re.fullmatch(r"\w+", value) else "'{}'".format(value.replace("'", "''"))
        raise UserError(
            f"--setting {name}={value}: the server of a DSN is not ours to set. Type ALTER SYSTEM SET {name} = {typed} "
            f"and SELECT pg_reload_conf() there, and restart it if it says so, {instead}"
        )
    if source.tmpfs:
        raise UserError(f"--tmpfs: the server of a DSN has its data where it has them. Start one in memory, {instead}")
    if source.pg is not None:
        raise UserError(
            f"--pg {source.pg}: the server of a DSN has the version that it has. Name one that has it, {instead}"
        )
    if source.transport is not None:
        raise UserError(
            f"--transport {source.transport}: a DSN says itself by what its server is reached: by a socket with "
            f"?host=/var/run/postgresql, else by TCP. Change the DSN, {instead}"
        )


def _is_local(url: URL) -> bool:
    host = _host(url)
    if host in {"", "localhost"} or host.startswith("/"):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _host(url: URL) -> str:
    """Return where a URL leads, as asyncpg finds it; an empty string for the usual unix socket."""
    return url.host or str(url.query.get("host", "")) or os.environ.get("PGHOST", "")


def _try(url: URL) -> str:
    """Connect once, ask whether databases may be made, and return the file system of the data."""
    shown = _shown(url)
    try:
        permitted, filesystem = asyncio.run(_look(url))
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise UserError(f"{shown} refuses user or password: {_first_line(error)}. Correct the DSN.") from error
    except asyncpg.InvalidCatalogNameError as error:
        raise UserError(f"{shown}: {_first_line(error)}. Name one that is there, such as postgres.") from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = _first_line(error) or f"no answer within {CONNECT_SECONDS:.0f} seconds"
        raise UserError(f"{shown} does not answer: {reason}. Start it, or use --server embedded.") from error
    if not permitted:
        raise UserError(
            f"{shown}: {url.username or 'the user'} may not create databases. As a superuser, type: "
            f'ALTER ROLE "{url.username or "..."}" CREATEDB'
        )
    return filesystem


async def _look(url: URL) -> tuple[bool, str]:
    connection = await asyncpg.connect(url.render_as_string(hide_password=False), timeout=CONNECT_SECONDS)
    try:
        permitted = await connection.fetchval(
            "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
        )
        # No row for a role that may not know.
        folder = await connection.fetchval("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
        return bool(permitted), _filesystem(folder, connection.get_server_pid())
    finally:
        await connection.close()


def _filesystem(folder: str | None, backend: int) -> str:
    """Return the name of the file system that a running backend's data are on; empty where it cannot be known."""
    # A backend works in the data folder. Where its number is another process's, or nobody's, it runs elsewhere: in a
    # container, say, whose port is one of this machine, and whose folders are not.
    with contextlib.suppress(psutil.Error, ValueError):
        if folder is not None and Path(psutil.Process(backend).cwd()) == Path(folder).resolve():
            return filesystem_of(Path(folder))
    return ""


def _shown(url: URL) -> str:
    # SQLAlchemy hides the password before the host, but not one among the options.
    hidden = {name: "***" for name in url.query if "password" in name}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].rstrip(".")
