"""Reading the configuration for a command: all problems at once on stderr, and status 1, where it is not good."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gateway.exchange.route import GatewayPlan
    from gateway.settings import Settings

config_option = click.option(
    "-c",
    "--config",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default="gateway.toml",
    envvar="GATEWAY_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The configuration file.",
)


def read_file(path: Path) -> tuple["Settings", "GatewayPlan"]:
    """Return what ``path`` configures; print warnings, or print every problem and leave with status 1."""
    from gateway.assemble import read
    from gateway.config.problem import ConfigError

    try:
        settings, plan, warnings = read(path)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    for warning in warnings:
        sys.stderr.write(f"{warning}\n")
    return settings, plan
