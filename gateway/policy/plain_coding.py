"""Ask the upstream for an answer that can be read on its way: without a content coding, or in one we can decode.

Pings and error frames cannot be put into a body that somebody else has compressed, so that routes which inject them
ask for `identity`. Routes that only have to see the end of an answer leave the client its compression as long as the
gateway can decode it on the side. An upstream that sends something else all the same is relayed by its framing, and
the log line says so.
"""

import re

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.fields import set_field
from gateway.exchange.route import Route, Stream
from gateway.formats.coded import decodable
from gateway.policy.hooks import Hooks

ACTS_ON = ("stream.complete", "stream.keepalive", "stream.on_error", "compression.codings")
"""The settings that decide what it does, as a route sees them."""

_FIELD = "Accept-Encoding"
_NO_QUALITY = re.compile(r"q=0(?:\.0{0,3})?")


def needs_plain(compresses: bool, stream: Stream) -> bool:
    """Whether octets are put into what the upstream sends, or made of it."""
    return compresses or (stream.format is not None and (stream.keepalive is not None or stream.on_error == "frame"))


def narrowed(accepted: list[str]) -> str:
    """Return what to ask for, of all values of a client's Accept-Encoding (RFC 9110 section 12.5.3).

    That are its members which can be decoded, with their qualities; `identity` where none of them is wanted. A client
    that says nothing would take any coding, and gets none.
    """
    kept: list[str] = []
    wanted = False
    for member in ",".join(accepted).split(","):
        coding, _, parameters = member.strip(" \t").partition(";")
        coding = coding.rstrip(" \t")
        if decodable(coding.lower()) or coding.lower() == "identity":
            kept.append(member.strip(" \t"))
            wanted = wanted or _NO_QUALITY.fullmatch(parameters.strip(" \t").lower()) is None
    return ", ".join(kept) if wanted else "identity"


def hooks(route: Route) -> Hooks:
    """Change what is asked for on routes that read what they relay."""
    if needs_plain(bool(route.compression.codings), route.stream):
        return Hooks(prepare=lambda exchange, attempt: _ask(attempt, "identity"))
    if route.stream.format is not None and route.stream.complete == "terminal":
        return Hooks(prepare=_narrow)
    return Hooks()


def _narrow(exchange: Exchange, attempt: Attempt) -> None:
    accepted = [value for name, value in attempt.fields or () if name.lower() == "accept-encoding"]
    _ask(attempt, narrowed(accepted))


def _ask(attempt: Attempt, value: str) -> None:
    attempt.fields = attempt.fields or []
    set_field(attempt.fields, _FIELD, value)
