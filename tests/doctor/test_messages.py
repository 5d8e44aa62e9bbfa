"""What is said about versions, fields, uploads and sizes."""

import pytest

from gateway.doctor.facts import WHOLE, Answer, Chain, Paced, Reach, Report, Sized
from gateway.doctor.findings import Finding, Severity
from gateway.doctor.messages import messages

GOOD, NOTE, BAD = Severity.GOOD, Severity.NOTE, Severity.BAD
HELLO = Answer(200, "HTTP/1.1", ending=WHOLE)
STREAM = (
    ("Content-Type", "text/event-stream; charset=utf-8"),
    ("Cache-Control", "no-cache"),
    ("X-Slowgate-Twice", "a"),
    ("X-Slowgate-Twice", "b"),
)
REQUEST = (
    ("Host", ""),
    ("X-Slowgate-Twice", "a"),
    ("X-Slowgate-Twice", "b"),
    ("Last-Event-ID", "slowgate-7"),
    ("Via", "1.1 slowgate"),
)


def about(check: str, hello: Answer = HELLO, **measured: object) -> Finding:
    found = messages(Chain(Reach("x"), hello, **measured))  # type: ignore[arg-type]
    (one,) = (each for each in found if each.check == check)
    return one


@pytest.mark.parametrize(
    ("hello", "report", "words"),
    [
        ("HTTP/1.1", Report("HTTP/1.1", REQUEST), ""),
        ("HTTP/1.1", None, ""),
        ("HTTP/1.0", Report("HTTP/1.1", REQUEST), "what answers here"),
        ("HTTP/1.1", Report("HTTP/1.0", REQUEST), "before the far end"),
        ("HTTP/1.1", Report("HTTP/1.1", (("Via", "1.1 cdn, 1.0 slowgate"),)), "before slowgate"),
        ("HTTP/1.1", Report("HTTP/1.1", (("Via", "2 cdn"), ("Via", "HTTP/1.0 inner (x)"))), "before inner"),
    ],
)
def test_http_1_0_is_found_on_each_hop(hello: str, report: Report | None, words: str) -> None:
    """At the first hop, at the last, and between, where Via tells what a proxy received."""
    found = about("http version", Answer(200, hello), here=report)
    assert found.severity is (BAD if words else GOOD) and words in found.said


@pytest.mark.parametrize(("again", "severity"), [(HELLO, GOOD), (None, NOTE), (Answer(why="closed"), NOTE)])
def test_connection_that_serves_one_request_is_a_note(again: Answer | None, severity: Severity) -> None:
    """A second answer on the same connection is good."""
    assert about("keep-alive", again=again).severity is severity


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (STREAM, ""),
        ((*STREAM[:2], ("X-Slowgate-Twice", "a, b")), ""),
        ((*STREAM[:2], ("X-Slowgate-Twice", "a")), "arrived as ['a']"),
        ((*STREAM, ("X-Slowgate-Twice", "b")), "arrived as ['a', 'b', 'b']"),
        ((*STREAM, ("Date", "x"), ("Date", "y")), "date arrived 2 times"),
        ((*STREAM, ("Content-Length", "9")), "Content-Length"),
        ((("Content-Type", "text/plain"), *STREAM[1:]), "Content-Type became text/plain"),
        ((STREAM[0], *STREAM[2:]), "Cache-Control: no-cache became nothing"),
    ],
)
def test_fields_of_an_answer_that_are_lost_or_doubled_are_named(
    fields: tuple[tuple[str, str], ...], words: str
) -> None:
    """A repeated field may be joined (RFC 9110 section 5.3), but no value may be lost or come twice."""
    found = about("answer fields", paced=Paced(Answer(200, "HTTP/1.1", fields), 1, 0.1))
    assert found.severity is (BAD if words else GOOD) and words in found.said


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (REQUEST, ""),
        (REQUEST[:3], "Last-Event-ID arrived as []"),
        ((REQUEST[0], *REQUEST[2:]), "arrived as ['b']"),
        ((("Host", ""), *REQUEST), "Host arrived 2 times"),
    ],
)
def test_fields_of_a_request_that_are_lost_or_doubled_are_named(
    fields: tuple[tuple[str, str], ...], words: str
) -> None:
    """What the far end saw is compared with what was sent."""
    found = about("request fields", here=Report("HTTP/1.1", fields))
    assert found.severity is (BAD if words else GOOD) and words in found.said


@pytest.mark.parametrize(
    ("report", "status", "severity", "words"),
    [
        (Report(framing="chunked", arrivals=(0.0, 0.4, 0.75)), 200, GOOD, "stream"),
        (Report(framing="chunked", arrivals=(0.7, 0.71, 0.75)), 200, BAD, "holds uploads back"),
        (Report(framing="length", arrivals=(0.0,)), 200, BAD, "with a Content-Length"),
        (Report(), 411, BAD, "fails: 411"),
        (None, 200, BAD, "fails"),
    ],
)
def test_upload_must_arrive_as_it_is_sent(report: Report | None, status: int, severity: Severity, words: str) -> None:
    """Its pieces' arrivals at the far end decide; an upload that is refused is bad, too."""
    found = about("upload", upload=report, upload_sent_seconds=0.75, upload_answer=Answer(status))
    assert found.severity is severity and words in found.said


@pytest.mark.parametrize(
    ("check", "passing", "severity"),
    [
        ("request head", 32_000, GOOD),
        ("request head", 8_000, NOTE),
        ("request head", 4_000, BAD),
        ("request head", 0, BAD),
        ("answer head", 32_000, GOOD),
        ("answer head", 2_000, NOTE),
        ("answer head", 1_000, BAD),
    ],
)
def test_largest_head_that_passes_is_judged(check: str, passing: int, severity: Severity) -> None:
    """Fields of requests need 8000 octets, heads of answers 2000; beyond it a limit is a note."""
    sizes = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)
    measured = tuple(Sized(octets, Answer(200 if octets <= passing else 431)) for octets in sizes)
    found = about(check, **{check.replace(" ", "_") + "s": measured})
    assert found.severity is severity
    assert severity is GOOD or "(status 431)" in found.said
