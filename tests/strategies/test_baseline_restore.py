"""
`baseline_restore` restores the database exactly, whatever a test did to it.

One database has tables of every kind. Each case changes it, checks that there is a difference, restores it, and
compares dumps of before and after.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.server import Server
from strategies.baseline_restore import SETTINGS, Copy
from tests.strategies.kinds_of_state import CASES, OWN_TYPES, TABLES, Case, typed_tables

_T = TypeVar("_T")

DUMP_ROWS = "SELECT coalesce(array_agg(one::text ORDER BY one::text), '{{}}') FROM ONLY {} AS one"

DUMP_CATALOG = """
WITH own AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$|^baseline_restore$')
SELECT format('schema %s %s', nspname, obj_description(oid)) FROM own
UNION ALL
SELECT format(
    'class %s %s %s %s %s %s', c.oid::regclass, relkind, relpersistence, relacl, relrowsecurity, obj_description(c.oid)
)
FROM pg_class AS c JOIN own ON own.oid = relnamespace
UNION ALL
SELECT format(
    'column %s %s %s %s %s',
    attrelid::regclass, attname, format_type(atttypid, atttypmod), a, pg_get_expr(adbin, adrelid)
)
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = attrelid JOIN own ON own.oid = relnamespace
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
UNION ALL
SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(k.oid))
FROM pg_constraint AS k JOIN own ON own.oid = connamespace
UNION ALL
SELECT format('index %s %s', pg_get_indexdef(indexrelid), indisvalid)
FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid JOIN own ON own.oid = relnamespace
UNION ALL
SELECT format('trigger %s %s', pg_get_triggerdef(t.oid), tgenabled)
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = tgrelid JOIN own ON own.oid = relnamespace WHERE NOT tgisinternal
UNION ALL
SELECT format('function %s %s', pg_get_functiondef(p.oid), proacl) FROM pg_proc AS p JOIN own ON own.oid = pronamespace
UNION ALL
SELECT format('type %s %s %s', typname, typtype, obj_description(t.oid))
FROM pg_type AS t JOIN own ON own.oid = typnamespace
UNION ALL
SELECT format('label %s %s', enumtypid::regtype, enumlabel) FROM pg_enum
UNION ALL
SELECT format('view %s %s', c.oid::regclass, pg_get_viewdef(c.oid))
FROM pg_class AS c JOIN own ON own.oid = relnamespace WHERE relkind IN ('v', 'm')
UNION ALL
SELECT format('rule %s', pg_get_ruledef(oid)) FROM pg_rewrite WHERE rulename <> '_RETURN'
UNION ALL
SELECT format('policy %s %s %s', polname, polrelid::regclass, pg_get_expr(polqual, polrelid)) FROM pg_policy
UNION ALL
SELECT format('sequence %s', s) FROM pg_sequence AS s
UNION ALL
SELECT format('extension %s', extname) FROM pg_extension
"""


class Subject:
    """A copy of a database with tables of every kind, and the event loop in which it is used."""

    def __init__(self, copy: Copy, runner: asyncio.Runner) -> None:
        self.copy = copy
        self.warning: str | None = None
        self._runner = runner
        self.run(copy.make())
        self.baseline = self.dump()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the event loop of the copy's connection."""
        return self._runner.run(work)

    def execute(self, *statements: str) -> None:
        """Run statements on a connection of their own."""
        self.run(self._execute(statements))

    async def connect(self) -> "asyncpg.Connection[Any]":
        """Open another connection."""
        dsn = self.copy.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return await asyncpg.connect(dsn)

    def dump(self) -> dict[str, list[str]]:
        """Return all rows, the state of all sequences, and the catalog."""
        return self.run(self._dump())

    def restore(self) -> bool:
        """Do what the strategy's fixture does after a test; return whether no new copy was needed."""
        restored, self.warning = self.run(self.copy.restore())
        if not restored:
            self.run(self.copy.make())
        return restored

    async def _execute(self, statements: Sequence[str]) -> None:
        connection = await self.connect()
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def _dump(self) -> dict[str, list[str]]:
        connection = await self.connect()
        names = await connection.fetch(
            "SELECT relkind = 'S' AS sequence, format('%I.%I', nspname, relname) AS name"
            " FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace"
            " WHERE relkind IN ('r', 'm', 'S') AND nspname !~ '^pg_|^information_schema$|^baseline_restore$'"
        )
        dumped = {"catalog": sorted(row[0] for row in await connection.fetch(DUMP_CATALOG))}
        for is_sequence, name in names:
            state = "SELECT ARRAY[last_value::text, is_called::text] FROM {}"
            dumped[name] = await connection.fetchval((state if is_sequence else DUMP_ROWS).format(name))
        await connection.close()
        return dumped


@pytest.fixture(scope="module")
def subject(server: Server) -> Iterator[Subject]:
    """One copy for all cases, since each case checks that it leaves the copy unchanged."""
    name = "looptrap_test_baseline"
    url = server.create_database(name)

    async def create() -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        await connection.execute("DROP ROLE IF EXISTS looptrap_low")
        await connection.execute("CREATE ROLE looptrap_low")
        for statements in (OWN_TYPES, ";\n".join(typed_tables()), TABLES):
            await connection.execute(statements)
        await connection.close()

    with asyncio.Runner() as runner:
        runner.run(create())
        subject = Subject(Copy(url, server.admin_dsn), runner)
        yield subject
        runner.run(subject.copy.drop())
        server.drop_database(name)
        runner.run(drop_role(server.admin_dsn))


async def drop_role(dsn: str) -> None:
    """Drop the role that the schema's grants need."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("DROP ROLE looptrap_low")
    await connection.close()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_state_is_exactly_as_before(subject: Subject, case: Case) -> None:
    """After a case is restored, the dump equals the one from before."""

    async def work() -> None:
        connection = await subject.connect()
        for statement in case.statements[:-1] if case.fails else case.statements:
            await connection.execute(statement)
        if case.fails:
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute(case.statements[-1])
        await connection.close()

    subject.run(work())
    assert (subject.dump() != subject.baseline) == case.changes
    assert subject.restore() == case.in_place
    assert subject.dump() == subject.baseline


def test_several_connections_at_once(subject: Subject) -> None:
    """Concurrent writers do not block each other, and everything that they wrote is restored."""

    async def work() -> None:
        connections = [await subject.connect() for _ in range(8)]
        # No connection commits before all have written.
        for number, connection in enumerate(connections):
            await connection.execute(
                f"BEGIN; INSERT INTO empty (word) VALUES ('x'); DELETE FROM seeds WHERE id = {number}"
            )
        for connection in connections:
            await connection.execute("COMMIT")
            await connection.close()

    subject.run(asyncio.wait_for(work(), 10))
    assert subject.dump() != subject.baseline
    assert subject.restore()
    assert subject.dump() == subject.baseline


def test_connections_drop_cached_sequence_values(subject: Subject) -> None:
    """In the next test, a connection that stayed open gets the first value of a cached sequence again."""

    async def both() -> list[int]:
        connection = await subject.connect()
        found = [await connection.fetchval("SELECT nextval('in_advance')")]
        assert await subject.copy.restore() == (True, None)
        found.append(await connection.fetchval("SELECT nextval('in_advance')"))
        await connection.close()
        return found

    assert subject.run(both()) == [1, 1]
    assert subject.restore()
    assert subject.dump() == subject.baseline


@pytest.mark.parametrize(
    "left",
    [
        "TRUNCATE seeds CASCADE",
        "UPDATE seeds SET name = 'x'",
        "CREATE TABLE new (id integer)",
        "SELECT nextval('used')",
        "SELECT FROM seeds WHERE id = 1 FOR UPDATE",
        "LOCK TABLE seeds IN ROW SHARE MODE",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_advisory_xact_lock_shared(1)",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT FROM seeds",
        "SAVEPOINT s; UPDATE seeds SET name = 'x'; ROLLBACK TO s",
    ],
)
def test_transaction_that_is_left_open_is_ended(subject: Subject, left: str) -> None:
    """An open transaction that wrote or holds locks is ended, with a warning that names its statement and backend."""

    async def work() -> "asyncpg.Connection[Any]":
        connection = await subject.connect()
        await connection.execute("DELETE FROM keyless")
        await connection.execute("BEGIN")
        await connection.execute(left)
        return connection

    async def close(connection: "asyncpg.Connection[Any]") -> None:
        connection.terminate()

    connection = subject.run(work())
    assert subject.restore()
    assert f"backend {connection.get_server_pid()}, idle in transaction: {left}" in str(subject.warning)
    assert subject.dump() == subject.baseline
    subject.run(close(connection))


def test_running_statement_is_ended(subject: Subject) -> None:
    """A statement that still runs is ended, even if it only reads."""

    async def left_running() -> None:
        reader, observer = await subject.connect(), await subject.connect()
        running = asyncio.ensure_future(reader.execute("SELECT FROM seeds, pg_sleep(600)"))
        state = "SELECT state FROM pg_stat_activity WHERE pid = $1"
        while await observer.fetchval(state, reader.get_server_pid()) != "active":  # noqa: ASYNC110 - Postgres sends no event
            await asyncio.sleep(0.01)
        await observer.close()
        restored, warning = await subject.copy.restore()
        assert restored
        assert f"backend {reader.get_server_pid()}, active: SELECT FROM seeds, pg_sleep" in str(warning)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await running

    subject.run(left_running())
    assert subject.dump() == subject.baseline


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
@pytest.mark.parametrize(
    "read",
    [
        "SELECT * FROM seeds JOIN keyless ON true",
        "DECLARE c CURSOR FOR SELECT * FROM seeds; FETCH 3 FROM c",
        "SELECT last_value FROM used",
        "SELECT 1 / 0",
    ],
)
def test_reader_that_is_left_open_is_left_alone(subject: Subject, read: str, level: str) -> None:
    """A transaction that only read stays open; others see the baseline, whatever snapshot it keeps."""

    async def leave_open() -> "asyncpg.Connection[Any]":
        connection = await subject.connect()
        await connection.execute("DELETE FROM keyless; DELETE FROM seeds WHERE id = 1; SELECT nextval('used')")
        await connection.execute(f"BEGIN ISOLATION LEVEL {level}")
        with contextlib.suppress(asyncpg.DivisionByZeroError):
            await connection.execute(read)
        return connection

    async def end(connection: "asyncpg.Connection[Any]") -> None:
        await connection.execute("ROLLBACK")
        assert await connection.fetchval("SELECT pg_backend_pid()") == connection.get_server_pid()
        await connection.close()

    connection = subject.run(leave_open())
    for _ in range(2):  # it is still open after the next test
        assert subject.restore()
        assert subject.warning is None
        assert subject.dump() == subject.baseline
        subject.execute("DELETE FROM seeds; SELECT nextval('in_advance')")
    subject.run(end(connection))
    assert subject.restore()
    assert subject.dump() == subject.baseline


def test_copy_that_cannot_be_restored_is_made_anew(subject: Subject) -> None:
    """If restoring fails, a new copy is made, and a warning gives the reason."""
    subject.execute("DELETE FROM numbered; DROP FUNCTION baseline_restore.restore")
    assert not subject.restore()
    assert "restore() does not exist" in str(subject.warning)
    assert subject.dump() == subject.baseline


def test_role_without_the_right_to_restore(subject: Subject) -> None:
    """The error of Postgres names the missing right."""

    async def connect() -> None:
        plain = subject.copy.url.set(drivername="postgresql", username="looptrap_plain", password="plain")  # noqa: S106
        await asyncpg.connect(plain.render_as_string(hide_password=False), server_settings=SETTINGS)

    subject.execute("CREATE ROLE looptrap_plain LOGIN PASSWORD 'plain'")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="session_replication_role"):
            subject.run(connect())
    finally:
        subject.execute("DROP ROLE looptrap_plain")
    assert subject.restore()


_NUMBERS = st.integers(-3, 260)
_WRITES = st.one_of(
    st.builds("INSERT INTO seeds (code, name) VALUES ('{}', 'x')".format, _NUMBERS),
    st.builds("INSERT INTO seeds VALUES ({}, 'code {}', 'x') ON CONFLICT DO NOTHING".format, _NUMBERS, _NUMBERS),
    st.builds("UPDATE seeds SET id = {} WHERE id = {}".format, _NUMBERS, _NUMBERS),
    st.builds("UPDATE seeds SET code = code || '{}', name = NULL WHERE id % 7 = {}".format, _NUMBERS, _NUMBERS),
    st.builds("DELETE FROM seeds WHERE id BETWEEN {} AND {}".format, _NUMBERS, _NUMBERS),
    st.builds("UPDATE composite SET a = {} WHERE b = 'b{}'".format, _NUMBERS, _NUMBERS),
    st.builds("UPDATE swapped SET id = {} - id WHERE id < {}".format, _NUMBERS, _NUMBERS),
    st.builds("INSERT INTO parted VALUES ({}, '{}')".format, _NUMBERS, _NUMBERS),
    st.builds("UPDATE parted SET id = id + {} WHERE id < {}".format, _NUMBERS, _NUMBERS),
    st.builds("UPDATE ancestor SET word = '{}' WHERE id < {}".format, _NUMBERS, _NUMBERS),
    st.builds("DELETE FROM tree WHERE id = {}".format, st.integers(1, 3)),
    st.builds("INSERT INTO watched VALUES ({}, 'x')".format, _NUMBERS),
    st.builds("SELECT setval('{}', {}, {})".format, st.sampled_from(["used", "lonely"]), _NUMBERS, st.booleans()),
    st.builds("SELECT nextval('{}')".format, st.sampled_from(["used", "seeds_id_seq", "in_advance", "downwards"])),
    st.builds("TRUNCATE {} CASCADE".format, st.sampled_from(["seeds", "parted", "numbered", "ancestor", "keyless"])),
    st.builds("INSERT INTO keyless SELECT 'x' FROM generate_series(1, {})".format, _NUMBERS),
)
_TRANSACTION = st.tuples(st.lists(_WRITES, min_size=1, max_size=4), st.sampled_from(["COMMIT", "ROLLBACK"]))


@given(transactions=st.lists(_TRANSACTION, min_size=1, max_size=5))
def test_any_statements_are_put_back(subject: Subject, transactions: list[tuple[list[str], str]]) -> None:
    """Random transactions, including failed ones, are restored without a new copy."""

    async def work() -> None:
        connection = await subject.connect()
        for writes, end in transactions:
            await connection.execute("BEGIN")
            try:
                for write in writes:
                    await connection.execute(write)
                await connection.execute(end)
            except asyncpg.PostgresError:
                await connection.execute("ROLLBACK")
        await connection.close()

    subject.run(work())
    assert subject.restore()
    assert subject.dump() == subject.baseline
