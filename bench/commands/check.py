"""
`nox -s check`: run the probes under each strategy, and compare the outcomes with what it declares.

Outcomes are stored in `results/check/`, with a heat map; `--why` shows one of them in detail.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.commands.options import server_options, strategies_options, with_peers
from bench.results.endpoints import ServerSource
from bench.results.errors import UserError, unwritable
from bench.results.files import FIDELITY, FIDELITY_FILE
from bench.results.paths import ROOT
from bench.results.records import Fidelity
from bench.strategy.declaration import TWIN
from bench.strategy.discovery import load_all, references_in, runnable
from bench.strategy.loaded import LoadedStrategy
from bench.strategy.probe_catalogue import probe_named

RESULTS = ROOT / "results"
FOLDER = RESULTS / "check"


@click.command()
@strategies_options
@server_options
@click.option(
    "--why",
    nargs=2,
    metavar="STRATEGY PROBE",
    help="Show the outcome of one probe in detail, from the newest results on disk.",
)
@click.pass_context
def check(ctx: click.Context, /, *, names: str, peers: bool, why: tuple[str, str] | None, **options: Any) -> None:  # noqa: ANN401 - click has checked them
    """Check what tests can see of a real Postgres under each strategy; exit with 1 if a declaration is wrong."""
    if why is not None:
        show_outcome(*why, Console())
    elif not check_strategies(with_peers(names, peers=peers), options["source"], Console()):
        ctx.exit(1)


def check_strategies(names: str, source: ServerSource, console: Console) -> bool:
    """
    Run the probes, print the outcomes, and return whether they match the declarations.

    :raises UserError: a name, a strategy, the server or the folder cannot be used.
    """
    from bench.measure.probing import control, probe_into
    from bench.server import open_server, untimed

    requested = load_all(references_in(names))
    strategies = _probed(requested, names)
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(FOLDER, error) from error
    with open_server(source) as server:
        console.print(server.introduction(), markup=False, soft_wrap=True)
        try:
            with untimed(server) as place:
                probe_into(FOLDER, [control(), *strategies], place, f"looptrap_{secrets.token_hex(4)}_", console)
        except KeyboardInterrupt:
            console.print(f"Stopped. Finished outcomes are in {FOLDER}", markup=False, soft_wrap=True)
            raise
    for strategy in requested:
        if strategy.unable:
            console.print(f"{strategy.name} cannot run here: {strategy.unable}", markup=False, soft_wrap=True)
    from bench.report.fidelity_console import print_check

    return print_check([strategy.facts() for strategy in strategies], FIDELITY.read(FOLDER), FOLDER, console)


def show_outcome(strategy: str, probe: str, console: Console) -> None:
    """
    Print the newest outcome of a probe under a strategy that is stored in `results/`.

    :raises UserError: there is no such probe, or no stored outcome of the strategy.
    """
    from bench.report.fidelity_console import print_outcome

    wanted = probe_named(probe)
    folder, fidelity = _newest(strategy)
    print_outcome(fidelity, wanted, folder, console)


def _probed(requested: Sequence[LoadedStrategy], names: str) -> list[LoadedStrategy]:
    """Return the requested strategies that can be probed, without the twin, which is the floor again."""
    from bench.measure.probing import can_be_probed

    found = [one for one in runnable(requested) if can_be_probed(one) and one.name != TWIN]
    if not found:
        raise UserError(
            f"nothing to probe in {names!r}: traps whose tests fail with errors cannot be probed, nor can {TWIN}; "
            f"to see the errors, type: nox -s bench -- --quick --strategies {names}"
        )
    return found


def _newest(strategy: str) -> tuple[Path, Fidelity]:
    """Return the newest stored outcomes of a strategy, and their folder."""
    files = sorted(RESULTS.glob(f"*/{FIDELITY_FILE}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files:
        if strategy in (outcomes := FIDELITY.read(path.parent)):
            return path.parent, outcomes[strategy]
    raise UserError(f"no outcome of '{strategy}' is stored; to get one, type: nox -s check -- --strategies {strategy}")
