"""
From an analysis to `report.html`: one page that opens from disk, asks no network for anything and works without script.

`report.html` is the template, `style.css` its looks, `script.js` what it can do beyond being read; all three, and the
pictures, go into the page. What comes from strategies and errors is escaped by Jinja; only pictures of our own and the
docstrings' links are markup. Colours are those of the pictures.
"""

import base64
import dataclasses
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from bench.analysis.conditions import Conditions
from bench.analysis.fidelity import seen
from bench.analysis.ranking import Analysis
from bench.analysis.scaling import FACTORS, Scaling
from bench.analysis.traps import TrapResult
from bench.report.answers import Choice, answers, choices
from bench.report.charts import Picture, heatmap, timeline, typesetting
from bench.report.charts import conditions as conditions_picture
from bench.report.findings_text import noise_texts, trap_text
from bench.report.formatting import headline, significant, tests_and_rounds
from bench.report.page.conditions import section
from bench.report.page.drawing import drawing
from bench.report.page.home import homes, marked_up
from bench.report.report_tables import TIES, WORDS, alarms, caveats, errors_of, figures, interval, probed
from bench.report.scaling_text import sentences
from bench.results.printable import printable
from bench.results.records import Fidelity, Run
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
    ("to know", ""),
)
"""Of the table that answers which strategy to take, and by what a column is sorted."""

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
    analysis: Analysis, growth: Scaling, pictures: Sequence[Picture], folder: Path, swept: Conditions | None = None
) -> Path:
    """
    Write the page into the folder of a run, whose pictures have been written, whole or not at all; return its path.

    :param swept: what conditions make of strategies; None of a run with but one.
    :raises OSError: it cannot be written.
    """
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["foldable"] = _foldable
    path = folder / PAGE
    text = environment.get_template("report.html").render(_content(analysis, growth, pictures, folder, swept))
    draft = path.with_name(f"{PAGE}.draft")
    draft.write_text(text, encoding="utf-8")
    return draft.replace(path)


def _content(
    analysis: Analysis, growth: Scaling, pictures: Sequence[Picture], folder: Path, swept: Conditions | None
) -> dict[str, Any]:
    run, is_probed = analysis.run, bool(analysis.outcomes)
    sight = next((picture for picture in pictures if picture.stem == heatmap.STEM), None)
    drawings = {picture.stem: drawing(picture, folder) for picture in pictures if picture is not sight}
    loops = {stem.removeprefix(timeline.STEM): one for stem, one in drawings.items() if stem.startswith(timeline.STEM)}
    under = drawings.get(conditions_picture.STEM)
    script = (_HERE / "script.js").read_text(encoding="utf-8")
    return {
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
        "rows": [_row(choice) for choice in choices(analysis)],
        "probes_in_all": len(Probe),
        "families": [_family(family) for family in Family],
        "need": analysis.need,
        "needed_families": [family for family in Family if set(_members(family)) <= set(analysis.need)],
        "traps": [_trap(trap) for trap in analysis.traps],
        "pictures": [one for stem, one in drawings.items() if one is not under and not stem.startswith(timeline.STEM)],
        "under": section(swept, under) if swept and under else None,
        "loops": loops,
        "trap_and_cure": _trap_and_cure(analysis, loops),
        "notes": sentences(growth),
        "not_swept": [factor for factor in FACTORS if factor != "tests" and factor not in growth.curves],
        "sight_sentence": sight.sentence if sight else "",
        "columns": [_column(column) for column in probed(analysis)],
        "homes": [*homes(analysis)],
        "caveats": [*caveats(analysis)],
        "facts": [*_everything(run)],
        "tables": [
            (title, {"rows": rows, "words": marked_up(WORDS.get(title, ""))})
            for title, rows in figures(analysis, growth).items()
        ],
        "colours": {name: (light, typesetting.DARK.get(light, light)) for name, light in _COLOURS.items()},
        "mark": typesetting.ORANGE,
        "svg_style": Markup(typesetting.looks(under.svg if under else "")),  # noqa: S704 - our own
        "style": Markup((_HERE / "style.css").read_text(encoding="utf-8")),  # noqa: S704 - our own
        "script": Markup(script),  # noqa: S704 - our own
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }


def _trap_and_cure(analysis: Analysis, traced: Collection[str]) -> list[str]:
    """Name a trap with errors and the cheapest strategy, whose pictures of loops are looked at side by side."""
    traps = [trap.facts.name for trap in analysis.traps if trap.facts.expected_errors and trap.facts.name in traced]
    cures = [result.facts.name for result in analysis.ranked if result.facts.name in traced]
    return [*traps[:1], *cures[:1]]


def _row(choice: Choice) -> dict[str, Any]:
    result = choice.result
    return {
        "name": result.facts.name,
        "shown": printable(result.facts.peer or result.facts.name),
        "ranked": result.ranked,
        "letters": result.letters,
        "lacks": "unknown" if choice.lacks is None else " ".join(choice.lacks),
        "cost": "" if result.per_test is None else result.per_test.value * 1000,
        "per_test": "-" if result.per_test is None else significant(result.per_test.value * 1000),
        "interval": interval(result.per_test),
        "suites": choice.suites,
        "sees": "" if result.fidelity is None else len(seen(result.fidelity)),
        "caveat": printable(choice.caveat),
    }


def _trap(trap: TrapResult) -> dict[str, str]:
    return {
        "name": trap.facts.name,
        "shown": printable(trap.facts.peer or trap.facts.name),
        "summary": marked_up(trap.facts.summary),
        "happened": trap_text(trap),
        "errors": errors_of(trap) or "none",
    }


def _family(family: Family) -> dict[str, Any]:
    return {
        "value": family.value,
        "heading": family.heading,
        "needed_by": f"Needed by {family.needed_by}.",
        "probes": _members(family),
    }


def _members(family: Family) -> list[Probe]:
    return [probe for probe in Probe if probe.family == family]


def _column(column: Fidelity) -> dict[str, Any]:
    sights = {sight.probe: sight for sight in column.sights}
    return {
        "strategy": column.strategy,
        "sights": sights,
        "counts": {family.value: len(seen(column, _members(family))) for family in Family},
        "reasons": [(sights[probe], probe) for probe in Probe if probe in sights and sights[probe].detail],
    }


def _foldable(name: str) -> Markup:
    """Return a name that may be broken after an underscore."""
    return escape(name).replace("_", Markup("_<wbr>"))


def _everything(run: Run) -> Iterator[tuple[str, str]]:
    """Yield names and values of everything that is known of a run, but what has a table of its own."""
    configuration = dataclasses.replace(run.configuration, sweep=())
    rest = dataclasses.replace(run, strategies=(), decisions=(), conditions=(), configuration=configuration)
    yield from _facts("", dataclasses.asdict(rest))
    yield from (("configuration.sweep", printable(str(axis))) for axis in run.configuration.sweep)
    for condition in run.conditions:
        yield from _facts(f"{printable(condition.name)}: ", dataclasses.asdict(dataclasses.replace(condition, name="")))


def _facts(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield names and values of everything that is known of a run, those inside others by dotted names."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _facts(f"{prefix}{name}.", value)
        elif value not in ("", (), None):
            yield f"{prefix}{name}", printable(", ".join(map(str, value)) if isinstance(value, tuple) else str(value))
