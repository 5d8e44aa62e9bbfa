"""Which findings an examination comes to, and what a comparison of two answers says."""

import pytest

from gateway.doctor.diagnosis import of_chain, of_comparison, of_endpoint, of_strangers
from gateway.doctor.facts import BROKEN, WHOLE, Answer, Chain, Comparison, Direct, Reach
from gateway.doctor.findings import Severity

GOOD, NOTE, BAD = Severity.GOOD, Severity.NOTE, Severity.BAD
DATE = ("Date", "Fri, 20 Nov 2026 12:00:00 GMT")
NOON = 1_795_176_000.0


def answer(status: int = 200, *fields: tuple[str, str], times: tuple[float, ...] = (0.1,), **values: object) -> Answer:
    pieces = tuple((at_seconds, b"x") for at_seconds in times)
    options = {"head_seconds": 0.1, "ending": WHOLE, "wall_clock": NOON, **values}
    return Answer(status, "HTTP/1.1", (DATE, *fields), pieces=pieces, **options)  # type: ignore[arg-type]


def compared(through: Answer, direct: Answer) -> set[tuple[str, Severity]]:
    seen = Comparison(Reach("here"), through, (Direct(Reach("there"), direct),))
    return {(each.check, each.severity) for each in of_comparison(seen) if each.severity is not GOOD}


EVERY_SECOND = (1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize(
    ("through", "direct", "found"),
    [
        (answer(), answer(), set()),
        (answer(502), answer(), {("answer", BAD), ("difference", BAD)}),
        (answer(404), answer(404), {("answer", NOTE)}),
        (answer(200, ("Content-Encoding", "br")), answer(), {("difference", NOTE)}),
        (answer(head_seconds=2.0), answer(head_seconds=0.2), {("difference", BAD)}),
        (answer(head_seconds=12.0), answer(head_seconds=11.0), set()),
        (answer(head_seconds=0.4), answer(head_seconds=0.1), set()),
        (answer(times=(4.0, 4.0)), answer(times=EVERY_SECOND), {("buffering", BAD)}),
        (answer(times=EVERY_SECOND), answer(times=EVERY_SECOND), set()),
        # A refusal is another answer, and no stream that was held back.
        (answer(429), answer(times=EVERY_SECOND), {("answer", NOTE), ("difference", BAD)}),
        (answer(times=(0.1,)), answer(times=(0.1, 0.2, 0.3, 0.4)), set()),
        (answer(ending=BROKEN, why="x"), answer(), {("ending", BAD), ("difference", BAD)}),
        (answer(ending=BROKEN, why="x"), answer(ending=BROKEN, why="x"), {("ending", BAD)}),
        (Answer(why="reset"), answer(), {("answer", BAD)}),
        (answer(wall_clock=NOON + 90), answer(), {("clock", BAD)}),
        (
            answer(200, ("Content-Type", "text/event-stream"), ("Content-Length", "9")),
            answer(200, ("Content-Type", "text/event-stream")),
            {("buffering", BAD)},
        ),
    ],
)
def test_what_the_gateway_makes_worse_is_told(
    through: Answer, direct: Answer, found: set[tuple[str, Severity]]
) -> None:
    """Only differences that matter are; what is as bad without the gateway is not its fault."""
    assert compared(through, direct) == found


def test_old_version_of_an_answer_is_bad() -> None:
    """HTTP/1.0 has no framing for streams."""
    seen = Direct(Reach("there"), Answer(200, "HTTP/1.0", (DATE,), ending=WHOLE, wall_clock=NOON))
    assert ("http version", BAD) in {(each.check, each.severity) for each in of_endpoint(seen)}


def test_nothing_is_said_beyond_the_step_that_failed() -> None:
    """An address that is not reached has one finding, and so has one that does not answer."""
    lost = Reach("x", failed="connect", why="refused")
    assert [each.check for each in of_chain(Chain(lost, Answer(why="refused")))] == ["connect"]
    assert [each.check for each in of_chain(Chain(Reach("x"), Answer(why="reset")))] == ["connect", "answer"]
    assert [each.check for each in of_endpoint(Direct(lost, Answer()))] == ["connect"]
    assert [each.check for each in of_strangers(Comparison(lost, Answer()), "url")] == ["connect", "far end"]


def test_probe_that_does_not_arrive_here_is_told_with_what_came() -> None:
    """Whoever answered in the far end's place is named, as far as it says."""
    hello = answer(502, ("Server", "nginx"))
    found = of_chain(Chain(Reach("x"), hello, arrived=False))
    assert [each.check for each in found] == ["connect", "far end", "clock"]
    assert "502 by nginx" in found[1].said


@pytest.mark.parametrize(("status", "severity"), [(200, GOOD), (404, GOOD), (502, NOTE)])
def test_stranger_is_described_and_not_blamed(status: int, severity: Severity) -> None:
    """Nobody meant the request, so that its status is no fault; that no far end answers is."""
    found = of_strangers(Comparison(Reach("x"), answer(status)), "http://x/")
    assert [(each.check, each.severity) for each in found if each.check in ("answer", "far end")] == [
        ("answer", severity),
        ("far end", BAD),
    ]
    assert "gateway doctor http://x/ --listen" in found[-1].advice


def test_refusal_of_the_gateway_is_told_with_its_reason() -> None:
    """Why it refused stands in Proxy-Status; without it one would have to ask again by hand."""
    through = answer(429, ("Proxy-Status", "slowgate; error=http_request_denied"))
    found = of_comparison(Comparison(Reach("here"), through, (Direct(Reach("there"), answer()),)))
    assert "slowgate; error=http_request_denied" in next(each.said for each in found if each.check == "difference")
