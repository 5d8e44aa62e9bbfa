"""Python SDKs as readers of streams: each reads the answer at a URL to its end, and what it makes of it is told."""

from collections.abc import Callable, Iterable
from typing import Any

import anthropic
import openai

from support.api_events import MESSAGE

ASKED: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

Tokens = list[str]
Reader = Callable[[str, Tokens, float], None]
"""Reads the answer at a URL to its end, adds the tokens it hears to a list, and raises what the SDK raises, also for a
silence of so many seconds."""


def openai_client(url: str, seconds: float = 10) -> openai.OpenAI:
    """Return OpenAI's client, which does not try again."""
    return openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=seconds)


def anthropic_client(url: str, seconds: float = 10) -> anthropic.Anthropic:
    """Return Anthropic's client, which does not try again."""
    return anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=seconds)


def read_chat(url: str, heard: Tokens, seconds: float) -> None:
    """`chat.completions.create(stream=True)`."""
    with openai_client(url, seconds) as client, client.chat.completions.create(**ASKED, stream=True) as stream:
        for piece in stream:
            heard += [choice.delta.content for choice in piece.choices if choice.delta.content]


def read_chat_helper(url: str, heard: Tokens, seconds: float) -> None:
    """`chat.completions.stream()` and its final completion."""
    with openai_client(url, seconds) as client, client.chat.completions.stream(**ASKED) as stream:
        for text in deltas(stream, "content.delta", lambda event: event.delta):
            heard.append(text)
        stream.get_final_completion()


def read_responses(url: str, heard: Tokens, seconds: float) -> None:
    """`responses.create(stream=True)`."""
    with openai_client(url, seconds) as client, client.responses.create(model="m", input="hi", stream=True) as stream:
        for text in deltas(stream, "response.output_text.delta", lambda event: event.delta):
            heard.append(text)


def read_messages(url: str, heard: Tokens, seconds: float) -> None:
    """`messages.create(stream=True)`."""
    with anthropic_client(url, seconds) as client, client.messages.create(**ASKED, max_tokens=9, stream=True) as stream:
        for text in deltas(stream, "content_block_delta", lambda event: event.delta.text):
            heard.append(text)


def read_messages_helper(url: str, heard: Tokens, seconds: float) -> None:
    """`messages.stream()` and its final message."""
    with anthropic_client(url, seconds) as client, client.messages.stream(**ASKED, max_tokens=9) as stream:
        for text in stream.text_stream:
            heard.append(text)
        stream.get_final_message()


def deltas(stream: Iterable[Any], type: str, text: Callable[[Any], str]) -> Iterable[str]:
    """Yield the texts of the events of ``type``."""
    return (text(event) for event in stream if event.type == type)


def end_of(reader: Reader, url: str, heard: Tokens, *, message: str = MESSAGE, seconds: float = 10) -> str:
    """Read; return "success", or the name of the exception, and whether it says ``message``."""
    try:
        reader(url, heard, seconds)
    except Exception as error:
        return type(error).__name__ + (": the message" if message in str(error) else "")
    return "success"


SDKS: dict[str, tuple[str, Reader]] = {
    "openai chat": ("chat", read_chat),
    "openai chat helper": ("chat", read_chat_helper),
    "openai responses": ("responses", read_responses),
    "anthropic": ("messages", read_messages),
    "anthropic helper": ("messages", read_messages_helper),
}
"""Each with the API it speaks."""

COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
}
ANTHROPIC_MESSAGE = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "a"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}

ReadDocument = Callable[..., str | None]


def read_completion(url: str, seconds: float = 10) -> str | None:
    """`chat.completions.create()`: what it says, None where there is nothing in it."""
    with openai_client(url, seconds) as client:
        completion = client.chat.completions.create(**ASKED)
        return completion.choices[0].message.content if completion.choices else None


def read_message(url: str, seconds: float = 10) -> str | None:
    """`messages.create()`: what it says, None where there is nothing in it."""
    with anthropic_client(url, seconds) as client:
        message = client.messages.create(**ASKED, max_tokens=9)
        return message.content[0].text if message.content else None
