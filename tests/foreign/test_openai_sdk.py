"""The OpenAI SDK for Python through the gateway: it streams, it finishes, and it notices what did not finish."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from support.conditions import wait_until
from support.demo_process import DemoUpstream
from support.gateway_process import Gateway, Line, route_to

StartGateway = Callable[..., Gateway]

ASKED: Any = {"model": "slow-1", "messages": [{"role": "user", "content": "hi"}]}
THREE, SIX = "The slow upstream", "The slow upstream thinks a while"
"""What the demo upstream says in as many tokens."""


@pytest.fixture
def client(one_gateway: Gateway) -> Iterator[openai.OpenAI]:
    """A client that knows nothing but the gateway's address, and does not try again."""
    with openai.OpenAI(base_url=f"{one_gateway.url}/openai/v1", api_key="sk-none", max_retries=0) as client:
        yield client


def manner(**values: int) -> dict[str, int]:
    """Return the demo upstream's parameters: six tokens without pauses if not said otherwise."""
    return {"tokens": 6, "delay": 0, **values}


def text_of(chunks: list[Any]) -> str:
    """Return the text of a streamed completion."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_streamed_completion_arrives_token_by_token(client: openai.OpenAI) -> None:
    """Tokens made 200 ms apart are handed out while more are made; text, finish reason and usage are whole."""
    arrivals, chunks = [], []
    options: Any = {"stream": True, "stream_options": {"include_usage": True}}
    with client.chat.completions.create(**ASKED, **options, extra_query=manner(delay=200)) as stream:
        for chunk in stream:
            chunks.append(chunk)
            if chunk.choices and chunk.choices[0].delta.content:
                arrivals.append(time.monotonic())
    assert text_of(chunks) == SIX
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.completion_tokens, chunks[-1].choices) == (6, [])
    assert len(arrivals) == 6
    assert arrivals[-1] - arrivals[0] > 0.4, arrivals  # Of a second: a busy client may be late for some.


def test_stream_helper_of_the_sdk_assembles_the_whole_completion(client: openai.OpenAI) -> None:
    """The SDK's own event stream ends with the completion that was streamed."""
    with client.chat.completions.stream(**ASKED, extra_query=manner()) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        completion = stream.get_final_completion()
    assert "".join(deltas) == SIX
    assert completion.choices[0].message.content == SIX


@pytest.mark.parametrize("tokens", [0, 1, 5])
def test_cut_stream_raises_and_does_not_finish(client: openai.OpenAI, tokens: int) -> None:
    """A completion that the upstream breaks off gives the tokens that came, and then an error."""
    chunks = []
    with (
        pytest.raises(openai.APIConnectionError),
        client.chat.completions.create(**ASKED, stream=True, extra_query=manner(delay=20, cut=tokens)) as stream,
    ):
        for chunk in stream:
            chunks.append(chunk)
    assert text_of(chunks) == " ".join(SIX.split()[:tokens])
    assert all(choice.finish_reason is None for chunk in chunks for choice in chunk.choices)


def test_error_within_the_stream_is_raised_as_the_upstream_said_it(client: openai.OpenAI) -> None:
    """An in-band error passes untouched."""
    chunks = []
    with (
        pytest.raises(openai.APIError, match="The model is overloaded"),
        client.chat.completions.create(**ASKED, stream=True, extra_query=manner(error=3)) as stream,
    ):
        for chunk in stream:
            chunks.append(chunk)
    assert text_of(chunks) == THREE


def test_streamed_response_arrives_token_by_token(client: openai.OpenAI) -> None:
    """The newer API streams as well: tokens made 200 ms apart, and a completion with its usage."""
    deltas, arrivals, last = [], [], None
    with client.responses.create(model="slow-1", input="hi", stream=True, extra_query=manner(delay=200)) as stream:
        for last in stream:
            if last.type == "response.output_text.delta":
                deltas.append(last.delta)
                arrivals.append(time.monotonic())
    assert "".join(deltas) == SIX
    assert last is not None
    assert last.type == "response.completed"
    assert (last.response.output_text, last.response.usage.output_tokens) == (SIX, 6)
    assert arrivals[-1] - arrivals[0] > 0.4, arrivals  # Of a second: a busy client may be late for some.


def test_cut_response_raises(client: openai.OpenAI) -> None:
    """A response that the upstream breaks off is an error of the connection."""
    with (
        pytest.raises(openai.APIConnectionError),
        client.responses.create(model="slow-1", input="hi", stream=True, extra_query=manner(cut=3)) as stream,
    ):
        list(stream)


def test_completion_in_one_piece_is_whole(client: openai.OpenAI) -> None:
    """Without streaming the answer is one document with its usage."""
    completion = client.chat.completions.create(**ASKED, extra_query=manner(delay=20))
    assert completion.choices[0].message.content == SIX
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 6


def test_completion_in_one_piece_that_is_cut_raises(client: openai.OpenAI) -> None:
    """Half a document is an error of the connection, not of JSON."""
    with pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(**ASKED, extra_query=manner(cut=3))


def test_refusals_of_the_upstream_keep_their_status_and_words(client: openai.OpenAI) -> None:
    """The SDK raises for 400 and 503 what the upstream wrote."""
    with pytest.raises(openai.BadRequestError, match="messages: expected a list"):
        client.chat.completions.create(model="slow-1", messages=[])
    with pytest.raises(openai.InternalServerError, match="The model is overloaded") as caught:
        client.chat.completions.create(**ASKED, extra_query=manner(error=1))
    assert caught.value.status_code == 503


def test_upstream_that_cannot_be_reached_is_a_502_with_the_gateways_problem(one_gateway: Gateway) -> None:
    """The SDK hands out the status, the problem document and the exchange's id."""
    with (
        openai.OpenAI(base_url=f"{one_gateway.url}/nobody", api_key="sk-none", max_retries=0) as client,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        client.chat.completions.create(**ASKED, stream=True)
    assert caught.value.status_code == 502
    assert caught.value.response.json()["code"] == "connect_refused"
    assert caught.value.request_id == caught.value.response.headers["x-request-id"]


def test_sdk_tries_again_by_itself_where_it_was_told_to(one_gateway: Gateway) -> None:
    """A 503 of the upstream leaves retries to the SDK: with one retry allowed, two requests and no more."""
    seen = {line["id"] for line in one_gateway.log_lines()}
    with (
        openai.OpenAI(base_url=f"{one_gateway.url}/openai/v1", api_key="sk-none", max_retries=1) as client,
        pytest.raises(openai.InternalServerError),
    ):
        client.chat.completions.create(**ASKED, extra_query=manner(error=1))

    def refused() -> list[Line]:
        """Its lines; one of a stream before it may come late."""
        lines = [line for line in one_gateway.log_lines() if line["status"] == 503 and line["id"] not in seen]
        return lines if len(lines) > 1 else []

    assert [line["attempts"] for line in wait_until(refused)] == [1, 1]


def test_stream_that_is_closed_midway_ends_at_the_upstream(demo_upstream: DemoUpstream, gateway: StartGateway) -> None:
    """Whoever closes a completion early stops the upstream from making the rest, within a second."""
    running = gateway(route_to(demo_upstream.url))
    port = demo_upstream.address[1]
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key="sk-none", max_retries=0) as client:
        stream = client.chat.completions.create(**ASKED, stream=True, extra_query=manner(tokens=1000, delay=5000))
        next(iter(stream))
        assert running.open_upstream_connections(port) == 1
        stream.close()
        wait_until(lambda: running.open_upstream_connections(port) == 0, 1.0, "the upstream connection to end")
    assert running.wait_for_line()["outcome"] == "client_gone"


def test_forty_streams_at_once_each_get_their_own_text(client: openai.OpenAI) -> None:
    """Streams of different lengths run side by side; none waits for another and none mixes with another."""

    def stream(tokens: int) -> tuple[str, str | None]:
        chunks = list(client.chat.completions.create(**ASKED, stream=True, extra_query=manner(tokens=tokens, delay=50)))
        return text_of(chunks), chunks[-1].choices[0].finish_reason

    started = time.monotonic()
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(stream, range(1, 41)))
    assert [len(text.split()) for text, _ in answers] == list(range(1, 41))
    assert {reason for _, reason in answers} == {"stop"}
    assert time.monotonic() - started < 10  # one after the other they would take 41 seconds


def test_asynchronous_client_streams_many_at_once(one_gateway: Gateway) -> None:
    """The asyncio client works as the other one does."""

    async def stream(client: openai.AsyncOpenAI) -> str:
        chunks = await client.chat.completions.create(**ASKED, stream=True, extra_query=manner(delay=30))
        return text_of([chunk async for chunk in chunks])

    async def all_streams() -> list[str]:
        base_url = f"{one_gateway.url}/openai/v1"
        async with openai.AsyncOpenAI(base_url=base_url, api_key="sk-none", max_retries=0) as client:
            return await asyncio.gather(*(stream(client) for _ in range(20)))

    assert asyncio.run(all_streams()) == [SIX] * 20
