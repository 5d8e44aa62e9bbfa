"""A request as it is given on the command line: METHOD PATH [-H "Name: value"]."""

import click

from gateway.exchange.message import RequestHead
from gateway.exchange.target import split_absolute

header_option = click.option(
    "-H", "--header", "headers", multiple=True, metavar="NAME: VALUE", help="A field of the request."
)


def given_request(method: str, target: str, headers: tuple[str, ...]) -> RequestHead:
    """Return the request; an URL as ``target`` brings its own host, and Content-Length tells how long the body is."""
    fields = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon:
            raise click.BadParameter(f"{header!r} has no colon", param_hint="-H")
        fields.append((name.strip(), value.strip()))
    known = {name.lower(): value for name, value in reversed(fields)}
    authority = known.get("host", "")
    if "://" in target:
        try:
            authority, target = split_absolute(target, method)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="PATH") from None
    length = known.get("content-length", "0")
    body_length = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0
    body = None if "transfer-encoding" in known else body_length
    return RequestHead(method, target, (1, 1), fields, "http", authority, "", 0, body)
