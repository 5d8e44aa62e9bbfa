"""Header rules, both ways: fields renamed, removed, set and added, with values from the request and its identity.

What clients and tokens bring into a value is an attacker's choice: a value with a control octet is not sent at all.
"""

import re
from collections.abc import Callable, Mapping

from pydantic import Field

from gateway.config.model import Model
from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.fields import end_to_end, plain
from gateway.exchange.message import Fields, ReplyHead
from gateway.exchange.path import split_query
from gateway.exchange.peers import UNKNOWN
from gateway.exchange.route import HeaderRules, Route, Template
from gateway.grammar.templates import RuledName, TemplateText, parse_template
from gateway.policy.caller_credential import showing
from gateway.policy.client_address import client_address
from gateway.policy.hooks import Hooks

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MOST_OCTETS = 8192
"""Of a value; a longer one is not sent."""

ACTS_ON = tuple(f"{table}.{key}" for table in ("request_headers", "response_headers") for key in
                ("rename", "remove", "set", "add"))  # fmt: skip
"""The settings that decide what it does, as a route sees them."""


class RequestHeadersSettings(Model):
    """What becomes of a request's fields on their way up. In this order: `rename` and `remove`, which look at names as
    they came; `set`; `add`. A key that a nearer table has counts whole: its `set` replaces the inherited `set`."""

    set: dict[RuledName, TemplateText] = Field(default_factory=dict, examples=[{"X-User": "{principal}"}])
    """Fields that are there exactly once, with these values; what the client sent under these names goes in any case.
    Table of names and values. Default none. Values may hold {principal}, {claim:NAME}, {scope}, {request_id}, {route},
    {client_ip}, {header:NAME}, {host}, {method} and {path}; "{{" is a brace. Where one of them has no value, or one
    with control characters, the field is not sent."""
    add: dict[RuledName, TemplateText] = Field(default_factory=dict, examples=[{"X-Seen-By": "slowgate"}])
    """Fields that are added to whatever is there. Table of names and values, as in `set`. Default none."""
    remove: tuple[RuledName, ...] = Field(default=(), examples=[["X-Debug"]])
    """Fields that are taken out. Array of names. Default none. "X_Debug" goes too, for many readers take it for
    "X-Debug"."""
    rename: dict[RuledName, RuledName] = Field(default_factory=dict, examples=[{"X-Api-User": "X-User"}])
    """Fields that get another name: the old name and the new one. Table. Default none."""

    def compiled(self) -> dict[str, object]:
        """Return the fields of a `Route` that follow from these settings."""
        return {"request_headers": _rules(self)}


class ResponseHeadersSettings(RequestHeadersSettings):
    """What becomes of an answer's fields on their way down, also of those of the gateway's own error replies. As
    `request_headers`; placeholders speak of the request."""

    def compiled(self) -> dict[str, object]:
        """Return the fields of a `Route` that follow from these settings."""
        return {"response_headers": _rules(self)}


def _rules(settings: RequestHeadersSettings) -> HeaderRules | None:
    if not (settings.set or settings.add or settings.remove or settings.rename):
        return None
    return HeaderRules(
        rename=tuple((plain(old), new) for old, new in settings.rename.items()),
        remove=frozenset(map(plain, settings.remove)),
        set=tuple((name, parse_template(value)) for name, value in settings.set.items()),
        add=tuple((name, parse_template(value)) for name, value in settings.add.items()),
    )


def ruling(rules: HeaderRules) -> Callable[[Fields, Exchange], Fields]:
    """Return what makes field lines as ``rules`` want them; what can be worked out before a request comes, is."""
    names, single = dict(rules.rename), frozenset(plain(name) for name, _ in rules.set)
    said = (*rules.set, *rules.add)

    def ruled(fields: Fields, exchange: Exchange) -> Fields:
        kept: Fields = []
        for name, value in fields:
            known = plain(name)
            if known in rules.remove:
                continue
            new = names.get(known, name)
            if plain(new) not in single:
                kept.append((new, value))
        for name, template in said:
            found = value_of(template, exchange)
            if found is not None:
                kept.append((name, found))
        return kept

    return ruled


def value_of(template: Template, exchange: Exchange) -> str | None:
    """Return what ``template`` says of ``exchange``: octets as latin-1 text, as fields hold them.

    None where a placeholder has no value, and where the value cannot stand in a field.
    """
    if len(template) == 1 and isinstance(template[0], str):
        return template[0]
    parts: list[str] = []
    for part in template:
        found = part if isinstance(part, str) else _RESOLVE[part[0]](exchange, part[1])
        if found is None:
            return None
        parts.append(found)
    text = "".join(parts).strip(" \t")
    return None if len(text) > _MOST_OCTETS or _CONTROL.search(text) else text


def _principal(exchange: Exchange, _: str) -> str | None:
    return None if exchange.identity is None else _octets(exchange.identity.principal)


def _scope(exchange: Exchange, _: str) -> str | None:
    return None if exchange.identity is None else _octets(" ".join(sorted(exchange.identity.scopes)))


def _claim(exchange: Exchange, name: str) -> str | None:
    if exchange.identity is None:
        return None
    claim = exchange.identity.claims.get(name)
    if not isinstance(claim, list | tuple | set | frozenset):
        return _scalar(claim)
    members = [_scalar(each) for each in (sorted(claim, key=str) if isinstance(claim, set | frozenset) else claim)]
    # A member with a comma would be read as two.
    if any(member is None or "," in member for member in members):
        return None
    return ",".join(member for member in members if member is not None)


def _scalar(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _octets(str(value)) if isinstance(value, str | int | float) else None


def _octets(text: str) -> str:
    """Return ``text`` as fields hold it: its UTF-8 octets, each as one character."""
    return text.encode("utf-8", "replace").decode("latin-1")


def _header(exchange: Exchange, name: str) -> str | None:
    values = [value for field, value in exchange.request.fields if field.lower() == name]
    auth = exchange.route.auth if exchange.route is not None else None
    if values and auth is not None and not auth.pass_credential:
        shows = showing(auth)  # What ends at the gateway does not go on under another name.
        values = [value for value in values if not shows((name, value))]
    return ", ".join(values) if values else None


def _client_ip(exchange: Exchange, _: str) -> str | None:
    if exchange.route is None:
        return None
    address = client_address(exchange, exchange.route.forwarding)
    return None if address in ("", UNKNOWN) else address


_RESOLVE: Mapping[str, Callable[[Exchange, str], str | None]] = {
    "principal": _principal,
    "claim": _claim,
    "scope": _scope,
    "request_id": lambda exchange, _: exchange.id,
    "route": lambda exchange, _: exchange.route.name if exchange.route is not None else None,
    "client_ip": _client_ip,
    "header": _header,
    "host": lambda exchange, _: exchange.request.authority or None,
    "method": lambda exchange, _: exchange.request.method,
    "path": lambda exchange, _: split_query(exchange.request.target)[0],
}
"""What each placeholder says; None where it says nothing."""


def hooks(route: Route) -> Hooks:
    """Rule the fields that go up, and those that go down."""
    return Hooks(
        prepare=_going_up(route.request_headers) if route.request_headers is not None else None,
        commit=_going_down(route.response_headers) if route.response_headers is not None else None,
    )


def _going_up(rules: HeaderRules) -> Callable[[Exchange, Attempt], None]:
    ruled = ruling(rules)

    def prepare(exchange: Exchange, attempt: Attempt) -> None:
        attempt.fields = ruled(attempt.fields or [], exchange)

    return prepare


def _going_down(rules: HeaderRules) -> Callable[[Exchange, ReplyHead], None]:
    ruled = ruling(rules)

    def commit(exchange: Exchange, head: ReplyHead) -> None:
        # What belongs to the upstream's connection goes first: its Connection field could name what is set here.
        head.fields = ruled(end_to_end(head.fields), exchange)

    return commit
