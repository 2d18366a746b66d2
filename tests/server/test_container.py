"""Postgres in a container, on a real Docker engine; skipped if none answers."""

import contextlib
import io
import json
import os
import select
import socket
import socketserver
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import docker
import pytest
from docker.errors import ImageNotFound
from docker.models.containers import Container
from sqlalchemy.engine import make_url

from bench.results.endpoints import ServerSource
from bench.results.errors import UserError
from bench.server import Server, container, open_server, removal
from bench.server.container import filesystem_in
from bench.server.image import data_folder, find_image
from tests.conftest import Command, assert_one_line, no_engine
from tests.servers import PATIENCE, assert_nothing_left, leave_a_database, on, start_run

IMAGE = "postgres:17"
QUICK = ServerSource("container", image=IMAGE, tmpfs=True)
"""For tests that do not depend on the disk."""
MISSING = "looptrap-no-such-image:1"

pytestmark = pytest.mark.skipif(bool(no_engine()), reason=no_engine() or "-")


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The Docker engine, over a connection of the tests' own."""
    with contextlib.closing(docker.from_env()) as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_left(engine: docker.DockerClient) -> Iterator[None]:
    """No container of this process and no volume of one exists before or after a test."""
    assert containers_of(engine) == []
    yield
    left = containers_of(engine)
    for one in left:
        one.remove(force=True, v=True)
    assert left == []


def containers_of(engine: docker.DockerClient, owner: int | None = None) -> list[Container]:
    """Return the containers, running or not, of a process of this machine; by default of this process."""
    found = engine.containers.list(all=True, filters={"label": f"{removal.HOST}={socket.gethostname()}"})
    return [one for one in found if json.loads(one.labels[removal.OWNER])["pid"] == (owner or os.getpid())]


@contextlib.contextmanager
def image_of(engine: docker.DockerClient, *lines: str) -> Iterator[str]:
    """Build an image from the official one, and remove it."""
    name = f"looptrap-test:{uuid.uuid4().hex[:8]}"
    dockerfile = io.BytesIO("\n".join([f"FROM {IMAGE}", *lines]).encode())
    engine.images.build(fileobj=dockerfile, tag=name, rm=True)
    try:
        yield name
    finally:
        engine.images.remove(name)


def use(server: Server) -> None:
    """Create a database and drop it."""
    assert make_url(server.create_database("looptrap_in_container")).database == "looptrap_in_container"
    server.drop_database("looptrap_in_container")


def refused(source: ServerSource) -> str:
    """Return the line with which a source is refused."""
    with pytest.raises(UserError) as caught, open_server(source):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_container_works_on_loopback_only_and_goes(engine: docker.DockerClient) -> None:
    """The server answers over TCP, only on 127.0.0.1, and is removed at the end."""
    with open_server(ServerSource("container", image=IMAGE)) as server:
        use(server)
        assert (server.facts.kind, server.facts.transport) == ("container", "tcp")
        assert server.facts.image.startswith(f"{IMAGE} ")
        assert server.facts.version.startswith("17")
        (ours,) = containers_of(engine)
        bound = ours.attrs["NetworkSettings"]["Ports"]["5432/tcp"]
        assert [address["HostIp"] for address in bound] == ["127.0.0.1"]
        assert str(make_url(server.admin_dsn).port) == bound[0]["HostPort"]
    assert containers_of(engine) == []


def test_container_goes_after_an_exception(engine: docker.DockerClient) -> None:
    """An exception passes through, and the container is removed."""
    with pytest.raises(ZeroDivisionError):
        leave_a_database(QUICK)
    assert containers_of(engine) == []


def test_socket_of_a_container(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers on a unix socket in a private folder, whatever PGPORT is, and nothing is left."""
    monkeypatch.setenv("PGPORT", "6000")
    with open_server(
        ServerSource("container", image=IMAGE, transport="unix", settings={"jit": "off"}, tmpfs=True)
    ) as server:
        use(server)
        assert server.facts.transport == "unix socket"
        assert on(server.admin_dsn, "SELECT inet_client_addr() IS NULL") == [True]
        (folder,) = temporary.iterdir()
        assert folder.stat().st_mode & 0o077 == 0
    assert_nothing_left(temporary)


def test_socket_of_an_engine_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is reached over TCP shares no folder: one line, and no container is created."""
    with proxy() as (address, _):
        monkeypatch.setenv("DOCKER_HOST", address)
        assert "share a socket only with its own host" in refused(
            ServerSource("container", image=IMAGE, transport="unix")
        )


def test_memory_is_mounted_where_the_image_keeps_its_data(engine: docker.DockerClient) -> None:
    """An image with its data below a volume, such as that of Postgres 18, has them in memory and creates no volume."""
    lines = ("ENV PGDATA=/var/lib/postgresql/18/docker", "VOLUME /var/lib/postgresql")
    with (
        image_of(engine, *lines) as image,
        open_server(ServerSource("container", image=image, tmpfs=True, settings={"fsync": "off"})) as server,
    ):
        assert server.facts.filesystem == "tmpfs"
        assert on(server.admin_dsn, "SHOW data_directory") == ["/var/lib/postgresql/18/docker"]
        (ours,) = containers_of(engine)
        assert ours.attrs["Mounts"] == []


@pytest.mark.parametrize(
    ("variables", "volumes", "folder"),
    [
        (["PGDATA=/var/lib/postgresql/data"], [], "/var/lib/postgresql/data"),
        (["PGDATA=/var/lib/postgresql/18/docker"], ["/var/lib/postgresql"], "/var/lib/postgresql"),
        ([], ["/var/lib/postgresql/data", "/backup"], "/var/lib/postgresql/data"),
    ],
)
def test_where_an_image_keeps_its_data(variables: list[str], volumes: list[str], folder: str) -> None:
    """The folder to mount is the volume with the data, else the folder that the image names, else the usual one."""
    assert data_folder(variables, volumes) == folder


def test_missing_image(typed: Command, tmp_path: Path) -> None:
    """An image that cannot be found or pulled gives one line that names it."""
    out = tmp_path / "run"
    completed = typed("run", "--server", "container", "--image", MISSING, "--strategies", "none", "--out", out)
    assert_one_line(
        completed, f"the image {MISSING} is not on this machine, and pulling it failed", "--server embedded"
    )


def test_missing_image_by_auto_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` uses the embedded server if the image is not available, and says why."""
    monkeypatch.delenv("LOOPTRAP_DSN", raising=False)
    with open_server(ServerSource("auto", image=MISSING)) as server:
        assert server.facts.kind == "embedded"
        assert MISSING in server.facts.why


def test_version_that_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` with a version that is neither available as an image nor embedded reports both."""
    monkeypatch.delenv("LOOPTRAP_DSN", raising=False)
    said = refused(ServerSource("auto", pg=99))
    assert "the image postgres:99 is not on this machine, and pulling it failed" in said
    assert "has Postgres 16 and 18" in said


def test_name_that_cannot_be_an_image() -> None:
    """An invalid name of an image gives one line."""
    assert "No Image!" in refused(ServerSource("container", image="No Image!"))


def test_image_and_version_are_not_said_together() -> None:
    """--image and --pg both choose an image, and are refused together."""
    assert "leave one out" in refused(ServerSource("container", image=IMAGE, pg=17))


def test_auto_prefers_the_dsn_then_docker(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` uses LOOPTRAP_DSN even if Docker answers, and Docker if that is not set."""
    monkeypatch.setenv("LOOPTRAP_DSN", server.admin_dsn)
    with open_server(ServerSource("auto", image=IMAGE)) as found:
        assert (found.facts.kind, found.facts.why) == ("dsn", "LOOPTRAP_DSN is set")
    monkeypatch.delenv("LOOPTRAP_DSN")
    with open_server(ServerSource("auto", image=IMAGE, tmpfs=True)) as found:
        assert (found.facts.kind, found.facts.why) == ("container", f"a Docker engine answers and has {IMAGE}")


def test_container_that_is_gone_already_is_no_error(engine: docker.DockerClient) -> None:
    """If something else removes the container, the clean-up does not fail, and the original error is not hidden."""
    with open_server(QUICK):
        (ours,) = containers_of(engine)
        ours.remove(force=True, v=True)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo 'no space for me' >&2; exit 3", "exited during its start: no space for me. Try another --image"),
        ("echo 'still thinking'; sleep 600", "was not ready within 2 s: still thinking. Try another --image"),
        ("exit 3", "exited during its start: it logged nothing"),
    ],
)
def test_container_that_never_gets_ready(
    command: str, words: str, engine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that ends or idles is noticed; the line shows its last output, and it is removed."""
    waits = "sleep" in command
    # No waiting for one that ends: the test would take that long.
    monkeypatch.setattr(container, "READY_SECONDS", 2 if waits else 600)
    with image_of(engine, f"ENTRYPOINT {json.dumps(['sh', '-c', command])}") as image:
        said = refused(ServerSource("container", image=image))
    assert f"a container of {image} {words}" in said
    assert containers_of(engine) == []


def test_image_without_a_command(engine: docker.DockerClient) -> None:
    """A refusal by the engine gives one line with the engine's message."""
    with image_of(engine, "ENTRYPOINT []", 'CMD ["no-such-program"]') as image:
        assert "no-such-program" in refused(ServerSource("container", image=image))


def test_setting_that_an_image_does_not_heed(engine: docker.DockerClient) -> None:
    """An image that ignores settings is noticed, instead of measured as if they were set."""
    deaf = json.dumps(["sh", "-c", "exec docker-entrypoint.sh postgres"])
    with image_of(engine, f"ENTRYPOINT {deaf}") as image:
        said = refused(ServerSource("container", image=image, settings={"jit": "off"}, tmpfs=True))
    assert "--setting jit=off: the server ignores it, jit is on" in said


def test_architecture_of_an_image(engine: docker.DockerClient) -> None:
    """An image for another architecture gives a warning before anything is measured."""
    name = f"looptrap-test:{uuid.uuid4().hex[:8]}"
    engine.images.load(image_for("s390x", name))
    try:
        (warning,) = find_image(name).warnings
        assert warning.startswith("The server was built for s390x and runs emulated on ")
        # Nothing is in it.
        assert warning in refused(ServerSource("container", image=name))
    finally:
        engine.images.remove(name)
    assert find_image(IMAGE).warnings == ()


def image_for(architecture: str, name: str) -> bytes:
    """Return an image for an architecture as `docker save` writes one, with one empty layer."""
    layer = archive({})
    history = [{"created": "2026-01-01T00:00:00Z"}]
    config = {"architecture": architecture, "os": "linux", "config": {"Cmd": ["postgres"]}, "history": history}
    config["rootfs"] = {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}"]}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    files = {"config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    return archive({**files, "layer.tar": layer})


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return files as a tar archive."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archived:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archived.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def test_container_of_a_killed_run_goes_at_the_next_start(engine: docker.DockerClient, temporary: Path) -> None:
    """The next start removes the container of a killed run, but not that of a living run or of another machine."""
    process = start_run(temporary, "container", "--image", IMAGE, "--tmpfs", "--transport", "unix")
    process.kill()
    process.communicate()
    assert [one.status for one in containers_of(engine, process.pid)] == ["running"]
    gone = json.dumps({"pid": process.pid, "created": 0.0})
    others = [
        engine.containers.create(IMAGE, labels=labels)
        for labels in ({**removal.labels(), removal.HOST: "elsewhere", removal.OWNER: gone}, removal.labels())
    ]
    try:
        with open_server(QUICK):
            assert containers_of(engine, process.pid) == []
            for one in others:
                one.reload()
    finally:
        for one in others:
            one.remove(force=True, v=True)
    assert_nothing_left(temporary)


def test_without_the_image_of_ryuk(engine: docker.DockerClient, looptrap: Command, tmp_path: Path) -> None:
    """If testcontainers' reaper is enabled but not available, one line says how to do without it."""
    image = ryuk()
    if has(engine, image):
        pytest.skip(f"the engine has {image}")
    arguments = ("run", "--server", "container", "--image", IMAGE, "--out", tmp_path / "run")
    done = looptrap(*arguments, TESTCONTAINERS_RYUK_DISABLED="false")
    assert_one_line(done, image, "TESTCONTAINERS_RYUK_DISABLED=true")


def test_ryuk_removes_what_a_killed_run_left(
    engine: docker.DockerClient, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With testcontainers' reaper, the container of a killed run is removed."""
    image = ryuk()
    if not has(engine, image):
        pytest.skip(f"the engine does not have {image}")
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "false")
    process = start_run(temporary, "container", "--image", IMAGE)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + PATIENCE
    while containers_of(engine, process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert_nothing_left(temporary)


def ryuk() -> str:
    """Return the name of the reaper's image."""
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415 - it takes long, and few tests need it

    return testcontainers_config.ryuk_image


def has(engine: docker.DockerClient, image: str) -> bool:
    """Whether the engine has an image."""
    try:
        return engine.images.get(image) is not None
    except ImageNotFound:
        return False


def test_engine_that_stops_in_the_middle(
    engine: docker.DockerClient, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the engine stops during a run, a line says what to do, and the finished cells are kept."""
    with proxy() as (address, stop):
        monkeypatch.setenv("DOCKER_HOST", address)
        process = start_run(temporary, "container", "--image", IMAGE, "--tmpfs")
        stop()
        (gone,) = containers_of(engine, process.pid)
        gone.remove(force=True, v=True)
        output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "Traceback" not in errors
    assert "no Docker engine answered within 2 s: start Docker" in errors
    assert "--resume" in output


def test_engine_that_is_gone_at_the_end(
    engine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the engine does not answer at the end, the results are kept, and a line says so."""
    with proxy() as (address, stop):
        monkeypatch.setenv("DOCKER_HOST", address)
        with open_server(QUICK) as server:
            use(server)
            stop()
    (left,) = containers_of(engine)
    left.remove(force=True, v=True)
    (line,) = capsys.readouterr().err.splitlines()
    assert f"docker rm --force --volumes {left.short_id}" in line


@contextlib.contextmanager
def proxy() -> Iterator[tuple[str, Callable[[], None]]]:
    """Stand between Docker's library and the engine; yield an address, and a function that cuts all connections."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        pytest.skip(f"the engine is not reached by a unix socket, but by {host}")
    connections: list[socket.socket] = []

    class Forward(socketserver.BaseRequestHandler):
        """Copies in both directions until one side ends."""

        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as there:
                there.connect(host.removeprefix("unix://"))
                other = {self.request: there, there: self.request}
                connections.extend(other)
                with contextlib.suppress(OSError):
                    while True:
                        for side in select.select(list(other), [], [])[0]:
                            said = side.recv(65536)
                            if not said:
                                return
                            other[side].sendall(said)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Forward) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()

        def stop() -> None:
            server.shutdown()
            server.socket.close()
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

        try:
            yield f"tcp://127.0.0.1:{server.server_address[1]}", stop
        finally:
            stop()
            thread.join()


@pytest.mark.parametrize("folder", ["/var/lib/postgresql/data", "/var/lib/postgresql/18/docker"])
def test_filesystem_in_a_container(folder: str) -> None:
    """The file system of the data is that of the volume, not that of the container's root."""
    volume = folder if folder.endswith("data") else "/var/lib/postgresql"
    text = f"{folder}\noverlay / overlay rw,relatime 0 0\nproc /proc proc rw 0 0\n/dev/vda1 {volume} ext4 rw 0 0\n"
    assert filesystem_in(text) == "ext4"
