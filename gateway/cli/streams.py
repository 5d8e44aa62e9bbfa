"""``gateway streams``: what runs in a gateway, as a table that refreshes, and how some of it is ended."""

import functools
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click
from click.core import ParameterSource

from gateway.cli.asking_admin import AdminListener
from gateway.cli.reading import config_option, read_file
from gateway.cli.stream_table import ORDERS, ordered, summary, table

_NO_GATEWAY = 69
_MOST_ASKED = 10_000
_RATE_SECONDS = 1.1
"""Between the two looks that tell a rate."""
_LEAST_ROWS = 3
_AT_THE_TOP, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
_INSTEAD = ("ask /-/streams there with a client of your own", "ask /-/streams with one")

Parameters = list[tuple[str, str]]


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that choose streams; the command gets them as ``filters``."""

    @functools.wraps(command)
    def with_filters(*args: Any, **options: Any) -> None:
        names = ("route", "principal", "upstream", "phase")
        filters = [(name, value) for name in names for value in options.pop(name)]
        older_than = options.pop("older_than")
        filters += [("older_than", older_than)] if older_than is not None else []
        command(*args, filters=filters, **options)

    chosen = [
        click.option("--route", multiple=True, metavar="NAME", help="Only streams of this route; may be repeated."),
        click.option("--principal", multiple=True, metavar="NAME", help="Only streams of this caller."),
        click.option("--upstream", multiple=True, metavar="NAME", help="Only streams of this upstream."),
        click.option("--phase", multiple=True, metavar="PHASE", help="Only streams that are this far, as in relay."),
        click.option("--older-than", metavar="DURATION", help="Only streams older than this, as in 10m."),
    ]
    return functools.reduce(lambda made, option: option(made), reversed(chosen), with_filters)


@click.group(invoke_without_command=True)
@config_option
@filter_options
@click.option("--by", type=click.Choice(list(ORDERS)), default="age", show_default=True, help="What is highest on top.")
@click.option("--once", is_flag=True, help="Print the table once; so it is where stdout is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print what the admin listener says, once.")
@click.option(
    "--every", type=click.FloatRange(0.5, 3600), default=2.0, show_default=True, help="Seconds between two tables."
)
@click.pass_context
def streams(
    context: click.Context, path: Path, filters: Parameters, by: str, once: bool, as_json: bool, every: float
) -> None:
    """Show what runs in the gateway that serves FILE, over all its workers."""
    if context.invoked_subcommand is not None:
        if filters:
            raise click.UsageError(f"put what chooses streams behind {context.invoked_subcommand}")
        context.obj = path
        return
    settings, _ = read_file(path)
    look = _Look(AdminListener(settings.admin, instead=_INSTEAD), filters)
    if once or as_json or not sys.stdout.isatty():
        told = _two_looks(look)
        told["streams"] = ordered(told["streams"], by)
        if as_json:
            click.echo(json.dumps(told, indent=2))
            return
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in [*table(told["streams"], width), summary(told, len(told["streams"]))]:
            click.echo(line)
        return
    try:
        _refresh(look, by, every)
    except KeyboardInterrupt:
        click.echo()


class _Look:
    """Asks for the list; leaves with a status where nobody answers, or what was asked for is not understood."""

    def __init__(self, listener: AdminListener, filters: Parameters) -> None:
        self._listener = listener
        self._page = "streams?" + urlencode([*filters, ("limit", str(_MOST_ASKED))])

    def __call__(self) -> Any:
        status, content = _asked(self._listener, self._page)
        if status != 200:
            raise click.ClickException(str(content.get("detail", content)))
        return content


def _asked(listener: AdminListener, page: str, method: str = "GET") -> tuple[int, Any]:
    try:
        return listener.ask(page, method)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"gateway: no gateway to ask on {listener.address}: {error}\n")
        sys.exit(_NO_GATEWAY)


def _two_looks(look: _Look) -> Any:
    told = look()
    if all(each["rate_bytes_per_second"] is not None for each in told["streams"]):
        return told
    time.sleep(_RATE_SECONDS)
    return look()


def _refresh(look: _Look, by: str, every: float) -> None:
    while True:
        told = look()
        width, height = shutil.get_terminal_size()
        rows = max(height - 2, _LEAST_ROWS)
        lines = table(ordered(told["streams"], by), width, rows)
        lines.insert(0, summary(told, len(lines) - 1)[:width])
        # Written over, not erased first: a screen that is empty for a moment flickers.
        sys.stdout.write(_AT_THE_TOP + "".join(f"{line}{_REST_OF_LINE}\n" for line in lines) + _REST_OF_SCREEN)
        sys.stdout.flush()
        time.sleep(every)


@streams.command()
@config_option
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "all_", is_flag=True, help="End all streams that the filters choose.")
@filter_options
@click.option("--yes", is_flag=True, help="Do not ask before many are ended.")
@click.pass_context
def cancel(
    context: click.Context, path: Path, ids: tuple[str, ...], all_: bool, filters: Parameters, yes: bool
) -> None:
    """End streams by their ID, or --all that filters choose: their clients see a cut."""
    if bool(ids) == all_ or (ids and filters):
        raise click.UsageError("give each ID, or --all with filters such as --route")
    if all_ and not filters:
        raise click.UsageError("--all needs a filter, such as --route or --older-than")
    own = context.get_parameter_source("path") is ParameterSource.COMMANDLINE
    settings, _ = read_file(path if own else context.obj)
    listener = AdminListener(settings.admin, right="control", instead=_INSTEAD)
    if all_:
        if not yes:
            chosen = " ".join(f"{name}={value}" for name, value in filters)
            click.confirm(f"End all streams with {chosen}?", abort=True, err=True)
        sys.exit(_end(listener, "streams?" + urlencode(filters), "what the filters choose"))
    if len(ids) > 1 and not yes:
        click.confirm(f"End {len(ids)} streams?", abort=True, err=True)
    failed = [each for each in ids if _end(listener, f"streams/{quote(each, safe='')}", each)]
    sys.exit(1 if failed else 0)


def _end(listener: AdminListener, page: str, what: str) -> int:
    """End streams, say how many, and return 0 where all workers answered and there was one."""
    status, content = _asked(listener, page, "DELETE")
    if status == 200:
        click.echo(f"{what}: {content['cancelled']} ended")
        return 0
    click.echo(f"{what}: {content.get('detail', content)}", err=True)
    return 1
