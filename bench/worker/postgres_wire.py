"""
Reports what asyncpg and Postgres send each other, read from the bytes of the connection.

asyncpg's query loggers cannot be used: it calls them through the connection's event loop, which is closed in the very
situation that a trace explains, so they would change the error. Its private Protocol is replaced instead;
`tests/worker/test_private_parts.py` fails if a version of asyncpg moves what this relies on.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg.protocol

from bench.results.traces import EventKind

Report = Callable[[EventKind, int, str], None]
"""Receives each event: its kind, the pid of the server process, and the statement or the server's error message."""


class Messages:
    """Splits one direction of a connection into Postgres messages, however the bytes arrive."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield type and body of each message that is complete now."""
        self._rest += data
        while len(self._rest) > 4:  # noqa: PLR2004 - one byte of type and four of length, which count themselves
            end = 1 + int.from_bytes(self._rest[1:5], "big")
            if len(self._rest) < end:
                return
            letter, body, self._rest = self._rest[:1], self._rest[5:end], self._rest[end:]
            yield letter, body


class Conversation:
    """The messages of one connection, reported as events."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._pid = 0
        self._open = False
        self._prepared: dict[bytes, str] = {}
        self._to_server, self._from_server = Messages(), Messages()

    def sent(self, data: bytes) -> None:
        """Read what goes to the server; messages before the connection is open have another format."""
        for letter, body in self._to_server.feed(data) if self._open else ():
            match letter:
                case b"Q":  # Query
                    self._report("statement", self._pid, body[:-1].decode(errors="replace"))
                case b"P":  # Parse
                    name, statement, _ = body.split(b"\0", 2)
                    self._prepared[name] = statement.decode(errors="replace")
                case b"B":  # Bind
                    _, name, _ = body.split(b"\0", 2)
                    self._report("statement", self._pid, self._prepared[name])
                case b"X":  # Terminate
                    self.ended()

    def received(self, data: bytes) -> None:
        """Read what comes from the server."""
        for letter, body in self._from_server.feed(data):
            if letter == b"K":  # BackendKeyData
                self._pid, self._open = int.from_bytes(body[:4], "big"), True
                self._report("opened", self._pid, "")
            elif letter == b"E" and self._open:  # ErrorResponse
                fields = {field[:1]: field[1:] for field in body.split(b"\0")}
                self._report("refused", self._pid, fields[b"M"].decode(errors="replace").partition("\n")[0])

    def ended(self) -> None:
        """Report once that the connection is closed, whichever side closed it."""
        if self._open:
            self._open = False
            self._report("closed", self._pid, "")


class ReportingTransport:
    """A connection's transport that also passes on what is written to it."""

    def __init__(self, transport: asyncio.Transport, sent: Callable[[bytes], None]) -> None:
        self._transport = transport
        self._sent = sent

    def write(self, data: memoryview) -> None:
        """Pass data on, then write it."""
        self._sent(bytes(data))
        self._transport.write(data)

    def writelines(self, data: list[bytes]) -> None:
        """Pass several pieces of data on, then write them."""
        self._sent(b"".join(data))
        self._transport.writelines(data)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a transport
        return getattr(self._transport, name)


class ReportingProtocol(asyncpg.protocol.Protocol):
    """asyncpg's side of a connection, which also reports the conversation."""

    report: Report

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - depends on the event loop
        """Start to report."""
        self._conversation = Conversation(type(self).report)
        super().connection_made(ReportingTransport(transport, self._conversation.sent))

    def data_received(self, data: Any) -> None:  # noqa: ANN401 - bytes or a buffer
        """Report before asyncpg acts on it."""
        self._conversation.received(bytes(data))
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report that the server closed the connection."""
        self._conversation.ended()
        super().connection_lost(exc)


def report_connections(report: Report) -> None:
    """Report the conversation of every connection that asyncpg opens in this process from now on."""
    ReportingProtocol.report = report
    asyncpg.protocol.Protocol = ReportingProtocol  # type: ignore[assignment, misc] # where asyncpg.connect looks it up
