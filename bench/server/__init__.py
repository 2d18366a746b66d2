"""
Where Postgres comes from: a DSN, a container, or the embedded binaries.

Each kind has a file of its own; this one chooses, and sees to it that nothing of ours is left.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from bench.results.endpoints import ServerSource
from bench.results.errors import UserError
from bench.server import container, dsn, embedded
from bench.server.image import ImageError, find_image, image_of
from bench.server.server import Server, ServerDiedError

__all__ = ["Server", "ServerDiedError", "open_server", "untimed"]

DSN_VARIABLE = "LOOPTRAP_DSN"

_STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def open_server(source: ServerSource) -> Iterator[Server]:
    """
    Give a running server, and leave nothing of ours behind, however it ends.

    :raises UserError: there is no such server to be had.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(_set_handlers, {number: signal.getsignal(number) for number in _STOPPING})
        server = stack.enter_context(_choose(source))
        stack.callback(_drop_what_is_left, server)
        # What is pushed last is called first: a second Ctrl-C does not stop the clearing up that the first one began.
        stack.callback(_set_handlers, dict.fromkeys(_STOPPING, signal.SIG_IGN))
        yield server


@contextlib.contextmanager
def untimed(server: Server) -> Iterator[Server]:
    """Give a server for what is not timed: another embedded one in memory, else the same that waits for no disk."""
    if server.facts.kind == "embedded":
        with embedded.start(server.source, server.facts.why, in_memory=True) as another:
            yield another
    else:
        with server.without_fsync():
            yield server


def _choose(source: ServerSource) -> contextlib.AbstractContextManager[Server]:
    if source.choice == "embedded":
        return embedded.start(source, "asked for")
    if source.choice == "container":
        return container.start(source, "asked for")
    if source.choice != "auto":
        return dsn.connect(source.choice, source, "asked for")
    if os.environ.get(DSN_VARIABLE):
        return dsn.connect(os.environ[DSN_VARIABLE], source, f"{DSN_VARIABLE} is set")
    image = image_of(source)
    try:
        find_image(image)
    except ImageError as error:
        return embedded.start(source, f"{DSN_VARIABLE} is not set, and {error.problem}")
    return container.start(source, f"a Docker engine answers and has {image}")


def _drop_what_is_left(server: Server) -> None:
    # A server that has died took its databases along; the reason is on its way up already.
    with contextlib.suppress(UserError):
        server.drop_databases()


def _set_handlers(handlers: Mapping[signal.Signals, Any]) -> None:
    if threading.current_thread() is threading.main_thread():  # Python allows it nowhere else
        for number, handler in handlers.items():
            signal.signal(number, handler)
