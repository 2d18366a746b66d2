"""
Postgres in a container, started by testcontainers. Its port is open on 127.0.0.1 only, and its password is random.

It is removed at the end. If its owner was killed, the next start recognises it by its labels and removes it.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy.engine import URL

from bench.results.endpoints import ServerSource
from bench.results.errors import UserError
from bench.results.printable import printable
from bench.server.folder import clear_orphans, fits_a_socket, private_folder, too_long_for_a_socket
from bench.server.image import Image, find_image, image_of
from bench.server.machine import nearest_mount
from bench.server.removal import ENGINE_SECONDS, SOCKETS, labels, remove, remove_orphans, require_reaper
from bench.server.server import CONNECT_SECONDS, Server
from bench.server.settings import LONGEST_REASON, refuse_ours, why_not

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

READY_SECONDS = 120
"""An emulated image starts slowly."""
PORT = 5432
USER = "looptrap"

INSTEAD = "Try another --image, or use --server embedded."
# Postgres's images set PGDATA to the folder of the data, which depends on the version.
_DATA_AND_MOUNTS = 'echo "$PGDATA" && cat /proc/mounts'


@contextlib.contextmanager
def start(source: ServerSource, why: str) -> Iterator[Server]:
    """
    Start a container, and remove it at the end.

    :raises UserError: there is no engine or image, or the container does not start, or not as requested.
    """
    refuse_ours(source.settings)
    image = find_image(image_of(source))
    require_reaper()
    with contextlib.ExitStack() as stack:
        with _engine_answers(image):
            remove_orphans()
        # Their folders hold the sockets of such containers, which had to be removed first.
        clear_orphans()
        sockets = stack.enter_context(_socket_folder()) if source.transport == "unix" else None
        password = secrets.token_urlsafe(24)
        with _engine_answers(image):
            container = _prepare(image, source, password, sockets)
            stack.callback(remove, container)
            container.start()
            url = _ready(container, image, source, password)
            looked = container.exec(["sh", "-c", _DATA_AND_MOUNTS])
        filesystem = filesystem_in(looked.output.decode()) if looked.exit_code == 0 else ""
        if sockets is not None:
            url = _by_socket(url, sockets)
        named = f"{image.name} {image.digest}"
        yield Server(
            url, source, kind="container", why=why, filesystem=filesystem, image=named, warnings=image.warnings
        )


def filesystem_in(text: str) -> str:
    """Return the file system of a folder; the text has the folder in its first line, and then `/proc/mounts`."""
    folder, *lines = text.splitlines()
    mounts = {line.split()[1]: line.split()[2] for line in lines}
    return nearest_mount(PurePosixPath(folder), mounts)


def _prepare(image: Image, source: ServerSource, password: str, sockets: Path | None) -> "DockerContainer":
    """Configure the container without creating it."""
    # A slow import, which only containers need.
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415

    logging.getLogger("testcontainers").setLevel(logging.ERROR)
    container = DockerContainer(image.name, docker_client_kw={"timeout": ENGINE_SECONDS})
    container.with_envs(POSTGRES_USER=USER, POSTGRES_PASSWORD=password, POSTGRES_DB="postgres")
    container.with_kwargs(labels=labels())
    container.ports = {f"{PORT}/tcp": ("127.0.0.1", None)}  # type: ignore[dict-item] # Docker's form of an address
    settings = dict(source.settings)
    if source.tmpfs:
        container.with_tmpfs_mount(image.data)
    if sockets is not None:
        settings["unix_socket_directories"] = SOCKETS
        container.with_volume_mapping(sockets, SOCKETS, "rw")
    if settings:
        container.with_command(["postgres", *(word for it in settings.items() for word in ("-c", "=".join(it)))])
    return container


def _ready(container: "DockerContainer", image: Image, source: ServerSource, password: str) -> URL:
    """Wait until Postgres answers; return the URL of its maintenance database."""
    running = container.get_wrapped_container()
    deadline = time.monotonic() + READY_SECONDS
    while True:
        running.reload()
        # Inside the container, a temporary server answers during initialisation.
        if running.status == "running" and (url := _address(container)) is not None:
            url = url.set(password=password)
            if asyncio.run(_answers(url)):
                return url
        ended = running.status in {"exited", "dead"}
        if ended or time.monotonic() > deadline:
            log = running.logs(tail=100).decode(errors="replace")
            happened = "exited during its start" if ended else f"was not ready within {READY_SECONDS} s"
            instead = " ".join((*image.warnings, INSTEAD))
            raise UserError(f"a container of {image.name} {happened}: {why_not(log, source.settings, instead)}")
        time.sleep(0.1)


def _address(container: "DockerContainer") -> URL | None:
    """Return its URL without a password; None if its port is no longer mapped."""
    client = container.get_docker_client()
    mapped = client.get_connection_mode().use_mapped_port
    try:
        port = int(client.port(container.get_container_id(), PORT)) if mapped else PORT
    except ConnectionError:
        return None
    return URL.create("postgresql", USER, host=container.get_container_host_ip(), port=port, database="postgres")


async def _answers(url: URL) -> bool:
    try:
        connection = await asyncpg.connect(url.render_as_string(hide_password=False), timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    await connection.close()
    return True


@contextlib.contextmanager
def _socket_folder() -> Iterator[Path]:
    """Give a folder for a container's sockets, inside a private folder."""
    host = os.environ.get("DOCKER_HOST", "unix:")
    if sys.platform != "linux" or not host.startswith("unix:"):
        raise UserError(
            "--transport unix: a container can share a socket only with its own host, on Linux. Leave it out, or use "
            "--server embedded."
        )
    with private_folder() as folder:
        sockets = folder / "sockets"
        if not fits_a_socket(sockets):
            raise too_long_for_a_socket(sockets)
        sockets.mkdir()
        # The container changes its owner to its own user.
        sockets.chmod(0o755)
        yield sockets


def _by_socket(url: URL, sockets: Path) -> URL:
    if not (sockets / f".s.PGSQL.{PORT}").is_socket():
        raise UserError("--transport unix: this Docker engine does not share sockets with containers. Leave it out.")
    # The port is part of the socket's name, and PGPORT would change the default.
    query = {"host": str(sockets), "port": str(PORT)}
    return URL.create("postgresql", url.username, url.password, database=url.database, query=query)


@contextlib.contextmanager
def _engine_answers(image: Image) -> Iterator[None]:
    from docker.errors import DockerException  # noqa: PLC0415 - as above
    from requests.exceptions import RequestException  # noqa: PLC0415 - as above

    try:
        yield
    # A refusal is an error of both types, so this comes first.
    except DockerException as error:
        # The engine's own message; its end is the most specific part.
        reason = printable(getattr(error, "explanation", None) or str(error)).rstrip(".")[-LONGEST_REASON:]
        instead = " ".join((*image.warnings, INSTEAD))
        raise UserError(f"a container of {image.name} does not start: {reason}. {instead}") from error
    except RequestException as error:
        raise UserError("the Docker engine no longer answers: start it again, or use --server embedded.") from error
