"""The files of a project that knows nothing of the harness: an application for notes, and its tests."""

import re
from dataclasses import replace
from pathlib import Path

from alembic import command
from alembic.config import Config

from bench.adopt.assemble import AdoptedConftest

DATABASE = '''
"""An engine at module level, as in many projects. No test may connect through it."""

from collections.abc import AsyncIterator

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

engine = create_async_engine("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
make_session = async_sessionmaker(engine, expire_on_commit=False)


async def get_session() -> AsyncIterator[AsyncSession]:
    async with make_session() as session:
        yield session
'''

MODELS = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Tag(Base):
    __tablename__ = "tags"
    note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(unique=True)
    tags: Mapped[list[Tag]] = relationship(lazy="selectin")


class Refusal(Base):
    __tablename__ = "refusals"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
"""

MAIN = """
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from notes_app.database import get_session
from notes_app.models import Note, Refusal, Tag

app = FastAPI()
Session = Annotated[AsyncSession, Depends(get_session)]
AnotherSession = Annotated[AsyncSession, Depends(get_session, use_cache=False)]


class NewNote(BaseModel):
    title: str
    tags: list[str] = []


@app.post("/notes", status_code=201)
async def write(new: NewNote, session: Session) -> int:
    note = Note(title=new.title, tags=[Tag(name=name) for name in new.tags])
    session.add(note)
    try:
        await session.commit()
    except IntegrityError:
        await session.rollback()
        session.add(Refusal(title=new.title))
        await session.commit()
        raise HTTPException(409, "there is one of this title") from None
    return note.id


@app.get("/counts")
async def count(session: Session) -> list[int]:
    return [await session.scalar(select(func.count()).select_from(table)) for table in (Note, Tag, Refusal)]


@app.post("/notes/twice")
async def write_and_look(new: NewNote, session: Session, another: AnotherSession) -> list[str]:
    assert session is not another
    session.add(Note(title=new.title))
    await session.commit()
    return list(await another.scalars(select(Note.title)))
"""

TESTS = """
import importlib.util

import pytest
from sqlalchemy import select

from notes_app.models import Note

TURNS = pytest.mark.parametrize("turn", ["first", "second"])


def test_harness_is_not_there():
    assert importlib.util.find_spec("bench") is None
    assert importlib.util.find_spec("strategies") is None


@TURNS
async def test_same_title_in_every_test(turn, client, db_session):
    assert (await client.get("/counts")).json() == [0, 0, 0]
    written = await client.post("/notes", json={"title": "the only one", "tags": ["a", "b"]})
    assert written.status_code == 201
    note = await db_session.scalar(select(Note))
    assert (note.id, note.title, sorted(tag.name for tag in note.tags)) == (written.json(), "the only one", ["a", "b"])


@TURNS
async def test_refused_then_committed(turn, client):
    assert (await client.get("/counts")).json() == [0, 0, 0]
    answers = [await client.post("/notes", json={"title": "the only one"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 409, 409]
    assert (await client.post("/notes", json={"title": "another one"})).status_code == 201
    assert (await client.get("/counts")).json() == [2, 0, 2]


@TURNS
async def test_two_sessions_in_one_request(turn, client):
    assert (await client.post("/notes/twice", json={"title": "the only one"})).json() == ["the only one"]


@TURNS
async def test_commit_in_the_test_itself(turn, client, db_session):
    db_session.add(Note(title="the only one"))
    await db_session.commit()
    assert (await client.get("/counts")).json() == [1, 0, 0]


async def test_nothing_is_left(client):
    assert (await client.get("/counts")).json() == [0, 0, 0]
"""

TESTS_OF_PROJECT = 10

REVISION = """
from alembic import op

from notes_app.models import Base

revision, down_revision = "0001", None


def upgrade():
    Base.metadata.create_all(op.get_bind())


def downgrade():
    Base.metadata.drop_all(op.get_bind())
"""

SHARES_A_CONNECTION = """
    connection = config.attributes.get("connection")
    if connection is None:
        asyncio.run(run_async_migrations())
    else:
        do_run_migrations(connection)
"""
"""Taken from Alembic's cookbook."""


def write_project(folder: Path, conftest: AdoptedConftest, dsn: str) -> None:
    """Write the project with an adopted conftest.py, edited as its docstring says."""
    package = folder / "notes_app"
    package.mkdir()
    options = "".join(f'{option} = "{value}"\n' for option, value in conftest.pytest_options.items())
    for path, text in {
        package / "__init__.py": "",
        package / "database.py": DATABASE,
        package / "models.py": MODELS,
        package / "main.py": MAIN,
        folder / "test_notes.py": TESTS,
        folder / "pyproject.toml": f"[tool.pytest.ini_options]\n{options}",
        folder / "conftest.py": edited(conftest.text, dsn),
    }.items():
        path.write_text(text)


def edited(conftest: str, dsn: str) -> str:
    """Return the file with its first lines marked EDIT filled in."""
    places = {"from your_app.": "from notes_app.", "postgresql://postgres:postgres@localhost:5432/postgres": dsn}
    for place, filled in places.items():
        assert place in conftest
        conftest = conftest.replace(place, filled)
    return conftest


def by_migrations(conftest: AdoptedConftest) -> AdoptedConftest:
    """Return the file with Alembic in place of the models, as the comment in `migrate` says."""
    found = re.search(r"# (lambda .*)\n    return .*", conftest.text)
    assert found
    imports = "import pytest_asyncio\n"
    text = conftest.text.replace(found[0], f"return {found[1]}")
    return replace(conftest, text=text.replace(imports, f"{imports}from alembic import command, config\n"))


def add_migrations(folder: Path) -> None:
    """Add what `alembic init -t async` creates, edited as a user would, and a revision."""
    command.init(Config(folder / "alembic.ini"), str(folder / "migrations"), template="async")
    (folder / "migrations" / "versions" / "0001_notes.py").write_text(REVISION)
    environment = folder / "migrations" / "env.py"
    text = environment.read_text()
    for before, after in {
        "\n    asyncio.run(run_async_migrations())\n": SHARES_A_CONNECTION,
        "target_metadata = None": "from notes_app.models import Base\n\ntarget_metadata = Base.metadata",
    }.items():
        assert before in text
        text = text.replace(before, after)
    environment.write_text(text)
