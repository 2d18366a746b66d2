"""The image of a container: finds or pulls it, and reads its properties."""

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from bench.results.architecture import emulation
from bench.results.endpoints import DEFAULT_IMAGE, ServerSource
from bench.results.errors import UserError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image as DockerImage

ANSWER_SECONDS = 2
USUAL_DATA = "/var/lib/postgresql/data"


class ImageError(UserError):
    """
    No engine answers, or it has no such image.

    :param problem: what is wrong, as a clause.
    :param remedy: what to do.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}: {remedy}")
        self.problem = problem


@dataclass(frozen=True)
class Image:
    """An image on the Docker engine."""

    name: str
    digest: str
    data: str
    """The folder with all data, on which a file system can be mounted."""
    warnings: tuple[str, ...]
    """Warnings to print before measuring, one sentence each."""


def image_of(source: ServerSource) -> str:
    """
    Return the name of a source's image.

    :raises UserError: the source gives both an image and a version.
    """
    if source.image and source.pg is not None:
        raise UserError(
            f"--image {source.image} and --pg {source.pg} both choose an image: leave one out; "
            f"--pg {source.pg} means postgres:{source.pg}."
        )
    return source.image or (DEFAULT_IMAGE if source.pg is None else f"postgres:{source.pg}")


def find_image(name: str) -> Image:
    """
    Find an image on the Docker engine, and pull it if the engine does not have it.

    :raises ImageError: no engine answers, or the image cannot be pulled.
    """
    # Slow imports, which only containers need.
    import docker  # noqa: PLC0415
    from docker.errors import DockerException, ImageNotFound  # noqa: PLC0415
    from requests.exceptions import RequestException  # noqa: PLC0415

    try:
        client = docker.from_env(timeout=ANSWER_SECONDS)
        client.ping()
    except (DockerException, RequestException) as error:
        raise ImageError(
            f"no Docker engine answered within {ANSWER_SECONDS} s", "start Docker, or use --server embedded."
        ) from error
    with contextlib.closing(client):
        try:
            return _described(name, client.images.get(name), client)
        except ImageNotFound:
            pass
        except (DockerException, RequestException) as error:
            raise ImageError(
                f"'{name}' is not the name of an image", "give one such as --image postgres:17."
            ) from error
    pulling = docker.from_env()
    with contextlib.closing(pulling):
        try:
            return _described(name, pulling.images.pull(*_repository_and_tag(name)), pulling)
        except (DockerException, RequestException) as error:
            raise ImageError(
                f"the image {name} is not on this machine, and pulling it failed",
                "check its name and the network, or use --server embedded.",
            ) from error


def _described(name: str, found: "DockerImage", client: "DockerClient") -> Image:
    digests = found.attrs.get("RepoDigests") or [found.id]
    emulated = emulation(found.attrs.get("Architecture", ""), client.version().get("Arch", ""))
    config = found.attrs["Config"]
    data = data_folder(config.get("Env") or (), config.get("Volumes") or ())
    return Image(name, str(digests[0]), data, (emulated,) if emulated else ())


def data_folder(variables: Collection[str], volumes: Collection[str]) -> str:
    """
    Return the folder of an image on which to mount a file system for its data.

    It is the volume that the image declares, because the engine would otherwise create that volume as well. Since
    version 18, the data of the official image are some folders below the volume. Without a volume, it is PGDATA.

    :param variables: environment variables, such as `PGDATA=/var/lib/postgresql/data`.
    """
    environment = dict(one.partition("=")[::2] for one in variables)
    data = PurePosixPath(environment.get("PGDATA", USUAL_DATA))
    return next((str(place) for place in (data, *data.parents) if str(place) in volumes), str(data))


def _repository_and_tag(image: str) -> tuple[str, str | None]:
    repository, _, tag = image.rpartition(":")
    # A colon before the last slash precedes a registry's port.
    return (repository, tag) if repository and "/" not in tag else (image, "latest")
