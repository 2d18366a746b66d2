"""Sample runs for the charts of scaling and durations: a typical run, and runs that could break the layout."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from bench.analysis.ranking import Analysis, analyse
from bench.analysis.scaling import Scaling, analyse_scaling
from bench.results.records import Run, Size, StrategyFacts
from tests.analysis.test_scaling import NONE, TRAP, TWIN, Cost, always, cells_of, swept
from tests.made_runs import a_cell, facts

BASE = Size(tests=20, tables=5, rows=0)
SWEEP = (Size(100, 5, 0), Size(20, 50, 0), Size(20, 200, 0), Size(20, 5, 1_000), Size(20, 5, 100_000))
EQUALS: dict[str, tuple[float, Cost]] = {"none": (1.0, always(0.010)), "none_twin": (1.0, always(0.010))}
USUAL: dict[str, tuple[float, Cost]] = {
    "flat": (3.0, always(0.010)),
    "early": (1.0, always(0.020)),
    "steep": (3.5, lambda size: 0.030 + 100e-6 * size.tables + 1e-6 * size.rows),
}
LONG: dict[str, tuple[float, Cost]] = {
    f"number_{number:02}_{'a_strategy_with_a_very_long_name_' * 3}"[:80]: (4 - number / 10, always(0.010 * 1.1**number))
    for number in range(25)
}


@dataclass(frozen=True)
class Drawn:
    """What the charts are drawn from."""

    analysis: Analysis
    scaling: Scaling

    @property
    def ranked(self) -> list[str]:
        """Return the names of the ranked strategies."""
        return [result.facts.name for result in self.analysis.strategies if result.ranked]


def _made(
    truth: dict[str, tuple[float, Cost]], *, rounds: int, sweep: Iterable[Size] = (), noise: float = 0.01
) -> Drawn:
    own: dict[str, StrategyFacts] = {"none": NONE, "none_twin": TWIN}
    run: Run = swept(*(own.get(name) or facts(name) for name in truth), TRAP, base=BASE, sweep=sweep)
    trap = a_cell("trap", 0, outcomes="F" * 20)
    cells = [trap, *cells_of(truth, (BASE, *sweep), rounds=rounds, noise=noise)]
    return Drawn(analyse(run, cells), analyse_scaling(run, cells))


@cache
def drawn_run(name: str) -> Drawn:
    """Return the run of that name; names are in `RUNS`, and `FLOOR_ALONE`."""
    match name:
        case "usual":
            return _made(EQUALS | USUAL, rounds=8, sweep=SWEEP)
        case "one strategy":
            return _made({"flat": USUAL["flat"]}, rounds=8, sweep=SWEEP)
        case "25 with long names":
            return _made(EQUALS | LONG, rounds=6, sweep=SWEEP[2:3])
        case "one round":
            return _made(EQUALS | USUAL, rounds=1, sweep=SWEEP)
        case "noisy":
            return _made(EQUALS | USUAL, rounds=3, sweep=SWEEP, noise=0.5)
        case _:
            return _made(EQUALS, rounds=6)


RUNS = ("usual", "one strategy", "25 with long names", "one round", "noisy")
FLOOR_ALONE = "floor alone"
