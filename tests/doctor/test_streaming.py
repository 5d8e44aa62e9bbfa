"""What is said about streams, from when their pieces came and how they ended."""

import pytest

from gateway.doctor.facts import BROKEN, NOTHING, WAITING, WHOLE, Answer, Chain, Paced, Reach, Silent
from gateway.doctor.findings import Finding, Severity
from gateway.doctor.streaming import arrivals, bunched, streams

GOOD, NOTE, BAD = Severity.GOOD, Severity.NOTE, Severity.BAD
FLOWING = [0.1 * number for number in range(12)]
AT_ONCE = [1.1] * 12
IN_CLUMPS = [0.5] * 6 + [1.1] * 6
JITTERY = [0.0, 0.15, 0.16, 0.3, 0.41, 0.5, 0.62, 0.7, 0.85, 0.86, 1.0, 1.1]


def events(times: list[float], *, pings: int = 0, coding: str = "", ending: str = WHOLE) -> Paced:
    pieces = [(at_seconds, b"data: %d\n\n" % number) for number, at_seconds in enumerate(times)]
    pieces += [(9.0, b": ping\n\n")] * pings
    fields = (("Content-Encoding", coding),) if coding else ()
    return Paced(Answer(200, "HTTP/1.1", fields, pieces=tuple(pieces), ending=ending), 12, 0.1)


def about(chain: Chain, check: str) -> Finding:
    (found,) = (each for each in streams(chain) if each.check == check)
    return found


def chain(**measured: object) -> Chain:
    return Chain(Reach("x"), Answer(200, "HTTP/1.1"), **measured)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("times", "severity"),
    [(FLOWING, GOOD), (JITTERY, GOOD), (AT_ONCE, BAD), (IN_CLUMPS, BAD), (FLOWING[:5], BAD), ([], BAD)],
)
def test_held_back_events_are_told_from_jitter(times: list[float], severity: Severity) -> None:
    """Events that come together, or not at all, are bad; a network that is a little uneven is not."""
    assert about(chain(paced=events(times)), "buffering").severity is severity


def test_hint_that_helps_is_advised() -> None:
    """Where X-Accel-Buffering lets events flow, the route can say so itself."""
    helped = about(chain(paced=events(AT_ONCE), hinted=events(FLOWING)), "buffering")
    in_vain = about(chain(paced=events(AT_ONCE), hinted=events(AT_ONCE)), "buffering")
    assert "response_headers" in helped.advice and "response_headers" not in in_vain.advice
    assert "proxy_buffering off" in helped.advice and "proxy_buffering off" in in_vain.advice


def test_event_has_arrived_when_its_line_is_whole() -> None:
    """Events over several pieces count at their last one, several in a piece at the same moment."""
    pieces = ((0.1, b"data"), (0.2, b": 0"), (0.3, b"\n\ndata: 1\n\ndata: 2\n"), (0.4, b"\n: x\n"))
    assert arrivals(Answer(200, pieces=pieces)) == [0.3, 0.3, 0.3]
    assert bunched([0.3, 0.3, 0.3], 0.1) == 1.0
    assert bunched([], 0.1) == bunched([1.0], 0.1) == 0.0


@pytest.mark.parametrize(
    ("plain", "zipped", "severity"),
    [
        (events(FLOWING), events(FLOWING), GOOD),
        (events(FLOWING), events(FLOWING, coding="gzip"), NOTE),
        (events(FLOWING), events(AT_ONCE, coding="gzip"), BAD),
        (events(AT_ONCE), events(AT_ONCE, coding="gzip"), NOTE),
        (events(FLOWING, coding="gzip"), events(FLOWING, coding="gzip"), BAD),
    ],
)
def test_compression_is_bad_where_it_holds_back_or_was_not_asked_for(
    plain: Paced, zipped: Paced, severity: Severity
) -> None:
    """Compression that flushes each event is a note; so is one that cannot be to blame alone: that is said already."""
    assert about(chain(paced=plain, zipped=zipped), "compression").severity is severity


@pytest.mark.parametrize(("came", "severity"), [(3, GOOD), (4, GOOD), (2, BAD), (0, BAD)])
def test_pings_are_counted(came: int, severity: Severity) -> None:
    """Fewer than were sent is bad; the gateway's own may come on top."""
    stream = events(FLOWING, pings=came)
    paced = Paced(stream.answer, 12, 0.1, pings=3)
    assert about(chain(paced=paced), "pings").severity is severity


PASSED = Answer(200, pieces=((0.0, b"data: before\n\n"), (5.0, b"data: after\n\n")), ending=WHOLE, ended_seconds=5.0)
CUT = Answer(200, pieces=((0.0, b"data: before\n\n"),), ending=BROKEN, ended_seconds=3.0)
POLITE = Answer(200, pieces=((0.0, b"data: before\n\n"),), ending=WHOLE, ended_seconds=3.0)
REFUSED = Answer(504, fields=(("Server", "nginx"),), head_seconds=3.0, ending=WHOLE)


@pytest.mark.parametrize(
    ("answer", "late_head", "severity", "words"),
    [
        (PASSED, False, NOTE, "--idle 65s"),
        (PASSED, True, GOOD, "passes"),
        (CUT, False, BAD, "after 3 s it was broken off"),
        (POLITE, False, BAD, "as if it were whole"),
        (REFUSED, True, BAD, "status 504 by nginx"),
        (Answer(why="reset", ended_seconds=3.0), True, BAD, "after 3 s, reset"),
        (Answer(200, ending=WAITING, why="still open"), False, BAD, "stayed open"),
    ],
)
def test_silence_that_something_ends_is_told_with_its_manner(
    answer: Answer, late_head: bool, severity: Severity, words: str
) -> None:
    """When and how a silent stream ended is said; one that lived is a note until 60 s were tried."""
    found = about(chain(silent=(Silent(answer, 5.0, late_head=late_head),)), "late head" if late_head else "idle")
    assert found.severity is severity
    assert words in found.said + found.advice


def test_sixty_seconds_of_silence_are_enough() -> None:
    """A silence longer than the usual cut is good without reservation."""
    assert about(chain(silent=(Silent(PASSED, 65.0),)), "idle").severity is GOOD


def test_pings_of_the_gateway_are_counted_as_what_keeps_a_stream() -> None:
    """Where comments come that the far end did not send, the note about 60 s is not needed."""
    answer = Answer(
        200, pieces=((0.0, b"data: before\n\n"), (1.0, b": ping\n\n: ping\n\ndata: after\n\n")), ending=WHOLE
    )
    found = about(chain(silent=(Silent(answer, 5.0),)), "idle")
    assert found.severity is GOOD and "2 pings" in found.said


def test_pings_that_keep_a_stream_open_are_advised() -> None:
    """The interval that helped is named; where pings are cut too, that is said instead."""
    helped = chain(silent=(Silent(CUT, 5.0), Silent(PASSED, 5.0, ping_seconds=1.0)))
    assert "with a ping every 1 s the same stream lives" in about(helped, "idle").advice
    in_vain = chain(silent=(Silent(CUT, 5.0), Silent(CUT, 5.0, ping_seconds=1.0)))
    assert "the same stream lives" not in about(in_vain, "idle").advice
    assert "do not keep it open" in about(in_vain, "idle with pings").advice


@pytest.mark.parametrize(("noticed", "severity"), [(0.0, GOOD), (2.0, GOOD), (2.1, BAD), (None, BAD)])
def test_client_that_left_must_be_noticed_within_two_seconds(noticed: float | None, severity: Severity) -> None:
    """Later, or never, is bad."""
    assert about(chain(noticed_seconds=noticed, noticed_patience_seconds=3.0), "cancel").severity is severity


@pytest.mark.parametrize(
    ("answer", "severity", "words"),
    [
        (Answer(200, ending=BROKEN), GOOD, "looks broken off here"),
        (Answer(502, ending=WHOLE), GOOD, "an error here (502)"),
        (Answer(ending=NOTHING, why="reset"), GOOD, "an error here (reset)"),
        (Answer(200, pieces=((0.0, b"data: 0\n\nevent: error\ndata: {}\n\n"),), ending=WHOLE), GOOD, "error frame"),
        (Answer(200, pieces=((0.0, b"data: 0\n\n"),), ending=WHOLE), BAD, "as if it were whole"),
        (Answer(200, ending=WAITING), BAD, "stays open"),
    ],
)
def test_cut_stream_must_look_cut(answer: Answer, severity: Severity, words: str) -> None:
    """An error, a broken body or an error frame is good; a clean end, or none, is bad."""
    found = about(chain(cut=answer), "cut")
    assert found.severity is severity and words in found.said


def test_nothing_measured_is_nothing_said() -> None:
    """A probe that was not made has no finding."""
    assert streams(chain()) == []
    assert [each.check for each in streams(chain(paced=events(FLOWING)))] == ["buffering"]
