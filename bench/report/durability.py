"""What fast server settings give up, and when that matters for a test database. It holds for all supported versions."""

from collections.abc import Iterable

from bench.results.records import ServerFacts

NON_DURABILITY = "https://www.postgresql.org/docs/current/non-durability.html"

_TMPFS = "tmpfs"
_SENTENCES = {
    "fsync=off": "writes are never forced to disk, so a power failure or a crash of the operating system may corrupt "
    "the whole cluster. Test databases can be recreated; keep no other data in that cluster.",
    "full_page_writes=off": "pages torn by a power failure stay torn and may go unnoticed. As with fsync=off, keep no "
    "data in that cluster that cannot be recreated.",
    "synchronous_commit=off": "a commit returns before it is on disk, so a server crash loses the latest commits but "
    "corrupts nothing. It matters for tests that crash the server and then look for their rows.",
    _TMPFS: "the data take up memory and are lost when the server or the machine stops. It matters if a database must "
    "outlive the tests, or if memory is scarce: when it is full, writes fail as on a full disk.",
    "wal_level=minimal": "the write-ahead log supports crash recovery only. It rules out tests of replication, logical "
    "decoding and backups.",
    "autovacuum=off": "dead rows are not removed, and the planner gets no statistics. It matters if many tests share "
    "a database: it grows and slows down, and large tables get plans that production would not have.",
}


def given_up(server: ServerFacts) -> list[str]:
    """Return the settings of a server that give up safety, such as `fsync=off`, and `tmpfs`."""
    chosen = {f"{name}={value}" for name, value in server.settings.items()}
    if server.filesystem == _TMPFS:
        chosen.add(_TMPFS)
    return [setting for setting in _SENTENCES if setting in chosen]


def what_is_given_up(servers: Iterable[ServerFacts]) -> list[str]:
    """Return a sentence for each such setting of the servers: what is lost, and when that matters."""
    found = {setting for server in servers for setting in given_up(server)}
    said = [f"{setting} gives up safety: {meaning}" for setting, meaning in _SENTENCES.items() if setting in found]
    return [*said, f"Postgres's documentation on such settings: {NON_DURABILITY}"] if said else []
