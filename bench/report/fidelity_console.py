"""What the probes saw, in the terminal: the counts by family, contradicted declarations, the detail of one outcome."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.analysis.fidelity import columns_of, complaints, declaration, family_table, sight_of
from bench.report.charts.heatmap import picture
from bench.report.tables import print_figures
from bench.results.errors import UserError
from bench.results.paths import typed
from bench.results.printable import printable
from bench.results.records import Fidelity, StrategyFacts
from bench.strategy.probe_catalogue import Probe


def print_check(
    strategies: Sequence[StrategyFacts], outcomes: Mapping[str, Fidelity], folder: Path, console: Console
) -> bool:
    """
    Print what was seen and which declarations it contradicts, and draw the heat map into `folder`.

    :param outcomes: by strategy, the control's included.
    :returns: whether every outcome is as declared.
    """
    columns = columns_of(outcomes, [facts.name for facts in sorted(strategies, key=lambda facts: facts.is_trap)])
    _, png = picture(columns).write(folder)
    console.print()
    print_figures("What tests see of a real Postgres", family_table(columns), console)
    found = complaints(strategies, outcomes)
    for complaint in found:
        console.print(Text(f"FINDING: {printable(complaint)}", style="bold red"), soft_wrap=True)
    for facts in strategies:
        fidelity = outcomes[facts.name]
        if complaints([facts], {facts.name: fidelity}):
            console.print(Text(f"What {facts.name} should declare: {declaration(fidelity)}"), soft_wrap=True)
    if not found:
        console.print("All as declared.")
    console.print(
        Text(f"Why:     nox -s check -- --why {columns[0].strategy} {columns[0].sights[0].probe}"), soft_wrap=True
    )
    console.print(Text(f"Results: {folder}"), soft_wrap=True)
    console.print(Text(f"Chart:   {png}"), soft_wrap=True)
    return not found


def print_outcome(fidelity: Fidelity, probe: Probe, folder: Path, console: Console) -> None:
    """
    Print the outcome of a probe in detail.

    :param folder: where the outcomes are from.
    :raises UserError: the probe did not run there.
    """
    sight = sight_of(fidelity, probe)
    if sight is None:
        raise UserError(
            f"{folder} has no outcome of {probe}; to get it: nox -s check -- --strategies {fidelity.strategy}"
        )
    console.print(Text(f"{fidelity.strategy} {sight.outcome} {probe}", style="bold"))
    console.print(f"A real Postgres: {probe.sees}", markup=False)
    console.print(f"Where it is not seen: {probe.lost}", markup=False)
    console.print(Text(probe.link), soft_wrap=True)
    if sight.detail:
        console.print()
        console.print(Text(sight.detail), soft_wrap=True)
    console.print()
    console.print(Text(f"Probed on {fidelity.server}; from {typed(folder)}", style="dim"))
