"""
Opens a Postgres server: given by a DSN, in a container, or from embedded binaries.

Each kind has a module of its own. This one chooses the kind, and cleans up.
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
    Open a server, and remove it and our databases at the end.

    :raises UserError: the server is not available.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(_set_handlers, {number: signal.getsignal(number) for number in _STOPPING})
        server = stack.enter_context(_choose(source))
        stack.callback(_drop_what_is_left, server)
        # Called first: a second Ctrl-C must not interrupt the clean-up after the first one.
        stack.callback(_set_handlers, dict.fromkeys(_STOPPING, signal.SIG_IGN))
        yield server


@contextlib.contextmanager
def untimed(server: Server) -> Iterator[Server]:
    """Provide a fast server for untimed work: a second embedded one in memory, or the same one without fsync."""
    if server.facts.kind == "embedded":
        with embedded.start(server.source, server.facts.why, in_memory=True) as another:
            yield another
    else:
        with server.without_fsync():
            yield server


def _choose(source: ServerSource) -> contextlib.AbstractContextManager[Server]:
    if source.choice == "embedded":
        return embedded.start(source, "as requested")
    if source.choice == "container":
        return container.start(source, "as requested")
    if source.choice != "auto":
        return dsn.connect(source.choice, source, "as requested")
    if os.environ.get(DSN_VARIABLE):
        return dsn.connect(os.environ[DSN_VARIABLE], source, f"{DSN_VARIABLE} is set")
    image = image_of(source)
    try:
        find_image(image)
    except ImageError as error:
        return embedded.start(source, f"{DSN_VARIABLE} is not set, and {error.problem}")
    return container.start(source, f"a Docker engine answers and has {image}")


def _drop_what_is_left(server: Server) -> None:
    # If the server has died, its databases are gone, and an error with the reason is already being raised.
    with contextlib.suppress(UserError):
        server.drop_databases()


def _set_handlers(handlers: Mapping[signal.Signals, Any]) -> None:
    if threading.current_thread() is threading.main_thread():  # Python allows it only there
        for number, handler in handlers.items():
            signal.signal(number, handler)
