"""``gateway doctor``: real probes through the real chain, and plain words about what is wrong."""

import contextlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from gateway.cli import doctor_places
from gateway.cli.reading import config_option
from gateway.cli.request import header_option

if TYPE_CHECKING:
    from gateway.doctor.findings import Finding
    from gateway.doctor.probing import Place

_UNAVAILABLE = 69
_LONGEST_IDLE_SECONDS = 600.0


def _seconds(context: click.Context, parameter: click.Parameter, value: str) -> float:
    from gateway.config.problem import Unacceptable
    from gateway.config.units import parse_positive_duration

    try:
        seconds = parse_positive_duration(value)
    except Unacceptable as error:
        raise click.BadParameter(f"expected {error.expected}") from None
    if seconds > _LONGEST_IDLE_SECONDS:
        raise click.BadParameter("expected at most 10m")
    return seconds


def _address(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, int] | None:
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise click.BadParameter('expected an address such as "127.0.0.1:9009"')
    return host.strip("[]"), int(port)


@click.command()
@config_option
@click.option("--listen", metavar="HOST:PORT", callback=_address, help="Be the far end of the chain at this address.")
@click.option(
    "--idle", metavar="DURATION", default="10s", show_default=True, callback=_seconds, help="How long a silence to try."
)
@click.option(
    "--ca", type=click.Path(exists=True, dir_okay=False), help="PEM file with the authorities to trust for a URL."
)
@header_option
@click.option("-X", "--method", metavar="METHOD", help="Of the request to a ROUTE.  [default: GET]")
@click.option("--path", "target", metavar="PATH", help="To ask a ROUTE for.  [default: the route's own path]")
@click.option("--data", metavar="TEXT", help="Body of the request to a ROUTE.")
@click.option("--json", "json_wanted", is_flag=True, help="Print findings as JSON.")
@click.argument("what", metavar="[ROUTE|URL]", required=False)
def doctor(
    path: Path,
    listen: tuple[str, int] | None,
    idle: float,
    ca: str | None,
    headers: tuple[str, ...],
    method: str | None,
    target: str | None,
    data: str | None,
    json_wanted: bool,
    what: str | None,
) -> None:
    """Send probes through the chain and say what is wrong with it. Status 1 if something is.

    URL: all that is between here and the far end below it; the far end is this command, with --listen the address of
    the upstream that the URL leads to, or another one that runs there without a URL. ROUTE: the same through the
    gateway of the file, with --listen; without it one request through the gateway and straight to the endpoints.
    Nothing: only connects to every endpoint in the file.
    """
    one_request = method is not None or target is not None or data is not None
    if one_request and (what is None or "://" in what or listen is not None):
        raise click.UsageError("--method, --path and --data are for a ROUTE without --listen")
    fields = tuple(doctor_places.field(header) for header in headers)
    with _far_end(listen, forever=what is None):
        if what is None:
            found = _endpoints(path)
        elif "://" in what:
            found = _chain(what, _place(what, ca), urlsplit(what).path, fields, idle, listening=listen is not None)
        elif listen is not None:
            place, prefix = doctor_places.listener(path, what)
            found = _chain(what, place, prefix, fields, idle, listening=True)
        else:
            asked = doctor_places.Asked(method, target, fields, None if data is None else data.encode(), idle)
            found = _compared(path, what, asked)
    _tell(found, json_wanted)


def _chain(
    what: str,
    place: "Place",
    prefix: str,
    fields: tuple[tuple[str, str], ...],
    idle_seconds: float,
    *,
    listening: bool,
) -> list["Finding"]:
    from gateway.doctor.course import Examination, examine, look
    from gateway.doctor.diagnosis import of_chain, of_strangers

    asked = Examination(place, f"{prefix.rstrip('/')}/", fields, idle_seconds)
    chain = examine(asked)
    if chain.arrived or listening or not chain.hello.status:
        return of_chain(chain)
    return of_strangers(look(asked), what)


def _compared(path: Path, name: str, asked: doctor_places.Asked) -> list["Finding"]:
    from gateway.doctor.course import compare
    from gateway.doctor.diagnosis import of_comparison

    through, direct = doctor_places.requests(path, name, asked)
    return of_comparison(compare(through, direct))


def _endpoints(path: Path) -> list["Finding"]:
    from gateway.doctor.course import reach_all
    from gateway.doctor.diagnosis import of_endpoint

    return [finding for direct in reach_all(doctor_places.endpoints(path)) for finding in of_endpoint(direct)]


def _place(url: str, ca: str | None) -> "Place":
    from gateway.doctor.probing import Place

    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.query or parts.fragment:
        raise click.BadParameter(f"{url!r} is no http or https URL without a query", param_hint="URL")
    authority = parts.netloc.rpartition("@")[2]
    secure = parts.scheme == "https"
    return Place(
        name=f"{parts.scheme}://{authority}",
        host=parts.hostname,
        port=port or (443 if secure else 80),
        authority=authority,
        context=doctor_places.context(ca=ca) if secure else None,
    )


@contextlib.contextmanager
def _far_end(listen: tuple[str, int] | None, *, forever: bool) -> Iterator[None]:
    """Be the far end meanwhile; with ``forever``, until somebody ends it, and then leave with status 0."""
    if listen is None:
        yield
        return
    from gateway.doctor.far_end import FarEnd

    try:
        far_end = FarEnd(*listen)
    except OSError as error:
        sys.stderr.write(f"gateway: cannot listen on {listen[0]}:{listen[1]}: {error.strerror or error}\n")
        sys.exit(_UNAVAILABLE)
    if forever:
        sys.stderr.write(f"the far end listens on {listen[0]}:{listen[1]}; Ctrl-C stops it\n")
        with far_end, contextlib.suppress(KeyboardInterrupt):
            far_end.serve_forever()
        sys.exit(0)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(far_end.serve_forever)
        try:
            yield
        finally:
            far_end.close()


def _tell(found: list["Finding"], json_wanted: bool) -> None:
    from gateway.doctor import telling

    if json_wanted:
        click.echo(telling.as_json(found))
    else:
        colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        for line in telling.lines(found, colours=colours):
            click.echo(line)
    sys.exit(telling.status(found))
