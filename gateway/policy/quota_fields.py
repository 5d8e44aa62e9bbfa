"""What clients are told of the rates that hold for them: RateLimit-Policy and RateLimit. Pure.

As in draft-ietf-httpapi-ratelimit-headers-10: lists of strings with parameters (RFC 9651).
"""

from collections.abc import Iterable
from math import ceil

from gateway.exchange.quota import Rate, Standing


def policy_field(rates: Iterable[Rate]) -> str:
    """Return RateLimit-Policy: of each rule its name, the requests (q) and the seconds they are for (w)."""
    return ", ".join(f'"{rate.called}";q={rate.count};w={ceil(rate.seconds)}' for rate in rates)


def standing_field(rates: Iterable[Rate], standings: Iterable[Standing], waited_seconds: float) -> str:
    """Return RateLimit: of each rule what is left (r), and the seconds until all of it is there again (t).

    ``waited_seconds`` have passed since the standings were taken.
    """
    return ", ".join(
        f'"{rate.called}";r={int(standing.left)};t={ceil(max(standing.whole_in_seconds - waited_seconds, 0.0))}'
        for rate, standing in zip(rates, standings, strict=True)
    )
