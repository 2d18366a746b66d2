"""Print the outcomes of probes on a terminal: counts by family, contradicted declarations, one outcome in detail."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.analysis.fidelity import columns_of, contradictions, probe_result
from bench.report.charts.heatmap import picture
from bench.report.findings_text import contradiction_text
from bench.report.report_tables import FIDELITY, family_table
from bench.report.tables import print_figures
from bench.results.errors import UserError
from bench.results.paths import typed
from bench.results.printable import printable
from bench.results.records import Fidelity, StrategyFacts
from bench.strategy.probe_catalogue import CONTROL, Probe


def print_check(
    strategies: Sequence[StrategyFacts], outcomes: Mapping[str, Fidelity], folder: Path, console: Console
) -> bool:
    """
    Print the outcomes and the declarations that they contradict, and draw the heat map into `folder`.

    :param outcomes: by strategy, including the control's.
    :returns: whether every outcome is as declared.
    """
    columns = columns_of(outcomes, [facts.name for facts in sorted(strategies, key=lambda facts: facts.is_trap)])
    _, png = picture(columns).write(folder)
    console.print()
    print_figures(FIDELITY, family_table(columns), console)
    found = [*contradictions(strategies, outcomes)]
    for one in found:
        console.print(Text(f"FINDING: {printable(contradiction_text(one))}", style="bold red"), soft_wrap=True)
    for name in dict.fromkeys(one.strategy for one in found if one.strategy != CONTROL):
        console.print(Text(f"What {name} should declare: {_declaration(outcomes[name])}"), soft_wrap=True)
    if not found:
        console.print("All as declared.")
    console.print(
        Text(f"Why:     nox -s check -- --why {columns[0].strategy} {columns[0].sights[0].probe}"), soft_wrap=True
    )
    console.print(Text(f"Results: {folder}"), soft_wrap=True)
    console.print(Text(f"Chart:   {png}"), soft_wrap=True)
    return not found


def _declaration(fidelity: Fidelity) -> str:
    """Return the line of a strategy's file that declares what the probes found."""
    probes = (f"Probe.{result.probe.upper()}" for result in fidelity.sights if result.outcome != "sees")
    return f"hides={{{', '.join(probes)}}},"


def print_outcome(fidelity: Fidelity, probe: Probe, folder: Path, console: Console) -> None:
    """
    Print the outcome of one probe in detail.

    :param folder: the folder that the outcomes were read from.
    :raises UserError: the folder has no outcome of this probe.
    """
    result = probe_result(fidelity, probe)
    if result is None:
        raise UserError(
            f"{folder} has no outcome of {probe}; to get it: nox -s check -- --strategies {fidelity.strategy}"
        )
    console.print(Text(f"{fidelity.strategy} {result.outcome} {probe}", style="bold"))
    console.print(f"A real Postgres: {probe.sees}", markup=False)
    console.print(f"If tests do not see it: {probe.lost}", markup=False)
    console.print(Text(probe.link), soft_wrap=True)
    if result.detail:
        console.print()
        console.print(Text(result.detail), soft_wrap=True)
    console.print()
    console.print(Text(f"Probed on {fidelity.server}; from {typed(folder)}", style="dim"))
