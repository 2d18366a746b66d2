"""How containers go: at the end, or, where their owner was killed, at the next start of one on this machine."""

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
"""Where a container has its sockets; somebody else's file system may be mounted there."""
ENGINE_SECONDS = 30
"""How long an engine may take to make or remove a container."""
STOP_SECONDS = 5


def labels() -> dict[str, str]:
    """Return what says to whom a container belongs: a process of this machine, for an engine may serve several."""
    return {OWNER: json.dumps(identity(psutil.Process())), HOST: socket.gethostname()}


def require_reaper() -> None:
    """Make sure that testcontainers' own container, which removes those of killed runs, is to be had if it is on."""
    # Imported here, for it takes longer than all the rest of a start.
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415

    if not testcontainers_config.ryuk_disabled:
        try:
            find_image(testcontainers_config.ryuk_image)
        except ImageError as error:
            raise UserError(
                f"testcontainers removes what a killed run leaves by {testcontainers_config.ryuk_image}, which is "
                "neither here nor to be pulled. Set TESTCONTAINERS_RYUK_DISABLED=true: the next start removes it too."
            ) from error


def remove_orphans() -> None:
    """Remove the containers of runs on this machine that were killed."""
    import docker  # noqa: PLC0415 - as above

    of_this_machine = f"{HOST}={socket.gethostname()}"
    with contextlib.closing(docker.from_env(timeout=ENGINE_SECONDS)) as client:
        for container in client.containers.list(all=True, filters={"label": of_this_machine}, ignore_removed=True):
            # Labels that cannot be read are not ours.
            with contextlib.suppress(ValueError, KeyError, TypeError):
                if known(json.loads(container.labels[OWNER])) is None:
                    _end(container)


def remove(container: "DockerContainer") -> None:
    """Remove a container if it was made; where the engine does not answer, say what is left and go on."""
    from docker.errors import DockerException  # noqa: PLC0415 - as above
    from requests.exceptions import RequestException  # noqa: PLC0415 - as above
    from testcontainers.core.exceptions import ContainerStartException  # noqa: PLC0415 - as above

    with contextlib.closing(container.get_docker_client().client), contextlib.suppress(ContainerStartException):
        made = container.get_wrapped_container()
        try:
            _end(made)
        except (DockerException, RequestException):
            # Not an error: what was measured is whole, and what is on its way up tells more.
            click.echo(
                f"looptrap: the Docker engine did not remove the container {made.short_id}: the next start of one "
                f"removes it, or type docker rm --force --volumes {made.short_id}",
                err=True,
            )


def _end(container: "Container") -> None:
    from docker.errors import APIError  # noqa: PLC0415 - as above

    try:
        if any(mount["Destination"] == SOCKETS for mount in container.attrs["Mounts"]):
            # So that Postgres deletes its socket, which only its own user may.
            container.stop(timeout=STOP_SECONDS)
        container.remove(force=True, v=True)
    except APIError as error:
        # Somebody else, a clean-up of the engine say, was faster, or is at it.
        if error.status_code not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
            raise
