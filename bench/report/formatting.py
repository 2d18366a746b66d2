"""
Formats figures for every report: significant digits, milliseconds, durations, lists of names, the headline.

Charts, console, Markdown and page share this module, so that they show the same figure in the same way.
"""

import math
from collections.abc import Sequence

from bench.analysis.estimates import Estimate
from bench.analysis.findings import RankingOutcome
from bench.analysis.ranking import Analysis, StrategyResult

MOST_NAMES = 3
"""Names in a sentence, before their number replaces them."""
MOST_LISTED = 4
"""Names in a sentence, before `... and 3 more` replaces the rest."""


def headline(analysis: Analysis) -> str:
    """Return the main result of a run in one sentence, without a full stop; no rank without its ties."""
    return where_needed(analysis, _cheapest(analysis))


def where_needed(analysis: Analysis, clause: str) -> str:
    """Return a clause about the ranked strategies, preceded by the probes that they had to pass."""
    return f"Where tests must see {listed(analysis.need)}: {clause}" if analysis.need else clause


def _cheapest(analysis: Analysis) -> str:
    if analysis.outcome is RankingOutcome.NONE_RANKED:
        needed = " and passed all of these probes" if analysis.need else ""
        return f"No strategy is ranked: none passed all tests in a timed round{needed}"
    best, *others = analysis.ranked
    name, cost = best.facts.name, f"{milliseconds(best.per_test)} per test"
    match analysis.outcome:
        case RankingOutcome.ONE_RANKED:
            return f"{name} costs {cost}"
        case RankingOutcome.NO_INTERVAL:
            return f"{name} measured {cost}, but one round cannot rank strategies"
        case RankingOutcome.TOO_NOISY:
            return f"Too noisy to compare strategies: {name} measured {cost}, which may be wrong"
        case RankingOutcome.ALL_TIED:
            dearest = milliseconds(others[-1].per_test)
            return f"All {len(others) + 1} strategies tie, at {milliseconds(best.per_test)} to {dearest} per test"
    tied = tied_with(best, others)
    dearer = [result for result in others if result.facts.name not in tied]
    next_and_last = " and ".join(map(_less_than, dearer[:1] + dearer[1:][-1:]))
    return f"{name}{in_ties(tied)} costs {cost}, {next_and_last}"


def tied_with(result: StrategyResult, others: Sequence[StrategyResult]) -> list[str]:
    """Return the names of the others that a strategy is tied with."""
    return [other.facts.name for other in result.tied_with(others)]


def in_ties(tied: Sequence[str]) -> str:
    """Return what follows a strategy's name about its ties, such as ` (tied with null_pool)`."""
    return f" (tied with {tied[0] if len(tied) == 1 else f'{len(tied)} others'})" if tied else ""


def few(names: Sequence[str]) -> str:
    """Return names as `a, b and c`; of more than three only their number, as `4 strategies`."""
    return listed(names) if len(names) <= MOST_NAMES else f"{len(names)} strategies"


def listed(names: Sequence[str]) -> str:
    """Return names as `a, b and c`; of more than five, the first four `and 3 more`."""
    shown = [*names[:MOST_LISTED], f"{len(names) - MOST_LISTED} more"] if len(names) > MOST_LISTED + 1 else [*names]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def caution(analysis: Analysis) -> str:
    """Return why the strategies of a run cannot be compared; empty where they can, or where there is only one."""
    cautions = {
        RankingOutcome.NO_INTERVAL: "One round cannot rank strategies",
        RankingOutcome.TOO_NOISY: "Too noisy to compare strategies",
    }
    return cautions.get(analysis.outcome, "")


def rounded(value: float, digits: int = 3) -> float:
    """Return a number rounded to significant digits."""
    return float(f"{value:.{digits - 1}e}")


def significant(value: float, digits: int = 3) -> str:
    """Return a number with that many significant digits, and never an exponent."""
    value = rounded(value, digits)
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}" if value else "0"


def milliseconds(estimate: Estimate | None) -> str:
    """Return an estimate in seconds as `2.10 ms`."""
    return "-" if estimate is None else f"{significant(estimate.value * 1000)} ms"


def duration(seconds: float) -> str:
    """Return a length of time as `1.97 s`, `2 min 05 s` or `1 h 20 min`."""
    if seconds < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{significant(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, of_hour = divmod(minutes, 60)
    return f"{hours} h {of_hour:02d} min" if hours else f"{minutes} min {rest:02d} s"


def tests_and_rounds(analysis: Analysis) -> str:
    """Return how much was measured: `100 tests x 7 rounds`, `x 3 to 8 rounds` where strategies differ, `x 3 of 7`."""
    done = sorted({result.rounds for result in analysis.strategies}) or [0]
    limits = analysis.run.limits
    rounds = f"{done[0]} to {done[-1]}" if len(done) > 1 else f"{done[0]}"
    if not analysis.run.decisions:
        rounds += f" of {limits.most}" if limits.fewest == limits.most else f" of {limits.fewest} to {limits.most}"
    return f"{analysis.run.workload.size.tests} tests x {rounds} rounds"


def _less_than(result: StrategyResult) -> str:
    ratio = result.to_best.value if result.to_best else math.nan
    less = f"{significant(ratio, 2)}x" if round(ratio, 1) > 1.9 else f"{100 - 100 / ratio:.0f} %"  # noqa: PLR2004
    return f"{less} less than {result.facts.name}"
