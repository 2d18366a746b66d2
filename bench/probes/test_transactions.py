"""Commits and rollbacks of the code under test do what they say."""

import pytest
from httpx import AsyncClient
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from bench.app.models import OrderLine
from bench.probes.rows import COUNT, Sessions, a_customer, an_email, is_there

SERIALIZABLE = {"isolation_level": "SERIALIZABLE"}


async def test_commit_then_rollback(db_session: AsyncSession, session_factory: Sessions) -> None:
    """Of two rows the one before the commit stays, the one after it goes."""
    kept, undone = a_customer(), a_customer()
    kept_email, undone_email = kept.email, undone.email
    db_session.add(kept)
    await db_session.commit()
    db_session.add(undone)
    await db_session.flush()
    await db_session.rollback()
    assert await is_there(session_factory, kept_email), "what was committed before the rollback is gone"
    assert not await is_there(session_factory, undone_email), "what was rolled back is still there"


async def test_integrity_error(db_session: AsyncSession, session_factory: Sessions) -> None:
    """A key is taken, the session rolls back, and goes on to commit another row."""
    email, later = an_email(), an_email()
    db_session.add(a_customer(email))
    await db_session.commit()
    db_session.add(a_customer(email))
    with pytest.raises(IntegrityError):
        await db_session.commit()
    await db_session.rollback()
    db_session.add(a_customer(later))
    await db_session.commit()
    assert await is_there(session_factory, email), "what was committed before the error is gone"
    assert await is_there(session_factory, later), "what was committed after the error is not there"


async def test_begin_nested(db_session: AsyncSession, session_factory: Sessions) -> None:
    """A savepoint fails between two rows; both rows are committed."""
    before, after = an_email(), an_email()
    db_session.add(a_customer(before))
    await db_session.flush()
    savepoint = await db_session.begin_nested()
    db_session.add(a_customer(before))
    with pytest.raises(IntegrityError):
        await db_session.flush()
    await savepoint.rollback()
    db_session.add(a_customer(after))
    await db_session.commit()
    assert await is_there(session_factory, before), "what came before the savepoint is gone"
    assert await is_there(session_factory, after), "what came after the savepoint is not there"


async def test_handler_rolls_back(client: AsyncClient) -> None:
    """The second of two requests conflicts and rolls back; the customer of the first is still there."""
    body = {"email": an_email(), "name": "Ada"}
    created = await client.post("/customers", json=body)
    assert created.status_code == 201, created.text
    refused = await client.post("/customers", json=body)
    assert refused.status_code == 409, refused.text
    read = await client.get(f"/customers/{created.json()['id']}")
    assert read.status_code == 200, f"the customer of the first request is gone: {read.text}"


async def test_interleaved_sessions(session_factory: Sessions) -> None:
    """Both sessions have written when one commits and then the other rolls back."""
    kept, undone = an_email(), an_email()
    async with session_factory() as commits, session_factory() as rolls_back:
        commits.add(a_customer(kept))
        await commits.flush()
        rolls_back.add(a_customer(undone))
        await rolls_back.flush()
        await commits.commit()
        await rolls_back.rollback()
    assert await is_there(session_factory, kept), "the rollback of one session took along what another had committed"
    assert not await is_there(session_factory, undone), "what was rolled back is still there"


async def test_isolation_level(session_factory: Sessions) -> None:
    """Postgres says what the session asked for."""
    async with session_factory() as session:
        await session.connection(execution_options=SERIALIZABLE)
        assert await session.scalar(text("SHOW transaction_isolation")) == "serializable"


async def test_serialization_failure(session_factory: Sessions) -> None:
    """Each of two sessions counts, then adds what the other would have counted; the second commit is refused."""
    async with session_factory() as one, session_factory() as other:
        for session in (one, other):
            await session.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
            await session.scalar(COUNT)
        for session in (one, other):
            session.add(a_customer())
            await session.flush()
        await one.commit()
        with pytest.raises(DBAPIError, match="could not serialize"):
            await other.commit()


async def test_deferred_constraint(db_session: AsyncSession) -> None:
    """A line without its order is refused at commit."""
    db_session.add(OrderLine(order_id=-1, sku="tea", quantity=1, unit_price=3))
    await db_session.flush()
    with pytest.raises(IntegrityError):
        await db_session.commit()


async def test_now_moves(db_session: AsyncSession) -> None:
    """Two transactions are told different times."""
    first = await db_session.scalar(select(func.now()))
    await db_session.commit()
    second = await db_session.scalar(select(func.now()))
    assert first != second, "now() stands still"


async def test_set_local_ends(db_session: AsyncSession) -> None:
    """A setting of one transaction does not hold in the next."""
    await db_session.execute(text("SET LOCAL probe.tenant = 'mine'"))
    await db_session.commit()
    tenant = await db_session.scalar(text("SELECT current_setting('probe.tenant', true)"))
    assert tenant != "mine", "SET LOCAL still holds after the commit"


async def test_on_commit_drop(db_session: AsyncSession) -> None:
    """The table is gone after the commit."""
    await db_session.execute(text("CREATE TEMPORARY TABLE probe_on_commit (id integer) ON COMMIT DROP"))
    await db_session.commit()
    table = await db_session.scalar(text("SELECT to_regclass('pg_temp.probe_on_commit')::text"))
    assert table is None, "the table is still there after the commit"
