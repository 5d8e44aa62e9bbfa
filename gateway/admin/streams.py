"""The exchanges that run in one worker, as its operators see them, and how they are ended."""

import heapq
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.admin.wanted import Wanted
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CANCELLED, Failure
from gateway.exchange.look import looked
from gateway.exchange.phase import phase
from gateway.observe.masking import without_secrets

AT_A_TIME = 50
"""Exchanges that are looked at before the streams of the worker go on: some 2 ms."""


class Running(Protocol):
    """The exchanges of a worker."""

    def __len__(self) -> int: ...

    def waits(self) -> list[tuple[Exchange, float | None]]:
        """Return those that run, in the order in which they began, each with since when its upstream is waited for."""

    def interrupt_where(self, wanted: Callable[[Exchange], bool], failure: Failure) -> int:
        """End the exchanges that ``wanted`` says for ``failure``; return how many there were."""


@dataclass(slots=True)
class Listing:
    """The exchanges of one worker."""

    total: int
    """How many run."""
    matching: int
    """How many of them are wanted."""
    rows: list[tuple[float, bytes]]
    """The first of these by the order that was asked for: its rank, lower ones first, and a JSON object without a line
    break. The rank is the moment at which it began, or since when nothing came."""


def listed(
    running: Running, wanted: Wanted, worker: int, clock: Callable[[], float], breathe: Callable[[], object]
) -> Listing:
    """Return the first of the exchanges that are wanted. ``breathe`` is called now and then, and lets others run."""
    found = Listing(len(running), 0, [])
    silent: list[tuple[float, int, Exchange, float | None]] = []
    for number, (exchange, since) in enumerate(running.waits()):
        if number % AT_A_TIME == AT_A_TIME - 1:
            breathe()
        now = clock()
        if exchange.outcome is not None or not wanted.holds(exchange, now):
            continue
        found.matching += 1
        if wanted.by == "silence":
            silent.append((_quiet_since(exchange, since), number, exchange, since))
        elif len(found.rows) < wanted.limit:
            found.rows.append((exchange.started, _row(exchange, since, now, worker)))
    for number, (quiet_since, _, exchange, since) in enumerate(heapq.nsmallest(wanted.limit, silent)):
        if number % AT_A_TIME == AT_A_TIME - 1:
            breathe()
        if exchange.outcome is None:
            found.rows.append((quiet_since, _row(exchange, since, clock(), worker)))
    return found


def _row(exchange: Exchange, since: float | None, now: float, worker: int) -> bytes:
    return json.dumps({**described(exchange, since, now), "worker": worker}).encode()


def _quiet_since(exchange: Exchange, since: float | None) -> float:
    """Return since when nothing came, as far as anybody looked; of one to which nothing has come yet its beginning."""
    if exchange.first_byte_at is None:
        return exchange.started
    if since is not None:
        return since
    return exchange.look.quiet_since if exchange.look is not None else exchange.first_byte_at


def described(exchange: Exchange, since: float | None, now: float) -> dict[str, object]:
    """Return one running exchange. As in its log line, values of its query are masked, and no field of it is told.

    ``since`` is since when its upstream is waited for, None while it is somebody else's turn. The look is noted in the
    exchange: the next one tells a rate.
    """
    route, request, marks = exchange.route, exchange.request, exchange.marks
    octets = exchange.relayed_bytes + exchange.drained_bytes
    before, exchange.look = exchange.look, looked(exchange.look, octets, now)
    how_far = phase(exchange)
    return {
        "id": exchange.id,
        "age_seconds": round(now - exchange.started, 3),
        "phase": how_far,
        "route": route.name if route is not None else None,
        "upstream": route.upstream.name if route is not None else None,
        "endpoint": str(exchange.attempts[-1].endpoint) if exchange.attempts else None,
        "method": request.method[:64],
        "target": without_secrets(request.target),
        "status": exchange.status,
        "principal": exchange.identity.principal if exchange.identity is not None else None,
        "peer": request.peer,
        "attempts": len(exchange.attempts),
        "first_byte_seconds": _after(exchange.started, exchange.first_byte_at),
        "last_chunk_seconds_ago": _silence(exchange, since, now, looked_before=before is not None),
        "waits_for": ("client" if since is None else "upstream") if how_far == "relay" else None,
        "bytes_down": exchange.relayed_bytes,
        "bytes_up": exchange.received_bytes,
        "rate_bytes_per_second": None if exchange.look.rate is None else round(exchange.look.rate, 1),
        "frames": marks.frames if marks is not None else None,
        "buffered_bytes": exchange.held_bytes,
        "stalls": exchange.stalls,
    }


def _after(started: float, at: float | None) -> float | None:
    return None if at is None else round(at - started, 3)


def _silence(exchange: Exchange, since: float | None, now: float, *, looked_before: bool) -> float | None:
    """Return how long ago the last chunk came; while the client takes it, how long it has been seen to, at least."""
    if exchange.first_byte_at is None:
        return None
    if since is None:
        if not looked_before or exchange.look is None:
            return None
        since = exchange.look.quiet_since
    return round(max(now - since, 0.0), 3)


def cancel(running: Running, wanted: Wanted, now: float) -> int:
    """End the exchanges that are wanted so that they look cut; return how many there were."""
    return running.interrupt_where(
        lambda exchange: exchange.outcome is None and wanted.holds(exchange, now),
        Failure(CANCELLED, "an operator ended it"),
    )
