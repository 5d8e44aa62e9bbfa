"""Frames that are recognised without being parsed mean what they would have meant."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.formats.anthropic import Anthropic
from gateway.formats.openai import OpenAi
from gateway.formats.sse import Sse

PLAIN = b'data: {"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}\n\n'
TEXTS = st.one_of(st.text(), st.sampled_from(['","finish_reason":"stop', "\\", '\\"', "[DONE]", "\n\n", "\x7f"]))


class Parsing(OpenAi):
    """The same watcher without the short way."""

    feed = Sse.feed


@given(texts=st.lists(TEXTS, max_size=8), ascii_only=st.booleans())
def test_texts_of_all_sorts_have_the_marks_that_parsing_gives(texts: list[str], ascii_only: bool) -> None:
    """No text that an answer may hold makes a difference."""
    quick, slow = OpenAi(), Parsing()
    for text in ["a", *texts]:
        value = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], "obfuscation": text}
        data = b"data: " + json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass") + b"\n\n"
        quick.feed(data)
        slow.feed(data)
        assert quick.marks == slow.marks


@given(octets=st.binary(max_size=12))
def test_octets_of_all_sorts_have_the_marks_that_parsing_gives(octets: bytes) -> None:
    """What is no text of JSON is not taken for one."""
    quick, slow = OpenAi(), Parsing()
    for data in (PLAIN % b"a", PLAIN % octets, PLAIN % b"b", PLAIN % octets[:-1]):
        quick.feed(data)
        slow.feed(data)
        assert quick.marks == slow.marks


@pytest.mark.parametrize(
    "data",
    [
        PLAIN % b'"},"finish_reason":"stop"}],"x":[{"a":{"b":"',
        PLAIN % b'b"},"finish_reason":"stop"}],"x":[{"a":{"b":"',
        (PLAIN % b"b").replace(b"null", b'"stop"'),
        (PLAIN % b"b")[:-1],
        (PLAIN % b"b") + (PLAIN % b"b").replace(b"null", b'"stop"'),
        PLAIN % b"b\n\ndata: [DONE]\n\n",
        PLAIN % b"\\u12g4",
        PLAIN % b"\\",
        PLAIN % b"",
        (PLAIN % b"b").replace(b"index", b"INDEX"),
        b"event: error\n" + PLAIN % b"b",
        b": x\n" + PLAIN % b"b",
    ],
)
def test_frame_that_only_resembles_a_known_one_is_looked_at(data: bytes) -> None:
    """A frame has a known shape to its last octet, or is parsed."""
    quick, slow = OpenAi(), Parsing()
    for format in (quick, slow):
        format.feed(PLAIN % b"a")
        format.feed(PLAIN % b"c")
        format.feed(data)
    assert quick.marks == slow.marks


def test_frame_of_a_known_shape_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """This is what makes watching cheap."""
    openai, anthropic = OpenAi(), Anthropic()
    delta = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"%s"}}\n\n'
    openai.feed(b"\n")
    openai.feed(PLAIN % b"a" + PLAIN % b"a")
    anthropic.feed(b"\n")
    anthropic.feed(delta % b"a")
    monkeypatch.setattr("gateway.formats.openai.parsed", None)
    monkeypatch.setattr("gateway.formats.anthropic.parsed", None)
    openai.feed(PLAIN % b"something else" + PLAIN % b"\\n")
    anthropic.feed(delta % "ü".encode())
    assert (openai.marks.meaningful, anthropic.marks.meaningful) == (4, 2)
    assert openai.marks.progress_bytes == sum(len(PLAIN % text) for text in (b"a", b"a", b"something else", b"\\n"))
