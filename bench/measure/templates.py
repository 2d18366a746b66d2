"""
The harness's side of the template processes, which fork the processes that run pytest.

A new interpreter needs more than a second to import pytest, SQLAlchemy and the application; a fork of one that has
imported them needs milliseconds. Each round has new templates, so that hash seed and memory layout are randomised by
round (Mytkowicz et al. 2009).
"""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from bench.measure.child import Child, PytestCall, Spawn, Start
from bench.measure.pytest_call import python_path
from bench.results.endpoints import Client
from bench.results.errors import UserError
from bench.results.paths import ROOT
from bench.results.records import ProcessStart
from bench.worker.template import Request

_PRELOADED = (
    "alembic.command",
    "alembic.config",
    "bench.app.main",
    "bench.worker.fixtures",
    "bench.worker.recorder",
    "bench.worker.tracer",
    "bench.workload",
    "fastapi",
    "httpx",
    "pytest_asyncio.plugin",
    "sqlalchemy.ext.asyncio",
)
"""What is imported before the fork: nothing that opens an event loop, a thread or a connection, and no strategy."""

CAN_FORK = sys.platform == "linux"
"""Whether processes are forked. On macOS, whose libraries use threads, forking is unsafe, and Windows cannot fork."""

START: ProcessStart = "forked" if CAN_FORK else "spawned"
"""How the processes of timed cells start on this system."""

_LOST = "a template process, which forks the processes that run tests, has ended: resume the run, or start it again."


class TemplateLostError(UserError):
    """A template process has ended before the harness was done with it."""


class _Forked:
    """A process that a template has forked; a `Child`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._over = threading.Event()
        self._exit_code: int | None = None
        self._cpu: float | None = None

    def wait(self, seconds: float | None = None) -> int | None:
        if not self._over.wait(seconds):
            return None
        if self._exit_code is None:
            raise TemplateLostError(_LOST)
        return self._exit_code

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def cpu(self) -> float | None:
        return self._cpu

    def end(self, exit_code: int | None = None, cpu: float | None = None) -> None:
        """Note how it ended; without an exit code, that nobody knows."""
        self._exit_code, self._cpu = exit_code, cpu
        self._over.set()


class _Template:
    """
    A process of an interpreter that has imported what every measured process needs.

    It imports in the background; the first fork waits for that.

    :param client: whose interpreter, driver and event loop the children use.
    :param hash_seed: of every child.
    """

    def __init__(self, client: Client, hash_seed: int) -> None:
        modules = [*_PRELOADED, f"sqlalchemy.dialects.postgresql.{client.driver}"]
        modules += ["uvloop"] if client.loop == "uvloop" else []
        own, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(  # noqa: S603 - an interpreter that the user named
                [client.interpreter or sys.executable, "-m", "bench.worker.template", str(other.fileno()), *modules],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": python_path(), "PYTHONHASHSEED": str(hash_seed)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
                start_new_session=True,
            )
        self._channel = own
        self._lock = threading.Lock()
        self._answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._children: dict[int, _Forked] = {}
        self._listener = threading.Thread(target=self._listen, name="looptrap-template", daemon=True)
        self._listener.start()
        self._imported = threading.Event()

    def __call__(self, call: PytestCall) -> Child:
        """
        Fork a process. A template is a `Start`.

        :raises TemplateLostError: the template is gone.
        """
        request = Request(tuple(call.arguments), dict(call.environment), str(ROOT), str(call.output), call.thorough)
        # One at a time, so that the next answer is to this request.
        with self._lock:
            try:
                self._channel.sendall(json.dumps(asdict(request)).encode() + b"\n")
            except OSError as error:
                raise TemplateLostError(_LOST) from error
            child: Child = self._answer()["child"]
            return child

    def wait(self) -> None:
        """Wait until it has imported everything."""
        self._imported.wait()

    def close(self) -> None:
        """End the template, and what it forked."""
        # Closing alone would not wake up the thread that listens.
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self._process.wait()
        self._listener.join()
        self._channel.close()

    def _listen(self) -> None:
        """Pass on what the template says, until it is gone."""
        with self._channel.makefile("r", encoding="utf-8") as messages, contextlib.suppress(OSError):
            for line in messages:
                message = json.loads(line)
                if "ready" in message:
                    self._imported.set()
                    continue
                if "ended" in message:
                    self._children.pop(message["ended"]).end(message["code"], message["cpu"])
                    continue
                if "forked" in message:
                    # By now, and not by the thread that asked: the process may end before that looks.
                    message["child"] = self._children[message["forked"]] = _Forked(message["forked"])
                self._answers.put(message)
        self._imported.set()
        for child in self._children.values():
            child.end()
        self._answers.put({"lost": _LOST})

    def _answer(self) -> dict[str, Any]:
        answer = self._answers.get()
        if why := answer.get("lost") or answer.get("refused"):
            raise TemplateLostError(why)
        return answer


class Templates:
    """
    The templates of one round, or of one check: one for each client that is asked for.

    :param hash_seed: `PYTHONHASHSEED` of every process.
    """

    def __init__(self, hash_seed: int = 0) -> None:
        self._hash_seed = hash_seed
        self._lock = threading.Lock()
        self._templates: dict[Client, _Template] = {}

    def __enter__(self) -> Self:
        """Give them; none is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them, and whatever they forked."""
        for template in self._templates.values():
            template.close()

    def wait(self) -> None:
        """Wait until all have imported everything: nothing may be measured while they do."""
        for template in self._templates.values():
            template.wait()

    def start_of(self, client: Client) -> Start:
        """Return how processes of a client start; its template begins to import now, if it has not before."""
        if not CAN_FORK:
            return Spawn(client.interpreter or sys.executable)
        with self._lock:
            if client not in self._templates:
                self._templates[client] = _Template(client, self._hash_seed)
            return self._templates[client]
