"""Work on several connections."""

import asyncio

import pytest
from httpx import AsyncClient
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bench.app.models import Customer, OutboxEvent
from bench.probes.rows import COUNT, Sessions, an_email, commit_one, is_there

MANY = 20


async def test_second_connection(session_factory: Sessions, engine: AsyncEngine) -> None:
    """A connection of the engine sees what a session committed."""
    email = await commit_one(session_factory)
    async with engine.connect() as connection:
        seen = await connection.scalar(COUNT.where(Customer.email == email))
    assert seen == 1, "a second connection does not see the row"


async def test_own_engine(session_factory: Sessions, engine: AsyncEngine) -> None:
    """An engine that the test creates sees what a session committed."""
    email = await commit_one(session_factory)
    own = create_async_engine(engine.url)
    try:
        async with own.connect() as connection:
            seen = await connection.scalar(COUNT.where(Customer.email == email))
    finally:
        await own.dispose()
    assert seen == 1, "a separate engine does not see the row"


async def test_background_task(client: AsyncClient, session_factory: Sessions) -> None:
    """The event that a background task writes is visible."""
    customer = await client.post("/customers", json={"email": an_email(), "name": "Ada"})
    line = {"sku": "tea", "quantity": 1, "unit_price": "3.50"}
    order = await client.post("/orders", json={"customer_id": customer.json()["id"], "lines": [line]})
    assert order.status_code == 201, order.text
    invoice = await client.post(f"/orders/{order.json()['id']}/invoice")
    assert invoice.status_code == 202, invoice.text
    event = select(OutboxEvent.topic).where(OutboxEvent.payload == {"order_id": order.json()["id"]})
    async with session_factory() as session:
        topics = (await session.scalars(event.order_by(OutboxEvent.id))).all()
    assert topics[-1:] == ["order.invoiced"], "the background task's event is not there"


async def test_two_requests(client: AsyncClient, session_factory: Sessions) -> None:
    """Two requests create customers at the same time."""
    await create_at_once(2, client, session_factory)


async def test_twenty_requests(client: AsyncClient, session_factory: Sessions) -> None:
    """Twenty requests create customers at the same time."""
    await create_at_once(MANY, client, session_factory)


async def create_at_once(number: int, client: AsyncClient, session_factory: Sessions) -> None:
    """Create customers by concurrent requests, and check that all exist."""
    emails = [an_email() for _ in range(number)]
    posts = [client.post("/customers", json={"email": email, "name": "Ada"}) for email in emails]
    responses = await asyncio.gather(*posts, return_exceptions=True)
    for response in responses:
        if isinstance(response, BaseException):
            raise response
        assert response.status_code == 201, response.text
    for email in emails:
        assert await is_there(session_factory, email), "a customer is not there"


async def test_skip_locked(session_factory: Sessions) -> None:
    """While one worker holds the first job, another gets the second."""
    topic = an_email()
    next_job = select(OutboxEvent.id).where(OutboxEvent.topic == topic).order_by(OutboxEvent.id).limit(1)
    async with session_factory() as session:
        session.add_all(OutboxEvent(topic=topic, payload={}) for _ in range(2))
        await session.commit()
    async with session_factory() as one, session_factory() as other:
        mine = await one.scalar(next_job.with_for_update(skip_locked=True))
        yours = await other.scalar(next_job.with_for_update(skip_locked=True))
    assert mine != yours, "both workers got the same job"


async def test_nowait(session_factory: Sessions) -> None:
    """While one session locks a row, another gets an error."""
    row = select(Customer.id).where(Customer.email == await commit_one(session_factory))
    async with session_factory() as one, session_factory() as other:
        await one.scalar(row.with_for_update())
        with pytest.raises(DBAPIError, match="could not obtain lock"):
            await other.scalar(row.with_for_update(nowait=True))


async def test_same_key(session_factory: Sessions, engine: AsyncEngine) -> None:
    """A connection of the engine inserts a key that a session committed, and gets an error."""
    email = await commit_one(session_factory)
    async with engine.connect() as connection:
        with pytest.raises(IntegrityError):
            await connection.execute(insert(Customer).values(email=email, name="Eve"))
