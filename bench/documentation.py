"""
The parts of README and docs that are made from the catalogue of probes and the reference run, so that they cannot lie.

Each stands between `<!-- made: NAME -->` and `<!-- end -->`; `nox -s docs` makes them anew, and a test sees whether
that would change anything. What is written by hand stands outside.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.analysis import Analysis, analyse
from bench.errors import UserError
from bench.fidelity import columns_of, probe_table
from bench.probes import Family, Probe
from bench.report import in_order, noise_sentence, strategy_lines, trap_lines
from bench.results import read_cells, read_fidelity, read_run
from bench.strategy import ROOT
from bench.tables import escaped, markdown_table
from bench.words import headline

REFERENCE = ROOT / "results" / "reference"

PAGES = (ROOT / "README.md", ROOT / "docs" / "probes.md")

_PART = re.compile(r"(?<=<!-- made: )(\w+)( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)


def update_pages() -> list[Path]:
    """
    Make all parts anew, and return the pages that this changed.

    :raises UserError: there is no reference run, or a page asks for a part that nobody makes.
    """
    analysis = reference()
    changed = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if (new := made(text, analysis)) != text:
            page.write_text(new, encoding="utf-8")
            changed.append(page)
    return changed


def reference() -> Analysis:
    """Return what the committed run says."""
    return analyse(read_run(REFERENCE), read_cells(REFERENCE), read_fidelity(REFERENCE))


def made(text: str, analysis: Analysis) -> str:
    """Return a page with all of its parts made anew."""

    def part(found: re.Match[str]) -> str:
        if found[1] not in _PARTS:
            raise UserError(f"nobody makes the part '{found[1]}': valid are {', '.join(_PARTS)}.")
        return f"{found[1]}{found[2]}" + "".join(f"{line}\n" for line in _PARTS[found[1]](analysis))

    return _PART.sub(part, text)


def _results(analysis: Analysis) -> Iterator[str]:
    yield f"**{escaped(headline(analysis))}.**"
    yield ""
    yield from strategy_lines(analysis)
    yield "The traps fail as they declare:"
    yield ""
    yield from trap_lines(analysis)
    yield f"**{escaped(noise_sentence(analysis))}**"
    yield ""
    yield f"Made by `{analysis.run.command}`."


def _probes(_: Analysis) -> Iterator[str]:
    for family in Family:
        yield f"### {family.heading}"
        yield ""
        yield f"Needed by {family.needed_by}."
        yield ""
        rows = [("probe", "what a real Postgres does", "what is lost where it is not seen")]
        rows += [(f"[{probe}]({probe.link})", probe.sees, probe.lost) for probe in Probe if probe.family == family]
        for number, row in enumerate(rows):
            yield "| " + " | ".join(row) + " |"
            if not number:
                yield "|---|---|---|"
        yield ""


def _sights(analysis: Analysis) -> Iterator[str]:
    columns = columns_of(analysis.outcomes, [facts.name for facts in in_order(analysis)])
    yield from markdown_table(probe_table(columns), "l" * (1 + len(columns)))


_PARTS: dict[str, Callable[[Analysis], Iterator[str]]] = {"results": _results, "probes": _probes, "sights": _sights}
