"""``gateway serve``: check the configuration, then serve it."""

from pathlib import Path

import click

from gateway.cli.reading import config_option, read_file


@click.command()
@config_option
def serve(path: Path) -> None:
    """Serve the gateway that FILE configures."""
    settings, plan = read_file(path)
    from gateway.server.logs import configure
    from gateway.server.serve import main

    configure(settings.log.level)
    main(settings, plan)
