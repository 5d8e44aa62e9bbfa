"""The group of commands. Each command imports what it needs when it runs, so that ``--help`` stays quick."""

import click

from gateway import __version__
from gateway.cli.check import check
from gateway.cli.config import config
from gateway.cli.demo import demo
from gateway.cli.doctor import doctor
from gateway.cli.explain import explain
from gateway.cli.init import init
from gateway.cli.key import key
from gateway.cli.proxy import proxy
from gateway.cli.reload import reload
from gateway.cli.routes import routes
from gateway.cli.schema import schema
from gateway.cli.serve import serve_command
from gateway.cli.streams import streams


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="slowgate")
def cli() -> None:
    """slowgate: the streaming gateway for slow upstream APIs."""


_COMMANDS = (serve_command, reload, streams, check, config, routes, explain, schema, init, key, proxy, demo, doctor)
for command in _COMMANDS:
    cli.add_command(command)
