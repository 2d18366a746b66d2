"""Template processes: what they fork is a process of its own, and nothing of them is left."""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.measure.child import PytestCall, StoppedError, TimeLimit, run_child
from bench.measure.pytest_call import python_path
from bench.measure.templates import START, TemplateLostError, Templates
from bench.results.endpoints import Client
from tests.servers import PATIENCE

pytestmark = pytest.mark.skipif(START != "forked", reason="this system cannot fork")

SLEEP = "import time; time.sleep(600)"
ANYTIME = TimeLimit(PATIENCE, pause=0.05)


@pytest.fixture(scope="module")
def templates() -> Iterator[Templates]:
    """Templates with a hash seed of their own."""
    with Templates(hash_seed=7) as found:
        yield found


def call(folder: Path, code: str, *, thorough: bool = False, **variables: str) -> PytestCall:
    """Return a call of pytest that runs one test with this code."""
    file = folder / "test_it.py"
    file.write_text(f"import atexit, json, os, sys, threading\n\ndef test_it():\n    {code}\n")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": python_path(folder), **variables}
    return PytestCall(["-q", "-p", "no:cacheprovider", str(file)], environment, folder / "output.txt", thorough)


def told(folder: Path) -> Any:  # noqa: ANN401 - what JSON holds
    """Return what the test wrote down."""
    return json.loads((folder / "told.json").read_text())


def test_child_has_the_environment_of_its_call_alone(templates: Templates, tmp_path: Path) -> None:
    """A child has the variables, the import path and the hash seed that were asked for, and nothing of the template."""
    file = tmp_path / "told.json"
    code = f"json.dump([dict(os.environ), sys.path, hash('a'), os.getpid() == os.getpgid(0)], open({str(file)!r}, 'w'))"
    ended = run_child(templates.start_of(Client()), call(tmp_path, code, MINE="1"), ANYTIME)
    assert ended.exit_code == 0, ended.output
    variables, path, first, leads = told(tmp_path)
    assert variables["MINE"] == "1"
    assert "HOME" not in variables
    assert str(tmp_path) in path
    assert leads
    run_child(templates.start_of(Client()), call(tmp_path, code), ANYTIME)
    assert told(tmp_path)[2] == first
    with Templates(hash_seed=8) as others:
        run_child(others.start_of(Client()), call(tmp_path, code), ANYTIME)
    assert told(tmp_path)[2] != first


def test_children_start_with_one_thread_and_the_libraries(templates: Templates, tmp_path: Path) -> None:
    """What takes long to import is there already, no thread runs, and no strategy or event loop has been loaded."""
    file = tmp_path / "told.json"
    code = f"json.dump([sorted(sys.modules), threading.active_count()], open({str(file)!r}, 'w'))"
    assert run_child(templates.start_of(Client()), call(tmp_path, code), ANYTIME).exit_code == 0
    modules, threads = told(tmp_path)
    assert {"asyncpg", "sqlalchemy.ext.asyncio", "fastapi", "alembic", "bench.app.main"} <= set(modules)
    assert not [name for name in modules if name.startswith("strategies")]
    assert threads == 1


@pytest.mark.parametrize("thorough", [False, True])
def test_interpreter_is_torn_down_only_where_asked(*, templates: Templates, tmp_path: Path, thorough: bool) -> None:
    """A probe's process runs what is registered for its exit; a timed cell's process does not."""
    file = tmp_path / "told.json"
    code = f"atexit.register(lambda: open({str(file)!r}, 'w').write('[]'))"
    ended = run_child(templates.start_of(Client()), call(tmp_path, code, thorough=thorough), ANYTIME)
    assert ended.exit_code == 0
    assert file.exists() == thorough


@pytest.mark.parametrize(
    ("code", "exit_code"), [("assert False", 1), ("os._exit(77)", 77), ("os.kill(os.getpid(), 9)", -9)]
)
def test_exit_code_is_the_childs(code: str, exit_code: int, templates: Templates, tmp_path: Path) -> None:
    """Failed tests, a hard exit and a signal are reported as a spawned process would report them."""
    ended = run_child(templates.start_of(Client()), call(tmp_path, code), ANYTIME)
    assert ended.exit_code == exit_code
    assert ended.cpu is not None


def test_child_that_hangs_is_killed_with_what_it_started(templates: Templates, tmp_path: Path) -> None:
    """A time limit ends the child and its own children."""
    file = tmp_path / "told.json"
    code = "import subprocess; p = subprocess.Popen(['sleep', '600']); "
    code += f"json.dump(p.pid, open({str(file)!r}, 'w')); p.wait()"
    ended = run_child(templates.start_of(Client()), call(tmp_path, code), TimeLimit(2, pause=0.05))
    assert ended.killed
    grandchild = told(tmp_path)
    assert isinstance(grandchild, int)
    psutil.wait_procs([psutil.Process(grandchild)] if psutil.pid_exists(grandchild) else [], timeout=PATIENCE)
    assert not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE


def test_nothing_is_left_when_templates_close(tmp_path: Path) -> None:
    """Closing the templates ends a child that still runs."""
    with Templates() as templates:
        child = templates.start_of(Client())(call(tmp_path, SLEEP))
        process = psutil.Process(child.pid)
    deadline = time.monotonic() + PATIENCE
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_template_that_dies_is_one_line(tmp_path: Path) -> None:
    """A template that is killed ends the wait for its children with an error for the user."""
    with Templates() as templates:
        start = templates.start_of(Client())
        child = start(call(tmp_path, SLEEP))
        psutil.Process(psutil.Process(child.pid).ppid()).kill()
        with pytest.raises(TemplateLostError, match="resume the run"):
            child.wait(PATIENCE)
        psutil.Process(child.pid).kill()
        with pytest.raises(TemplateLostError):
            start(call(tmp_path, "pass"))


def test_stopping_ends_the_child(templates: Templates, tmp_path: Path) -> None:
    """A caller that stops gets its error at once, and the child is gone."""
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(StoppedError):
        run_child(templates.start_of(Client()), call(tmp_path, SLEEP), ANYTIME, stopped=stopped)
