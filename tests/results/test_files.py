"""The files of a run: what is written can be read again, and damaged and torn lines are distinguished."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.results.endpoints import ServerSource
from bench.results.errors import UserError
from bench.results.files import CELLS_FILE, RUN_FILE, append_cell, create_run, drop_torn_line, read_cells, read_run
from bench.results.records import (
    SCHEMA,
    Cell,
    Configuration,
    Decision,
    DecisionKind,
    Failure,
    Machine,
    RoundLimits,
    Run,
    Samples,
    ServerFacts,
    Size,
    StrategyFacts,
    SweptAxis,
    Workload,
)

RUN = Run(
    schema=SCHEMA,
    looptrap="0.1.0",
    started="2026-01-01T00:00:00+00:00",
    database_prefix="looptrap_0a1b2c3d_",
    commit="0123abc+",
    command="nox -s bench",
    configuration=Configuration(("none", "none_twin"), source=ServerSource(), cell_timeout=900),
    seed=1,
    limits=RoundLimits(7, 7, None),
    decisions=(Decision(DecisionKind.ROUNDS_DONE, 7),),
    strategies=(StrategyFacts("none", "No isolation.", "session", "session", ("rows_gone",)),),
    workload=Workload(Size(100, 5, 0), ("update",), "0123456789ab", (Size(10, 5, 0),)),
    server=ServerFacts("embedded", "asked for", "18.4", "unix socket", "ext4", "", {"fsync": "on"}),
    machine=Machine("CPU", 2, 1 << 30, "Linux", "3.11.7", {"pytest": "9.0"}),
)

seconds = st.floats(min_value=0, max_value=1e6)
texts = st.text(st.characters(codec="utf-8"), max_size=40)


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """Any possible cell."""
    tests = draw(st.integers(0, 5))

    def column(values: st.SearchStrategy[float]) -> tuple[float, ...]:
        return tuple(draw(st.lists(values, min_size=tests, max_size=tests)))

    return Cell(
        strategy=draw(texts),
        size=Size(tests, draw(st.integers(5, 99)), draw(st.integers(0, 99))),
        round=draw(st.integers(0, 99)),
        position=draw(st.integers(0, 99)),
        started="2026-01-01T00:00:00+00:00",
        status=draw(st.sampled_from(["finished", "crashed", "timeout", "server died"])),
        detail=draw(texts),
        wall=draw(seconds),
        cpu=draw(st.none() | seconds),
        startup=draw(seconds),
        collection=draw(seconds),
        session_setup=draw(seconds),
        session_teardown=draw(seconds),
        shutdown=draw(seconds),
        residual=draw(seconds),
        wal_bytes_per_test=draw(st.none() | seconds),
        load=draw(seconds),
        steal=draw(st.none() | st.floats(0, 1)),
        failures=tuple(Failure("call", "RuntimeError", message) for message in draw(st.lists(texts, max_size=2))),
        samples=Samples(column(seconds), column(seconds), column(seconds), "." * tests),
    )


@given(written=st.lists(cells(), max_size=4), cut=st.integers(1, 30))
def test_cells_survive_and_a_torn_line_is_dropped(
    tmp_path_factory: pytest.TempPathFactory, written: list[Cell], cut: int
) -> None:
    """Every finished cell is read as it was written, also if the last write was interrupted."""
    folder = tmp_path_factory.mktemp("run")
    create_run(folder, RUN)
    for cell in written:
        append_cell(folder, cell)
    assert list(read_cells(folder)) == written
    whole = (folder / CELLS_FILE).read_bytes()
    if written:
        (folder / CELLS_FILE).write_bytes(whole[:-cut])
        assert list(read_cells(folder)) == written[:-1]


def test_run_survives(tmp_path: Path) -> None:
    """A run is read as it was written."""
    create_run(tmp_path / "a" / "b", RUN)
    assert read_run(tmp_path / "a" / "b") == RUN


def test_second_run_is_refused(tmp_path: Path) -> None:
    """A folder that holds a run is never overwritten."""
    create_run(tmp_path, RUN)
    with pytest.raises(UserError, match="already holds a run"):
        create_run(tmp_path, RUN)


def test_folder_without_a_run(tmp_path: Path) -> None:
    """A folder without a run is refused with an example of one."""
    with pytest.raises(UserError, match="holds no run"):
        read_run(tmp_path)


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    """A run of a newer schema is refused."""
    (tmp_path / RUN_FILE).write_text('{"schema": 999, "something": "new"}')
    with pytest.raises(UserError, match=r"schema 999.*update looptrap"):
        read_run(tmp_path)


def test_older_schema_is_refused(tmp_path: Path) -> None:
    """A run of a schema from before the first release is refused with the remedy."""
    (tmp_path / RUN_FILE).write_text('{"schema": 1}')
    with pytest.raises(UserError, match=r"schema 1.*measure again"):
        read_run(tmp_path)


@pytest.mark.parametrize("schema", [3, 4])
def test_sentences_of_older_schemas_become_records(tmp_path: Path, schema: int) -> None:
    """A run of schema 3 or 4 is converted: decisions keep their text, sweeps are split, and the rest is empty."""
    create_run(tmp_path, RUN)
    run = json.loads((tmp_path / RUN_FILE).read_text())
    for facts in run["strategies"]:
        del facts["docs"], facts["fixture"], facts["no_fixture"]
    run["configuration"]["sweep"] = ["tests=10,100", "setting:log_line_prefix=a=,b"]
    if schema == 3:
        del run["configuration"]["sweep"]
    run |= {"schema": schema, "decisions": ["after round 7: stopped."]}
    (tmp_path / RUN_FILE).write_text(json.dumps(run))
    found = read_run(tmp_path)
    assert found.schema == schema
    assert found.decisions == (Decision(DecisionKind.RECORDED, text="after round 7: stopped."),)
    swept = (SweptAxis("tests", ("10", "100")), SweptAxis("setting:log_line_prefix", ("a=", "b")))
    assert found.configuration.sweep == (swept if schema == 4 else ())
    assert found.strategies == RUN.strategies


@given(written=st.lists(cells(), max_size=3), torn=st.binary(max_size=30))
def test_torn_line_is_cut_off_before_more_is_added(
    tmp_path_factory: pytest.TempPathFactory, written: list[Cell], torn: bytes
) -> None:
    """An incomplete last line is removed from the file, and every complete line stays."""
    folder = tmp_path_factory.mktemp("run")
    create_run(folder, RUN)
    for cell in written:
        append_cell(folder, cell)
    whole = (folder / CELLS_FILE).read_bytes()
    (folder / CELLS_FILE).write_bytes(whole + torn.replace(b"\n", b""))
    drop_torn_line(folder)
    assert (folder / CELLS_FILE).read_bytes() == whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        f'{{"schema": {SCHEMA}}}',
        '{"schema": 4}',
        '{"schema": 4, "decisions": [1], "configuration": {"sweep": 3}}',
        "\x00",
    ],
)
def test_damaged_run(tmp_path: Path, text: str) -> None:
    """A file that is not a run is refused with what is wrong in it."""
    (tmp_path / RUN_FILE).write_text(text)
    with pytest.raises(UserError, match=r"run\.json is not a run of schema"):
        read_run(tmp_path)


def test_damaged_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    """Only the last line may be incomplete: a damaged one before it is an error with its number."""
    create_run(tmp_path, RUN)
    (tmp_path / CELLS_FILE).write_bytes(b'{"strategy": \n{}\n')
    with pytest.raises(UserError, match="line 1 is damaged"):
        list(read_cells(tmp_path))
