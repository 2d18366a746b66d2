"""`nox -s adopt -- NAME`: turn a strategy into a `conftest.py` for another project."""

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
    """Turn a strategy into a conftest.py for your own project, which does not need looptrap."""
    from bench.adopt.assemble import adopted, write_new

    conftest = adopted(name)
    if out is None:
        click.echo(conftest.text, nl=False)
        return
    write_new(out, conftest)
    click.echo(f"wrote {out}\n\n{conftest.instructions}")
