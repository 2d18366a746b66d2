"""
`nox -s check`: what tests see of a real Postgres under each strategy, and whether that is what it declares.

Outcomes are kept in `results/check/`, with their heat map; `--why` shows the detail of one.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.analysis.fidelity import CONTROL, columns_of, complaints, declaration, family_table, sight_of, the_probe
from bench.measure.probing import can_be_probed, probe_all
from bench.report.tables import print_figures
from bench.results.endpoints import Client, Source
from bench.results.errors import UserError, unwritable
from bench.results.files import FIDELITY, FIDELITY_FILE
from bench.results.paths import ROOT
from bench.results.printable import printable
from bench.results.records import Fidelity, StrategyFacts
from bench.server import Server, open_server, untimed
from bench.strategy.declaration import TWIN, LoadedStrategy
from bench.strategy.discovery import able, load, load_all, references_in

RESULTS = ROOT / "results"
FOLDER = RESULTS / "check"
CONTROL_FILE = ROOT / "bench" / "probes" / f"{CONTROL}.py"


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """What the user asked for, as the command line gives it."""

    names: str
    source: Source
    """Of the server."""


def check(options: CheckOptions, console: Console) -> bool:
    """
    Run the probes, show what came of them, and tell whether all is as declared.

    :raises UserError: an option, a strategy, the server or the folder is not usable.
    """
    asked = load_all(references_in(options.names))
    strategies = _strategies(asked, options.names)
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(FOLDER, error) from error
    with open_server(options.source) as server:
        console.print(server.introduction(), markup=False, soft_wrap=True)
        try:
            with untimed(server) as place:
                probe_into(FOLDER, [control(), *strategies], place, f"looptrap_{secrets.token_hex(4)}_", console)
        except KeyboardInterrupt:
            console.print(f"Stopped. What was ready is kept in {FOLDER}", markup=False, soft_wrap=True)
            raise
    for strategy in asked:
        if strategy.unable:
            console.print(f"{strategy.name} cannot run here: {strategy.unable}", markup=False, soft_wrap=True)
    return _show([strategy.facts() for strategy in strategies], console)


def _show(strategies: Sequence[StrategyFacts], console: Console) -> bool:
    """Print how much is seen and what is not as declared, draw the heat map, and tell whether all is as declared."""
    # Not at the top: matplotlib is not to be waited for by what only shows a detail.
    from bench.report.charts.heatmap import picture  # noqa: PLC0415

    outcomes = FIDELITY.read(FOLDER)
    columns = columns_of(outcomes, [facts.name for facts in sorted(strategies, key=lambda facts: facts.is_trap)])
    _, png = picture(columns).write(FOLDER)
    console.print()
    print_figures("What tests see of a real Postgres", family_table(columns), console)
    found = complaints(strategies, outcomes)
    for complaint in found:
        console.print(Text(f"FINDING: {printable(complaint)}", style="bold red"), soft_wrap=True)
    for facts in strategies:
        fidelity = outcomes[facts.name]
        if complaints([facts], {facts.name: fidelity}):
            console.print(Text(f"What {facts.name} is to declare: {declaration(fidelity)}"), soft_wrap=True)
    if not found:
        console.print("All as declared.")
    console.print(
        Text(f"Why:     nox -s check -- --why {columns[0].strategy} {columns[0].sights[0].probe}"), soft_wrap=True
    )
    console.print(Text(f"Results: {FOLDER}"), soft_wrap=True)
    console.print(Text(f"Chart:   {png}"), soft_wrap=True)
    return not found


def probe_into(  # noqa: PLR0917 - a client is said in one place, and is the last
    folder: Path,
    strategies: Sequence[LoadedStrategy],
    server: Server,
    database_prefix: str,
    console: Console,
    client: Client | None = None,
) -> None:
    """Probe those strategies that can be, and keep each one's outcomes in a folder as soon as they are there."""
    probe_all(
        [strategy for strategy in strategies if can_be_probed(strategy)],
        server,
        database_prefix,
        lambda fidelity: FIDELITY.keep(folder, fidelity),
        console,
        client or Client(),
    )


def control() -> LoadedStrategy:
    """Return what every probe passes under, unless the probe is broken."""
    return load(str(CONTROL_FILE))


def why(strategy: str, probe: str, console: Console) -> None:
    """
    Show what came of a probe under a strategy, from the newest outcomes that are kept in `results/`.

    :raises UserError: there is no such probe, or nothing is kept of the strategy.
    """
    asked = the_probe(probe)
    folder, fidelity = _newest(strategy)
    sight = sight_of(fidelity, asked)
    if sight is None:
        raise UserError(f"{folder} has nothing of {asked}: to find out, type nox -s check -- --strategies {strategy}")
    console.print(Text(f"{strategy} {sight.outcome} {asked}", style="bold"))
    console.print(f"A real Postgres: {asked.sees}", markup=False)
    console.print(f"Where it is not seen: {asked.lost}", markup=False)
    console.print(Text(asked.link), soft_wrap=True)
    if sight.detail:
        console.print()
        console.print(Text(sight.detail), soft_wrap=True)
    console.print()
    console.print(Text(f"Seen on: {fidelity.server}; kept in {folder.relative_to(ROOT)}", style="dim"))


def _strategies(asked: Sequence[LoadedStrategy], names: str) -> list[LoadedStrategy]:
    """Return what can be probed of what was asked for; the twin is the floor, and would see what that sees."""
    found = [one for one in able(asked) if can_be_probed(one) and one.name != TWIN]
    if not found:
        raise UserError(
            f"nothing to probe in {names!r}: tests of traps that end in errors see nothing, and {TWIN} is the floor; "
            f"to see the errors, type nox -s bench -- --quick --strategies {names}"
        )
    return found


def _newest(strategy: str) -> tuple[Path, Fidelity]:
    """Return the outcomes of a strategy that were kept last, and where."""
    files = sorted(RESULTS.glob(f"*/{FIDELITY_FILE}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files:
        if strategy in (kept := FIDELITY.read(path.parent)):
            return path.parent, kept[strategy]
    raise UserError(f"no outcome of '{strategy}' is kept: to get it, type nox -s check -- --strategies {strategy}")
