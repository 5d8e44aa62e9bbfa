"""Ordinary records, so that a test only has to name what is special about its own, and what is told of them."""

from gateway.exchange.exchange import Exchange
from gateway.observe.line import Line, line_of
from gateway.observe.record import Record, Try, record_of

A_TRY = Try("http://127.0.0.1:9000", 0.4, 12.0, 200, None, None, False, False)
END = 1_700_000_000.25
"""When ordinary exchanges ended, in seconds since 1970."""


def a_record(number: int = 0, **members: object) -> Record:
    """Return the record of a GET that was relayed whole; ``number`` is part of its id."""
    ordinary = Record(
        time=END,
        id=f"id-{number}",
        route="demo",
        upstream="demo",
        endpoint="http://127.0.0.1:9000",
        method="GET",
        target="/demo/text?key=***",
        status=200,
        outcome="complete",
        failure=None,
        side=None,
        detail=None,
        principal=None,
        auth=None,
        queued_ms=None,
        priority=None,
        head_ms=12.0,
        first_byte_ms=12.5,
        longest_gap_ms=3.0,
        total_ms=40.0,
        bytes_down=55,
        bytes_plain=None,
        bytes_up=0,
        chunks=3,
        tries=(A_TRY,),
        not_retried=None,
        hedged=None,
        peer="192.0.2.7",
        format=None,
        frames=None,
        first_frame_ms=None,
        stalls=0,
        flaw=None,
        prompt_tokens=None,
        completion_tokens=None,
        total_tokens=None,
        unwatched=None,
        early_ms=None,
        pings=0,
        drained=None,
        drained_bytes=0,
        upstream_request_id=None,
    )
    return ordinary._replace(**members)  # type: ignore[arg-type]


def line(exchange: Exchange, now_iso: str) -> Line:
    """Return what is logged of an ended exchange."""
    return line_of(record_of(exchange, 0.0), now_iso)
