"""`nox -s bench -- --list`: list the packaged strategies."""

from rich.console import Console
from rich.table import Table

from bench.strategy.declaration import TWIN, Trap
from bench.strategy.discovery import load_all, names_in_tree, peers_in_tree


def print_strategies(console: Console) -> None:
    """Print every packaged strategy with its summary, and the reason if it cannot run here."""
    table = Table(box=None, pad_edge=False)
    table.add_column("strategy", no_wrap=True)
    table.add_column("")
    table.add_column("what it does")
    for strategy in load_all([*names_in_tree(), *peers_in_tree()]):
        declared = strategy.declared
        kind = "peer" if declared.peer else "trap" if isinstance(declared, Trap) else ""
        kind = kind or ("hidden" if strategy.name == TWIN else "core" if declared.core else "")
        unable = f" Cannot run here: {strategy.unable}" if strategy.unable else ""
        table.add_row(strategy.name, kind, strategy.summary + unable)
    console.print(table)
