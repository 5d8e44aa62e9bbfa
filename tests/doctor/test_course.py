"""Which probes are made, and which are made again."""

import pytest

from gateway.doctor import course
from gateway.doctor.course import Examination, _looked_at_again
from gateway.doctor.facts import WHOLE, Answer, Chain, Paced, Reach, Report
from gateway.doctor.probing import Place

ASKED = Examination(Place("here", "127.0.0.1", 9), "/")


def events(*, together: bool) -> Paced:
    pieces = tuple((1.1 if together else 0.1 * number, b"data: %d\n\n" % number) for number in range(12))
    return Paced(Answer(200, pieces=pieces, ending=WHOLE), 12, 0.1)


HELD, FLOWING = events(together=True), events(together=False)


@pytest.mark.parametrize("second", [HELD, FLOWING], ids=["held", "flowing"])
def test_events_that_came_together_are_asked_for_again_alone(second: Paced, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy moment is no verdict: what flows the second time flows; what does not is told as it was first seen."""
    asked: list[dict[str, object]] = []

    def again(_: Examination, **options: object) -> Paced:
        asked.append(options)
        return second

    monkeypatch.setattr(course, "_paced", again)
    found = _looked_at_again(ASKED, Chain(Reach("x"), Answer(), paced=HELD, hinted=FLOWING, zipped=HELD))
    assert asked == [{"ping": 4}, {"coding": "gzip"}]
    assert found.hinted is FLOWING
    assert found.paced is (FLOWING if second is FLOWING else HELD)


def test_events_that_flow_are_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what is known."""
    monkeypatch.setattr(course, "_paced", lambda *_, **__: pytest.fail("asked again"))
    chain = Chain(Reach("x"), Answer(), paced=FLOWING, hinted=FLOWING, zipped=FLOWING)
    assert _looked_at_again(ASKED, chain) == chain


HELD_UPLOAD, STREAMING_UPLOAD = Report(arrivals=(0.8, 0.8)), Report(arrivals=(0.0, 0.7))


@pytest.mark.parametrize("second", [HELD_UPLOAD, STREAMING_UPLOAD, None], ids=["held", "streaming", "failed"])
def test_upload_that_came_together_is_made_again_alone(second: Report | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with events; a second one that fails does not stand in the place of the first."""
    monkeypatch.setattr(course, "_upload", lambda _: (second, 0.75, Answer(200)))
    chain = Chain(Reach("x"), Answer(), upload=HELD_UPLOAD, upload_sent_seconds=0.75, upload_answer=Answer(200))
    assert _looked_at_again(ASKED, chain).upload is (STREAMING_UPLOAD if second is STREAMING_UPLOAD else HELD_UPLOAD)


def test_upload_that_streams_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what is known."""
    monkeypatch.setattr(course, "_upload", lambda _: pytest.fail("made again"))
    chain = Chain(Reach("x"), Answer(), upload=STREAMING_UPLOAD, upload_sent_seconds=0.75, upload_answer=Answer(200))
    assert _looked_at_again(ASKED, chain) == chain
