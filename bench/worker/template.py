"""
The template process: it has imported what every measured process needs, and forks the processes that run pytest.

It is started as `python -m bench.worker.template FD MODULE ...`, imports the modules, and then reads requests from the
socket FD, one JSON object a line (see `bench/measure/templates.py`). It must never hold an event loop, a thread or a
connection, since those do not survive a fork.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import pytest


@dataclass(frozen=True)
class Request:
    """One pytest process to fork."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    """All of it; what the template has besides is removed."""
    folder: str
    """The working directory."""
    output: str
    """The file for stdout and stderr."""
    thorough: bool
    """Whether the interpreter is torn down at the end, so that leaks and errors at shutdown are seen."""


class _Server:
    """Forks on request, and reports how each child ended."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._requests = channel.makefile("r", encoding="utf-8")
        self._children: dict[int, int] = {}  # pidfd -> pid
        self._selector = selectors.DefaultSelector()
        self._selector.register(channel, selectors.EVENT_READ)

    def serve(self) -> Request | None:
        """Return a request in the child that it was forked for, and None in the template once the channel closes."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._channel:
                    self._report(key.fd)
                    continue
                line = self._requests.readline()
                if not line:
                    self._kill_children()
                    return None
                request = Request(**json.loads(line))
                if not self._fork():
                    return request

    def _fork(self) -> int:
        """Fork, and return the child's number; 0 in the child."""
        threads = threading.active_count()
        if threads > 1:
            self._send(refused=f"{threads} threads run in the template, which must have one")
            return -1
        pid = os.fork()
        if pid == 0:
            self._selector.close()
            self._requests.close()
            self._channel.close()
            for pidfd in self._children:
                os.close(pidfd)
            return 0
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = pid
        self._selector.register(pidfd, selectors.EVENT_READ)
        self._send(forked=pid)
        return pid

    def _report(self, pidfd: int) -> None:
        pid, status, usage = os.wait4(self._children.pop(pidfd), 0)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        self._send(ended=pid, code=os.waitstatus_to_exitcode(status), cpu=usage.ru_utime + usage.ru_stime)

    def _kill_children(self) -> None:
        """End what still runs: the harness is gone, and nobody else would."""
        for pid in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def _send(self, **message: Any) -> None:  # noqa: ANN401 - what JSON holds
        self._channel.sendall(json.dumps(message).encode() + b"\n")


def run_pytest(request: Request) -> NoReturn:
    """Run pytest as the request says, and end the process with its exit code."""
    os.setsid()  # Ctrl-C reaches the harness alone, and a kill of the group ends what pytest started, too
    output = os.open(request.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    # PYTHONPATH is read when an interpreter starts, and this one has started.
    wanted = request.environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [path for path in wanted if path and path not in sys.path]
    code = int(pytest.main(list(request.arguments)))
    if request.thorough:
        gc.collect()
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Import the modules, then serve until the harness closes the socket."""
    descriptor, *modules = sys.argv[1:]
    channel = socket.socket(fileno=int(descriptor))
    for module in modules:
        importlib.import_module(module)
    # Otherwise the first collection in each child would touch, and so copy, every page that holds an object.
    gc.collect()
    gc.freeze()
    channel.sendall(b'{"ready": true}\n')
    request = _Server(channel).serve()
    if request is not None:
        run_pytest(request)


if __name__ == "__main__":
    main()
