"""``gateway routes``: the routes of a configuration, and which one serves a request and why."""

import sys
from pathlib import Path

import click

from gateway.cli.masking import Masking
from gateway.cli.reading import config_option, read_checked
from gateway.cli.request import given_request, header_option
from gateway.exchange.failure import FailureError
from gateway.exchange.message import RequestHead
from gateway.exchange.route import Route
from gateway.policy.routing import RouteTable


@click.command()
@config_option
@header_option
@click.argument("method", required=False, metavar="[METHOD")
@click.argument("target", required=False, metavar="PATH]")
def routes(path: Path, headers: tuple[str, ...], method: str | None, target: str | None) -> None:
    """List the routes; with METHOD and PATH, say which one serves that request and why the others do not.

    Each line has the route's name, its methods, its hosts, its path and its upstream; * stands for all.
    """
    if method is not None and target is None:
        raise click.UsageError("give METHOD and PATH, or neither")
    found = read_checked(path)
    masked = Masking(found)
    if method is None or target is None:
        for route in found.plan.routes:
            click.echo(masked(_listed(route)))
        return
    _explain(RouteTable(found.plan.routes), given_request(method, target, headers), masked)


def _explain(table: RouteTable, request: RequestHead, masked: Masking) -> None:
    try:
        explanations = table.explain(request)
        serving = next((explanation for explanation in explanations if explanation.matched), None)
        for explanation in explanations:
            mark = "->" if explanation is serving else "  "
            click.echo(masked(f"{mark} {_listed(explanation.route)}  {explanation.why}"))
        table.match(request)
    except FailureError as error:
        kind = error.failure.kind
        sys.stderr.write(f"refused with {kind.status} {kind.code}: {masked(error.failure.detail)}\n")
        sys.exit(1)


def _listed(route: Route) -> str:
    methods = ",".join(sorted(route.methods)) or "*"
    hosts = ",".join(route.hosts) or "*"
    return f"{route.name:<20} {methods:<12} {hosts:<16} {route.path:<24} {route.upstream.name}"
