"""The image of a container: found or pulled, and what it says of itself."""

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from bench.results.architecture import emulation
from bench.results.endpoints import DEFAULT_IMAGE, Source
from bench.results.errors import UserError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image as DockerImage

ANSWER_SECONDS = 2
USUAL_DATA = "/var/lib/postgresql/data"


@dataclass(frozen=True)
class Image:
    """An image that the engine has."""

    name: str
    digest: str
    data: str
    """The folder that holds all data, where a file system may be mounted."""
    warnings: tuple[str, ...]
    """What to say of it before anything is measured, a sentence each."""


def image_of(source: Source) -> str:
    """
    Return the name of the image that a source asks for.

    :raises UserError: it asks for two.
    """
    if source.image and source.pg is not None:
        raise UserError(
            f"--image {source.image} and --pg {source.pg} both choose an image: leave one out; "
            f"--pg {source.pg} takes postgres:{source.pg}."
        )
    return source.image or (DEFAULT_IMAGE if source.pg is None else f"postgres:{source.pg}")


def find_image(name: str) -> Image:
    """
    Make sure that an engine answers and has the image, pulling it if need be.

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
            return _described(name, client.images.get(name), client)
        except ImageNotFound:
            pass
        except (DockerException, RequestException) as error:
            raise UserError(f"'{name}' cannot name an image: give one such as --image postgres:17.") from error
    pulling = docker.from_env()
    with contextlib.closing(pulling):
        try:
            return _described(name, pulling.images.pull(*_repository_and_tag(name)), pulling)
        except (DockerException, RequestException) as error:
            raise UserError(
                f"the image {name} is neither here nor to be pulled: check the name or the network, "
                "or use --server embedded."
            ) from error


def _described(name: str, found: "DockerImage", client: "DockerClient") -> Image:
    digests = found.attrs.get("RepoDigests") or [found.id]
    emulated = emulation(found.attrs.get("Architecture", ""), client.version().get("Arch", ""))
    config = found.attrs["Config"]
    data = data_folder(config.get("Env") or (), config.get("Volumes") or ())
    return Image(name, str(digests[0]), data, (emulated,) if emulated else ())


def data_folder(variables: Collection[str], volumes: Collection[str]) -> str:
    """
    Return the folder with all data of an image, on which another file system may be mounted.

    It is the volume that the image declares, so that no other is made beside it; from 18 on, Postgres's own image has
    its data some folders further down. Without a volume, it is the folder of the data.

    :param variables: of the environment, such as `PGDATA=/var/lib/postgresql/data`.
    """
    environment = dict(one.partition("=")[::2] for one in variables)
    data = PurePosixPath(environment.get("PGDATA", USUAL_DATA))
    return next((str(place) for place in (data, *data.parents) if str(place) in volumes), str(data))


def _repository_and_tag(image: str) -> tuple[str, str | None]:
    repository, _, tag = image.rpartition(":")
    # A colon before the last slash is a registry's port.
    return (repository, tag) if repository and "/" not in tag else (image, "latest")
