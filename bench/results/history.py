"""
Reads `run.json` of older schemas: converts its JSON to the current one.

This is the only place that knows how older runs were written. What they did not record stays at its default.
"""

from collections.abc import Callable
from typing import Any


def upgraded(run: dict[str, Any]) -> dict[str, Any]:
    """
    Return the JSON of a run of schema 3 or later as one of the current schema; `schema` keeps its number.

    Schema 4 held each decision as a sentence and each sweep as it was typed. Anything that is not of the expected form
    is left as it is, for the records' own validation to report.
    """
    if run["schema"] > 4:  # noqa: PLR2004 - the number of a schema
        return run
    configuration = run.get("configuration")
    if isinstance(configuration, dict):
        configuration = {**configuration, "sweep": _each(configuration.get("sweep", []), _axis)}
    return {**run, "decisions": _each(run.get("decisions"), _decision), "configuration": configuration}


def _each(values: object, convert: Callable[[str], object]) -> object:
    if not isinstance(values, list):
        return values
    return [convert(value) if isinstance(value, str) else value for value in values]


def _decision(sentence: str) -> dict[str, Any]:
    return {"kind": "recorded", "text": sentence}


def _axis(typed: str) -> dict[str, Any]:
    name, _, values = typed.partition("=")
    return {"name": name, "values": values.split(",")}
