"""The course of an examination: which probes are made, side by side where they can be, and what they measured."""

import json
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlencode

from gateway.doctor.facts import Answer, Chain, Comparison, Direct, Paced, Report, Silent, Sized
from gateway.doctor.far_end import MARK
from gateway.doctor.messages import streams
from gateway.doctor.probing import Asking, Place, ask, ask_twice, connect
from gateway.doctor.streaming import flows

_T = TypeVar("_T")
_EVENTS = 12
_GAP_SECONDS = 0.1
_PACED: dict[str, Any] = {"ping": 4}
_HINTED: dict[str, Any] = {"hint": 1}
_ZIPPED: dict[str, Any] = {"coding": "gzip"}
"""What is special about each stream of events."""
_UPLOAD_PIECES = 6
_UPLOAD_GAP_SECONDS = 0.15
_NOTICE_SECONDS = 3.0
_LOOK_SECONDS = 0.1
_HELLO_SECONDS = 5.0
_REPORT_SECONDS = 3.0
_GRACE_SECONDS = 5.0
_REQUEST_HEAD_OCTETS = (4_000, 8_000, 16_000, 32_000)
_ANSWER_HEAD_OCTETS = (2_000, 4_000, 8_000, 16_000)
_LONGEST_PING_SECONDS = 15.0
_PROBES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Examination:
    """What is examined, and how patiently."""

    place: Place
    prefix: str
    """Path below which the far end answers, with a slash at its end."""
    fields: tuple[tuple[str, str], ...] = ()
    """Sent with every probe: what the chain asks of its clients."""
    idle_seconds: float = 10.0


def examine(asked: Examination) -> Chain:
    """Make all probes; only the first where what answers is no far end."""
    reach, hello, again = ask_twice(asked.place, replace(_asking(asked, "hello"), patience_seconds=_HELLO_SECONDS))
    chain = Chain(reach, hello, again, arrived=MARK in _document(hello))
    if not chain.arrived:
        return chain
    with ThreadPoolExecutor(_PROBES_AT_ONCE) as pool:
        return _probed(asked, chain, pool)


def look(asked: Examination) -> Comparison:
    """Ask for the path itself."""
    target = asked.prefix.rstrip("/") or "/"
    reach, answer = ask(asked.place, Asking(target, fields=asked.fields, patience_seconds=asked.idle_seconds))
    return Comparison(reach, answer)


def compare(through: tuple[Place, Asking], direct: list[tuple[Place, Asking]]) -> Comparison:
    """Make the same request through the gateway and at each endpoint, side by side."""
    with ThreadPoolExecutor(_PROBES_AT_ONCE) as pool:
        first = pool.submit(ask, *through)
        others = [pool.submit(ask, *each) for each in direct]
        reach, answer = first.result()
        return Comparison(reach, answer, tuple(Direct(*each.result()) for each in others))


def reach_all(places: list[Place]) -> list[Direct]:
    """Connect to each place, and ask nothing."""

    def only_connect(place: Place) -> Direct:
        sock, reach = connect(place)
        if sock is not None:
            sock.close()
        return Direct(reach)

    with ThreadPoolExecutor(_PROBES_AT_ONCE) as pool:
        return list(pool.map(only_connect, places))


def _probed(asked: Examination, chain: Chain, pool: ThreadPoolExecutor) -> Chain:
    def later(make: Callable[..., _T], *arguments: object, **options: object) -> "Future[_T]":
        return pool.submit(make, asked, *arguments, **options)

    idle = asked.idle_seconds
    ping = min(max(idle / 4, 0.2), _LONGEST_PING_SECONDS)
    silent = [later(_silent), later(_silent, ping_seconds=ping), later(_silent, late_head=True)]
    cancel, upload, cut = later(_cancel), later(_upload), later(_cut)
    paced, hinted, zipped = (later(_paced, **options) for options in (_PACED, _HINTED, _ZIPPED))
    here = later(_reported, "hello")
    request_heads = [later(_request_head, octets) for octets in _REQUEST_HEAD_OCTETS]
    answer_heads = [later(_answer_head, octets) for octets in _ANSWER_HEAD_OCTETS]
    report, sent_seconds, upload_answer = upload.result()
    measured = replace(
        chain,
        here=here.result(),
        paced=paced.result(),
        hinted=hinted.result(),
        zipped=zipped.result(),
        upload=report,
        upload_sent_seconds=sent_seconds,
        upload_answer=upload_answer,
        noticed_seconds=cancel.result(),
        noticed_patience_seconds=_NOTICE_SECONDS,
        cut=cut.result(),
        silent=tuple(each.result() for each in silent),
        request_heads=tuple(each.result() for each in request_heads),
        answer_heads=tuple(each.result() for each in answer_heads),
    )
    return _looked_at_again(asked, measured)


def _looked_at_again(asked: Examination, chain: Chain) -> Chain:
    """Repeat once, and alone, the probes whose events or pieces came together: a dozen at once hold each other up."""

    def settled(first: Paced | None, options: dict[str, Any]) -> Paced | None:
        if first is None or flows(first):
            return first
        second = _paced(asked, **options)
        return second if flows(second) else first

    if chain.upload is not None and not streams(chain.upload, chain.upload_sent_seconds):
        report, sent_seconds, answer = _upload(asked)
        if report is not None and streams(report, sent_seconds):
            chain = replace(chain, upload=report, upload_sent_seconds=sent_seconds, upload_answer=answer)
    return replace(
        chain,
        paced=settled(chain.paced, _PACED),
        hinted=settled(chain.hinted, _HINTED),
        zipped=settled(chain.zipped, _ZIPPED),
    )


def _asking(asked: Examination, probe: str, **options: object) -> Asking:
    query = urlencode({"id": secrets.token_hex(12), **options})
    return Asking(f"{asked.prefix}{probe}?{query}", fields=asked.fields)


def _identifier(asking: Asking) -> str:
    return asking.target.partition("id=")[2].partition("&")[0]


def _document(answer: Answer) -> dict[str, object]:
    try:
        told = json.loads(answer.body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _report(asked: Examination, identifier: str) -> Report | None:
    """Return what the far end saw of a probe; None where it does not say."""
    asking = replace(_asking(asked, "report", of=identifier), patience_seconds=_REPORT_SECONDS)
    _, answer = ask(asked.place, asking)
    told = _document(answer)
    if "version" not in told:
        return None
    return Report(
        version=str(told["version"]),
        fields=tuple((str(name), str(value)) for name, value in told.get("fields", [])),  # type: ignore[attr-defined]
        framing=str(told.get("framing", "")),
        arrivals=tuple(map(float, told.get("arrivals", []))),  # type: ignore[call-overload]
        octets=int(told.get("octets", 0)),  # type: ignore[call-overload]
        gone_seconds=told.get("gone_seconds"),  # type: ignore[arg-type]
        wall_clock=float(told.get("wall_clock", 0.0)),  # type: ignore[arg-type]
        read_at=answer.wall_clock,
    )


def _reported(asked: Examination, probe: str) -> Report | None:
    asking = _asking(asked, probe)
    sent = (("X-Slowgate-Twice", "a"), ("X-Slowgate-Twice", "b"), ("Last-Event-ID", "slowgate-7"))
    ask(asked.place, replace(asking, fields=(*asking.fields, *sent)))
    return _report(asked, _identifier(asking))


def _paced(asked: Examination, *, ping: int = 0, hint: int = 0, coding: str = "") -> Paced:
    asking = _asking(asked, "events", count=_EVENTS, gap=_GAP_SECONDS, ping=ping, hint=hint)
    fields = (*asking.fields, ("Accept", "text/event-stream"))
    if coding:
        fields = (*fields, ("Accept-Encoding", coding))
    _, answer = ask(asked.place, replace(asking, fields=fields))
    return Paced(answer, _EVENTS, _GAP_SECONDS, _EVENTS // ping if ping else 0)


def _silent(asked: Examination, *, ping_seconds: float | None = None, late_head: bool = False) -> Silent:
    seconds = asked.idle_seconds
    asking = _asking(asked, "silence", seconds=seconds, ping=ping_seconds or 0, late=int(late_head))
    _, answer = ask(asked.place, replace(asking, patience_seconds=seconds + _GRACE_SECONDS))
    return Silent(answer, seconds, ping_seconds, late_head)


def _cancel(asked: Examination) -> float | None:
    """Leave a stream that is silent; return how long the far end did not notice, None where it never did."""
    asking = replace(_asking(asked, "silence", seconds=_NOTICE_SECONDS * 3), enough=lambda body: b"before" in body)
    asking = replace(asking, patience_seconds=_NOTICE_SECONDS)
    ask(asked.place, asking)
    left = time.monotonic()  # Where the event was held back we left by impatience, and ask all the same.
    while time.monotonic() - left < _NOTICE_SECONDS:
        report = _report(asked, _identifier(asking))
        if report is not None and report.gone_seconds is not None:
            return time.monotonic() - left
        time.sleep(_LOOK_SECONDS)
    return None


def _cut(asked: Examination) -> Answer:
    return ask(asked.place, _asking(asked, "cut"))[1]


def _upload(asked: Examination) -> tuple[Report | None, float, Answer]:
    asking = _asking(asked, "upload")
    pieces = (b"u" * 1000,) * _UPLOAD_PIECES
    asking = replace(asking, method="POST", pieces=pieces, gap_seconds=_UPLOAD_GAP_SECONDS)
    _, answer = ask(asked.place, asking)
    return _report(asked, _identifier(asking)), _UPLOAD_GAP_SECONDS * (_UPLOAD_PIECES - 1), answer


def _request_head(asked: Examination, octets: int) -> Sized:
    asking = _asking(asked, "hello")
    return Sized(
        octets, ask(asked.place, replace(asking, fields=(*asking.fields, ("X-Slowgate-Padding", "p" * octets))))[1]
    )


def _answer_head(asked: Examination, octets: int) -> Sized:
    return Sized(octets, ask(asked.place, _asking(asked, "hello", padding=octets))[1])
