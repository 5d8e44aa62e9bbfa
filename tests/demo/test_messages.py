"""The messages have Anthropic's shapes, whole, streamed and broken."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.rude_client import RawResponse

Ask = Callable[..., RawResponse]
MESSAGES = [{"role": "user", "content": "hi"}]


def create(ask: Ask, query: str = "tokens=3&delay=0", **body: object) -> RawResponse:
    """Ask for a message."""
    document = {"model": "slow-1", "max_tokens": 99, "messages": MESSAGES, **body}
    return ask(f"/v1/messages?{query}", "X-Api-Key: none", method="POST", body=json.dumps(document).encode())


def events(response: RawResponse) -> list[Any]:
    """Return the data of each whole event, whose name is its type."""
    found = []
    for event in response.body.decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def text_of(events: list[Any]) -> str:
    """Return what the events say, put together."""
    return "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")


def test_streamed_message_is_a_block_a_reason_with_usage_and_a_stop(ask: Ask) -> None:
    """A client of Anthropic's API can read the stream, token by token."""
    response = create(ask, "tokens=3&delay=100", stream=True)
    found = events(response)
    assert response.first("content-type") == "text/event-stream; charset=utf-8"
    assert [event["type"] for event in found] == [
        "message_start",
        "content_block_start",
        "ping",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert text_of(found) == "The slow upstream"
    assert found[0]["message"]["usage"]["input_tokens"] > 0
    assert (found[-2]["delta"]["stop_reason"], found[-2]["usage"]) == ("end_turn", {"output_tokens": 3})
    assert 0.29 <= response.pieces[-1][0] < 0.6


def test_whole_message_is_one_document(ask: Ask) -> None:
    """Without ``stream`` there is one JSON document with its length."""
    response = create(ask)
    document = json.loads(response.body)
    assert (document["type"], document["content"]) == ("message", [{"type": "text", "text": "The slow upstream"}])
    assert document["usage"]["output_tokens"] == 3
    assert response.first("content-length") == str(len(response.body))


@pytest.mark.parametrize("stream", [True, False])
def test_message_that_reaches_its_limit_says_so(ask: Ask, stream: bool) -> None:
    """``max_tokens`` ends the message with that reason."""
    response = create(ask, stream=stream, max_tokens=2)
    ended = events(response)[-2]["delta"] if stream else json.loads(response.body)
    assert ended["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("stream", [True, False])
def test_message_breaks_off_where_asked(ask: Ask, stream: bool) -> None:
    """A cut message looks cut and has told only the tokens before."""
    response = create(ask, "tokens=5&delay=0&cut=2", stream=stream)
    assert (response.complete, response.ending) == (False, "eof")
    if stream:
        assert text_of(events(response)) == "The slow"


def test_error_in_the_stream_is_an_event_of_that_name_and_the_last(ask: Ask) -> None:
    """An in-band error ends the stream; the framing is whole."""
    response = create(ask, "tokens=5&delay=0&error=2", stream=True)
    *before, last = events(response)
    assert (text_of(before), last["type"], last["error"]["type"]) == ("The slow", "error", "overloaded_error")
    assert response.complete


def test_error_without_stream_is_anthropics_status(ask: Ask) -> None:
    """The same error before the head is a 529."""
    response = create(ask, "tokens=5&delay=0&error=0")
    assert (response.status, json.loads(response.body)["error"]["type"]) == (529, "overloaded_error")


def test_stream_without_its_terminal_ends_politely(ask: Ask) -> None:
    """``terminal=omitted`` leaves out ``message_stop`` alone."""
    response = create(ask, "tokens=2&delay=0&terminal=omitted", stream=True)
    assert (response.complete, events(response)[-1]["type"]) == (True, "message_delta")


@pytest.mark.parametrize(("body", "word"), [({"messages": []}, "messages"), ({"max_tokens": None}, "max_tokens")])
def test_body_that_is_no_request_is_refused_in_the_apis_own_shape(ask: Ask, body: dict[str, object], word: str) -> None:
    """A wrong body is a 400 that names the key."""
    response = create(ask, **body)
    problem = json.loads(response.body)
    assert (response.status, problem["type"], problem["error"]["type"]) == (400, "error", "invalid_request_error")
    assert word in problem["error"]["message"]
