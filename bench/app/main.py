"""The routes. Handlers commit, and roll back after a conflict."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Query, Response, status
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import selectinload

from bench.app.database import get_session, get_session_factory
from bench.app.models import Country, Customer, Order, OrderLine, OutboxEvent, invoice_numbers
from bench.app.schemas import CountryOut, CustomerChange, CustomerIn, CustomerOut, InvoiceOut, OrderIn, OrderOut

app = FastAPI(title="Orders")

Session = Annotated[AsyncSession, Depends(get_session)]
SessionFactory = Annotated[async_sessionmaker[AsyncSession], Depends(get_session_factory)]


@app.get("/countries", response_model=list[CountryOut])
async def list_countries(session: Session) -> Sequence[Country]:
    """List the reference data."""
    return (await session.scalars(select(Country).order_by(Country.code))).all()


@app.post("/customers", response_model=CustomerOut, status_code=status.HTTP_201_CREATED)
async def create_customer(body: CustomerIn, session: Session) -> Customer:
    """Create a customer; 409 when the email is taken."""
    customer = Customer(**body.model_dump())
    session.add(customer)
    try:
        await session.commit()
    except IntegrityError:
        await session.rollback()
        raise HTTPException(status.HTTP_409_CONFLICT, f"{body.email} is taken") from None
    return customer


@app.get("/customers", response_model=list[CustomerOut])
async def list_customers(
    session: Session, after: int = 0, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> Sequence[Customer]:
    """Return one page of the customers with an id above `after`, ordered by id."""
    page = select(Customer).where(Customer.id > after).order_by(Customer.id).limit(limit)
    return (await session.scalars(page)).all()


@app.get("/customers/{customer_id}", response_model=CustomerOut)
async def read_customer(customer_id: int, session: Session) -> Customer:
    """Read one customer."""
    return await _customer(session, customer_id)


@app.patch("/customers/{customer_id}", response_model=CustomerOut)
async def update_customer(customer_id: int, change: CustomerChange, session: Session) -> Customer:
    """Change a customer."""
    customer = await _customer(session, customer_id)
    customer.name = change.name
    await session.commit()
    return customer


@app.delete("/customers/{customer_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_customer(customer_id: int, session: Session) -> Response:
    """Delete a customer; foreign keys cascade to orders and lines."""
    await session.delete(await _customer(session, customer_id))
    await session.commit()
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@app.post("/orders", response_model=OrderOut, status_code=status.HTTP_201_CREATED)
async def place_order(body: OrderIn, session: Session) -> Order:
    """Write the order, its lines and an outbox event in one commit."""
    customer = await _customer(session, body.customer_id)
    order = Order(customer_id=customer.id, lines=[OrderLine(**line.model_dump()) for line in body.lines])
    session.add(order)
    await session.flush()
    session.add(OutboxEvent(topic="order.placed", payload={"order_id": order.id}))
    await session.commit()
    return order


@app.get("/orders/{order_id}", response_model=OrderOut)
async def read_order(order_id: int, session: Session) -> Order:
    """Read one order with its lines."""
    return await _order(session, order_id)


@app.post("/orders/{order_id}/invoice", status_code=status.HTTP_202_ACCEPTED)
async def invoice_order(
    order_id: int, session: Session, sessions: SessionFactory, background: BackgroundTasks
) -> InvoiceOut:
    """Assign an invoice number, and write an outbox event after the response is sent."""
    order = await _order(session, order_id)
    number = (await session.execute(select(invoice_numbers.next_value()))).scalar_one()
    background.add_task(announce_invoice, sessions, order.id)
    return InvoiceOut(number=number)


async def announce_invoice(sessions: async_sessionmaker[AsyncSession], order_id: int) -> None:
    """Write the outbox event in a separate session."""
    async with sessions() as session:
        session.add(OutboxEvent(topic="order.invoiced", payload={"order_id": order_id}))
        await session.commit()


async def _order(session: AsyncSession, order_id: int) -> Order:
    order = await session.get(Order, order_id, options=[selectinload(Order.lines)])
    if order is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"no order {order_id}")
    return order


async def _customer(session: AsyncSession, customer_id: int) -> Customer:
    customer = await session.get(Customer, customer_id)
    if customer is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"no customer {customer_id}")
    return customer
