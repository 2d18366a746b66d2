"""`nox -s adopt -- NAME`: a strategy as a `conftest.py` for another project."""

from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; it must not exist yet.  [default: print it]",
)
def adopt(name: str, out: Path | None) -> None:
    """Turn a strategy into a conftest.py for your own project; it needs nothing of looptrap."""
    from bench.adopt.assemble import adopted, to_do, write_new

    conftest = adopted(name)
    if out is None:
        click.echo(conftest, nl=False)
        return
    write_new(out, conftest)
    click.echo(f"wrote {out}\n\n{to_do(conftest)}")
