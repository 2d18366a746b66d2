"""
The parts of README and docs that are made from strategies, probes and the reference run, so that they cannot lie.

Each stands between `<!-- made: NAME -->` and `<!-- end -->`; `nox -s docs` makes them anew, and a test sees whether
that would change anything. What is written by hand stands outside.
"""

import functools
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.analysis import statistics
from bench.analysis.conditions import under_conditions
from bench.analysis.fidelity import columns_of, probe_table
from bench.analysis.ranking import Analysis, analyse
from bench.report import conditions_text as conditions_words
from bench.report.formatting import headline, significant
from bench.report.markdown import strategy_lines, trap_lines
from bench.report.report_tables import in_order, noise_sentence
from bench.report.tables import bullets, escaped, markdown_table
from bench.results.errors import UserError
from bench.results.files import FIDELITY, read_cells, read_run
from bench.results.paths import ROOT
from bench.results.records import WARM_UP
from bench.strategy.declaration import FLOOR, TWIN, Strategy, Trap
from bench.strategy.discovery import ALL, CORE, STRATEGIES, load_all, names_in_tree, peers_in_tree
from bench.strategy.docstrings import read_docstring
from bench.strategy.loaded import LoadedStrategy
from bench.strategy.probe_catalogue import Family, Probe

REFERENCE = ROOT / "results" / "reference"
FRONTIER = (ROOT / "results" / "frontier", ROOT / "results" / "frontier-no-fsync")
"""Runs of the two strategies that docs/baseline-restore.md sets side by side, for several numbers of tables."""

SERVERS, TUNING = ROOT / "results" / "servers", ROOT / "results" / "tuning"
"""The runs that docs/servers-clients-conditions.md shows: several servers, and one server tuned in several ways."""

PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "baseline-restore.md",
    ROOT / "docs" / "servers-clients-conditions.md",
    ROOT / "docs" / "probes.md",
    ROOT / "docs" / "strategies.md",
)

_PART = re.compile(r"(?<=<!-- made: )(\w+)( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)


def update_pages() -> list[Path]:
    """
    Make all parts anew, and return the pages that this changed.

    :raises UserError: there is no reference run, or a page asks for a part that nobody makes.
    """
    changed = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if (new := made(text)) != text:
            page.write_text(new, encoding="utf-8")
            changed.append(page)
    return changed


@functools.cache
def reference() -> Analysis:
    """Return what the committed run says."""
    return analyse(read_run(REFERENCE), read_cells(REFERENCE), FIDELITY.read(REFERENCE))


def made(text: str) -> str:
    """
    Return a page with all of its parts made anew.

    :raises UserError: it asks for a part that nobody makes, or for one of the reference run, and there is none.
    """

    def part(found: re.Match[str]) -> str:
        if found[1] not in _PARTS:
            raise UserError(f"nobody makes the part '{found[1]}': valid are {', '.join(_PARTS)}.")
        return f"{found[1]}{found[2]}" + "".join(f"{line}\n" for line in _PARTS[found[1]]())

    return _PART.sub(part, text)


def _results() -> Iterator[str]:
    analysis = reference()
    yield f"**{escaped(headline(analysis))}.**"
    yield ""
    yield from strategy_lines(analysis)
    yield "The traps fail as they declare:"
    yield ""
    yield from trap_lines(analysis)
    yield f"**{escaped(noise_sentence(analysis))}**"
    yield ""
    yield f"Made by `{analysis.run.command}`."


def _probes() -> Iterator[str]:
    for family in Family:
        yield f"### {family.heading}"
        yield ""
        yield f"Needed by {family.needed_by}."
        yield ""
        rows = [("probe", "what a real Postgres does", "what is lost where it is not seen")]
        # docs/strategies.md leads to each of them.
        rows += [
            (f'<a id="{probe}"></a>[{probe}]({probe.link})', probe.sees, probe.lost)
            for probe in Probe
            if probe.family == family
        ]
        for number, row in enumerate(rows):
            yield "| " + " | ".join(row) + " |"
            if not number:
                yield "|---|---|---|"
        yield ""


def _sights() -> Iterator[str]:
    analysis = reference()
    columns = columns_of(analysis.outcomes, [facts.name for facts in in_order(analysis)])
    yield from markdown_table(probe_table(columns), "l" * (1 + len(columns)))


def _strategies() -> Iterator[str]:
    tree = [strategy for strategy in load_all(names_in_tree()) if strategy.name != TWIN]
    traps = [strategy for strategy in tree if isinstance(strategy.declared, Trap)]
    floor = [strategy for strategy in tree if strategy.name == FLOOR]
    ranked = [strategy for strategy in tree if strategy not in (*traps, *floor)]
    yield from _chapter("Strategies", "Timed, probed and ranked.", ranked)
    yield from _chapter("Traps", "Kept because people write them, and because they fail as they declare.", traps)
    introduction = (
        f"What the tests cost by themselves. It runs twice in every round, the second time hidden as `{TWIN}`: "
        "[what differs between the two is noise](internals/method.md#the-aa-check)."
    )
    yield from _chapter("The floor", introduction, floor)
    introduction = "What packages of others do, through [adapters](peers.md) that are strategies like any other."
    yield from _chapter("Peers", introduction, load_all(peers_in_tree()))


def _chapter(heading: str, introduction: str, strategies: Sequence[LoadedStrategy]) -> Iterator[str]:
    yield f"## {heading}"
    yield ""
    yield introduction
    yield ""
    for strategy in strategies:
        yield from _section(strategy)


def _section(strategy: LoadedStrategy) -> Iterator[str]:
    said, declared = read_docstring(strategy.path), strategy.declared
    yield f"### {strategy.name}"
    yield ""
    place = strategy.path.relative_to(ROOT)
    for paragraph in (f"[`{place}`](../{place}): {said.summary}", said.how, said.when_to_use):
        if paragraph:
            yield paragraph
            yield ""
    if isinstance(declared, Trap):
        yield f"- **How it fails:** {_failing(declared)}."
    yield from _hidden(declared)
    scopes = f"tests `{declared.test_loop_scope}`, async fixtures `{declared.fixture_loop_scope}`"
    yield f"- **Event loop scopes:** {scopes}."
    yield f"- **Set:** {_set_of(strategy)}."
    if said.prior_art:
        yield f"- **Prior art:** {said.prior_art}"
    yield ""


def _set_of(strategy: LoadedStrategy) -> str:
    if strategy.path.parent != STRATEGIES:
        return f"`{strategy.path.parent.name}`"
    return f"`{CORE}`, and so in a default run" if strategy.declared.core else f"`{ALL}` only"


def _failing(declared: Trap) -> str:
    if not declared.errors:
        return f"without an error; caught by {_linked(declared.caught_by)}"
    errors = " and ".join(f"`{error.exception}: ... {error.words}`" for error in declared.errors)
    return f"{declared.failures}, with {errors}"


def _hidden(declared: Strategy) -> Iterator[str]:
    if isinstance(declared, Trap) and declared.errors:
        yield "- **What it hides:** not probed, since its tests end in errors."
        return
    yield f"- **What it hides:** {len(set(declared.hides))} of {len(Probe)} behaviours."
    for family in Family:
        if of_family := [probe for probe in declared.hides if probe.family == family]:
            yield f"  - {family.heading}: {_linked(of_family)}"


def _linked(probes: Collection[Probe]) -> str:
    return ", ".join(f"[{probe}](probes.md#{probe})" for probe in Probe if probe in probes)


def _frontier() -> Iterator[str]:
    below, above = "savepoint_rollback", "baseline_restore"
    rows: list[tuple[str, ...]] = [("tables", "fsync", f"{below}, ms", f"{above}, ms", "ratio", "95 % interval")]
    commands = []
    for folder in FRONTIER:
        run, cells = read_run(folder), list(read_cells(folder))
        commands.append(f"Made by `{run.command}`.")
        for size in sorted((run.workload.size, *run.workload.sweep), key=lambda size: size.tables):
            timed = [cell for cell in cells if cell.size == size and cell.round != WARM_UP]
            one, other = (
                {cell.round: float(np.median(cell.per_test)) for cell in timed if cell.strategy == name}
                for name in (below, above)
            )
            paired = sorted(one.keys() & other.keys())
            costs = [np.array([costs[number] for number in paired]) for costs in (one, other)]
            value, low, high = statistics.ratio(costs[1], costs[0])
            shown = [significant(float(statistics.cost(seconds).value) * 1000) for seconds in costs]
            rows.append(
                (str(size.tables), run.server.settings["fsync"], *shown, f"{value:.2f}", f"{low:.2f} to {high:.2f}")
            )
    yield from markdown_table(rows, "rlrrrr")
    yield from commands


def _swept(folder: Path) -> Iterator[str]:
    """Yield what the conditions of a run make of the strategies."""
    run = read_run(folder)
    swept = under_conditions(run, read_cells(folder))
    if swept is None:
        raise UserError(f"{folder} was made under one condition: docs/servers-clients-conditions.md shows several.")
    rows = conditions_words.cost_table(swept)
    yield from markdown_table(rows, "l" + "r" * (len(rows[0]) - 1))
    yield from bullets([escaped(sentence) for sentence in conditions_words.sentences(swept)])
    yield f"Made by `{run.command}`."


_PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "results": _results,
    "servers": functools.partial(_swept, SERVERS),
    "tuning": functools.partial(_swept, TUNING),
    "frontier": _frontier,
    "probes": _probes,
    "sights": _sights,
    "strategies": _strategies,
}
