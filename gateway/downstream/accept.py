"""What was asked? The WSGI environment becomes an exchange, and what cannot be relayed faithfully is refused.

The server hands over its own request object: WSGI's variables have lost the case, order and repetition of field lines
and the octets of the path (F17).
"""

import os
from typing import Any, Protocol

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import BAD_REQUEST, METHOD_UNSUPPORTED, Failure, FailureError
from gateway.exchange.message import Fields, RequestHead, first_value
from gateway.exchange.route import Forwarding
from gateway.exchange.target import split_absolute, valid_host
from gateway.policy.forwarding import trusted
from gateway.policy.request_id import request_id


class ServerRequest(Protocol):
    """What the server knows of a request: the interface between its room and ours."""

    method: str
    uri: str
    version: tuple[int, int]
    field_lines: Fields
    scheme: str
    body: Any


def exchange_of(environ: dict[str, Any], forwarding: Forwarding, started: float) -> Exchange:
    """Build the exchange of a request; nothing is refused yet, so that a refusal has a record too."""
    request: ServerRequest = environ["gateway.request"]
    authority, target = _split(request.method, request.uri, first_value(request.field_lines, "host") or "")
    peer = environ.get("REMOTE_ADDR", "")
    head = RequestHead(
        method=request.method,
        target=target,
        version=request.version,
        fields=request.field_lines,
        scheme=request.scheme,
        authority=authority,
        peer=peer,
        peer_port=int(environ.get("REMOTE_PORT") or 0),
        body_length=request.body.length,
    )
    believed = trusted(forwarding, peer)
    incoming = head.first(forwarding.request_id_header.lower())
    identity = request_id(incoming, believed, os.urandom(16).hex())
    return Exchange(id=identity, request=head, started=started, trusted_peer=believed)


def check(exchange: Exchange) -> None:
    """Refuse what no route may get: a missing, repeated or invalid Host (RFC 9112 section 3.2), CONNECT."""
    request = exchange.request
    hosts = [value for name, value in request.fields if name.lower() == "host"]
    if len(hosts) > 1:
        raise FailureError(Failure(BAD_REQUEST, "more than one Host field"))
    if not hosts and request.version >= (1, 1):
        raise FailureError(Failure(BAD_REQUEST, "no Host field"))
    authority = request.authority
    if (hosts and hosts[0] and not valid_host(hosts[0])) or (
        authority and authority not in hosts and not valid_host(authority)
    ):
        raise FailureError(Failure(BAD_REQUEST, "the Host field or the target's authority is not valid"))
    if request.method == "CONNECT":
        raise FailureError(Failure(METHOD_UNSUPPORTED, "CONNECT is not served here"))
    if not request.target.startswith("/") and request.target != "*":
        raise FailureError(Failure(BAD_REQUEST, "the request target is neither a path nor an absolute URI"))


def _split(method: str, uri: str, host: str) -> tuple[str, str]:
    """Return authority and target; an absolute URI's authority wins over Host (RFC 9112 section 3.2.2)."""
    if uri.startswith("/"):
        return host, uri
    try:
        return split_absolute(uri, method)
    except ValueError:
        return host, uri  # `check` refuses what is neither a path nor an absolute URI
