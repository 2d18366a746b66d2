"""The nox sessions. They set up environments and call `python -m bench`, pytest and the linters."""

import re
from pathlib import Path

import nox
from nox.virtualenv import InterpreterNotFound, VirtualEnv

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_venv = "yes"

PROJECT = nox.project.load_toml()
DEPENDENCIES = PROJECT["project"]["dependencies"]

PYTHONS = ["3.11", "3.12", "3.13"]
SQLALCHEMIES = ["2.0", "2.1"]
ENVIRONMENTS = [(python, "sqlalchemy", version) for python in PYTHONS for version in SQLALCHEMIES]
# These have the newest pytest-asyncio; one more has the oldest that pyproject.toml allows.
ENVIRONMENTS += [("3.12", "pytest-asyncio", "1.1")]

# The default encoding of files on Windows is another one.
UTF8 = {"PYTHONUTF8": "1"}

PEERS = {"peers", *(path.stem for path in Path("strategies/peers").glob("[a-z]*.py"))}


def harness(session: nox.Session, command: str) -> None:
    """Run a command of the harness in this environment, or in that of the peers if one is named."""
    if PEERS.intersection(re.findall(r"\w+", " ".join(session.posargs))):
        session.notify("peers", [command, *session.posargs])
        return
    session.install(*DEPENDENCIES)
    run_harness(session, command, *session.posargs)


def run_harness(session: nox.Session, *arguments: str, python: str = "python") -> None:
    """Run a command of the harness in this environment, or with the interpreter of another."""
    # After Ctrl-C it stops its server and drops its databases; by default nox waits only 0.3 seconds.
    session.run(python, "-m", "bench", *arguments, env=UTF8, interrupt_timeout=60, terminate_timeout=60)


def run_tests(session: nox.Session, *selection: str) -> None:
    """Run pytest, with one test file per processor at a time: no test depends on timing."""
    # tests/conftest.py sorts the files by duration; by default those with the most tests come first.
    options = ("-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder")
    session.run("python", "-m", "pytest", *options, *selection, *session.posargs, env=UTF8)


@nox.session
def bench(session: nox.Session) -> None:
    """Compare the strategies; for the options: nox -s bench -- --help."""
    harness(session, "run")


@nox.session
def report(session: nox.Session) -> None:
    """Make page, charts and tables of a run again: nox -s report -- results/reference."""
    harness(session, "report")


@nox.session
def compare(session: nox.Session) -> None:
    """Compare two runs: nox -s compare -- results/reference results/mine."""
    harness(session, "compare")


@nox.session
def check(session: nox.Session) -> None:
    """Test which behaviours of Postgres each strategy hides: nox -s check -- --strategies create_drop."""
    harness(session, "check")


@nox.session
def explain(session: nox.Session) -> None:
    """Show which event loop used which connection, and for what: nox -s explain -- savepoint_rollback."""
    harness(session, "explain")


@nox.session
def peers(session: nox.Session) -> None:
    """Run a command in an environment with the packages of the peers; bench and check use it if a peer is named."""
    session.install(*DEPENDENCIES, *nox.project.dependency_groups(PROJECT, "peers"))
    run_harness(session, *session.posargs)


@nox.session
def calibrate(session: nox.Session) -> None:
    """Test how accurately known delays are measured on this machine."""
    harness(session, "calibrate")


@nox.session
def new(session: nox.Session) -> None:
    """Create a working strategy file to edit: nox -s new -- my_strategy."""
    harness(session, "new")


@nox.session
def adopt(session: nox.Session) -> None:
    """Make a conftest.py from a strategy for your project: nox -s adopt -- NAME -o ../my_project/conftest.py."""
    harness(session, "adopt")


@nox.session
def docs(session: nox.Session) -> None:
    """Regenerate the parts of README and docs that come from strategies, probes and the reference run."""
    harness(session, "docs")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests of the harness."""
    session.install(*DEPENDENCIES, *nox.project.dependency_groups(PROJECT, "tests"))
    run_tests(session)


@nox.session
def thorough(session: nox.Session) -> None:
    """Run the tests that simulate or count for minutes, then all tests with every supported version."""
    session.install(*DEPENDENCIES, *nox.project.dependency_groups(PROJECT, "tests"))
    run_tests(session, "-m", "thorough")
    for environment in ENVIRONMENTS:
        session.notify(f"compatibility({'-'.join(environment)})")
    session.notify("lowest")


@nox.session
def lint(session: nox.Session) -> None:
    """Check the code style, the layers of imports, and the workflow of GitHub Actions."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")
    session.run("actionlint")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    session.install(*DEPENDENCIES, *nox.project.dependency_groups(PROJECT, "tests", "types"))
    session.run("mypy")


@nox.session
@nox.parametrize("python,package,version", ENVIRONMENTS, ids=map("-".join, ENVIRONMENTS))
def compatibility(session: nox.Session, package: str, version: str) -> None:
    """Run the tests with every supported Python and SQLAlchemy, and with the oldest pytest-asyncio."""
    groups = nox.project.dependency_groups(PROJECT, "tests")
    session.install(*DEPENDENCIES, *groups, f"{package}=={version}.*")
    run_tests(session)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest versions that pyproject.toml allows."""
    groups = nox.project.dependency_groups(PROJECT, "tests")
    session.install(*(requirement.replace(">=", "==") for requirement in [*DEPENDENCIES, *groups]))
    run_tests(session)


@nox.session(venv_backend="none")
def matrix(session: nox.Session) -> None:
    """Compare the same Pythons and versions in one run: nox -s matrix -- --quick."""
    interpreters = [found for environment in ENVIRONMENTS if (found := interpreter(session, *environment))]
    if not interpreters:
        session.error(f"no Python to measure on: install one of {', '.join(PYTHONS)}")
    # Run by the first of them, so that the Python and packages that the run records are those that it measures.
    run_harness(session, "run", "--sweep", f"python={','.join(interpreters)}", *session.posargs, python=interpreters[0])


def interpreter(session: nox.Session, python: str, package: str, version: str) -> str | None:
    """Return the path of a Python in an environment with these versions; None if that Python is not installed."""
    environment = VirtualEnv(str(session.env_dir / f"{python}-{package}-{version}"), python, reuse_existing=True)
    try:
        environment.create()
    except InterpreterNotFound:
        session.warn(f"Python {python} is not installed: {package} {version} is not measured on it")
        return None
    path = str(Path(environment.bin) / "python")
    session.run_install(path, "-m", "pip", "install", "--quiet", *DEPENDENCIES, f"{package}=={version}.*")
    return path
