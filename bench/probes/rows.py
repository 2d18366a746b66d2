"""The rows that probes write, and whether they are there. Emails are random, so no probe meets the rows of another."""

import uuid

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bench.app.models import Customer

Sessions = async_sessionmaker[AsyncSession]

COUNT = select(func.count()).select_from(Customer)


def an_email() -> str:
    """Return an email that nobody has."""
    return f"{uuid.uuid4()}@example.com"


def a_customer(email: str = "") -> Customer:
    """Return a customer to add."""
    return Customer(email=email or an_email(), name="Ada")


async def count(sessions: Sessions) -> int:
    """Return how many customers there are, for a new session."""
    async with sessions() as session:
        return (await session.execute(COUNT)).scalar_one()


async def is_there(sessions: Sessions, email: str) -> bool:
    """Return whether there is a customer with that email, for a new session."""
    async with sessions() as session:
        return (await session.execute(COUNT.where(Customer.email == email))).scalar_one() == 1


async def commit_one(sessions: Sessions) -> str:
    """Commit a customer in a session of its own, and return the email."""
    customer = a_customer()
    async with sessions() as session:
        session.add(customer)
        await session.commit()
    return customer.email
