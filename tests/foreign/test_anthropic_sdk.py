"""The Anthropic SDK for Python through the gateway: it streams, it finishes, and it notices what breaks off."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from support.conditions import wait_until
from support.demo_process import DemoUpstream
from support.gateway_process import Gateway, route_to

StartGateway = Callable[..., Gateway]

ASKED: Any = {"model": "slow-1", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}
THREE, SIX = "The slow upstream", "The slow upstream thinks a while"
"""What the demo upstream says in as many tokens."""


@pytest.fixture
def client(one_gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    """A client that knows nothing but the gateway's address, and does not try again."""
    with anthropic.Anthropic(base_url=one_gateway.url, api_key="none", max_retries=0) as client:
        yield client


def manner(**values: int | str) -> dict[str, int | str]:
    """Return the demo upstream's parameters: six tokens without pauses if not said otherwise."""
    return {"tokens": 6, "delay": 0, **values}


def text_of(events: list[Any]) -> str:
    """Return the text of a streamed message."""
    return "".join(event.delta.text for event in events if event.type == "content_block_delta")


def test_streamed_message_arrives_token_by_token(client: anthropic.Anthropic) -> None:
    """Tokens made 200 ms apart are handed out while more are made; the end, its reason and the usage are there."""
    arrivals, events = [], []
    with client.messages.create(**ASKED, stream=True, extra_query=manner(delay=200)) as stream:
        for event in stream:
            events.append(event)
            if event.type == "content_block_delta":
                arrivals.append(time.monotonic())
    assert text_of(events) == SIX
    assert events[-1].type == "message_stop"
    assert (events[-2].delta.stop_reason, events[-2].usage.output_tokens) == ("end_turn", 6)
    assert len(arrivals) == 6
    assert arrivals[-1] - arrivals[0] > 0.4, arrivals  # Of a second: a busy client may be late for some.


def test_stream_helper_of_the_sdk_assembles_the_whole_message(client: anthropic.Anthropic) -> None:
    """The SDK's own text stream ends with the message that was streamed."""
    with client.messages.stream(**ASKED, extra_query=manner()) as stream:
        assert "".join(stream.text_stream) == SIX
        message = stream.get_final_message()
    assert (message.content[0].text, message.stop_reason, message.usage.output_tokens) == (SIX, "end_turn", 6)


@pytest.mark.parametrize("tokens", [0, 1, 5])
def test_cut_stream_raises_and_does_not_finish(client: anthropic.Anthropic, tokens: int) -> None:
    """A message that the upstream breaks off gives the tokens that came, and then the error of its HTTP library."""
    events = []
    with (
        pytest.raises(httpx2.RemoteProtocolError),
        client.messages.create(**ASKED, stream=True, extra_query=manner(delay=20, cut=tokens)) as stream,
    ):
        for event in stream:
            events.append(event)
    assert text_of(events) == " ".join(SIX.split()[:tokens])


def test_error_within_the_stream_is_raised_as_the_upstream_said_it(client: anthropic.Anthropic) -> None:
    """An in-band error passes untouched."""
    events = []
    with (
        pytest.raises(anthropic.APIStatusError, match="The model is overloaded") as caught,
        client.messages.create(**ASKED, stream=True, extra_query=manner(error=3)) as stream,
    ):
        for event in stream:
            events.append(event)
    assert text_of(events) == THREE
    assert caught.value.body == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "The model is overloaded"},
    }


def test_message_in_one_piece_is_whole(client: anthropic.Anthropic) -> None:
    """Without streaming the answer is one document with its usage."""
    message = client.messages.create(**ASKED, extra_query=manner(delay=20))
    assert (message.content[0].text, message.usage.output_tokens) == (SIX, 6)


def test_message_in_one_piece_that_is_cut_raises(client: anthropic.Anthropic) -> None:
    """Half a document is an error of the connection, not of JSON."""
    with pytest.raises(anthropic.APIConnectionError):
        client.messages.create(**ASKED, extra_query=manner(cut=3))


def test_refusals_of_the_upstream_keep_their_status_and_words(client: anthropic.Anthropic) -> None:
    """The SDK raises for 400 and 529 what the upstream wrote."""
    with pytest.raises(anthropic.BadRequestError, match="messages: expected a list"):
        client.messages.create(model="slow-1", max_tokens=9, messages=[])
    with pytest.raises(anthropic.APIStatusError, match="The model is overloaded") as caught:
        client.messages.create(**ASKED, extra_query=manner(error=1))
    assert caught.value.status_code == 529


def test_upstream_that_cannot_be_reached_is_a_502_with_the_gateways_problem(one_gateway: Gateway) -> None:
    """The SDK hands out the status and the problem document."""
    with (
        anthropic.Anthropic(base_url=f"{one_gateway.url}/nobody", api_key="none", max_retries=0) as client,
        pytest.raises(anthropic.InternalServerError) as caught,
    ):
        client.messages.create(**ASKED, stream=True)
    assert (caught.value.status_code, caught.value.response.json()["code"]) == (502, "connect_refused")


def test_stream_that_is_closed_midway_ends_at_the_upstream(demo_upstream: DemoUpstream, gateway: StartGateway) -> None:
    """Whoever closes a message early stops the upstream from making the rest, within a second."""
    running = gateway(route_to(demo_upstream.url))
    port = demo_upstream.address[1]
    with anthropic.Anthropic(base_url=running.url, api_key="none", max_retries=0) as client:
        stream = client.messages.create(**ASKED, stream=True, extra_query=manner(tokens=1000, delay=5000))
        next(iter(stream))
        assert running.open_upstream_connections(port) == 1
        stream.close()
        wait_until(lambda: running.open_upstream_connections(port) == 0, 1.0, "the upstream connection to end")
    assert running.wait_for_line()["outcome"] == "client_gone"
