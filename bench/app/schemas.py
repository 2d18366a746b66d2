"""Request and response bodies."""

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class CustomerIn(BaseModel):
    """A customer to create."""

    email: str
    name: str
    country_code: str | None = None


class CustomerChange(BaseModel):
    """A change of a customer."""

    name: str


class CustomerOut(BaseModel):
    """A stored customer."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    email: str
    name: str
    country_code: str | None
    created_at: datetime


class CountryOut(BaseModel):
    """A country of the reference data."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str


class LineIn(BaseModel):
    """One line of an order to place."""

    sku: str
    quantity: int = Field(gt=0)
    unit_price: Decimal


class LineOut(BaseModel):
    """One line of a stored order."""

    model_config = ConfigDict(from_attributes=True)

    sku: str
    quantity: int
    unit_price: Decimal


class OrderIn(BaseModel):
    """An order to place."""

    customer_id: int
    lines: list[LineIn] = Field(min_length=1)


class OrderOut(BaseModel):
    """A stored order."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    customer_id: int
    placed_at: datetime
    lines: list[LineOut]


class InvoiceOut(BaseModel):
    """The number of a new invoice."""

    number: int
