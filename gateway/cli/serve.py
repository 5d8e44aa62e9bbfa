"""``gateway serve``: check the configuration, then serve it."""

from pathlib import Path

import click

from gateway.cli.reading import config_option, served


@click.command("serve")
@config_option
def serve_command(path: Path) -> None:
    """Serve the gateway that FILE configures."""
    configuration, source = served(path)
    from gateway.server.logs import configure
    from gateway.server.serve import serve

    configure(configuration.settings.log.level)
    serve(configuration, source)
