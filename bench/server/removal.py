"""Removes containers: at the end, or at the next start of one on this machine if their owner was killed."""

import contextlib
import json
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING

import click
import psutil

from bench.results.errors import UserError
from bench.server.image import ImageError, find_image
from bench.server.process_identity import identity, known

if TYPE_CHECKING:
    from docker.models.containers import Container
    from testcontainers.core.container import DockerContainer

OWNER, HOST = "looptrap.owner", "looptrap.host"
SOCKETS = "/var/run/postgresql"
"""The folder of a container's sockets; a folder of the host can be mounted there."""
ENGINE_SECONDS = 30
"""How long the engine may take to create or remove a container."""
STOP_SECONDS = 5


def labels() -> dict[str, str]:
    """Return the labels with a container's owner: a process and its machine, as several machines may use an engine."""
    return {OWNER: json.dumps(identity(psutil.Process())), HOST: socket.gethostname()}


def require_reaper() -> None:
    """Check that testcontainers can start its own container, which removes those of killed runs, if it is enabled."""
    # Slow imports, which only containers need.
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415

    if not testcontainers_config.ryuk_disabled:
        try:
            find_image(testcontainers_config.ryuk_image)
        except ImageError as error:
            raise UserError(
                f"testcontainers needs the image {testcontainers_config.ryuk_image} to clean up after killed runs, but "
                "it cannot be pulled. Set TESTCONTAINERS_RYUK_DISABLED=true: looptrap cleans up at its next start."
            ) from error


def remove_orphans() -> None:
    """Remove the containers of killed runs of this machine."""
    import docker  # noqa: PLC0415 - as above

    of_this_machine = f"{HOST}={socket.gethostname()}"
    with contextlib.closing(docker.from_env(timeout=ENGINE_SECONDS)) as client:
        for container in client.containers.list(all=True, filters={"label": of_this_machine}, ignore_removed=True):
            # Labels of another form are not ours.
            with contextlib.suppress(ValueError, KeyError, TypeError):
                if known(json.loads(container.labels[OWNER])) is None:
                    _end(container)


def remove(container: "DockerContainer") -> None:
    """Remove a container if it was created; if the engine does not answer, print what is left and continue."""
    from docker.errors import DockerException  # noqa: PLC0415 - as above
    from requests.exceptions import RequestException  # noqa: PLC0415 - as above
    from testcontainers.core.exceptions import ContainerStartException  # noqa: PLC0415 - as above

    with contextlib.closing(container.get_docker_client().client), contextlib.suppress(ContainerStartException):
        made = container.get_wrapped_container()
        try:
            _end(made)
        except (DockerException, RequestException):
            # Not an error: the results are complete, or a more important error is being raised.
            click.echo(
                f"looptrap: the Docker engine did not remove the container {made.short_id}. The next start of one "
                f"removes it, or run docker rm --force --volumes {made.short_id}",
                err=True,
            )


def _end(container: "Container") -> None:
    from docker.errors import APIError  # noqa: PLC0415 - as above

    try:
        if any(mount["Destination"] == SOCKETS for mount in container.attrs["Mounts"]):
            # Postgres deletes its socket when it stops; only its own user may do that.
            container.stop(timeout=STOP_SECONDS)
        container.remove(force=True, v=True)
    except APIError as error:
        # Something else, such as a clean-up of the engine, has removed it or is doing so.
        if error.status_code not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
            raise
