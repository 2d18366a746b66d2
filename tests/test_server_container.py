"""Postgres in a container, on a real Docker engine; skipped where none answers."""

import functools
import os
from typing import Any

import docker
import pytest
import requests.exceptions
from docker.errors import DockerException
from sqlalchemy.engine import make_url

from bench.errors import UserError
from bench.server import Server, open_server
from bench.source import Source
from tests.conftest import Command, assert_one_line
from tests.test_server import docker_may_leave_sockets, leave_a_database

IMAGE = "postgres:17"
MISSING = "looptrap-no-such-image:1"


@functools.cache
def no_engine() -> str:
    """Say why there is no Docker engine; empty when one answers."""
    try:
        client = docker.from_env(timeout=2)
        try:
            client.ping()
        finally:
            client.close()
    except (DockerException, requests.exceptions.RequestException) as error:
        return f"no Docker engine answers: {str(error)[:100]}"
    return ""


with docker_may_leave_sockets():
    pytestmark = pytest.mark.skipif(bool(no_engine()), reason=no_engine() or "-")


def containers() -> dict[str, dict[str, Any]]:
    """What Docker knows of every container of Postgres's image, running or not."""
    client = docker.from_env()
    try:
        found = client.containers.list(all=True, filters={"ancestor": IMAGE})
        return {str(container.id): container.attrs for container in found}
    finally:
        client.close()


def use(server: Server) -> None:
    """Make a database and drop it."""
    assert make_url(server.create_database("looptrap_in_container")).database == "looptrap_in_container"
    server.drop_database("looptrap_in_container")


def test_container_works_on_loopback_only_and_goes() -> None:
    """It answers over TCP, its port is bound on 127.0.0.1 alone, and it is gone at the end."""
    before = containers()
    with open_server(Source("container", image=IMAGE)) as server:
        use(server)
        assert (server.facts.kind, server.facts.transport) == ("container", "tcp")
        assert server.facts.image.startswith(f"{IMAGE} ")
        assert server.facts.version.startswith("17")
        ours = [attributes for key, attributes in containers().items() if key not in before]
        assert len(ours) == 1
        bound = ours[0]["NetworkSettings"]["Ports"]["5432/tcp"]
        assert [address["HostIp"] for address in bound] == ["127.0.0.1"]
        assert str(make_url(server.admin_dsn).port) == bound[0]["HostPort"]
    assert containers().keys() == before.keys()


def test_container_goes_after_an_exception() -> None:
    """An exception passes through, and the container is gone."""
    before = containers()
    with pytest.raises(ZeroDivisionError):
        leave_a_database("container", IMAGE)
    assert containers().keys() == before.keys()


def test_missing_image(looptrap: Command, tmp_path: os.PathLike[str]) -> None:
    """An image that is neither here nor to be pulled: one line that names it, and no container."""
    before = containers()
    completed = looptrap(
        *("run", "--server", "container", "--image", MISSING, "--strategies", "none", "--out", f"{tmp_path}/run")
    )
    assert_one_line(completed, f"the image {MISSING} is neither here nor to be pulled", "--server embedded")
    assert containers().keys() == before.keys()


def test_missing_image_by_auto_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` takes the embedded server where the image is not to be had, and says why."""
    monkeypatch.delenv("LOOPTRAP_DSN", raising=False)
    with open_server(Source("auto", image=MISSING)) as server:
        assert server.facts.kind == "embedded"
        assert MISSING in server.facts.why


def test_name_that_cannot_be_an_image() -> None:
    """A name that Docker cannot even look for is one line."""
    with pytest.raises(UserError) as caught, open_server(Source("container", image="No Image!")):
        pass
    assert "\n" not in str(caught.value)
    assert "No Image!" in str(caught.value)


def test_auto_prefers_the_dsn_then_docker(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` takes LOOPTRAP_DSN though Docker answers, and Docker where it is not set."""
    monkeypatch.setenv("LOOPTRAP_DSN", server.admin_dsn)
    with open_server(Source("auto", image=IMAGE)) as found:
        assert (found.facts.kind, found.facts.why) == ("dsn", "LOOPTRAP_DSN is set")
    monkeypatch.delenv("LOOPTRAP_DSN")
    with open_server(Source("auto", image=IMAGE)) as found:
        assert (found.facts.kind, found.facts.why) == ("container", f"a Docker engine answers and has {IMAGE}")


def test_container_that_is_gone_already_is_no_error() -> None:
    """If somebody else removes the container, clearing up does not fail, and the reason above it is not hidden."""
    before = containers()
    with open_server(Source("container", image=IMAGE)):
        client = docker.from_env()
        for name in containers().keys() - before.keys():
            client.containers.get(name).remove(force=True, v=True)
        client.close()
    assert containers().keys() == before.keys()
