"""
What a server's settings give up for speed, and when that matters to a test database.

From records to sentences. The words hold for every Postgres that is supported; its documentation has a page on them.
"""

from collections.abc import Iterable

from bench.results.records import ServerFacts

NON_DURABILITY = "https://www.postgresql.org/docs/current/non-durability.html"

_TMPFS = "tmpfs"
_SENTENCES = {
    "fsync=off": "nothing is forced to the disk, so a loss of power or a crash of the system may ruin the whole "
    "cluster. A database that tests make anew loses nothing by it; data to keep must not be in the same cluster.",
    "full_page_writes=off": "a page that a loss of power tears stays torn, and may go unnoticed. It matters where "
    "fsync=off does: not to a database that tests make anew, but to whatever else is in the same cluster.",
    "synchronous_commit=off": "a commit returns before it is on the disk, so a crash of the server loses the last "
    "ones, and ruins nothing. It matters to tests that crash the server and then look for their rows.",
    _TMPFS: "the data are in memory: they end with the server or the machine, and take room there. It matters where a "
    "database is to outlive the tests, and where memory is short, for memory that is full is a disk that is full.",
    "wal_level=minimal": "the write-ahead log is enough for a crash alone. It matters to tests of replication, of "
    "logical decoding and of backups, which it rules out.",
    "autovacuum=off": "dead rows stay, and the planner gets no statistics. It matters where many tests share one "
    "database: it grows and gets slower, and large tables get plans that production would not have.",
}


def given_up(server: ServerFacts) -> list[str]:
    """Return the settings of a server that give something up, such as `fsync=off`, and `tmpfs`."""
    set_so = {f"{name}={value}" for name, value in server.settings.items()}
    if server.filesystem == _TMPFS:
        set_so.add(_TMPFS)
    return [what for what in _SENTENCES if what in set_so]


def what_is_given_up(servers: Iterable[ServerFacts]) -> list[str]:
    """Say of each such setting of the servers what is lost, and when that matters, and where to read more."""
    found = {what for server in servers for what in given_up(server)}
    said = [f"{what} gives up safety: {meaning}" for what, meaning in _SENTENCES.items() if what in found]
    return [*said, f"Postgres's documentation on such settings: {NON_DURABILITY}"] if said else []
