"""The wire reader: what asyncpg and the server send each other becomes events."""

import asyncio

import asyncpg
import asyncpg.protocol
import pytest

from bench.server import Server
from bench.worker.postgres_wire import Messages, report_connections


def test_conversation_is_reported(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simple and prepared statements, the server's errors, and both ends of a connection, each with its pid."""

    async def talk() -> int:
        connection = await asyncpg.connect(server.admin_dsn)
        await connection.execute("SELECT 1")
        assert await connection.fetchval("SELECT $1::int", 2) == 2
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.execute("SELECT * FROM no_such_table")
        await connection.close()
        return connection.get_server_pid()

    monkeypatch.setattr(asyncpg.protocol, "Protocol", asyncpg.protocol.Protocol)  # restores it after the test
    reported: list[tuple[str, int, str]] = []
    report_connections(lambda *event: reported.append(event))
    pid = asyncio.run(talk())
    assert reported == [
        ("opened", pid, ""),
        ("statement", pid, "SELECT 1"),
        ("statement", pid, "SELECT $1::int"),
        ("statement", pid, "SELECT * FROM no_such_table"),
        ("refused", pid, 'relation "no_such_table" does not exist'),
        ("closed", pid, ""),
    ]


def test_messages_are_split_however_the_bytes_arrive() -> None:
    """Byte by byte or all at once, the result is the same."""
    stream = b"Q\0\0\0\x0bBEGIN;\0" + b"X\0\0\0\x04"
    messages = [(b"Q", b"BEGIN;\0"), (b"X", b"")]
    assert list(Messages().feed(stream)) == messages
    split = Messages()
    assert [found for byte in stream for found in split.feed(bytes([byte]))] == messages
