"""Reading the configuration for a command: all problems at once on stderr, and status 1, where it is not good."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gateway.assemble import Checked
    from gateway.exchange.route import GatewayPlan
    from gateway.server.configuration import Configuration
    from gateway.server.master import Source
    from gateway.settings import Settings

_BAD_CONFIGURATION = 78
"""sysexits: EX_CONFIG."""

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


def served(path: Path) -> tuple["Configuration", "Source"]:
    """Return what ``path`` configures, and how a running gateway reads it again.

    Prints as `read_file` does, but leaves with a status of its own, by which whoever starts gateways again knows a bad
    file (a unit of systemd does): it does not become right by trying again.
    """
    from gateway.assemble import read_checked as read
    from gateway.config.problem import ConfigError
    from gateway.server.configuration import Rejected
    from gateway.server.master import Source

    seen: set[str] = set()

    def read_again() -> "Configuration":
        seen.clear()
        try:
            found = read(path, files=seen)
        except ConfigError as error:
            count = len(error.problems)
            raise Rejected(f"{count} problem{'s' if count > 1 else ''}, see the log", str(error)) from error
        return configuration_of(found)

    found = read_checked(path, files=seen, status=_BAD_CONFIGURATION)
    return configuration_of(found), Source(read_again, lambda: tuple(map(Path, sorted(seen))))


def configuration_of(found: "Checked") -> "Configuration":
    """Return what a gateway serves, with the place of every value where an operator can ask for it."""
    from gateway.server.configuration import Configuration
    from gateway.settings.whole import packed

    admin = found.settings.admin.listen is not None
    return Configuration(found.settings, found.plan, packed(found.sources) if admin else None)


def read_file(path: Path) -> tuple["Settings", "GatewayPlan"]:
    """Return what ``path`` configures; print warnings, or print every problem and leave with status 1."""
    found = read_checked(path)
    return found.settings, found.plan


def read_checked(path: Path, *, files: set[str] | None = None, status: int = 1) -> "Checked":
    """As `read_file`, with the place of every value; ``files`` gets the name of every file that was looked at."""
    from gateway.assemble import read_checked as read
    from gateway.config.problem import ConfigError

    try:
        found = read(path, files=files)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(status)
    for warning in found.warnings:
        sys.stderr.write(f"{warning}\n")
    return found
