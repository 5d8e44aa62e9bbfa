"""The far end by itself: it does what a probe asks, tells what it saw, and has bounds."""

import json
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import pytest
from support.conditions import wait_until
from support.rude_client import RudeClient

from gateway.doctor.far_end import MARK, FarEnd


@pytest.fixture(scope="module")
def far_end() -> Iterator[FarEnd]:
    """A far end that serves in a thread."""
    running = FarEnd("127.0.0.1", 0)
    thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield running
    running.close()
    thread.join(5)


@pytest.fixture
def client(far_end: FarEnd) -> Iterator[RudeClient]:
    """A client of it."""
    with RudeClient(("127.0.0.1", far_end.server_address[1])) as client:  # type: ignore[arg-type]
        yield client


def test_path_before_the_probe_is_the_chains_own(client: RudeClient) -> None:
    """Whatever a route leaves in front of the last segment does not matter; what is no probe is 404."""
    for target in ("/hello", "/a/b/hello?id=x", "/a/hello/"):
        answer = client.get(target).read_response()
        assert (answer.status, json.loads(answer.body)[MARK]) == (200, 1)
    for target in ("/", "/head", "/_report", "/hello/x", "/do_GET"):
        answer = client.get(target).read_response()
        assert (answer.status, MARK in json.loads(answer.body)) == (404, False)


def test_report_tells_what_was_seen_and_no_secret(client: RudeClient) -> None:
    """Names of all fields, values of those that a probe is about."""
    client.get("/hello?id=one", "Authorization: Bearer s3cret", "Via: 1.0 x", "Last-Event-ID: 7").read_response()
    told = json.loads(client.get("/report?of=one").read_response().body)
    fields = {name.lower(): value for name, value in told["fields"]}
    assert (told["version"], fields["via"], fields["last-event-id"]) == ("HTTP/1.1", "1.0 x", "7")
    assert fields["authorization"] == "" and "s3cret" not in json.dumps(told)
    assert "version" not in json.loads(client.get("/report?of=nobody").read_response().body)


def test_oldest_reports_go(far_end: FarEnd) -> None:
    """However many probes come, 256 reports are kept."""
    for number in range(300):
        far_end.report(f"many-{number}", {})
    assert len(far_end.reports) == 256
    assert "many-0" not in far_end.reports and "many-299" in far_end.reports


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_upload_is_reported_with_its_framing(client: RudeClient, framing: str) -> None:
    """The octets of both framings are counted."""
    body = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    if framing == "length":
        body = b"Content-Length: 5\r\n\r\nabcde"
    head = f"POST /upload?id={framing} HTTP/1.1\r\nHost: x\r\n".encode()
    assert client.send(head + body).read_response().status == 200
    told = json.loads(client.get(f"/report?of={framing}").read_response().body)
    assert (told["framing"], told["octets"]) == (framing, 5)


def test_client_that_leaves_is_reported(far_end: FarEnd) -> None:
    """Also while the stream is silent, with the time."""
    with RudeClient(("127.0.0.1", far_end.server_address[1])) as client:  # type: ignore[arg-type]
        client.get("/silence?seconds=30&id=left").read_until(b"before")
        client.leave()
    seen = wait_until(lambda: far_end.reports["left"].get("gone_seconds"), 2, "the report")
    assert isinstance(seen, float) and seen < 2


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_cut_is_a_cut_in_both_versions(client: RudeClient, version: str) -> None:
    """HTTP/1.0 has no framing, so that only a reset tells."""
    answer = client.send(f"GET /cut HTTP/{version}\r\nHost: x\r\n\r\n".encode()).read_response()
    assert b"data: 2" in answer.body or version == "1.0"
    assert not answer.complete


def test_numbers_out_of_bounds_are_brought_within(client: RudeClient) -> None:
    """Nobody makes it stream for ever, and nonsense is the default."""
    answer = client.get("/events?count=-5&gap=nonsense").read_response()
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)
    _, fields, _ = client.get("/hello?padding=999999999").read_until_head()
    assert 60_000 < sum(len(value) for _, value in fields) < 70_000


def test_end_of_the_far_end_is_the_end_of_its_connections() -> None:
    """A connection that the chain keeps does not lead to a far end that is over."""
    running = FarEnd("127.0.0.1", 0)
    thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    with RudeClient(("127.0.0.1", running.server_address[1])) as client:  # type: ignore[arg-type]
        assert client.get("/hello").read_response().status == 200
        running.close()
        thread.join(5)
        assert client.wait_closed(2)


def test_connection_that_was_taken_just_before_the_end_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its thread has not begun by then."""
    taken, go_on = Event(), Event()

    def late(far_end: FarEnd, *call: Any) -> None:
        taken.set()
        go_on.wait(10)
        serve(far_end, *call)

    serve = FarEnd.process_request_thread
    monkeypatch.setattr(FarEnd, "process_request_thread", late)
    running = FarEnd("127.0.0.1", 0)
    thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    with RudeClient(("127.0.0.1", running.server_address[1])) as client:  # type: ignore[arg-type]
        assert taken.wait(10)
        running.close()
        thread.join(5)
        go_on.set()
        assert client.wait_closed(2)
