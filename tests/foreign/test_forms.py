"""What each real client makes of each form of a stream: whole, pinged, told to have failed, cut, unfinished.

The tables are the reason for the forms that the gateway chooses. They also say where a client reports success for an
answer that is not whole: there it is for the gateway to make the difference.
"""

import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from support.api_events import APIS, MESSAGE, Written, written
from support.browser import Tab
from support.children import Program
from support.gateway_process import Gateway
from support.scripted_upstream import Script, ScriptedUpstream, chunk, play, read_request
from support.sdk_readers import (
    ANTHROPIC_MESSAGE,
    COMPLETION,
    SDKS,
    ReadDocument,
    Tokens,
    end_of,
    read_completion,
    read_message,
)

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"

Staged = Callable[[Script], ScriptedUpstream]
Serve = Callable[..., str]
Listen = Callable[[str], Program | Tab]


@pytest.fixture
def serve(staged: Staged, one_gateway: Gateway) -> Serve:
    """Put a body on, once: ``serve(written, type)``; later requests get 204. Return the URL."""

    def put_on(body: Written, type: str = "text/event-stream") -> str:
        end = [chunk(b"")] if body.ends else []
        first = [HEAD.format(type).encode(), *map(chunk, body.pieces), *end]
        turns = iter([first])
        rest = [b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"]
        staged(lambda connection: play([read_request, *next(turns, rest)], connection))
        return f"{one_gateway.url}/staged"

    return put_on


def row(heard: str, chat: str, messages: str, **others: str) -> tuple[str, dict[str, str]]:
    """Return what is heard, and how it ends for each SDK; ``others`` names those that differ from their fellow."""
    ends = {"openai chat": chat, "anthropic": messages, "openai chat helper": chat, "openai responses": chat}
    return heard, {
        **ends,
        "anthropic helper": messages,
        **{name.replace("_", " "): end for name, end in others.items()},
    }


OPENAI_TOLD, ANTHROPIC_TOLD = "APIError: the message", "APIStatusError: the message"
OPENAI_CUT, ANTHROPIC_CUT = "APIConnectionError", "RemoteProtocolError"
NOTHING_COLLECTED = {"openai_chat_helper": "AssertionError", "anthropic_helper": "AssertionError"}

OF_SDKS = {
    "whole": row("ab", "success", "success"),
    "pinged": row("ab", "success", "success"),
    "pinged with ids": row("ab", "success", "success"),
    # Why a ping is one line: where events have ids, OpenAI's SDK takes each further blank line for an event.
    "pinged with ids and blank lines": row("ab", "JSONDecodeError", "success"),
    "framed": row("a", OPENAI_TOLD, ANTHROPIC_TOLD),
    "framed and cut": row("a", OPENAI_TOLD, ANTHROPIC_TOLD),
    "framed at once": row("", OPENAI_TOLD, ANTHROPIC_TOLD),
    "framed as plain events": row("a", OPENAI_TOLD, ANTHROPIC_TOLD),
    # Why each API needs its own frame: Anthropic's SDK passes over events that have no name.
    "framed as OpenAI does": row("a", OPENAI_TOLD, "success"),
    "cut": row("a", OPENAI_CUT, ANTHROPIC_CUT),
    # Why a body is ended politely once its terminal has come.
    "cut behind the terminal": row("ab", "success", ANTHROPIC_CUT, openai_responses=OPENAI_CUT),
    # Why a polite end proves nothing: no SDK misses the terminal.
    "unfinished": row("a", "success", "success"),
    "unfinished inside an event": row("a", "success", "success"),
    "pinged only": row("", "success", "success", **NOTHING_COLLECTED),
}


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("form", OF_SDKS)
def test_sdk_makes_of_a_form_what_the_table_says(serve: Serve, form: str, sdk: str) -> None:
    """The SDK hears these tokens, and then reports success or raises this."""
    api, reader = SDKS[sdk]
    heard: Tokens = []
    end = end_of(reader, serve(written(form, APIS[api])), heard)
    tokens, ends = OF_SDKS[form]
    assert end == ends[sdk]
    assert "".join(heard) == ("" if end == "JSONDecodeError" else tokens)


ERROR_DOCUMENT = {"type": "error", "error": {"type": "api_error", "message": MESSAGE}}


@pytest.mark.parametrize(
    ("read", "document"),
    [(read_completion, COMPLETION), (read_message, ANTHROPIC_MESSAGE)],
    ids=["openai", "anthropic"],
)
def test_document_behind_blanks_is_read_as_without_them(
    serve: Serve, read: ReadDocument, document: dict[str, Any]
) -> None:
    """JSON may begin with blanks (RFC 8259 section 2), and the SDKs let it: so a late document can be waited for."""
    pieces = (b" ", b" \n", json.dumps(document).encode())
    assert read(serve(Written(pieces), "application/json")) == "a"


@pytest.mark.parametrize("read", [read_completion, read_message], ids=["openai", "anthropic"])
def test_error_document_behind_blanks_is_no_error_to_an_sdk(serve: Serve, read: ReadDocument) -> None:
    """With 200 an SDK takes an error document for an answer that says nothing: such a body has to be cut instead."""
    pieces = (b" ", json.dumps(ERROR_DOCUMENT).encode())
    assert read(serve(Written(pieces), "application/json")) is None


@pytest.mark.parametrize(
    ("read", "raised"),
    [(read_completion, openai.APIConnectionError), (read_message, anthropic.APIConnectionError)],
    ids=["openai", "anthropic"],
)
def test_document_that_is_cut_behind_blanks_is_an_error_of_the_connection(
    serve: Serve, read: ReadDocument, raised: type[Exception]
) -> None:
    """Pings alone, and then a cut, are no answer to any SDK."""
    with pytest.raises(raised):
        read(serve(Written((b" ", b" "), ends=False), "application/json"))


LINES = (b'{"n": 1}\n', b"\n", b'{"n": 2}\n', b"\n")
FRAME_LINE = b'{"error": {"message": "the upstream broke off"}, "_gateway": true}\n'

OF_READERS = {
    "pinged": (written("pinged", APIS["events"]), "text/event-stream", True),
    "framed": (written("framed", APIS["events"]), "text/event-stream", True),
    "framed and cut": (written("framed and cut", APIS["events"]), "text/event-stream", False),
    "lines pinged": (Written(LINES), "application/x-ndjson", True),
    "lines framed": (Written((*LINES, FRAME_LINE)), "application/x-ndjson", True),
}
"""The body, its type, and whether whoever only reads octets reports success: a frame alone tells them nothing."""


@pytest.mark.parametrize("form", OF_READERS)
def test_reader_of_octets_gets_them_all_and_goes_by_the_framing(
    octets_of: Callable[[str], tuple[str, bool]], serve: Serve, form: str
) -> None:
    """Pings and frames are octets as others are; success is what the framing says.

    A cut takes with it what fetch has not handed out yet (WHATWG Streams: an error empties the queue), so that a
    frame just before it can go unread.
    """
    body, type, success = OF_READERS[form]
    text = b"".join(body.pieces).decode()
    got, reported = octets_of(serve(body, type))
    assert reported == success
    assert got == text or (not success and text.startswith(got))


OF_SOURCES: dict[str, list[dict[str, Any]]] = {
    "pinged": [{"message": "a"}, {"message": "b"}, {"tick": "done"}],
    "pinged with ids and blank lines": [{"message": "a"}, {"message": "b"}, {"tick": "done"}],
    "pinged only": [],
    "framed": [{"message": "a"}, {"error": MESSAGE}],
    "framed and cut": [{"message": "a"}, {"error": MESSAGE}],
    "framed as OpenAI does": [{"message": "a"}, {"message": MESSAGE}],
    "unfinished": [{"message": "a"}],
    "cut": [{"message": "a"}],
}
"""What is heard until the source connects anew, which it does after every end."""


@pytest.mark.parametrize("form", OF_SOURCES)
def test_event_source_hears_what_the_table_says(listen: Listen, serve: Serve, form: str) -> None:
    """A ping is not heard; a frame is an `error` with data; an end and a cut are the same to it.

    A cut may take with it what was not heard yet: npm's reads with fetch.
    """
    with listen(serve(written(form, APIS["events"]))) as source:
        assert source.report() == {"open": True}
        heard = []
        while (told := source.report()) != {"again": True}:
            data = told["data"]
            heard.append({told["event"]: MESSAGE if MESSAGE in data else data})
    expected = OF_SOURCES[form]
    assert heard == expected or ("cut" in form and heard == expected[: len(heard)])
