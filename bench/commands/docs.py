"""`nox -s docs`: update the generated parts of README and docs."""

import click


@click.command()
def docs() -> None:
    """Update the parts of README and docs that are generated from strategies, probes and committed runs."""
    from bench.report.documentation import update_pages
    from bench.results.paths import typed
    from bench.strategy.discovery import load_all, names_in_tree, peers_in_tree

    for page in update_pages(load_all([*names_in_tree(), *peers_in_tree()])):
        click.echo(f"changed {typed(page)}")
