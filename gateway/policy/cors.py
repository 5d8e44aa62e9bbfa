"""Which pages of other origins may call a route and read its answers (Fetch standard, section 3.2).

Browsers ask before they send: a preflight is answered here, without credentials, for browsers send none with it. What
the upstream says itself is replaced, for two answers to one question are none.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from gateway.config.model import Kind, Model
from gateway.config.problem import Unacceptable
from gateway.config.units import Duration
from gateway.exchange.exchange import Exchange
from gateway.exchange.fields import end_to_end
from gateway.exchange.message import Fields, FixedChunks, Reply, ReplyHead, RequestHead, Source
from gateway.exchange.route import Cors, Route
from gateway.grammar.origins import ANY, NULL, Origin
from gateway.grammar.tokens import Method, is_token
from gateway.policy.hooks import Hooks

_ANSWERS = frozenset(
    f"access-control-{name}"
    for name in ("allow-origin", "allow-credentials", "allow-methods", "allow-headers", "expose-headers", "max-age",
                 "allow-private-network")
)  # fmt: skip
_EVERY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_BETWEEN = re.compile("[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_MOST_HEADERS_OCTETS = 4096
"""Of the names that a preflight asks for."""

ACTS_ON = ("cors.origins", "cors.methods", "cors.headers", "cors.expose_headers", "cors.credentials", "cors.max_age",
           "cors.private_network")  # fmt: skip
"""The settings that decide what it does, as a route sees them."""


def _name_or_any(text: str) -> str:
    if text != ANY and not is_token(text):
        raise Unacceptable('the name of a header field, such as "Content-Type", or "*"')
    return text


NameOrAny = Annotated[str, AfterValidator(_name_or_any), WithJsonSchema({"type": "string"}), Kind("field name")]


class CorsSettings(Model):
    """Which pages of other origins may call a route and read its answers. Without `origins` nothing of it acts."""

    origins: tuple[Origin, ...] = Field(default=(), examples=[["https://app.example.com", "https://*.example.com"]])
    """Origins whose pages may: scheme, host and port; "https://*.example.com" takes all below; "*" takes every page
    there is; "null" takes local files and sandboxed frames of anybody. Array. Default empty: CORS is left to the
    upstream."""
    methods: tuple[Method, ...] = Field(default=(), examples=[["GET", "POST"]])
    """Methods that they may use. Array. Default empty: those of the route, else GET, HEAD, POST, PUT, PATCH and
    DELETE."""
    headers: tuple[NameOrAny, ...] = ("Authorization", "Content-Type")
    """Fields that they may send; "*" takes whatever they ask for. Array of names. Default ["Authorization",
    "Content-Type"]."""
    expose_headers: tuple[NameOrAny, ...] = Field(default=(), examples=[["X-Request-Id", "Retry-After"]])
    """Fields of answers that they may read, beside the few that they always may. Array of names. Default empty."""
    credentials: bool = False
    """Whether browsers send cookies and the like along, and let the page read the answer. Default false.
    Every page of `origins` then acts in the name of whoever visits it."""
    max_age: Duration = 600.0
    """How long browsers may remember the answer to a preflight. Duration. Default "10m"."""
    private_network: bool = False
    """Whether public pages may call a gateway in a private network, as browsers ask it. Default false."""

    def compiled(self) -> dict[str, object]:
        """Return the fields of a `Route` that follow from these settings."""
        if not self.origins:
            return {"cors": None}
        begins = [origin.partition("*") for origin in self.origins if "://*." in origin]
        cors = Cors(
            origins=frozenset(origin for origin in self.origins if ANY not in origin),
            below=tuple((begin, end) for begin, _, end in begins),
            any_origin=ANY in self.origins,
            methods=self.methods,
            headers=tuple(name for name in self.headers if name != ANY),
            any_header=ANY in self.headers,
            expose_headers=self.expose_headers,
            credentials=self.credentials,
            max_age_seconds=int(self.max_age),
            private_network=self.private_network,
        )
        return {"cors": cors}


def allows(cors: Cors, origin: str) -> bool:
    """Say whether pages of ``origin`` may."""
    if origin in cors.origins:
        return True
    if cors.any_origin:
        return origin != NULL  # Only by its name: anybody can make a frame of no origin.
    return any(
        origin.startswith(begin) and origin.endswith(end) and _BETWEEN.fullmatch(origin[len(begin) : -len(end)])
        for begin, end in cors.below
    )


def preflight_for(request: RequestHead) -> str | None:
    """Return the method that a preflight asks for; None where ``request`` is none."""
    if request.method != "OPTIONS" or request.first("origin") is None:
        return None
    return request.first("access-control-request-method")


def answers(cors: Cors, origin: str | None) -> Fields:
    """Return the fields that every answer to ``origin`` has."""
    fields: Fields = []
    varies = not cors.any_origin or cors.credentials
    if origin is not None and allows(cors, origin):
        fields.append(("Access-Control-Allow-Origin", origin if varies or origin == NULL else ANY))
        if cors.credentials:
            fields.append(("Access-Control-Allow-Credentials", "true"))
    if varies or NULL in cors.origins:
        fields.append(("Vary", "Origin"))
    return fields


def answer_preflight(cors: Cors, request: RequestHead, methods: tuple[str, ...]) -> Reply:
    """Return the answer to a preflight; without any permission where the origin has none, for the browser to tell."""
    fields: Fields = [("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")]
    origin = request.first("origin")
    if origin is not None and allows(cors, origin):
        fields.append(("Access-Control-Allow-Methods", ", ".join(methods)))
        headers = list(cors.headers)
        if cors.any_header:
            # "*" in the answer would not count for Authorization, nor with credentials: they are named.
            headers += [name for name in _asked(request) if name not in {each.lower() for each in headers}]
        if headers:
            fields.append(("Access-Control-Allow-Headers", ", ".join(headers)))
        fields.append(("Access-Control-Max-Age", str(cors.max_age_seconds)))
        if cors.private_network and request.first("access-control-request-private-network") == "true":
            fields.append(("Access-Control-Allow-Private-Network", "true"))
    return Reply(ReplyHead(204, "No Content", fields), FixedChunks(b""), Source.LOCAL, 0)


def _asked(request: RequestHead) -> list[str]:
    """Return the names of the fields that a preflight asks for, lower-case tokens only: they are said again."""
    said = request.first("access-control-request-headers") or ""
    names = [name.strip(" \t").lower() for name in said[:_MOST_HEADERS_OCTETS].split(",")]
    return [name for name in names if is_token(name)]


def hooks(route: Route) -> Hooks:
    """Answer preflights, and tell browsers of every other answer, our own refusals too, who may read it."""
    cors = route.cors
    if cors is None:
        return Hooks()
    methods = cors.methods or tuple(sorted(route.methods)) or _EVERY_METHOD

    def admit(exchange: Exchange) -> Reply | None:
        if preflight_for(exchange.request) is None:
            return None
        return answer_preflight(cors, exchange.request, methods)

    def commit(exchange: Exchange, head: ReplyHead) -> None:
        answered = _ANSWERS if exchange.attempts else frozenset({"access-control-allow-origin"})
        kept = [line for line in end_to_end(head.fields) if line[0].lower() not in answered]
        ours = answers(cors, exchange.request.first("origin"))
        if cors.expose_headers and preflight_for(exchange.request) is None and any(
            name == "Access-Control-Allow-Origin" for name, _ in ours
        ):  # fmt: skip
            ours.append(("Access-Control-Expose-Headers", ", ".join(cors.expose_headers)))
        head.fields = kept + [line for line in ours if line[0] != "Vary" or not _varies(kept)]

    return Hooks(admit=admit, commit=commit)


def _varies(fields: Fields) -> bool:
    """Say whether an answer already tells caches that it is another one for each origin."""
    members = [
        part.strip(" \t").lower() for name, value in fields if name.lower() == "vary" for part in value.split(",")
    ]
    return "origin" in members or "*" in members
