"""What an answer does to those who read it, and to those who do not."""

import select
from collections.abc import Callable

import pytest
from support.certificates import TlsFiles
from support.scripted_upstream import ScriptedUpstream, read_request, response
from upstream.attempts import ask, opener_for

from gateway.exchange.failure import FailureError
from gateway.exchange.route import TlsToUpstream, Upstream
from gateway.exchange.target import parse_endpoint
from gateway.upstream.opening import Opener

StartUpstream = Callable[..., ScriptedUpstream]


def test_a_torrent_under_tls_lets_others_have_their_turn(scripted_upstream: StartUpstream, tls_files: TlsFiles) -> None:
    """Reading TLS waits only where nothing is there: an upstream that is always ahead would keep everybody waiting."""
    records, record = 64, 16 * 1024
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (records * record)
    upstream = scripted_upstream([read_request, head, b"x" * records * record], tls=tls_files.server_context())
    described = Upstream("scripted", (parse_endpoint(upstream.url),), tls=TlsToUpstream(ca=str(tls_files.ca)))
    turns: list[int] = []
    opener = Opener(described, lambda sock: turns.append(len(select.select([sock], [], [], 5)[0])))

    asked = ask(opener).read()
    opener.close()

    assert asked.body == b"x" * records * record
    assert len(turns) >= records // 16 - 1
    assert set(turns) == {1}, "it waited although there was nothing to come"


def test_reply_that_was_read_does_not_look_empty(scripted_upstream: StartUpstream) -> None:
    """A second reader gets a defect, not a body that ends politely (law 3)."""
    opener = opener_for(scripted_upstream([read_request, response(b"ok")]))
    asked = ask(opener).read()
    opener.close()
    assert asked.reply is not None

    with pytest.raises(FailureError) as caught:
        list(asked.reply.chunks)

    assert caught.value.failure.kind.code == "internal"
