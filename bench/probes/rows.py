"""Writes and finds the rows of probes. Emails are random, so probes do not see each other's rows."""

import uuid

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bench.app.models import Customer

Sessions = async_sessionmaker[AsyncSession]

COUNT = select(func.count()).select_from(Customer)


def an_email() -> str:
    """Return an email that no customer has."""
    return f"{uuid.uuid4()}@example.com"


def a_customer(email: str = "") -> Customer:
    """Return a new customer, not yet added."""
    return Customer(email=email or an_email(), name="Ada")


async def count(sessions: Sessions) -> int:
    """Return the number of customers that a new session sees."""
    async with sessions() as session:
        return (await session.execute(COUNT)).scalar_one()


async def is_there(sessions: Sessions, email: str) -> bool:
    """Return whether a new session sees a customer with that email."""
    async with sessions() as session:
        return (await session.execute(COUNT.where(Customer.email == email))).scalar_one() == 1


async def commit_one(sessions: Sessions) -> str:
    """Commit a customer in a separate session, and return the email."""
    customer = a_customer()
    async with sessions() as session:
        session.add(customer)
        await session.commit()
    return customer.email
