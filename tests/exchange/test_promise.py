"""What an early head promises, and which answers keep it."""

import pytest

from gateway.exchange.message import Fields, ReplyHead
from gateway.exchange.promise import Promise
from gateway.exchange.wire import Wire

PROMISE = Promise(Wire("sse", lambda: True), frozenset({"text/event-stream"}))
TYPE: Fields = [("content-type", "Text/Event-Stream; charset=utf-8")]


@pytest.mark.parametrize(
    ("status", "fields", "why"),
    [
        (200, TYPE, None),
        (201, [*TYPE, ("Content-Encoding", "Identity")], None),
        (204, TYPE, "answered 204"),
        (206, TYPE, "answered 206"),
        (302, TYPE, "answered 302"),
        (500, TYPE, "answered 500"),
        (200, [], "answered 200 with no Content-Type"),
        (200, [("Content-Type", "application/json")], "answered 200 with application/json"),
        (200, [*TYPE, ("Content-Encoding", "br")], "answered 200 in the content coding br"),
    ],
)
def test_answer_keeps_a_promise_only_by_status_type_and_coding(status: int, fields: Fields, why: str | None) -> None:
    """What the client was told must hold for what it gets."""
    assert PROMISE.broken_by(ReplyHead(status, "", fields)) == why
