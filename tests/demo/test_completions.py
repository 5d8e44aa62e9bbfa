"""The chat completions have OpenAI's shapes, whole, streamed and broken."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.rude_client import RawResponse

Ask = Callable[..., RawResponse]
MESSAGES = [{"role": "user", "content": "hi"}]


def complete(ask: Ask, query: str = "tokens=3&delay=0", **body: object) -> RawResponse:
    """Ask for a completion."""
    document = {"model": "slow-1", "messages": MESSAGES, **body}
    lines = ("Content-Type: application/json", "Authorization: Bearer none")
    return ask(f"/v1/chat/completions?{query}", *lines, method="POST", body=json.dumps(document).encode())


def events(response: RawResponse) -> list[Any]:
    """Return the data of each whole event; ``[DONE]`` as text."""
    found = []
    for event in response.body.decode().split("\n\n")[:-1]:
        data = event.removeprefix("data: ")
        assert data != event
        found.append(data if data == "[DONE]" else json.loads(data))
    return found


def text_of(chunks: list[Any]) -> str:
    """Return what the chunks say, put together."""
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk.get("choices"))


def test_streamed_answer_is_a_role_tokens_a_reason_and_done(ask: Ask) -> None:
    """A client of OpenAI's API can read the stream."""
    response = complete(ask, "tokens=3&delay=100", stream=True)
    *chunks, done = events(response)
    assert response.first("content-type") == "text/event-stream; charset=utf-8"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert text_of(chunks) == "The slow upstream"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, None, "stop"]
    assert all("usage" not in chunk for chunk in chunks)
    assert done == "[DONE]"
    assert 0.29 <= response.pieces[-1][0] < 0.6


def test_usage_is_told_where_asked_for(ask: Ask) -> None:
    """The last chunk has the usage and no choices; those before it say null."""
    *chunks, last, _ = events(complete(ask, stream=True, stream_options={"include_usage": True}))
    assert [chunk["usage"] for chunk in chunks] == [None] * 5
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 3
    assert last["usage"]["total_tokens"] == last["usage"]["prompt_tokens"] + 3


def test_whole_answer_is_one_document(ask: Ask) -> None:
    """Without ``stream`` there is one JSON document with its length."""
    response = complete(ask, "tokens=3&delay=50")
    document = json.loads(response.body)
    assert (document["object"], document["model"]) == ("chat.completion", "slow-1")
    assert document["choices"][0]["message"]["content"] == "The slow upstream"
    assert response.first("content-length") == str(len(response.body))
    assert response.head_seconds >= 0.14


@pytest.mark.parametrize("stream", [True, False])
def test_answer_that_reaches_its_limit_says_so(ask: Ask, stream: bool) -> None:
    """``max_tokens`` ends the answer with the reason ``length``."""
    response = complete(ask, stream=stream, max_tokens=2)
    document = events(response)[-2] if stream else json.loads(response.body)
    assert document["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("stream", [True, False])
def test_answer_breaks_off_where_asked(ask: Ask, stream: bool) -> None:
    """A cut answer looks cut and has told only the tokens before."""
    response = complete(ask, "tokens=5&delay=0&cut=2", stream=stream)
    assert (response.complete, response.ending) == (False, "eof")
    if stream:
        assert text_of(events(response)) == "The slow"


def test_answer_falls_silent_where_asked_and_goes_on(ask: Ask) -> None:
    """A stall is a silence of the length asked for."""
    response = complete(ask, "tokens=3&delay=0&stall=1&stall_s=1", stream=True)
    assert events(response)[-1] == "[DONE]"
    before = [seconds for seconds, _ in response.pieces if seconds < 0.5]
    after = [seconds for seconds, _ in response.pieces if seconds >= 0.99]
    assert min(len(before), len(after)) > 0
    assert len(before) + len(after) == len(response.pieces)


def test_error_in_the_stream_is_an_event_without_done(ask: Ask) -> None:
    """An in-band error ends the stream; the framing is whole."""
    response = complete(ask, "tokens=5&delay=0&error=2", stream=True)
    *_, last = events(response)
    assert last["error"]["type"] == "server_error"
    assert response.complete


def test_error_without_stream_is_a_status(ask: Ask) -> None:
    """The same error before the head is a 503."""
    assert complete(ask, "tokens=5&delay=0&error=0").status == 503


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"max_tokens": 0}, "max_completion_tokens"),
    ],
)
def test_body_that_is_no_request_is_refused_in_the_apis_own_shape(ask: Ask, body: dict[str, object], word: str) -> None:
    """A wrong body is a 400 that names the key."""
    response = complete(ask, **body)
    error = json.loads(response.body)["error"]
    assert (response.status, error["type"], word in error["message"]) == (400, "invalid_request_error", True)


def test_stream_without_its_terminal_ends_politely(ask: Ask) -> None:
    """``terminal=omitted`` leaves out [DONE] alone: the framing is whole, as with upstreams that die behind a proxy."""
    response = complete(ask, "tokens=2&delay=0&terminal=omitted", stream=True)
    *_, last = events(response)
    assert response.complete
    assert last["choices"][0]["finish_reason"] == "stop"


def test_stream_that_stays_open_after_its_terminal_ends_later(ask: Ask) -> None:
    """``terminal=then-silence`` sends [DONE] at once and ends the body only after the silence."""
    started = time.monotonic()
    response = complete(ask, "tokens=2&delay=0&terminal=then-silence&stall_s=1", stream=True)
    assert events(response)[-1] == "[DONE]"
    assert response.pieces[-1][0] < 0.5
    assert response.complete
    assert time.monotonic() - started >= 0.99


def test_body_that_is_not_json_is_refused(ask: Ask) -> None:
    """Octets that do not parse are a 400."""
    assert ask("/v1/chat/completions", method="POST", body=b"{").status == 400
