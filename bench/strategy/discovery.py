"""
Finds strategies by what a user types, imports them, and checks their declarations.

These checks need no pytest; `bench/worker/fixtures.py` checks the rest of the contract in the measured process.
"""

import difflib
import importlib
import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import get_args

from bench.results.errors import UserError
from bench.results.paths import ROOT
from bench.strategy.declaration import ExpectedFailures, LoopScope, Strategy, Trap
from bench.strategy.loaded import LoadedStrategy
from bench.strategy.probe_catalogue import Probe

STRATEGIES = ROOT / "strategies"

PEER_FOLDER = "peers"

CORE, ALL, PEERS = "core", "all", "peers"
"""The named sets: the strategies of a default run, all in `strategies/`, all in `strategies/peers/`."""


def names_in_tree() -> list[str]:
    """Names of all strategies in `strategies/`, sorted."""
    return _names_in(STRATEGIES)


def peers_in_tree() -> list[str]:
    """Names of all strategies in `strategies/peers/`, sorted."""
    return _names_in(STRATEGIES / PEER_FOLDER)


def _names_in(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def references_in(text: str) -> list[str]:
    """
    Return the references in a comma-separated list, with the sets `core`, `all` and `peers` expanded.

    :raises UserError: the list is empty, or a packaged strategy breaks the contract.
    """
    found: list[str] = []
    for reference in filter(None, (part.strip() for part in text.split(","))):
        if reference == CORE:
            found += [strategy.name for strategy in load_all(names_in_tree()) if strategy.declared.core]
        elif reference == PEERS:
            found += peers_in_tree()
        else:
            found += names_in_tree() if reference == ALL else [reference]
    if not found:
        raise UserError(
            f"--strategies {text!r} names no strategy: give names such as create_drop, or {CORE}, {ALL} or {PEERS}."
        )
    return list(dict.fromkeys(found))


def absolute_reference(reference: str) -> str:
    """Return a reference that works from any folder: paths become absolute, names stay."""
    return str(Path(reference).resolve()) if _is_path(reference) else reference


def load_all(references: Sequence[str]) -> list[LoadedStrategy]:
    """
    Load strategies by name (`create_drop`), dotted name (`acme.pg_strategy`) or path (`./mine.py`).

    :raises UserError: one is unknown, fails to import or breaks the contract, or two have the same name.
    """
    loaded: dict[str, LoadedStrategy] = {}
    for reference in references:
        strategy = load(reference)
        other = loaded.setdefault(strategy.name, strategy)
        if other.path != strategy.path:
            raise UserError(
                f"two strategies are named '{strategy.name}': {_shown(other.path)} and {_shown(strategy.path)}; "
                f"a strategy is named after its file, so rename one of the files."
            )
    return list(loaded.values())


def runnable(strategies: Sequence[LoadedStrategy]) -> list[LoadedStrategy]:
    """
    Return the strategies that can run here.

    :raises UserError: the package of a peer is not installed.
    """
    found = [strategy for strategy in strategies if not strategy.unable]
    for strategy in found:
        peer = strategy.declared.peer
        if peer and not peer.version:
            raise UserError(
                f"{strategy.name} adapts {peer.distribution}, which is not installed in this environment: "
                f"`nox -s bench -- --{PEERS}` installs it into an environment of its own."
            )
    return found


def load(reference: str) -> LoadedStrategy:
    """
    Load one strategy; see `load_all`.

    :raises UserError: it is unknown, fails to import, or breaks the contract.
    """
    module_name, path, import_from = _locate(reference)
    if import_from is not None and str(import_from) not in sys.path:
        sys.path.insert(0, str(import_from))
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UserError(
            f"strategy file {_shown(path)} does not import: {type(error).__name__}: {' '.join(str(error).split())}; "
            f"try: python -c 'import {module_name}'"
        ) from error
    return LoadedStrategy(
        name=path.stem,
        module=module_name,
        plugins=plugins_of(module),
        path=path,
        summary=_summary(module, path),
        declared=_declaration(module, path),
        import_from=import_from,
    )


def _is_path(reference: str) -> bool:
    return reference.endswith(".py") or "/" in reference or "\\" in reference


def _locate(reference: str) -> tuple[str, Path, Path | None]:
    """Return the module's dotted name, its file, and the folder that must be on the import path, if any."""
    if _is_path(reference):
        path = Path(reference).resolve()
        if not path.is_file():
            raise UserError(
                f"strategy file {reference} does not exist: give the path of a .py file, or a name that --list shows."
            )
        if path.parent in {STRATEGIES, STRATEGIES / PEER_FOLDER}:
            return _module_in_tree(path), path, None
        _check_stem(path)
        found = importlib.util.find_spec(path.stem)
        if found is not None and found.origin != str(path):
            raise UserError(
                f"strategy file {reference} has the same name as the module {found.origin}: rename the file."
            )
        return path.stem, path, path.parent
    for folder in (STRATEGIES, STRATEGIES / PEER_FOLDER):
        if reference in _names_in(folder):
            path = folder / f"{reference}.py"
            _check_stem(path)
            return _module_in_tree(path), path, None
    if "." in reference:
        try:
            found = importlib.util.find_spec(reference)
        except (ImportError, ValueError):
            found = None
        if found is None or found.origin is None:
            raise UserError(
                f"strategy module '{reference}' is not installed: install it, or give a name that --list shows."
            )
        return reference, Path(found.origin), None
    near = difflib.get_close_matches(reference, [*names_in_tree(), *peers_in_tree()], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"valid names are {', '.join(names_in_tree())};"
    raise UserError(f"unknown strategy '{reference}': {hint} `nox -s bench -- --list` shows all.")


def _module_in_tree(path: Path) -> str:
    return ".".join(path.relative_to(STRATEGIES.parent).with_suffix("").parts)


def _check_stem(path: Path) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", path.stem) or path.stem in {CORE, ALL, PEERS}:
        raise UserError(
            f"strategy file {_shown(path)}: use lower case, digits and _, such as schema_per_test.py; "
            f"{CORE}, {ALL} and {PEERS} are names of sets."
        )


def plugins_of(module: ModuleType) -> tuple[str, ...]:
    """Return the module's `pytest_plugins`."""
    named = getattr(module, "pytest_plugins", ())
    return (named,) if isinstance(named, str) else tuple(named)


def _summary(module: ModuleType, path: Path) -> str:
    lines = (module.__doc__ or "").strip().splitlines()
    if not lines:
        raise UserError(f"{_shown(path)} has no docstring: --list, tables and charts show its first line.")
    return lines[0].strip()


def _declaration(module: ModuleType, path: Path) -> Strategy:
    where = _shown(path)
    declared = getattr(module, "strategy", None)
    if not isinstance(declared, Strategy):
        raise UserError(
            f"{where} has no `strategy`: add strategy = Strategy(test_loop_scope=..., fixture_loop_scope=...); "
            "see docs/adding-a-strategy.md."
        )
    # pytest_plugins may provide the fixture; bench/worker/fixtures.py finds out when tests run.
    if not hasattr(module, "session_factory") and not hasattr(module, "pytest_plugins"):
        raise UserError(
            f"{where} provides no `session_factory`: add a fixture of that name that returns an async_sessionmaker."
        )
    for option in ("test_loop_scope", "fixture_loop_scope"):
        if getattr(declared, option) not in get_args(LoopScope):
            raise UserError(
                f"{where}: {option}={getattr(declared, option)!r} is not one of {', '.join(get_args(LoopScope))}."
            )
    unknown = sorted(str(probe) for probe in declared.hides if probe not in list(Probe))
    if unknown:
        raise UserError(
            f"{where}: hides={{{', '.join(unknown)}}} is not a probe; valid are {', '.join(Probe.__members__)}."
        )
    if isinstance(declared, Trap):
        if not declared.errors and not declared.caught_by:
            raise UserError(
                f"{where} is a trap without an error: add `errors=[ExpectedError('RuntimeError', 'different loop')]`, "
                "or, if it fails silently, `caught_by={Probe.ROWS_GONE}`."
            )
        if seen := sorted(set(declared.caught_by) - set(declared.hides)):
            raise UserError(f"{where}: caught_by has {', '.join(seen)}, but hides has not: add it to hides.")
        if declared.failures not in get_args(ExpectedFailures):
            raise UserError(
                f"{where}: failures={declared.failures!r} is not one of {', '.join(get_args(ExpectedFailures))}."
            )
    return declared


def _shown(path: Path) -> str:
    """Return the path relative to the project's folder, if it is inside it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
