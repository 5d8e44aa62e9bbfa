"""The id under which an exchange is known on both sides and in the log."""

import re
from collections.abc import Callable

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.fields import set_field
from gateway.exchange.message import ReplyHead
from gateway.exchange.route import Route
from gateway.policy.hooks import Hooks

_SANE = re.compile("[!-~]{1,128}")
"""Visible ASCII of a length that does no harm in a log; an id with spaces or controls is no id."""

ACTS_ON = ("forwarding.request_id_header", "forwarding.trusted_peers")
"""The settings that decide what it does, as a route sees them."""


def request_id(incoming: str | None, trusted: bool, fresh: str) -> str:
    """Return the id of an exchange: the one it came with if a trusted peer says a sane one, else ``fresh``."""
    if incoming is not None and trusted and _SANE.fullmatch(incoming):
        return incoming
    return fresh


def hooks(route: Route) -> Hooks:
    """Tell the upstream our id, and the client too unless the upstream answered with its own.

    The upstream's own id stays, for it is what the upstream's support asks for; the log line holds both.
    """
    name = route.forwarding.request_id_header
    if not name:
        return Hooks()

    def prepare(exchange: Exchange, attempt: Attempt) -> None:
        attempt.fields = attempt.fields or []
        set_field(attempt.fields, name, exchange.id)

    return Hooks(prepare=prepare, commit=tell_client(name))


def tell_client(name: str) -> Callable[[Exchange, ReplyHead], None]:
    """Return the commit hook that adds the id as the field ``name`` to a reply that has no such field."""
    lower = name.lower()

    def commit(exchange: Exchange, head: ReplyHead) -> None:
        if head.first(lower) is None:
            head.fields.append((name, exchange.id))

    return commit
