"""What callers' checks need of the world: keys of issuers fetched in time, external checks asked. One for a worker."""

import logging
from collections.abc import Callable
from functools import partial

from gateway.exchange.callers import Callers, ForwardRule, Place, TokenRule
from gateway.exchange.failure import AUTH_UNAVAILABLE, Failure, FailureError
from gateway.exchange.message import Fields, ReplyHead
from gateway.policy.caller_jwks import KeyCache, Keys, key_of_secret, keys_of_text
from gateway.policy.callers import Reach
from gateway.relay.flights import Flights
from gateway.relay.within import within
from gateway.upstream.consulting import consulted, fetched, upstream_of
from gateway.upstream.opening import Opener

_log = logging.getLogger("gateway")


class CallerDesk:
    """Keeps, across reloads, the keys and connections of whatever did not change."""

    def __init__(self, clock: Callable[[], float], wall_clock: Callable[[], float]) -> None:
        """``clock`` is monotonic, ``wall_clock`` counts from 1970 (UTC): expiry is a date."""
        self._clock = clock
        self._wall_clock = wall_clock
        self._openers: dict[Place, Opener] = {}
        self._caches: dict[str, KeyCache] = {}
        self._given: dict[str, Keys] = {}
        self._flights = Flights()

    def reach(self) -> Reach:
        """Return what the hooks need, as it is now; what is adopted later is for those that come then."""
        return Reach(
            self._wall_clock,
            self._clock,
            dict(self._given),
            dict(self._caches),
            self._begin,
            self._flights_wait,
            partial(_consult, dict(self._openers)),
        )

    def adopt(self, callers: Callers) -> Callable[[], None]:
        """Have the rules of ``callers`` from now on; return what closes those that are not needed any more.

        Raises ValueError, and changes nothing, where authorities, keys or secrets cannot be used.
        """
        fetching = [rule for rule in callers.tokens.values() if rule.jwks is not None]
        places = [rule.jwks for rule in fetching if rule.jwks is not None]
        places += [rule.place for rule in callers.forwards.values()]
        openers = {place: self._openers.get(place) or Opener(upstream_of(place)) for place in places}
        given = {
            rule.name: key_of_secret(rule.secret) if rule.secret else keys_of_text(rule.keys_text)
            for rule in callers.tokens.values()
            if rule.jwks is None
        }
        if fetching:
            # Now, and not within the first request: it takes a while, and all streams of the worker would wait.
            import joserfc.jwk
            import joserfc.jws  # noqa: F401
        before, self._openers, self._given = self._openers, openers, given
        self._caches = {rule.name: self._cache(rule) for rule in fetching}

        def close_others() -> None:
            for place, opener in before.items():
                if place not in openers:
                    opener.close()

        return close_others

    def prune(self) -> None:
        """Close connections that have been idle for too long."""
        for opener in self._openers.values():
            opener.prune()

    def _cache(self, rule: TokenRule) -> KeyCache:
        kept = self._caches.get(rule.name)
        return kept if kept is not None and kept.rule == rule else KeyCache(rule)

    def _begin(self, rule: TokenRule) -> None:
        self._flights.begin(rule, partial(self._fetch, rule))

    def _flights_wait(self, rule: TokenRule) -> None:
        self._flights.wait(rule)

    def _fetch(self, rule: TokenRule) -> None:
        cache, place = self._caches.get(rule.name), rule.jwks
        if cache is None or cache.rule != rule or place is None:
            return
        opener = self._openers[place]
        cache.begin(self._clock())
        octets, fault = None, None
        try:
            with within(place.timeout_seconds):
                octets = fetched(opener, place)
        except (ValueError, TimeoutError) as error:
            fault = str(error)
        finally:
            fault = cache.end(octets, fault or ("given up" if octets is None else None), self._clock())
        if fault is not None:
            _log.warning("the keys of %s could not be fetched: %s", rule.name, fault)


def _consult(openers: dict[Place, Opener], rule: ForwardRule, fields: Fields) -> ReplyHead:
    try:
        return consulted(openers[rule.place], rule.place, fields)
    except FailureError as error:
        raise FailureError(
            Failure(AUTH_UNAVAILABLE, f"{rule.name} did not answer: {error.failure.kind.code}")
        ) from error
