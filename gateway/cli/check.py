"""``gateway check``: say whether a configuration is good, and everything that is wrong with it."""

from pathlib import Path

import click

from gateway.cli.reading import config_option, read_file


@click.command()
@config_option
def check(path: Path) -> None:
    """Check the configuration without serving it: status 0 if it is good, 1 if not."""
    _, plan = read_file(path)
    click.echo(f"{path} is good: {len(plan.routes)} routes to {len(plan.upstreams)} upstreams")
