"""Traces behind the real server: spans that last as long as their streams, and a receiver that holds up nobody."""

import contextlib
import itertools
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import StartGateway
from support.conditions import patience, wait_until
from support.framing import PeerClosed
from support.gateway_process import Gateway, route_to, toml_table
from support.otlp_receiver import OtlpReceiver
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, chunk, response

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = f"traceparent: 00-{TRACE}-{SPAN}-01"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
EVENTS = CHUNKED + b"Content-Type: text/event-stream\r\n\r\n"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


def by_target(connection: ScriptedConnection) -> None:
    """Answer by what the target's last part says."""
    what = connection.read_head().target.partition("?")[0].rpartition("/")[2]
    if what == "slow":
        connection.send(CHUNKED + b"\r\n" + chunk(b"one"))
        connection.pause(0.3)
        connection.send(chunk(b"two"))
        connection.pause(0.3)
        connection.send(chunk(b""))
    elif what == "cut":
        connection.send(CHUNKED + b"\r\n" + chunk(b"half"))
    elif what == "endless":
        connection.send(CHUNKED + b"\r\n" + chunk(b"begun"))
        connection.hang()
    elif what == "busy":
        connection.send(response(b"no", status="503 Service Unavailable"))
    elif what == "completions":
        connection.send(EVENTS + chunk(_event({"choices": [{"index": 0, "delta": {"content": "hi"}}]})))
        connection.pause(0.3)
        connection.send(chunk(_event({"choices": [], "usage": USAGE}) + b"data: [DONE]\n\n") + chunk(b""))
    else:
        connection.send(response(b"whole"))


def _event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    """A receiver that takes everything."""
    with OtlpReceiver() as made:
        yield made


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    """An upstream with an answer of each kind."""
    with ScriptedUpstream(by_target) as made:
        yield made


def tracing(url: str, **settings: object) -> str:
    """Return the table, which sends soon."""
    return toml_table("tracing", {"endpoint": url, "flush": "50ms", **settings})


@pytest.fixture(scope="module")
def traced(
    receiver: OtlpReceiver, upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway that sends all spans, with routes that retry and hedge."""
    with socket.socket() as unused, ScriptedUpstream(but_the_first()) as hedged:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
        toml = tracing(
            receiver.url,
            headers={"X-Api-Key": "s3cret-key"},
            service_name="front",
            resource={"deployment.environment.name": "test"},
        )
        toml += toml_table("upstreams.up", {"endpoints": [upstream.url]})
        toml += toml_table("upstreams.half", {"endpoints": [{"url": dead}, {"url": upstream.url, "priority": 1}]})
        toml += toml_table("upstreams.two", {"endpoints": [hedged.url, f"{hedged.url}/second"]})
        for route in (
            {"name": "all", "path": "/all/", "upstream": "up"},
            {"name": "half", "path": "/half/", "upstream": "half"},
            {"name": "two", "path": "/two/", "upstream": "two", "hedge": {"after": "100ms"}},
            {"name": "ai", "path": "/ai/", "upstream": "up", "stream": {"format": "openai", "stall": "100ms"}},
        ):
            toml += toml_table("[routes]", route)
        with Gateway(toml, tmp_path_factory.mktemp("traced")) as gateway:
            yield gateway
            assert "Traceback" not in gateway.stderr(), gateway.output()
            assert "s3cret" not in gateway.output()


def but_the_first() -> Callable[[ScriptedConnection], None]:
    """Let the first request of all wait for ever, and answer every other one."""
    first = itertools.count()

    def script(connection: ScriptedConnection) -> None:
        connection.read_head()
        if next(first) == 0:
            connection.hang()
        connection.send(response(b"quick"))

    return script


def ended(gateway: Gateway, target: str, *lines: str) -> dict[str, object]:
    """Ask for ``target``, read what comes, and return the line."""
    before = {line["id"] for line in gateway.log_lines()}
    with RudeClient(gateway.address) as client, contextlib.suppress(PeerClosed):
        client.get(target, *lines).read_response()
    return gateway.wait_for_line(lambda line: line["id"] not in before and line["target"].startswith(target[:8]))


def test_server_span_continues_the_callers_trace_and_lasts_as_long_as_the_stream(
    traced: Gateway, receiver: OtlpReceiver, upstream: ScriptedUpstream
) -> None:
    """The caller is its parent, the upstream sees the attempt, and no value of a query is told."""
    line = ended(traced, "/all/slow?key=s3cret", PARENT, "tracestate: a=1,b=2")
    own, below = receiver.exchange(str(line["id"]))
    assert (own.trace_id, own.parent_id, own.state) == (TRACE, SPAN, "a=1,b=2") == (line["trace_id"], SPAN, "a=1,b=2")
    assert own.server and own.flags == 0x301 and not own.failed
    assert abs(own.seconds - float(str(line["total_ms"])) / 1000) < patience(0.002)
    assert 0.55 < own.seconds < patience(2)
    (attempt,) = below
    asked = upstream.requests[-1]
    assert asked.all("traceparent") == [f"00-{TRACE}-{attempt.span_id}-01"]
    assert asked.all("tracestate") == ["a=1,b=2"]
    assert own.start <= attempt.start <= attempt.end <= own.end
    assert attempt.seconds > 0.55, "a client span must last until the body's end"
    assert own.name == "GET all"
    expected = {
        "http.request.method": "GET",
        "url.path": "/all/slow",
        "url.query": "key=***",
        "http.route": "all",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "server.address": "gateway.test",
        "slowgate.outcome": "complete",
        "slowgate.attempts": 1,
        "http.response.body.size": 6,
    }
    assert expected.items() <= own.attributes.items()
    assert attempt.attributes["slowgate.endpoint"] == upstream.url
    assert attempt.attributes["server.port"] == upstream.port
    assert own.resource == {"service.name": "front", "deployment.environment.name": "test"}
    path, fields, _ = receiver.messages[-1]
    assert (path, fields["x-api-key"], fields["content-type"]) == ("/v1/traces", "s3cret-key", "application/x-protobuf")
    assert b"s3cret" not in receiver.octets


def test_each_attempt_has_a_span_and_the_one_before_says_what_failed(traced: Gateway, receiver: OtlpReceiver) -> None:
    """An endpoint that nobody listens at, then one that answers: two spans, and an event between them."""
    line = ended(traced, "/half/whole")
    own, below = receiver.exchange(str(line["id"]))
    first, second = below
    assert first.failed and first.attributes["error.type"] == "connect_refused"
    assert first.end <= second.start
    assert not second.failed and second.attributes["http.request.resend_count"] == 1
    at, said = own.event("slowgate.retry")
    assert said["slowgate.after"] == "connect_refused" and at == second.start
    assert not own.failed and own.parent_id == ""


def test_hedged_loser_has_a_span_and_is_no_error(traced: Gateway, receiver: OtlpReceiver) -> None:
    """It ended because another one was faster."""
    line = ended(traced, "/two/x")
    own, below = receiver.exchange(str(line["id"]))
    assert line["hedged"] == "won"
    loser, winner = below
    assert (loser.attributes["slowgate.failure"], loser.failed) == ("superseded", False)
    assert (winner.attributes["slowgate.hedging"], winner.attributes["http.response.status_code"]) == (True, 200)
    assert loser.start < winner.start < loser.end
    own.event("slowgate.hedge")


def test_tokens_stalls_and_first_frames_are_told(traced: Gateway, receiver: OtlpReceiver) -> None:
    """What the stream said it cost stands on the attempt that counts; what happened within it, with its time."""
    line = ended(traced, "/ai/v1/chat/completions")
    own, (attempt,) = receiver.exchange(str(line["id"]))
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
    }.items() <= attempt.attributes.items()
    assert not any(name.startswith("gen_ai") for name in own.attributes), "who adds up spans must not count twice"
    stall, said = own.event("slowgate.stall")
    assert 0.25 < stall - own.event("slowgate.first_frame")[0] < patience(1)
    assert 250 < said["slowgate.gap_ms"] < 1000 * patience(1)
    assert own.start <= own.event("slowgate.head")[0] <= own.event("slowgate.first_byte")[0] < stall <= own.end


@pytest.mark.parametrize(
    ("target", "outcome", "status", "own_failed", "below_failed"),
    [
        ("/all/cut", "truncated", 200, True, True),
        ("/all/busy", "complete", 503, False, True),
        ("/nowhere", "rejected", 404, False, None),
    ],
)
def test_span_is_an_error_where_somebody_on_call_could_mend_it(
    traced: Gateway,
    receiver: OtlpReceiver,
    target: str,
    outcome: str,
    status: int,
    own_failed: bool,
    below_failed: bool | None,
) -> None:
    """A cut stream is one for both, an answer of the upstream's for the attempt alone, a wrong path for nobody."""
    line = ended(traced, target)
    own, below = receiver.exchange(str(line["id"]))
    assert (own.attributes["slowgate.outcome"], own.attributes["http.response.status_code"]) == (outcome, status)
    assert own.failed is own_failed
    assert ("error.type" in own.attributes) is own_failed
    assert [each.failed for each in below] == ([] if below_failed is None else [below_failed])


def test_client_that_leaves_is_told_and_is_no_error(traced: Gateway, receiver: OtlpReceiver) -> None:
    """The span ends when the exchange does."""
    with RudeClient(traced.address) as client:
        client.get("/all/endless").read_until_head()
        time.sleep(0.2)  # What is measured.
    line = traced.wait_for_line(lambda line: line["outcome"] == "client_gone")
    own, (attempt,) = receiver.exchange(line["id"])
    assert (own.attributes["slowgate.failure"], own.failed, attempt.failed) == ("client_gone", False, False)
    assert own.seconds >= 0.2 and attempt.seconds >= 0.15


def test_request_that_nobody_could_read_has_a_span_too(traced: Gateway, receiver: OtlpReceiver) -> None:
    """It has no method and no route, and says why."""
    with RudeClient(traced.address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").read_response()
    line = traced.wait_for_line(lambda line: line["failure"] == "bad_request")
    own, below = receiver.exchange(line["id"])
    assert below == [] and own.attributes["slowgate.failure"] == "bad_request"


def test_what_is_not_sampled_is_not_sent_but_told_to_the_upstream(
    gateway: StartGateway, receiver: OtlpReceiver, upstream: ScriptedUpstream
) -> None:
    """With "off" no trace begins here; one whose caller samples it is sent all the same."""
    running = gateway(tracing(receiver.url, sample="off", service_name="sparse") + route_to(upstream.url))
    plain = ended(running, "/whole")
    assert (upstream.requests[-1].first("traceparent") or "").startswith(f"00-{plain['trace_id']}-")
    ended(running, "/whole", PARENT)
    receiver.of(lambda span: span.resource["service.name"] == "sparse", 2)
    traces = {span.trace_id for span in receiver.spans if span.resource["service.name"] == "sparse"}
    assert traces == {TRACE}


def test_strangers_traces_are_not_continued_where_nobody_is_trusted(
    gateway: StartGateway, receiver: OtlpReceiver, upstream: ScriptedUpstream
) -> None:
    """Neither here nor at the upstream."""
    running = gateway(tracing(receiver.url, trust="none") + route_to(upstream.url))
    line = ended(running, "/whole", PARENT, "tracestate: a=1")
    own, _ = receiver.exchange(str(line["id"]))
    assert own.trace_id == line["trace_id"] != TRACE
    assert (own.parent_id, own.state) == ("", "")
    asked = upstream.requests[-1]
    assert TRACE not in (asked.first("traceparent") or "")
    assert asked.all("tracestate") == []


def test_receiver_that_is_away_touches_no_stream(
    gateway: StartGateway, upstream: ScriptedUpstream, receiver: OtlpReceiver
) -> None:
    """Spans wait, the oldest go at the bound, which is said once; what is left is sent when it is back."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        running = gateway(tracing(away, queue=64) + route_to(upstream.url))
        for _ in range(200):
            with RudeClient(running.address) as client:
                assert client.get("/whole").read_response().body == b"whole"
        wait_until(lambda: "spans are lost" in running.stderr(), 10, "the loss to be told")
        assert running.stderr().count("spans cannot be sent") == 1
        assert running.stderr().count("spans are lost") == 1
        assert {line["outcome"] for line in running.log_lines()} == {"complete"}
        running.signal(signal.SIGTERM)
        began = time.monotonic()
        assert running.wait() == 0
        assert time.monotonic() - began < patience(6)
        assert "the spans of 64 exchanges were not sent" in running.stderr()


def test_stop_sends_what_waits_and_a_reload_changes_the_receiver(
    gateway: StartGateway, receiver: OtlpReceiver, upstream: ScriptedUpstream
) -> None:
    """Nothing that ended is lost, whichever receiver it was meant for."""
    with OtlpReceiver() as second:
        old = tracing(receiver.url, flush="1h", service_name="old")
        running = gateway(old + route_to(upstream.url))
        ended(running, "/whole")
        running.write(tracing(second.url, flush="1h", service_name="new") + route_to(upstream.url))
        running.signal(signal.SIGHUP)
        receiver.of(lambda span: span.resource["service.name"] == "old", 2)
        ended(running, "/whole")
        assert second.spans == []
        running.signal(signal.SIGTERM)
        running.wait()
        assert len(second.of(lambda span: span.resource["service.name"] == "new", 2)) == 2


def test_gateway_without_tracing_has_loaded_nothing_of_it(gateway: StartGateway, upstream: ScriptedUpstream) -> None:
    """The client's own context passes as it came, and no library of traces is in memory."""
    running = gateway(route_to(upstream.url))
    line = ended(running, "/whole", PARENT)
    assert "trace_id" not in line
    assert upstream.requests[-1].all("traceparent") == [PARENT.partition(": ")[2]]
    maps = [Path(f"/proc/{pid}/maps").read_text() for pid in running.worker_pids()]
    assert not any("google/_upb" in each for each in maps)


def test_gateway_with_tracing_has_loaded_it(traced: Gateway) -> None:
    """So that what is looked for above could be found."""
    maps = [Path(f"/proc/{pid}/maps").read_text() for pid in traced.worker_pids()]
    assert all("google/_upb" in each for each in maps)
