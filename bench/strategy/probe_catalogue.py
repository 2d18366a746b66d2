"""
The catalogue of probes: which behaviours of a real Postgres a strategy may hide, and what that would cost its users.

The probes themselves are tests: `test_FAMILY.py`, and in `apart/` those that need processes of their own, one function
`test_PROBE` each. What is written here stands in the report and in docs/probes.md. A probe is added in both places.
"""

import difflib
import enum
from typing import Self

from bench.results.errors import UserError

_POSTGRES = "https://www.postgresql.org/docs/current/"
_SQLALCHEMY = "https://docs.sqlalchemy.org/en/20/"


class Family(enum.StrEnum):
    """Probes that matter to the same kind of application."""

    heading: str
    needed_by: str
    """Which applications need it: the end of a sentence."""

    def __new__(cls, value: str, heading: str, needed_by: str) -> Self:
        """Make a member that is equal to its name."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.heading, member.needed_by = heading, needed_by
        return member

    CLEAN_SLATE = (
        "clean_slate",
        "Clean slate",
        (
            "every suite whose tests are to pass alone and in any order; identity and sequences where tests expect "
            "a certain number, what is created in a test only where the code under test creates it"
        ),
    )
    TRANSACTIONS = (
        "transactions",
        "Transactions",
        "code that rolls back, retries, chooses isolation levels, or relies on what happens at commit",
    )
    CONNECTIONS = (
        "connections",
        "More than one connection",
        "code with workers, job queues, background tasks, concurrent requests, or an engine of its own",
    )
    BEYOND_ROWS = (
        "beyond_rows",
        "Beyond rows",
        "code that uses NOTIFY, advisory locks, temporary tables, settings of a session, or builds indexes",
    )
    ACCIDENTS = (
        "accidents",
        "Accidents",
        "every suite: tests fail, time out and are killed, and then the others are to be believed",
    )
    LOOPS = (
        "loops",
        "Loops and workers",
        "suites with expensive async fixtures of a wider scope, with loop scopes of their own, or with pytest-xdist",
    )


class Probe(enum.StrEnum):
    """A behaviour of a real Postgres that a strategy may hide from the tests that run under it."""

    family: Family
    sees: str
    """What happens with a real Postgres and real commits."""
    lost: str
    """What a user loses where it is hidden, such as a bug that the suite misses."""
    link: str
    """Where it is documented."""

    def __new__(cls, value: str, family: Family, sees: str, lost: str, link: str) -> Self:
        """Make a member that is equal to its name."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.family, member.sees, member.lost, member.link = family, sees, lost, link
        return member

    ROWS_GONE = (
        "rows_gone",
        Family.CLEAN_SLATE,
        "Rows that a test committed are gone when the next one starts.",
        "Tests pass or fail by what ran before them.",
        f"{_POSTGRES}sql-truncate.html",
    )
    IDENTITY_RESTARTS = (
        "identity_restarts",
        Family.CLEAN_SLATE,
        "Identity columns start again for every test.",
        "A test that expects a certain id, in a snapshot say, passes alone and fails in the suite.",
        f"{_POSTGRES}ddl-identity-columns.html",
    )
    SEQUENCES_RESTART = (
        "sequences_restart",
        Family.CLEAN_SLATE,
        "A sequence that no column owns starts again for every test.",
        "A test that expects a certain number of an invoice passes alone and fails in the suite.",
        f"{_POSTGRES}sql-createsequence.html",
    )
    REFERENCE_ROWS = (
        "reference_rows",
        Family.CLEAN_SLATE,
        "Rows inserted by a migration are there in every test.",
        "Tests insert what production has from its migrations, so a migration that inserts it wrongly is not noticed.",
        f"{_POSTGRES}dml-insert.html",
    )
    REFERENCE_ROWS_RESTORED = (
        "reference_rows_restored",
        Family.CLEAN_SLATE,
        "Rows inserted by a migration are unchanged in the next test, after one has updated and deleted some.",
        "One test that changes reference data breaks others, far away from it.",
        f"{_POSTGRES}dml-update.html",
    )
    MIGRATED_OBJECTS = (
        "migrated_objects",
        Family.CLEAN_SLATE,
        "A trigger, a function and a domain that only a migration makes are there.",
        "What triggers do in production does not happen in tests: audit rows, notifications, derived columns.",
        f"{_POSTGRES}sql-createtrigger.html",
    )
    TABLE_GONE = (
        "table_gone",
        Family.CLEAN_SLATE,
        "A table created in a test is gone when the next one starts.",
        "Code that creates tables, for tenants or imports, is tested once on a fresh database and then never again.",
        f"{_POSTGRES}sql-createtable.html",
    )
    COLUMN_GONE = (
        "column_gone",
        Family.CLEAN_SLATE,
        "A column added in a test is gone when the next one starts.",
        "The test of a migration changes the schema of all tests after it.",
        f"{_POSTGRES}sql-altertable.html",
    )

    COMMIT_THEN_ROLLBACK = (
        "commit_then_rollback",
        Family.TRANSACTIONS,
        "A rollback undoes what came after the last commit, and no more.",
        "Code that rolls back loses what it had committed, but in tests only; or keeps what it rolled back.",
        f"{_SQLALCHEMY}orm/session_transaction.html#joining-a-session-into-an-external-transaction-such-as-for-test-suites",
    )
    INTEGRITY_ERROR = (
        "integrity_error",
        Family.TRANSACTIONS,
        "After an IntegrityError and a rollback work goes on, and what was committed before it stays.",
        "The way that conflicts are answered cannot be tested: the rows that were there before are gone.",
        f"{_SQLALCHEMY}faq/sessions.html#this-session-s-transaction-has-been-rolled-back-due-to-a-previous-exception-during-flush-or-similar",
    )
    BEGIN_NESTED = (
        "begin_nested",
        Family.TRANSACTIONS,
        "A savepoint that fails undoes its own work; the transaction around it goes on and commits.",
        "Code that tries a row at a time, as imports do, behaves differently in tests.",
        f"{_POSTGRES}sql-savepoint.html",
    )
    HANDLER_ROLLS_BACK = (
        "handler_rolls_back",
        Family.TRANSACTIONS,
        "A request handler that rolls back on its own undoes nothing of the requests before it.",
        "Tests of several requests in a row find the rows of the first ones gone.",
        f"{_SQLALCHEMY}orm/session_basics.html#rolling-back",
    )
    INTERLEAVED_SESSIONS = (
        "interleaved_sessions",
        Family.TRANSACTIONS,
        "Of two sessions at work at the same time one commits and the other rolls back, each for itself.",
        "A rollback in one part of the application takes along what another one wrote, or nothing is rolled back.",
        f"{_POSTGRES}mvcc-intro.html",
    )
    ISOLATION_LEVEL = (
        "isolation_level",
        Family.TRANSACTIONS,
        "A session gets the isolation level that it asks for.",
        "Code that asks for SERIALIZABLE fails in tests, or runs at another level without a word.",
        f"{_SQLALCHEMY}orm/session_transaction.html#setting-transaction-isolation-levels-dbapi-autocommit",
    )
    SERIALIZATION_FAILURE = (
        "serialization_failure",
        Family.TRANSACTIONS,
        "Of two serializable transactions that contradict each other one is refused.",
        "The loop that tries again after a serialization failure is never run by a test.",
        f"{_POSTGRES}transaction-iso.html#XACT-SERIALIZABLE",
    )
    DEFERRED_CONSTRAINT = (
        "deferred_constraint",
        Family.TRANSACTIONS,
        "A constraint that is initially deferred is checked at commit.",
        "Rows without their parents pass all tests, and fail in production.",
        f"{_POSTGRES}sql-set-constraints.html",
    )
    NOW_MOVES = (
        "now_moves",
        Family.TRANSACTIONS,
        "The time of now() differs between two transactions of one test.",
        "Rows written one after the other have the same created_at, so sorting and expiry are not tested.",
        f"{_POSTGRES}functions-datetime.html#FUNCTIONS-DATETIME-CURRENT",
    )
    SET_LOCAL_ENDS = (
        "set_local_ends",
        Family.TRANSACTIONS,
        "SET LOCAL ends at commit.",
        "A tenant or role set for one transaction still holds in the next: a hole in row security goes unseen.",
        f"{_POSTGRES}sql-set.html",
    )
    ON_COMMIT_DROP = (
        "on_commit_drop",
        Family.TRANSACTIONS,
        "A temporary table with ON COMMIT DROP is gone after the commit.",
        "Code that makes such a table twice in one test fails there, and works in production.",
        f"{_POSTGRES}sql-createtable.html#SQL-CREATETABLE-PARMS-ON-COMMIT",
    )

    SECOND_CONNECTION = (
        "second_connection",
        Family.CONNECTIONS,
        "What a session commits is seen by a second connection of the same engine.",
        "A forgotten commit passes all tests, since everything looks through the same transaction.",
        f"{_POSTGRES}transaction-iso.html#XACT-READ-COMMITTED",
    )
    OWN_ENGINE = (
        "own_engine",
        Family.CONNECTIONS,
        "Code that opens an engine of its own, with the URL that the tests use, sees what was committed.",
        "Scripts, workers and command lines that connect by themselves cannot be tested with rows of the test.",
        f"{_SQLALCHEMY}core/engines.html",
    )
    BACKGROUND_TASK = (
        "background_task",
        Family.CONNECTIONS,
        "A background task, after the response and in a session of its own, sees what the request committed.",
        "What an application does after its response fails in tests, or is not tested.",
        "https://fastapi.tiangolo.com/tutorial/background-tasks/",
    )
    TWO_REQUESTS = (
        "two_requests",
        Family.CONNECTIONS,
        "Two requests at the same time, by asyncio.gather, are both answered.",
        "Races between requests cannot be tested: the driver refuses the second.",
        f"{_SQLALCHEMY}orm/extensions/asyncio.html#using-asyncsession-with-concurrent-tasks",
    )
    TWENTY_REQUESTS = (
        "twenty_requests",
        Family.CONNECTIONS,
        "Twenty requests at the same time, more than a pool has connections, are all answered.",
        "A request that needs two connections, and so can starve the pool, is not noticed.",
        f"{_SQLALCHEMY}core/pooling.html",
    )
    SKIP_LOCKED = (
        "skip_locked",
        Family.CONNECTIONS,
        "Two workers that take jobs with FOR UPDATE SKIP LOCKED get different ones.",
        "A queue that hands a job to two workers passes all tests.",
        f"{_POSTGRES}sql-select.html#SQL-FOR-UPDATE-SHARE",
    )
    NOWAIT = (
        "nowait",
        Family.CONNECTIONS,
        "FOR UPDATE NOWAIT is refused while another session holds the row.",
        "What the application answers when a row is locked is never run by a test.",
        f"{_POSTGRES}sql-select.html#SQL-FOR-UPDATE-SHARE",
    )
    SAME_KEY = (
        "same_key",
        Family.CONNECTIONS,
        "A second connection that inserts a committed key gets the error at once.",
        "It waits for ever for a transaction that never ends: the suite hangs.",
        f"{_POSTGRES}index-unique-checks.html",
    )

    NOTIFY = (
        "notify",
        Family.BEYOND_ROWS,
        "A listener gets a NOTIFY once the transaction that sent it is committed.",
        "Nothing that waits for a notification can be tested.",
        f"{_POSTGRES}sql-notify.html",
    )
    ADVISORY_TRANSACTION_LOCK = (
        "advisory_transaction_lock",
        Family.BEYOND_ROWS,
        "An advisory lock of a transaction is released at its commit.",
        "Code that locks again on another connection waits for ever.",
        f"{_POSTGRES}explicit-locking.html#ADVISORY-LOCKS",
    )
    ADVISORY_SESSION_LOCK = (
        "advisory_session_lock",
        Family.BEYOND_ROWS,
        "An advisory lock of a session that a test forgot does not reach the next test.",
        "A later test waits for a lock that nobody will release.",
        f"{_POSTGRES}explicit-locking.html#ADVISORY-LOCKS",
    )
    TEMPORARY_TABLE = (
        "temporary_table",
        Family.BEYOND_ROWS,
        "A temporary table of a test does not reach the next test.",
        "A later test that makes a table of the same name fails, or reads rows of the earlier one.",
        f"{_POSTGRES}sql-createtable.html#SQL-CREATETABLE-TEMPORARY",
    )
    SESSION_SETTING = (
        "session_setting",
        Family.BEYOND_ROWS,
        "A SET of a test does not reach the next test.",
        "A time zone, role or search_path of one test decides how later ones end.",
        f"{_POSTGRES}sql-set.html",
    )
    PREPARED_STATEMENT = (
        "prepared_statement",
        Family.BEYOND_ROWS,
        "A prepared statement of a test does not reach the next test.",
        "A later test that prepares the same name fails, and it is not its fault.",
        f"{_POSTGRES}sql-prepare.html",
    )
    INDEX_CONCURRENTLY = (
        "index_concurrently",
        Family.BEYOND_ROWS,
        "CREATE INDEX CONCURRENTLY works.",
        "What cannot run inside a transaction (indexes, VACUUM, maintenance) cannot be tested.",
        f"{_POSTGRES}sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    )
    LISTEN_ENDS = (
        "listen_ends",
        Family.BEYOND_ROWS,
        "A LISTEN of a test does not reach the next test.",
        "A later test on the same connection gets notifications that it never asked for.",
        f"{_POSTGRES}sql-listen.html",
    )

    FAILED_TEST = (
        "failed_test",
        Family.ACCIDENTS,
        "A test that fails in an aborted transaction leaves the next one clean.",
        "One failure becomes many: every test after it fails, too.",
        f"{_POSTGRES}sql-rollback.html",
    )
    CANCELLED_TEST = (
        "cancelled_test",
        Family.ACCIDENTS,
        "A test that is cancelled in the middle of a query leaves the next one clean.",
        "One time-out becomes many failures.",
        f"{_POSTGRES}protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS",
    )
    KILLED_PROCESS = (
        "killed_process",
        Family.ACCIDENTS,
        "After a process that was killed in the middle of a test the next run starts clean.",
        "After every crash somebody has to empty the database by hand.",
        f"{_POSTGRES}tutorial-transactions.html",
    )
    OPEN_CONNECTION = (
        "open_connection",
        Family.ACCIDENTS,
        "A connection that the code under test left open, in a transaction, leaves the next test clean.",
        "The suite hangs: what cleans up waits for a lock that the connection holds.",
        f"{_POSTGRES}explicit-locking.html#LOCKING-TABLES",
    )
    RUNNING_TASK = (
        "running_task",
        Family.ACCIDENTS,
        "A task that still runs when its test ends writes nothing into the next one.",
        "Rows appear in tests that did not write them, now and then.",
        "https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task",
    )

    SESSION_FIXTURE = (
        "session_fixture",
        Family.LOOPS,
        "An async fixture of session scope can use the same engine as the tests.",
        "What is expensive has to be made for every test anew.",
        f"{_SQLALCHEMY}orm/extensions/asyncio.html#using-multiple-asyncio-event-loops",
    )
    MODULE_FIXTURE = (
        "module_fixture",
        Family.LOOPS,
        "An async fixture of module scope can use the same engine as the tests.",
        "What the tests of a module share has to be made for every one of them.",
        f"{_SQLALCHEMY}orm/extensions/asyncio.html#using-multiple-asyncio-event-loops",
    )
    OWN_LOOP_SCOPE = (
        "own_loop_scope",
        Family.LOOPS,
        "A test with a loop scope of its own can use its session.",
        "All tests of a suite must share one loop scope, those of a library that one tests along included.",
        f"{_SQLALCHEMY}orm/extensions/asyncio.html#using-multiple-asyncio-event-loops",
    )
    TWO_WORKERS = (
        "two_workers",
        Family.LOOPS,
        "Two workers (pytest-xdist, -n 2) on one server do not see each other's rows.",
        "The suite cannot run in parallel, or fails now and then when it does.",
        "https://pytest-xdist.readthedocs.io/en/stable/how-to.html",
    )


ONE_TRANSACTION = frozenset(
    {
        Probe.IDENTITY_RESTARTS,
        Probe.SEQUENCES_RESTART,
        Probe.INTERLEAVED_SESSIONS,
        Probe.ISOLATION_LEVEL,
        Probe.SERIALIZATION_FAILURE,
        Probe.DEFERRED_CONSTRAINT,
        Probe.NOW_MOVES,
        Probe.SET_LOCAL_ENDS,
        Probe.ON_COMMIT_DROP,
        Probe.SECOND_CONNECTION,
        Probe.OWN_ENGINE,
        Probe.BACKGROUND_TASK,
        Probe.TWO_REQUESTS,
        Probe.TWENTY_REQUESTS,
        Probe.SKIP_LOCKED,
        Probe.NOWAIT,
        Probe.SAME_KEY,
        Probe.NOTIFY,
        Probe.ADVISORY_TRANSACTION_LOCK,
        Probe.INDEX_CONCURRENTLY,
        Probe.RUNNING_TASK,
        Probe.OWN_LOOP_SCOPE,
    }
)
"""What no test sees that works in savepoints of one transaction, on one connection, that is rolled back at its end."""

KEPT_CONNECTIONS = frozenset(
    {
        Probe.ADVISORY_SESSION_LOCK,
        Probe.TEMPORARY_TABLE,
        Probe.SESSION_SETTING,
        Probe.PREPARED_STATEMENT,
        Probe.LISTEN_ENDS,
        Probe.OWN_LOOP_SCOPE,
    }
)
"""What no test sees whose commits are real, on connections that a pool hands from test to test."""

CONTROL = "control"
"""The name under which the outcomes of `bench/probes/control.py` are recorded."""


def probe_named(name: str) -> Probe:
    """
    Return the probe of a name.

    :raises UserError: there is none.
    """
    if name not in list(Probe):
        raise UserError(f"unknown probe '{name}': {_nearest(name)} docs/probes.md has all.")
    return Probe[name.upper()]


def parse_probes(text: str) -> tuple[str, ...]:
    """
    Parse a comma-separated list of probes; the name of a family stands for all of its probes.

    :raises UserError: there is no such probe or family.
    """
    found: list[str] = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        members = [probe.value for probe in Probe if probe.family == name]
        found += members or [probe_named(name)]
    if not found:
        raise UserError(f"--need {text!r} names no probe: give some, such as second_connection,notify.")
    return tuple(dict.fromkeys(found))


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, [*Probe, *Family], n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"families are {', '.join(Family)};"
