"""
`report.html`: an analysis as one page that opens from disk, loads nothing from the network and works without script.

The template is `report.html` beside this file; `style.css`, `script.js` and the charts are inlined.
Jinja escapes text from strategies and errors; only our own charts and the Markdown of docstrings become markup.
"""

import base64
import dataclasses
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from bench.analysis.conditions import Conditions
from bench.analysis.fidelity import seen
from bench.analysis.ranking import Analysis
from bench.analysis.scaling import FACTORS, Scaling
from bench.report.answers import answers, choices
from bench.report.charts import conditions as conditions_chart
from bench.report.charts import heatmap, timeline, typesetting
from bench.report.findings_text import noise_texts, trap_text
from bench.report.formatting import headline, significant, tests_and_rounds
from bench.report.page.conditions_section import conditions_section
from bench.report.page.drawing import Drawing
from bench.report.page.strategy_section import strategy_sections
from bench.report.report_tables import (
    NOTHING,
    TIES,
    TRAPS,
    WORDS,
    alarms,
    caveats,
    errors_of,
    figures,
    interval,
    probed,
)
from bench.report.scaling_text import sentences
from bench.results.printable import printable
from bench.results.records import Run
from bench.strategy.probe_catalogue import Family, Probe

PAGE = "report.html"
_HERE = Path(__file__).parent
_HEADS = (
    ("strategy", "text"),
    ("ms per test", "number"),
    ("95 % interval", ""),
    ("ties", "text"),
    ("100 tests", "number"),
    ("1,000 tests", "number"),
    ("10,000 tests", "number"),
    ("sees", "number"),
    ("notes", ""),
)
"""The columns of the comparison of strategies, and how each is sorted."""

_COLOURS = {
    "paper": typesetting.PAPER,
    "ink": typesetting.INK,
    "grey": typesetting.GREY,
    "light": typesetting.LIGHT,
    "blue": typesetting.BLUE,
    "pale": typesetting.PALE,
    "band": typesetting.BAND,
    "orange": typesetting.ORANGE,
    "brown": typesetting.BROWN,
    "on-brown": typesetting.ON_BROWN,
}


def write_page(
    analysis: Analysis, scaling: Scaling, drawings: Sequence[Drawing], folder: Path, swept: Conditions | None = None
) -> Path:
    """
    Write the page into the folder of a run atomically, and return its path.

    :param drawings: the charts, in the order of the page.
    :param swept: the analysis of several conditions; None for a run with only one.
    :raises OSError: the page cannot be written.
    """
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "errors_of": errors_of,
        "foldable": _foldable,
        "interval": interval,
        "marked_up": _marked_up,
        "printable": printable,
        "seen": seen,
        "significant": significant,
        "trap_text": trap_text,
    }
    path = folder / PAGE
    text = environment.get_template("report.html").render(_content(analysis, scaling, drawings, swept))
    draft = path.with_name(f"{PAGE}.draft")
    draft.write_text(text, encoding="utf-8")
    return draft.replace(path)


def _content(
    analysis: Analysis, scaling: Scaling, drawings: Sequence[Drawing], swept: Conditions | None
) -> dict[str, Any]:
    run, is_probed = analysis.run, bool(analysis.outcomes)
    by_stem = {one.stem: one for one in drawings}
    # The page has a table in place of the heat map.
    heat_map, conditions = by_stem.pop(heatmap.STEM, None), by_stem.pop(conditions_chart.STEM, None)
    loops = {
        stem.removeprefix(timeline.STEM): by_stem.pop(stem) for stem in [*by_stem] if stem.startswith(timeline.STEM)
    }
    members = {family: [probe for probe in Probe if probe.family == family] for family in Family}
    script = (_HERE / "script.js").read_text(encoding="utf-8")
    return {
        "nothing": NOTHING,
        "title": headline(analysis),
        "run": run,
        "server": str(run.server),
        "amount": tests_and_rounds(analysis),
        "answers": answers(analysis),
        "alarms": alarms(analysis),
        "noise": {"verdict": analysis.noise.verdict, "reasons": noise_texts(analysis.noise)},
        "ties": TIES,
        "probed": is_probed,
        "heads": [head for head in _HEADS if is_probed or head[0] != "sees"],
        "choices": choices(analysis),
        "probes_in_all": len(Probe),
        "families": members,
        "need": analysis.need,
        "needed_families": [family for family in Family if set(members[family]) <= set(analysis.need)],
        "traps_title": TRAPS,
        "traps": analysis.traps,
        "pictures": [*by_stem.values()],
        "conditions": conditions_section(swept, conditions) if swept and conditions else None,
        "loops": loops,
        "trap_and_cure": _trap_and_cure(analysis, loops),
        "notes": sentences(scaling),
        "not_swept": [factor for factor in FACTORS if factor != "tests" and factor not in scaling.curves],
        "fidelity_sentence": heat_map.sentence if heat_map else "",
        "columns": [(column, {result.probe: result for result in column.sights}) for column in probed(analysis)],
        "strategies": [*strategy_sections(analysis)],
        "caveats": [*caveats(analysis)],
        "facts": [*_everything(run)],
        "tables": [(title, WORDS.get(title, ""), rows) for title, rows in figures(analysis, scaling).items()],
        "colours": {name: (light, typesetting.DARK.get(light, light)) for name, light in _COLOURS.items()},
        "mark": typesetting.ORANGE,
        "svg_style": Markup(typesetting.looks(conditions.svg if conditions else "")),  # noqa: S704 - our own
        "style": Markup((_HERE / "style.css").read_text(encoding="utf-8")),  # noqa: S704 - our own
        "script": Markup(script),  # noqa: S704 - our own
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }


def _trap_and_cure(analysis: Analysis, traced: Collection[str]) -> list[str]:
    """Name a trap with errors and the cheapest strategy, whose event loops the page compares."""
    traps = [trap.facts.name for trap in analysis.traps if trap.facts.expected_errors and trap.facts.name in traced]
    cures = [result.facts.name for result in analysis.ranked if result.facts.name in traced]
    return [*traps[:1], *cures[:1]]


def _foldable(name: str) -> Markup:
    """Return a name that may be broken after an underscore."""
    return escape(name).replace("_", Markup("_<wbr>"))


def _marked_up(text: str) -> Markup:
    """Return Markdown as HTML; HTML in it is escaped, and unsafe links are shown as text."""
    return Markup(MarkdownIt("commonmark", {"html": False}).renderInline(printable(text)))  # noqa: S704 - HTML is escaped


def _everything(run: Run) -> Iterator[tuple[str, str]]:
    """Yield all facts of a run by name, except those that are shown elsewhere on the page."""
    configuration = dataclasses.replace(run.configuration, sweep=())
    rest = dataclasses.replace(run, strategies=(), decisions=(), conditions=(), configuration=configuration)
    yield from _facts("", dataclasses.asdict(rest))
    yield from (("configuration.sweep", printable(str(axis))) for axis in run.configuration.sweep)
    for condition in run.conditions:
        yield from _facts(f"{printable(condition.name)}: ", dataclasses.asdict(dataclasses.replace(condition, name="")))


def _facts(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield names and values; a nested value has a dotted name."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _facts(f"{prefix}{name}.", value)
        elif value not in ("", (), None):
            yield f"{prefix}{name}", printable(", ".join(map(str, value)) if isinstance(value, tuple) else str(value))
