"""Which of several endpoints gets the next exchange: pure choosers over what is known of each.

- ``round_robin`` is nginx's smooth weighted one: each turn every candidate earns its share, the richest is taken and
  pays what all earned. Endpoints with weights 3 and 1 take turns as a a b a, not a a a b.
- ``least_outstanding`` takes the one with the fewest exchanges under way for its share, this one included. Streams last
  for minutes, so that turns say little about load; what is under way says it all.
- ``hash`` is weighted rendezvous hashing: every candidate draws a number from the key and its own name, the best one
  wins. When an endpoint goes, its keys move and no other's; when it comes back, they return.

A share is the weight, less while an endpoint starts slowly: from a tenth it grows to the whole in a straight line.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable
from gateway.exchange.message import RequestHead
from gateway.exchange.target import Endpoint
from gateway.grammar.tokens import is_token

SLOWEST_START = 0.1
"""Of its weight, what an endpoint begins with: less would give it nothing to warm up by."""

Balance = Literal["round_robin", "least_outstanding", "hash"]


def _hash_on(text: str) -> str:
    kind, colon, name = text.partition(":")
    if text != "path" and not (kind == "header" and colon and is_token(name)):
        suggestion = f"header:{text}" if not colon and is_token(text) else None
        raise Unacceptable('"path", or "header:" and the name of a field', suggestion=suggestion)
    return text


HashOn = Annotated[str, AfterValidator(_hash_on), Kind('"path" or "header:NAME"')]


@dataclass(slots=True, eq=False)
class Candidate:
    """What a chooser knows of an endpoint. ``started_at`` is on the clock that ``now`` is read from."""

    endpoint: Endpoint
    weight: int = 1
    priority: int = 0
    in_flight: int = 0
    started_at: float | None = None
    """Since when it starts slowly; None where it does not."""
    credit: float = 0.0
    """What it earned in turns and has not spent."""


C = TypeVar("C", bound=Candidate)
Chooser = Callable[[Sequence[C], float, float, str | None], C]
"""From candidates (at least one), ``now``, the seconds of a slow start and the key of the request to one candidate."""


def share(candidate: Candidate, now: float, slow_start_seconds: float) -> float:
    """Return the part of the exchanges that ``candidate`` should get at the moment, beside the others' parts."""
    if candidate.started_at is None or slow_start_seconds <= 0:
        return candidate.weight
    grown = (now - candidate.started_at) / slow_start_seconds
    return candidate.weight * min(1.0, max(SLOWEST_START, grown))


def round_robin(candidates: Sequence[C], now: float, slow_start_seconds: float, key: str | None = None) -> C:
    """Take turns by share. Changes the candidates' credit."""
    total = 0.0
    for each in candidates:
        earned = share(each, now, slow_start_seconds)
        each.credit += earned
        total += earned
    taken = max(candidates, key=lambda each: each.credit)
    taken.credit -= total
    return taken


def least_outstanding(candidates: Sequence[C], now: float, slow_start_seconds: float, key: str | None = None) -> C:
    """Take the one whose load would be least with this exchange; those that are equal take turns."""
    loads = [(each.in_flight + 1) / share(each, now, slow_start_seconds) for each in candidates]
    least = min(loads)
    equal = [each for each, load in zip(candidates, loads, strict=True) if load == least]
    return equal[0] if len(equal) == 1 else round_robin(equal, now, slow_start_seconds)


def by_hash(candidates: Sequence[C], now: float, slow_start_seconds: float, key: str | None = None) -> C:
    """Take the one that the key belongs to; without a key they take turns."""
    if key is None:
        return round_robin(candidates, now, slow_start_seconds)
    return max(candidates, key=lambda each: _drawn(key, each.endpoint, share(each, now, slow_start_seconds)))


def _drawn(key: str, endpoint: Endpoint, weight: float) -> float:
    """Return what an endpoint draws for ``key``: of all, each is the largest as often as its weight says."""
    name = f"{endpoint}{endpoint.base_path}\0{key}"
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    even = (int.from_bytes(digest) + 0.5) / 2**64  # Between 0 and 1, both excluded.
    return weight / -math.log(even)


CHOOSERS: dict[str, Chooser[Candidate]] = {
    "round_robin": round_robin,
    "least_outstanding": least_outstanding,
    "hash": by_hash,
}


def key_of(request: RequestHead, hash_on: str | None) -> str | None:
    """Return what a request is hashed by: its path without the query, or the first value of a field; None for none."""
    if hash_on is None:
        return None
    if hash_on == "path":
        return request.target.partition("?")[0]
    return request.first(hash_on.removeprefix("header:").lower())
