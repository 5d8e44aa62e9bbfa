"""What the upstream was asked is told back, octet for octet."""

import hashlib
import json
from collections.abc import Callable

import pytest
from support.rude_client import RawResponse, RudeClient
from support.scripted_upstream import chunk

Ask = Callable[..., RawResponse]


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "TRACE", "PROPFIND", "frob"])
@pytest.mark.parametrize("target", ["/echo", "/echo/", "/echo//a%2Fb/%7e?x=1&x=;+%zz", "/echo/a/../b", "/echo?"])
def test_request_is_told_back_as_it_came(ask: Ask, method: str, target: str) -> None:
    """Method and target come back unchanged, whatever they are."""
    asked = json.loads(ask(target, method=method).body)
    assert (asked["method"], asked["target"], asked["version"]) == (method, target, "HTTP/1.1")


def test_fields_are_told_back_in_order(ask: Ask) -> None:
    """Case, repetition, underscores and empty values are kept."""
    lines = ("x-B: 2", "X-a: 1", "x-b: 3", "X_Under: _", "X-Empty: ", "Cookie: a=1", "Cookie: b=2")
    fields = json.loads(ask("/echo", *lines).body)["fields"]
    assert fields == [["Host", "demo.test"], *(list(line.split(": ", 1)) for line in lines)]


@pytest.mark.parametrize("target", ["/echo", "/upload"])
def test_body_is_measured_in_both_framings(ask: Ask, client: RudeClient, target: str) -> None:
    """Length and SHA-256 are those of what was sent."""
    body = bytes(range(256)) * 1000
    expected = {"length": 256_000, "sha256": hashlib.sha256(body).hexdigest()}
    by_length = json.loads(ask(target, method="POST", body=body).body)
    head = f"POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    by_chunks = json.loads(client.send(head + chunk(body) + chunk(b"")).read_response().body)
    assert by_length.get("body", by_length) == expected
    assert by_chunks.get("body", by_chunks) == expected


def test_upload_that_is_cut_is_refused(client: RudeClient) -> None:
    """Half a body is never measured as a whole one."""
    client.send(b"PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
    client.half_close()
    response = client.read_response()
    assert (response.status, b"ended after" in response.body) == (400, True)


def test_upload_is_taken_at_the_pace_asked_for(ask: Ask) -> None:
    """A pause before each next piece holds the client back."""
    assert ask("/upload?delay=100", method="PUT", body=b"." * 200_000).head_seconds >= 0.39


def test_field_lines_that_intermediaries_change_are_there(ask: Ask) -> None:
    """Repeated, empty, long, oddly cased and non-ASCII fields reach the wire as they are."""
    response = ask("/headers")
    assert len(response.all("set-cookie")) == 3
    assert response.all("x-repeated") == ["one", "two"]
    for line in [("X-Empty", ""), ("x-MiXeD-cAsE", "kept"), ("X_Under_Score", "kept"), ("X-Latin", "caf\xe9")]:
        assert line in response.fields
