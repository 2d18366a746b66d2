"""
How strategies are found by what a user types, imported and checked, and the errors that name what is missing.

What a strategy declares stands in `bench/strategy/declaration.py`. What is checked here needs no pytest;
`bench/worker/fixtures.py` checks the rest of the contract, inside the process that is measured.
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
from bench.strategy.declaration import ExpectedFailures, LoadedStrategy, LoopScope, Strategy, Trap
from bench.strategy.probe_catalogue import Probe

STRATEGIES = ROOT / "strategies"

PEER_FOLDER = "peers"

CORE, ALL, PEERS = "core", "all", "peers"
"""The sets that a user may name: what a default run has, all in `strategies/`, all in `strategies/peers/`."""


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
    Return the references in a list with commas; the sets `core`, `all` and `peers` stand for what is in them.

    :raises UserError: there is none, or a strategy of the tree breaks the contract.
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
            f"--strategies {text!r} names none: give names such as create_drop, or {CORE}, {ALL} or {PEERS}."
        )
    return list(dict.fromkeys(found))


def lasting(reference: str) -> str:
    """Return a reference to a strategy that means the same from every folder: of a path the absolute one."""
    return str(Path(reference).resolve()) if _is_path(reference) else reference


def load_all(references: Sequence[str]) -> list[LoadedStrategy]:
    """
    Load strategies by name (`create_drop`), dotted name (`acme.pg_strategy`) or path (`./mine.py`).

    :raises UserError: one is unknown, does not import, breaks the contract, or two have the same name.
    """
    loaded: dict[str, LoadedStrategy] = {}
    for reference in references:
        strategy = load(reference)
        other = loaded.setdefault(strategy.name, strategy)
        if other.path != strategy.path:
            raise UserError(
                f"two strategies are named '{strategy.name}': {_shown(other.path)} and {_shown(strategy.path)}; "
                f"a name is the file's stem, so rename one of the files."
            )
    return list(loaded.values())


def able(strategies: Sequence[LoadedStrategy]) -> list[LoadedStrategy]:
    """
    Return those strategies that can run here.

    :raises UserError: a peer could, but its package is not installed.
    """
    found = [strategy for strategy in strategies if not strategy.unable]
    for strategy in found:
        peer = strategy.declared.peer
        if peer and not peer.version:
            raise UserError(
                f"{strategy.name} adapts {peer.distribution}, which is not installed in this environment: "
                f"`nox -s bench -- --{PEERS}` has one of its own for it and installs it there."
            )
    return found


def load(reference: str) -> LoadedStrategy:
    """
    Load one strategy; see `load_all`.

    :raises UserError: it is unknown, does not import, or breaks the contract.
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
    """Return the name to import, the file, and the folder that must be on the import path for it."""
    if _is_path(reference):
        path = Path(reference).resolve()
        if not path.is_file():
            raise UserError(
                f"strategy file {reference} does not exist: give the path of a .py file, or a name of --list."
            )
        if path.parent in {STRATEGIES, STRATEGIES / PEER_FOLDER}:
            return _module_in_tree(path), path, None
        _check_stem(path)
        found = importlib.util.find_spec(path.stem)
        if found is not None and found.origin != str(path):
            raise UserError(f"strategy file {reference} has the name of the module {found.origin}: rename the file.")
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
            raise UserError(f"strategy module '{reference}' is not installed: install it, or give a name of --list.")
        return reference, Path(found.origin), None
    near = difflib.get_close_matches(reference, [*names_in_tree(), *peers_in_tree()], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"valid are {', '.join(names_in_tree())};"
    raise UserError(f"unknown strategy '{reference}': {hint} `nox -s bench -- --list` shows all.")


def _module_in_tree(path: Path) -> str:
    return ".".join(path.relative_to(STRATEGIES.parent).with_suffix("").parts)


def _check_stem(path: Path) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", path.stem) or path.stem in {CORE, ALL, PEERS}:
        raise UserError(
            f"strategy file {_shown(path)}: a name is lower case, digits and _, such as schema_per_test.py, "
            f"and none of {CORE}, {ALL} and {PEERS}, which are sets."
        )


def plugins_of(module: ModuleType) -> tuple[str, ...]:
    """Return what a module names in its `pytest_plugins`."""
    named = getattr(module, "pytest_plugins", ())
    return (named,) if isinstance(named, str) else tuple(named)


def _summary(module: ModuleType, path: Path) -> str:
    lines = (module.__doc__ or "").strip().splitlines()
    if not lines:
        raise UserError(f"{_shown(path)} has no docstring: its first line is what --list, table and chart say of it.")
    return lines[0].strip()


def _declaration(module: ModuleType, path: Path) -> Strategy:
    where = _shown(path)
    declared = getattr(module, "strategy", None)
    if not isinstance(declared, Strategy):
        raise UserError(
            f"{where} lacks `strategy`: add strategy = Strategy(test_loop_scope=..., fixture_loop_scope=...); "
            "docs/adding-a-strategy.md shows how."
        )
    # A module with pytest_plugins may get its fixtures from there; the plugin finds out when it runs.
    if not hasattr(module, "session_factory") and not hasattr(module, "pytest_plugins"):
        raise UserError(
            f"{where} provides no `session_factory`: add a fixture of that name that gives an async_sessionmaker."
        )
    for option in ("test_loop_scope", "fixture_loop_scope"):
        if getattr(declared, option) not in get_args(LoopScope):
            raise UserError(
                f"{where}: {option}={getattr(declared, option)!r} is none of {', '.join(get_args(LoopScope))}."
            )
    unknown = sorted(str(probe) for probe in declared.hides if probe not in list(Probe))
    if unknown:
        raise UserError(
            f"{where}: hides={{{', '.join(unknown)}}} is no probe; valid are {', '.join(Probe.__members__)}."
        )
    if isinstance(declared, Trap):
        if not declared.errors and not declared.caught_by:
            raise UserError(
                f"{where} is a trap without an error: add `errors=[ExpectedError('RuntimeError', 'different loop')]`, "
                "or, if it fails silently, `caught_by={Probe.ROWS_GONE}`."
            )
        if seen := sorted(set(declared.caught_by) - set(declared.hides)):
            raise UserError(f"{where}: caught_by names {', '.join(seen)}, which hides does not: add it there, too.")
        if declared.failures not in get_args(ExpectedFailures):
            raise UserError(
                f"{where}: failures={declared.failures!r} is none of {', '.join(get_args(ExpectedFailures))}."
            )
    return declared


def _shown(path: Path) -> str:
    """Return the path as a person would type it from the project's folder."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
