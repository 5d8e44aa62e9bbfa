"""``gateway config``: the configuration as it holds in the end, and where each value came from."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.reading import config_option, read_checked

if TYPE_CHECKING:
    from gateway.assemble import Checked

_COMMENTS_AT = 48
"""The column at which the places stand, where the values before them leave room."""


@click.command()
@config_option
def config(path: Path) -> None:
    """Print the configuration as it holds: every value, secrets masked, and where it came from."""
    for line in written_out(read_checked(path)):
        click.echo(line)


def written_out(found: "Checked") -> Iterator[str]:
    """Yield the lines of a TOML text that says all that ``found`` does, and leaves nothing to be inherited."""
    from gateway.settings.whole import tables

    sources = found.sources
    files = [sources.main.name, *(document.name for document in sources.included)]
    yield f"# What {', '.join(files)} say{'s' if len(files) == 1 else ''} in the end. Secrets are masked."
    for header, values in tables(found.settings, [route.name for route in found.plan.routes], sources):
        yield ""
        yield header
        for each in values:
            line = f"# {each.name} is not set" if each.value is None else f"{each.name} = {each.value}"
            yield f"{line.ljust(_COMMENTS_AT - 2)}  # {each.origin}"
