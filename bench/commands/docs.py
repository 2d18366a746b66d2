"""`nox -s docs`: update the generated parts of README and docs."""

import click


@click.command()
def docs() -> None:
    """Update the parts of README and docs that come from strategies, probes and committed runs."""
    from bench.report.documentation import update_pages
    from bench.results.paths import typed

    for page in update_pages():
        click.echo(f"changed {typed(page)}")
