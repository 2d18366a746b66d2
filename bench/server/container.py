"""
A container: Postgres from an image, by testcontainers. Its port is open on 127.0.0.1 only, its password random.

It goes at the end; one whose owner was killed is known by its labels and removed by the next start.
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
"""An image that is emulated takes its time."""
PORT = 5432
USER = "looptrap"

INSTEAD = "Try another --image, or use --server embedded."
# Postgres's images say in PGDATA where the data are, which depends on their version.
_DATA_AND_MOUNTS = 'echo "$PGDATA" && cat /proc/mounts'


@contextlib.contextmanager
def start(source: ServerSource, why: str) -> Iterator[Server]:
    """
    Start one, and remove it at the end.

    :raises UserError: no engine, no image, or a container that does not get ready or is not as it was asked for.
    """
    refuse_ours(source.settings)
    image = find_image(image_of(source))
    require_reaper()
    with contextlib.ExitStack() as stack:
        with _engine_answers(image):
            remove_orphans()
        # Those with the sockets of such containers, which had to go first.
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
    """Return the name of the file system that a folder is on: the text's first line; the rest is `/proc/mounts`."""
    folder, *lines = text.splitlines()
    mounts = {line.split()[1]: line.split()[2] for line in lines}
    return nearest_mount(PurePosixPath(folder), mounts)


def _prepare(image: Image, source: ServerSource, password: str, sockets: Path | None) -> "DockerContainer":
    """Describe the container; nothing is made yet."""
    # Imported here, for it takes longer than all the rest of a start.
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415

    logging.getLogger("testcontainers").setLevel(logging.ERROR)
    container = DockerContainer(image.name, docker_client_kw={"timeout": ENGINE_SECONDS})
    container.with_envs(POSTGRES_USER=USER, POSTGRES_PASSWORD=password, POSTGRES_DB="postgres")
    container.with_kwargs(labels=labels())
    container.ports = {f"{PORT}/tcp": ("127.0.0.1", None)}  # type: ignore[dict-item] # Docker's own form of an address
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
    """Wait until its Postgres answers; return the URL of its maintenance database."""
    running = container.get_wrapped_container()
    deadline = time.monotonic() + READY_SECONDS
    while True:
        running.reload()
        # From outside: while it is made, a server answers inside that will be stopped again.
        if running.status == "running" and (url := _address(container)) is not None:
            url = url.set(password=password)
            if asyncio.run(_answers(url)):
                return url
        ended = running.status in {"exited", "dead"}
        if ended or time.monotonic() > deadline:
            log = running.logs(tail=100).decode(errors="replace")
            happened = "ended as it started" if ended else f"did not get ready within {READY_SECONDS} s"
            instead = " ".join((*image.warnings, INSTEAD))
            raise UserError(f"a container of {image.name} {happened}: {why_not(log, source.settings, instead)}")
        time.sleep(0.1)


def _address(container: "DockerContainer") -> URL | None:
    """Return where it can be reached, without a password; None where it has no port any more."""
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
    """Give a folder for a container's sockets, inside a folder that nobody else may look into."""
    host = os.environ.get("DOCKER_HOST", "unix:")
    if sys.platform != "linux" or not host.startswith("unix:"):
        raise UserError(
            "--transport unix: a container shares a socket with an engine of the same Linux machine alone. "
            "Leave it out, or use --server embedded."
        )
    with private_folder() as folder:
        sockets = folder / "sockets"
        if not fits_a_socket(sockets):
            raise too_long_for_a_socket(sockets)
        sockets.mkdir()
        # The container makes it its own user's.
        sockets.chmod(0o755)
        yield sockets


def _by_socket(url: URL, sockets: Path) -> URL:
    if not (sockets / f".s.PGSQL.{PORT}").is_socket():
        raise UserError("--transport unix: this engine does not share a container's sockets. Leave it out.")
    # The port decides the name of the socket, and PGPORT would change it.
    query = {"host": str(sockets), "port": str(PORT)}
    return URL.create("postgresql", url.username, url.password, database=url.database, query=query)


@contextlib.contextmanager
def _engine_answers(image: Image) -> Iterator[None]:
    from docker.errors import DockerException  # noqa: PLC0415 - as above
    from requests.exceptions import RequestException  # noqa: PLC0415 - as above

    try:
        yield
    # An answer that says no is an error of both kinds.
    except DockerException as error:
        # What the engine says itself, of which the end tells most.
        reason = printable(getattr(error, "explanation", None) or str(error)).rstrip(".")[-LONGEST_REASON:]
        instead = " ".join((*image.warnings, INSTEAD))
        raise UserError(f"a container of {image.name} does not start: {reason}. {instead}") from error
    except RequestException as error:
        raise UserError(
            "the Docker engine does not answer any more: start it again, or use --server embedded."
        ) from error
