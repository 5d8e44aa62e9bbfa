"""``gateway routes``: the routes of a configuration, and which one serves a request and why."""

import sys
from pathlib import Path

import click

from gateway.cli.reading import config_option, read_file
from gateway.exchange.failure import FailureError
from gateway.exchange.message import RequestHead
from gateway.exchange.route import Route
from gateway.policy.routing import RouteTable


@click.command()
@config_option
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME: VALUE", help="A field of the request.")
@click.argument("method", required=False)
@click.argument("target", required=False, metavar="PATH")
def routes(path: Path, headers: tuple[str, ...], method: str | None, target: str | None) -> None:
    """List the routes; with METHOD and PATH, say which one serves that request and why the others do not."""
    if method is not None and target is None:
        raise click.UsageError("give METHOD and PATH, or neither")
    _, plan = read_file(path)
    if method is None or target is None:
        for route in plan.routes:
            click.echo(_listed(route))
        return
    _explain(RouteTable(plan.routes), _request(method, target, headers))


def _explain(table: RouteTable, request: RequestHead) -> None:
    try:
        explanations = table.explain(request)
        serving = next((explanation for explanation in explanations if explanation.matched), None)
        for explanation in explanations:
            mark = "->" if explanation is serving else "  "
            click.echo(f"{mark} {_listed(explanation.route)}  {explanation.why}")
        table.match(request)
    except FailureError as error:
        kind = error.failure.kind
        sys.stderr.write(f"refused with {kind.status} {kind.code}: {error.failure.detail}\n")
        sys.exit(1)


def _listed(route: Route) -> str:
    methods = ",".join(sorted(route.methods)) or "*"
    hosts = ",".join(route.hosts) or "*"
    return f"{route.name:<20} {methods:<12} {hosts:<16} {route.path:<24} {route.upstream.name}"


def _request(method: str, target: str, headers: tuple[str, ...]) -> RequestHead:
    fields = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon:
            raise click.BadParameter(f"{header!r} has no colon", param_hint="-H")
        fields.append((name.strip(), value.strip()))
    authority = next((value for name, value in fields if name.lower() == "host"), "")
    return RequestHead(method, target, (1, 1), fields, "http", authority, "", 0, 0)
