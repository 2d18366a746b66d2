"""
Extra tables and rows that the application never uses, to measure how a strategy's cost grows with the schema.

The tables come in groups of five, as in the application: a parent and four children that refer to it. All are empty
except `seeds`, whose rows are reference data and are inserted by a migration.
"""

from dataclasses import dataclass

from sqlalchemy import Column, DateTime, ForeignKey, Identity, Integer, MetaData, String, Table, func

GROUP = 5


@dataclass(frozen=True)
class Ballast:
    """The amount of extra tables and rows."""

    tables: int
    """Empty tables."""
    rows: int
    """Rows of the table `seeds`, which exists only if there are any."""


def add_tables(metadata: MetaData, ballast: Ballast) -> list[Table]:
    """Add the tables to a schema, and return them in an order in which they can be created."""
    tables = [_empty(metadata, number) for number in range(ballast.tables)]
    if ballast.rows:
        tables.append(
            Table(
                "seeds",
                metadata,
                Column("id", Integer, Identity(), primary_key=True),
                Column("code", String, nullable=False, unique=True),
                Column("name", String, nullable=False),
            )
        )
    return tables


def _empty(metadata: MetaData, number: int) -> Table:
    parent = number - number % GROUP
    to_parent: list[Column[int]] = []
    if number != parent:
        to_parent.append(Column("parent_id", ForeignKey(f"{_name(parent)}.id"), index=True))
    return Table(
        _name(number),
        metadata,
        Column("id", Integer, Identity(), primary_key=True),
        *to_parent,
        Column("name", String, nullable=False),
        Column("created_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
    )


def _name(number: int) -> str:
    return f"ballast_{number:04}"
