"""The streams of the OpenAI API: what carries an answer, what ends it, what is an error."""

import json

import pytest
from support.streams import CHAT, CHAT_FINISH, CHAT_USAGE, DONE, RESPONSES

from gateway.exchange.marks import InBandError, Usage
from gateway.formats.openai import MOST_CHOICES, OpenAi
from gateway.formats.sse import LARGEST_EVENT_BYTES


def event(value: object, name: str = "") -> bytes:
    """Return an event with this value as its data."""
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(value).encode() + b"\n\n"


def choice(index: int = 0, finish: str | None = None, **delta: object) -> dict[str, object]:
    """Return one choice of a chunk."""
    return {"index": index, "delta": delta, "finish_reason": finish}


def chunk(*choices: object, **others: object) -> bytes:
    """Return a chunk of a chat with these choices."""
    return event({"id": "c", "choices": list(choices), **others})


def fed(*chunks: bytes) -> OpenAi:
    """Return a watcher that has seen these chunks."""
    format = OpenAi()
    for data in chunks:
        format.feed(data)
    return format


@pytest.mark.parametrize(
    ("data", "meaningful"),
    [
        (chunk(choice(content="a")), 1),
        (chunk(choice(role="assistant", content="")), 0),
        (chunk(choice(role="assistant", content="a")), 1),
        (chunk(choice(tool_calls=[{"index": 0, "function": {"arguments": "{"}}])), 1),
        (chunk(choice(refusal="no")), 1),
        (chunk(choice(reasoning_content="hm")), 1),
        (chunk(choice(reasoning="hm", content=None)), 1),
        (chunk(choice(content=None, tool_calls=None, provider_specific_fields={"a": 1})), 0),
        (chunk(), 0),
        (chunk("no choice"), 0),
        (chunk({"index": 0, "text": "a", "finish_reason": None}), 1),
        (chunk({"index": 0, "text": "", "finish_reason": None}), 0),
        (chunk({"index": 0, "message": {"content": "a"}}), 1),
        (chunk({"index": "odd", "delta": {"content": "a"}}), 1),
        (chunk(choice(0, content="a"), choice(1, content="b")), 1),
        (event({"type": "response.created", "response": {}}), 0),
        (event({"type": "response.in_progress"}), 0),
        (event({"type": "response.web_search_call.in_progress"}), 0),
        (event({"type": "response.output_item.added"}), 0),
        (event({"type": "response.output_text.delta", "delta": "a"}), 1),
        (event({"type": ["odd"]}), 1),
        (event({"delta": "a"}, "response.output_text.delta"), 1),
        (event({"response": {}}, "response.created"), 0),
        (event([1]), 0),
    ],
)
def test_frame_is_meaningful_where_it_carries_some_of_the_answer(data: bytes, meaningful: int) -> None:
    """A role, a preamble, an empty text are none of it."""
    marks = fed(data, data).marks
    assert (marks.frames, marks.meaningful, marks.terminal, marks.malformed) == (2, 2 * meaningful, False, None)


@pytest.mark.parametrize(
    ("chunks", "missing"),
    [
        ((CHAT, CHAT_FINISH), None),
        ((CHAT, DONE), None),
        ((DONE,), None),
        ((CHAT, b"data: [DONE]\n"), "neither a finish_reason nor [DONE] came"),
        ((CHAT,), "neither a finish_reason nor [DONE] came"),
        ((), "neither a finish_reason nor [DONE] came"),
        ((chunk(choice(finish="")),), "neither a finish_reason nor [DONE] came"),
        ((chunk(choice(content='"finish_reason":"stop"')),), "neither a finish_reason nor [DONE] came"),
        ((chunk(choice(content="[DONE]")),), "neither a finish_reason nor [DONE] came"),
        ((chunk(choice(0), choice(1)), chunk(choice(0, "stop"))), "1 of 2 choices did not finish"),
        ((chunk(choice(0), choice(1)), chunk(choice(1, "stop")), chunk(choice(0, "length"))), None),
        ((chunk(choice(0), choice(1)), chunk(choice(0, "stop")), DONE), None),
        ((chunk(choice(0, "stop")), chunk(choice(0, content="late")), CHAT_USAGE), None),
        ((chunk(choice(0, "stop")), chunk(choice(1, content="more"))), "1 of 2 choices did not finish"),
        ((RESPONSES,), None),
        ((RESPONSES[:-1],), "neither a finish_reason nor [DONE] came"),
        ((event({"type": "response.incomplete", "response": {}}),), None),
        ((event({"response": {}}, "response.completed"),), None),
        ((event({"type": "transcript.text.done"}),), None),
        ((event({"error": {"code": 500}}), DONE), "the answer broke off with an error"),
        ((chunk(choice(finish="error")), DONE), "the answer broke off with an error"),
        ((event({"error": {"code": 500}}), chunk(choice(finish="stop"))), "the answer broke off with an error"),
        ((CHAT, CHAT_FINISH, b"data: {cut"), None),
    ],
)
def test_answer_is_whole_when_all_its_choices_finished_or_it_says_done(
    chunks: tuple[bytes, ...], missing: str | None
) -> None:
    """Texts that quote the words of the protocol end nothing; an error is no end."""
    assert fed(*chunks).end() == missing


def test_answer_with_more_choices_than_are_followed_ends_with_done_alone() -> None:
    """What is not followed is not taken for finished."""
    format = OpenAi()
    for index in range(MOST_CHOICES + 2):
        format.feed(chunk(choice(index, content="a")))
    for index in range(MOST_CHOICES + 2):
        format.feed(chunk(choice(index, "stop")))
    assert not format.marks.terminal and len(format._open) <= MOST_CHOICES + 1 and len(format._finished) <= MOST_CHOICES
    format.feed(DONE)
    assert format.end() is None


@pytest.mark.parametrize(
    ("data", "code", "status"),
    [
        (event({"error": {"code": 429, "message": "slow down"}}), "429", 429),
        (event({"id": "c", "error": {"code": 502}, "choices": [choice(finish="error")]}), "502", 502),
        (event({"error": "the model is gone"}), "error", 502),
        (event({"object": "error", "type": "BadRequestError", "code": 400}), "400", 400),
        (event({"error": {"type": "server_error", "code": None}}, "error"), "server_error", 500),
        (event({"message": "oh", "code": "rate_limit_exceeded"}, "error"), "rate_limit_exceeded", 429),
        (event({"type": "error", "code": "server_error", "message": "oh"}), "server_error", 500),
        (event({"type": "response.failed", "response": {"error": {"code": "invalid_prompt"}}}), "invalid_prompt", 400),
        (event({"type": "response.failed", "response": {"error": None}}), "response.failed", 502),
        (event({"type": "response.failed"}), "response.failed", 502),
        (chunk(choice(content="a", finish="error")), "error", 502),
    ],
)
def test_error_within_the_stream_is_seen_with_the_document_that_tells_it(data: bytes, code: str, status: int) -> None:
    """In all the shapes that are about; the first one counts."""
    format = fed(data, event({"error": {"code": 403}}))
    document = data[data.index(b"data: ") + 6 : -2]
    assert format.marks.error == InBandError(code, status, document)
    assert (format.marks.frames, format.marks.meaningful, format.marks.terminal) == (2, 0, False)


@pytest.mark.parametrize("value", [{"error": None, "choices": []}, {"error": {}}, {"type": "response.error_like"}])
def test_frame_without_an_error_is_none(value: object) -> None:
    """``error`` may be there and say nothing."""
    assert fed(event(value)).marks.error is None


@pytest.mark.parametrize(
    ("data", "usage"),
    [
        (CHAT_USAGE, Usage(7, 3, 10)),
        (RESPONSES, Usage(5, 2, 7)),
        (chunk(choice(content="a"), usage={"prompt_tokens": 1}) * 2, Usage(1)),
        (chunk(choice(content="a"), usage=None), None),
        (event({"type": "transcript.text.done", "usage": {"input_tokens": 4}}), Usage(4)),
        (event({"type": "response.failed", "response": {"usage": {"input_tokens": 4}}}), Usage(4)),
    ],
)
def test_usage_is_read_wherever_it_is_said(data: bytes, usage: Usage | None) -> None:
    """Also after the answer's end, where it usually comes."""
    assert fed(CHAT, CHAT_FINISH, data).marks.usage == usage


def test_usage_that_grows_is_read_each_time() -> None:
    """Frames that say their usage are not taken for alike."""
    format = OpenAi()
    for count in range(3):
        format.feed(chunk(choice(content="a"), usage={"completion_tokens": count}))
    assert format.marks.usage == Usage(None, 2)


def test_data_that_is_not_json_is_malformed_and_the_first_is_told() -> None:
    """Also among frames that are alike: each is recognised as a whole."""
    good = chunk(choice(content="abc"))
    format = fed(good, good, good.replace(b"abc", b'a"c'), b"data: what\n\n", good)
    assert format.marks.malformed == "the data of event 3 is not JSON"
    assert (format.marks.frames, format.marks.meaningful) == (5, 3)


@pytest.mark.parametrize(("name", "whole"), [("response.completed", True), ("response.output_text.delta", False)])
def test_event_too_large_to_be_read_goes_by_its_name(name: str, whole: bool) -> None:
    """A response that holds a large answer again still ends it."""
    deep = b"event: %s\ndata: %s\n\n" % (name.encode(), b"[" * 300_000)
    for data in (event("x" * LARGEST_EVENT_BYTES, name), deep):
        format = fed(data)
        assert (format.marks.terminal, format.marks.meaningful, format.marks.malformed) == (whole, 1, None)
