"""The responses have OpenAI's shapes, whole, streamed and broken."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.rude_client import RawResponse

Ask = Callable[..., RawResponse]


def create(ask: Ask, query: str = "tokens=3&delay=0", **body: object) -> RawResponse:
    """Ask for a response."""
    document = {"model": "slow-1", "input": "hi", **body}
    return ask(f"/v1/responses?{query}", method="POST", body=json.dumps(document).encode())


def events(response: RawResponse) -> list[Any]:
    """Return the data of each whole event, whose name is its type; they are numbered from 0."""
    found = []
    for event in response.body.decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found


def text_of(events: list[Any]) -> str:
    """Return what the events say, put together."""
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


def test_streamed_response_is_a_message_in_parts_and_its_completion(ask: Ask) -> None:
    """A client of OpenAI's API can read the stream, token by token; the last event has all of it and the usage."""
    response = create(ask, "tokens=3&delay=100", stream=True)
    found = events(response)
    assert [event["type"] for event in found] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * 3,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    ended = found[-1]["response"]
    assert text_of(found) == ended["output"][0]["content"][0]["text"] == "The slow upstream"
    assert (ended["status"], ended["usage"]["output_tokens"]) == ("completed", 3)
    assert 0.29 <= response.pieces[-1][0] < 0.6


def test_whole_response_is_one_document(ask: Ask) -> None:
    """Without ``stream`` there is one JSON document with its length; the input may be a list too."""
    response = create(ask, input=[{"role": "user", "content": "hi"}])
    document = json.loads(response.body)
    assert (document["object"], document["status"]) == ("response", "completed")
    assert document["output"][0]["content"][0]["text"] == "The slow upstream"
    assert response.first("content-length") == str(len(response.body))


@pytest.mark.parametrize("stream", [True, False])
def test_response_that_reaches_its_limit_is_incomplete(ask: Ask, stream: bool) -> None:
    """``max_output_tokens`` ends the response with that reason."""
    response = create(ask, stream=stream, max_output_tokens=2)
    ended = events(response)[-1] if stream else {"type": "response.incomplete", "response": json.loads(response.body)}
    assert ended["type"] == "response.incomplete"
    assert ended["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_stream_breaks_off_where_asked(ask: Ask) -> None:
    """A cut response looks cut and has told only the tokens before."""
    response = create(ask, "tokens=5&delay=0&cut=2", stream=True)
    assert (response.complete, response.ending, text_of(events(response))) == (False, "eof", "The slow")


def test_error_in_the_stream_is_a_response_that_failed(ask: Ask) -> None:
    """An in-band error ends the stream; the framing is whole."""
    response = create(ask, "tokens=5&delay=0&error=2", stream=True)
    *before, last = events(response)
    assert (text_of(before), last["type"]) == ("The slow", "response.failed")
    assert (last["response"]["status"], last["response"]["error"]["code"]) == ("failed", "server_error")
    assert response.complete


def test_error_without_stream_is_a_status(ask: Ask) -> None:
    """The same error before the head is a 503."""
    assert create(ask, "tokens=5&delay=0&error=0").status == 503


def test_stream_without_its_terminal_ends_politely(ask: Ask) -> None:
    """``terminal=omitted`` leaves out ``response.completed`` alone."""
    response = create(ask, "tokens=2&delay=0&terminal=omitted", stream=True)
    assert (response.complete, events(response)[-1]["type"]) == (True, "response.output_item.done")


@pytest.mark.parametrize("body", [{"input": ""}, {"input": []}, {"input": 5}])
def test_body_that_is_no_request_is_refused_in_the_apis_own_shape(ask: Ask, body: dict[str, object]) -> None:
    """A wrong body is a 400 that names the key."""
    response = create(ask, **body)
    error = json.loads(response.body)["error"]
    assert (response.status, error["type"], "input" in error["message"]) == (400, "invalid_request_error", True)
