"""
The generated parts of README and docs, so that they always agree with strategies, probes and committed runs.

A part is the text between `<!-- generated: NAME -->` and `<!-- end -->`. `nox -s docs` rewrites all parts, and a
test fails if that would change anything. Edit only the text outside of them by hand.
"""

import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.analysis import statistics
from bench.analysis.conditions import analyse_conditions
from bench.analysis.ranking import Analysis, analyse
from bench.report import conditions_text
from bench.report.findings_text import noise_text
from bench.report.formatting import headline, significant
from bench.report.markdown import strategy_lines, trap_lines
from bench.report.report_tables import probe_table, probed
from bench.report.tables import bullets, escaped, markdown_table
from bench.results.errors import UserError
from bench.results.files import FIDELITY, read_cells, read_run
from bench.results.paths import ROOT
from bench.results.records import WARM_UP
from bench.strategy.declaration import FLOOR, TWIN, ExpectedFailures, Strategy, Trap
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

_FAILURES: dict[ExpectedFailures, str] = {
    "all fail": "all tests fail",
    "first passes": "all tests but the first fail",
    "alternates": "every other test fails, the first passes",
}

_PART = re.compile(r"(?<=<!-- generated: )(\w+)( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)


def update_pages(strategies: Sequence[LoadedStrategy]) -> list[Path]:
    """
    Rewrite the generated parts of all pages, and return the pages that changed.

    :param strategies: all of `strategies/` and `strategies/peers/`.
    :raises UserError: a committed run is missing, or a page has a part that is not known.
    """
    changed = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if (new := with_generated_parts(text, strategies)) != text:
            page.write_text(new, encoding="utf-8")
            changed.append(page)
    return changed


@functools.cache
def reference() -> Analysis:
    """Return the analysis of the committed reference run."""
    return analyse(read_run(REFERENCE), read_cells(REFERENCE), FIDELITY.read(REFERENCE))


def with_generated_parts(text: str, strategies: Sequence[LoadedStrategy]) -> str:
    """
    Return the text of a page with its generated parts rewritten.

    :param strategies: as for `update_pages`.
    :raises UserError: as `update_pages`.
    """
    parts: dict[str, Callable[[], Iterator[str]]] = {
        "results": _results,
        "servers": functools.partial(_swept, SERVERS),
        "tuning": functools.partial(_swept, TUNING),
        "frontier": _frontier,
        "probes": _probes,
        "outcomes": _outcomes,
        "comparison": functools.partial(_comparison, strategies),
        "strategies": functools.partial(_chapters, strategies),
    }

    def part(found: re.Match[str]) -> str:
        if found[1] not in parts:
            raise UserError(f"unknown generated part '{found[1]}': valid names are {', '.join(parts)}.")
        return f"{found[1]}{found[2]}" + "".join(f"{line}\n" for line in parts[found[1]]())

    return _PART.sub(part, text)


def _results() -> Iterator[str]:
    analysis = reference()
    yield f"**{escaped(headline(analysis))}.**"
    yield ""
    yield from strategy_lines(analysis)
    yield "What each trap declares, and what happened:"
    yield ""
    yield from trap_lines(analysis)
    yield f"**{escaped(noise_text(analysis.noise))}**"
    yield ""
    yield f"Made by `{analysis.run.command}`."


def _probes() -> Iterator[str]:
    for family in Family:
        yield f"### {family.heading}"
        yield ""
        yield f"Needed by {family.needed_by}."
        yield ""
        # docs/strategies.md links to each probe by its anchor.
        rows = [
            (f'<a id="{probe}"></a>[{probe}]({probe.link})', probe.sees, probe.lost)
            for probe in Probe
            if probe.family == family
        ]
        heads = ("probe", "what a real Postgres does", "what you lose if tests do not see it")
        yield from _linked_table([heads, *rows])


def _outcomes() -> Iterator[str]:
    columns = probed(reference())
    yield from markdown_table(probe_table(columns), "l" * (1 + len(columns)))


def _comparison(strategies: Iterable[LoadedStrategy]) -> Iterator[str]:
    """Yield a row for each strategy: the cheapest of the reference run first, then those that are not in it."""
    costs = {
        result.facts.name: f"{significant(result.per_test.value * 1000)} ({result.letters})"
        for result in reference().strategies
        if result.ranked and result.per_test
    }
    places = [*costs]
    usable = sorted(
        _usable(strategies),
        key=lambda one: (places.index(one.name) if one.name in costs else len(places), _is_peer(one), one.name),
    )
    rows = [
        (
            f"[{strategy.name}](#{strategy.name})",
            strategy.summary,
            costs.get(strategy.name, "-"),
            "yes" if _really_commits(strategy.declared) else "no",
            str(len(Probe) - len(set(strategy.declared.hides))),
            _needs(strategy.declared),
            _set_of(strategy.declared),
        )
        for strategy in usable
    ]
    header = ("strategy", "what it does", "ms per test", "real commits", f"sees, of {len(Probe)}", "needs", "set")
    yield from _linked_table([header, *rows])


def _usable(strategies: Iterable[LoadedStrategy]) -> Iterator[LoadedStrategy]:
    """Yield the strategies that a suite could use: no floor, no trap, and none that cannot run."""
    for strategy in strategies:
        if not (isinstance(strategy.declared, Trap) or strategy.unable or strategy.name in {FLOOR, TWIN}):
            yield strategy


def _really_commits(declared: Strategy) -> bool:
    """Whether the application's commits reach Postgres as commits: it checks deferred constraints at no other time."""
    return Probe.DEFERRED_CONSTRAINT not in declared.hides


def _needs(declared: Strategy) -> str:
    """Return what a strategy declares that it needs of the suite."""
    scope = declared.test_loop_scope
    loops = {"session": "one loop for all tests", "function": "a loop per test"}.get(scope, f"a loop per {scope}")
    package = [declared.peer.distribution] if declared.peer else []
    return ", ".join([loops, *(f"not {part}" for part in declared.cannot), *package])


def _linked_table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table whose texts are Markdown; the first row is the header."""
    header, *body = ["| " + " | ".join(row) + " |" for row in rows]
    yield header
    yield "|" + "---|" * len(rows[0])
    yield from body
    yield ""


def _chapters(strategies: Iterable[LoadedStrategy]) -> Iterator[str]:
    tree = [strategy for strategy in strategies if strategy.name != TWIN]
    peers = [strategy for strategy in tree if _is_peer(strategy)]
    traps = [strategy for strategy in tree if isinstance(strategy.declared, Trap) and strategy not in peers]
    floor = [strategy for strategy in tree if strategy.name == FLOOR]
    ranked = [strategy for strategy in tree if strategy not in (*peers, *traps, *floor)]
    yield from _chapter("Strategies", "These are timed, probed and ranked.", ranked)
    yield from _chapter(
        "Traps", "Each trap fails in the way that it declares. They are here because people write them.", traps
    )
    introduction = (
        "It shows what the tests cost without any isolation. It runs twice in every round, the second time hidden "
        f"as `{TWIN}`: [any difference between the two is noise](internals/method.md#the-aa-check)."
    )
    yield from _chapter("The floor", introduction, floor)
    introduction = "Published packages, each run through [an adapter](adding-a-strategy.md#an-adapter-for-a-package)."
    yield from _chapter("Peers", introduction, peers)


def _is_peer(strategy: LoadedStrategy) -> bool:
    return strategy.declared.peer is not None


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
    yield from _hidden(strategy)
    scopes = f"tests `{declared.test_loop_scope}`, async fixtures `{declared.fixture_loop_scope}`"
    yield f"- **Event loop scopes:** {scopes}."
    yield f"- **Set:** {_set_of(declared)}."
    if said.prior_art:
        yield f"- **Prior art:** {said.prior_art}"
    yield ""


def _set_of(declared: Strategy) -> str:
    """Return the smallest set that names a strategy."""
    return "`peers`" if declared.peer else "`core`" if declared.core else "`all`"


def _failing(declared: Trap) -> str:
    if not declared.errors:
        return f"without an error; caught by {_linked(declared.caught_by)}"
    errors = " and ".join(f"`{error.exception}: ... {error.words}`" for error in declared.errors)
    return f"{_FAILURES[declared.failures]}, with {errors}"


def _hidden(strategy: LoadedStrategy) -> Iterator[str]:
    declared = strategy.declared
    if strategy.unable:
        yield f"- **What it hides:** not probed; it cannot run here: {strategy.unable.rstrip('.')}."
        return
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
    names = "savepoint_rollback", "baseline_restore"
    header = ("tables", "fsync", *(f"{name}, ms" for name in names), "ratio", "95 % interval")
    rows: list[tuple[str, ...]] = [header]
    commands = []
    for folder in FRONTIER:
        run, cells = read_run(folder), list(read_cells(folder))
        commands.append(f"Made by `{run.command}`.")
        for size in sorted((run.workload.size, *run.workload.sweep), key=lambda size: size.tables):
            timed = [cell for cell in cells if cell.size == size and cell.round != WARM_UP]
            rollback, restore = (
                {cell.round: float(np.median(cell.per_test)) for cell in timed if cell.strategy == name}
                for name in names
            )
            paired = sorted(rollback.keys() & restore.keys())
            costs = [np.array([costs[number] for number in paired]) for costs in (rollback, restore)]
            value, low, high = statistics.ratio(costs[1], costs[0])
            shown = [significant(float(statistics.cost(seconds).value) * 1000) for seconds in costs]
            rows.append(
                (str(size.tables), run.server.settings["fsync"], *shown, f"{value:.2f}", f"{low:.2f} to {high:.2f}")
            )
    yield from markdown_table(rows, "rlrrrr")
    yield from commands


def _swept(folder: Path) -> Iterator[str]:
    """Yield the costs and findings of a run over several conditions."""
    run = read_run(folder)
    swept = analyse_conditions(run, read_cells(folder))
    if swept is None:
        raise UserError(f"{folder} has one condition, but docs/servers-clients-conditions.md needs several.")
    rows = conditions_text.cost_table(swept)
    yield from markdown_table(rows, "l" + "r" * (len(rows[0]) - 1))
    yield from bullets([escaped(sentence) for sentence in conditions_text.sentences(swept)])
    yield f"Made by `{run.command}`."
