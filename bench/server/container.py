"""A container: Postgres from an image, by testcontainers. Its port is open on 127.0.0.1 only, its password random."""

import contextlib
import logging
import secrets
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL

from bench.errors import UserError
from bench.machine import nearest_mount
from bench.server.server import Server

if TYPE_CHECKING:
    from testcontainers.community.postgres import PostgresContainer

ANSWER_SECONDS = 2
PORT = 5432

# Postgres's images say in PGDATA where the data are, which depends on their version.
_DATA_AND_MOUNTS = 'echo "$PGDATA" && cat /proc/mounts'


def find_image(image: str) -> str:
    """
    Make sure that an engine answers and has the image, pulling it if need be; return the image's digest.

    :raises UserError: no engine, or no such image to be had.
    """
    # Imported here, for it takes longer than all the rest of a start.
    import docker  # noqa: PLC0415
    from docker.errors import DockerException, ImageNotFound  # noqa: PLC0415
    from requests.exceptions import RequestException  # noqa: PLC0415

    try:
        client = docker.from_env(timeout=ANSWER_SECONDS)
        client.ping()
    except (DockerException, RequestException) as error:
        raise UserError(
            f"no Docker engine answered within {ANSWER_SECONDS} s: start Docker, or use --server embedded."
        ) from error
    with contextlib.closing(client):
        try:
            found = client.images.get(image)
        except ImageNotFound:
            found = None
        except (DockerException, RequestException) as error:
            raise UserError(f"'{image}' cannot name an image: give one such as --image postgres:17.") from error
    if found is None:
        pulling = docker.from_env()
        with contextlib.closing(pulling):
            try:
                found = pulling.images.pull(*_repository_and_tag(image))
            except (DockerException, RequestException) as error:
                raise UserError(
                    f"the image {image} is neither here nor to be pulled: check the name or the network, "
                    "or use --server embedded."
                ) from error
    digests = found.attrs.get("RepoDigests") or [found.id]
    return str(digests[0])


@contextlib.contextmanager
def start(image: str, why: str) -> Iterator[Server]:
    """
    Start one, and remove it at the end.

    :raises UserError: no engine, no image, or a container that does not get ready.
    """
    digest = find_image(image)
    from docker.errors import DockerException  # noqa: PLC0415 - as above
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415

    logging.getLogger("testcontainers").setLevel(logging.ERROR)
    password = secrets.token_urlsafe(24)
    container = PostgresContainer(image, username="looptrap", password=password, dbname="postgres", driver=None)
    container.ports = {f"{PORT}/tcp": ("127.0.0.1", None)}  # type: ignore[dict-item] # Docker's own form of an address
    with contextlib.ExitStack() as stack:
        stack.callback(_remove, container)
        try:
            container.start()
            url = URL.create(
                "postgresql",
                username="looptrap",
                password=password,
                host=container.get_container_host_ip(),
                port=int(container.get_exposed_port(PORT)),
                database="postgres",
            )
        except TimeoutError:
            # What timed out names the command, and that holds the password: neither words nor cause are passed on.
            raise UserError(
                f"a container of {image} started, but its Postgres does not answer: try another --image, "
                "or --server embedded."
            ) from None
        except (DockerException, ConnectionError) as error:
            reason = str(error).partition("\n")[0][:200]
            raise UserError(
                f"a container of {image} does not start: {reason}. Try another --image, or --server embedded."
            ) from error
        looked = container.exec(["sh", "-c", _DATA_AND_MOUNTS])
        filesystem = filesystem_in(looked.output.decode()) if looked.exit_code == 0 else ""
        yield Server(url, kind="container", why=why, filesystem=filesystem, image=f"{image} {digest}")


def filesystem_in(text: str) -> str:
    """Return the name of the file system that a folder is on: the text's first line; the rest is `/proc/mounts`."""
    folder, *lines = text.splitlines()
    mounts = {line.split()[1]: line.split()[2] for line in lines}
    return nearest_mount(PurePosixPath(folder), mounts)


def _remove(container: "PostgresContainer") -> None:
    from docker.errors import NotFound  # noqa: PLC0415 - as above

    # Somebody else, a clean-up of the engine say, may have been faster.
    with contextlib.suppress(NotFound):
        container.stop()


def _repository_and_tag(image: str) -> tuple[str, str | None]:
    repository, _, tag = image.rpartition(":")
    # A colon before the last slash is a registry's port.
    return (repository, tag) if repository and "/" not in tag else (image, "latest")
