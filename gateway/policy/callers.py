"""Who asks? The ways of a route are tried in their order; the first that recognizes the caller decides.

What can be decided at once is. What only I/O can tell (the keys of an issuer, an external check) comes back as a
question, which the spine has asked before it goes on (docs/decisions/0016). How it is asked is handed in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.exchange.callers import ANONYMOUS, BASIC, FORWARD, JWT, KEYS, MTLS, Auth, ForwardRule, Known, TokenRule
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import AUTH_UNAVAILABLE, FORBIDDEN, UNAUTHENTICATED, Failure, FailureError
from gateway.exchange.identity import Identity
from gateway.exchange.message import Fields, ReplyHead
from gateway.exchange.question import Question
from gateway.exchange.route import Route
from gateway.policy.caller_certificates import matching
from gateway.policy.caller_forward import answered, question_fields, shown
from gateway.policy.caller_jwks import KeyCache, Keys, Want
from gateway.policy.caller_jwt import OtherIssuer, Token, looks_like_one, parsed, verified
from gateway.policy.caller_keys import credentials, key_in, known_key, known_user, name_and_password
from gateway.policy.hooks import Hooks

ACTS_ON = ("auth.any", "auth.scopes")
"""The settings that decide what it does, as a route sees them."""

REALM = "slowgate"


def _nobody(rule: ForwardRule, fields: Fields) -> ReplyHead:
    raise FailureError(Failure(AUTH_UNAVAILABLE, f"{rule.name} cannot be asked here"))


def _never() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Reach:
    """What lies outside of the hooks; all of it handed in by `gateway.app`."""

    wall_clock: Callable[[], float] = _never
    """Seconds since 1970 (UTC): expiry is a date."""
    clock: Callable[[], float] = _never
    given: Mapping[str, Keys] = field(default_factory=dict)
    """Keys of issuers that stand in the configuration, by the rule's name."""
    fetched: Mapping[str, KeyCache] = field(default_factory=dict)
    """Keys of issuers that are fetched, by the rule's name."""
    begin_fetch: Callable[[TokenRule], None] = lambda rule: None
    """Sees to it that a fetch is under way, and does not wait."""
    wait_for_fetch: Callable[[TokenRule], None] = lambda rule: None
    """Waits until no fetch is under way."""
    consult: Callable[[ForwardRule, Fields], ReplyHead] = _nobody
    """Asks an external check; raises ``FailureError`` where it does not answer."""


def hooks(route: Route, reach: Reach | None = None) -> Hooks:
    """Find out who asks, and refuse whom the route does not let in."""
    auth = route.auth
    if auth is None:
        return Hooks()
    reach = reach or Reach()

    def admit(exchange: Exchange) -> Question | None:
        return _Admission(exchange, auth, route.name, reach).go_on()

    return Hooks(admit=admit)


class _Admission:
    """One exchange on its way through the ways of its route."""

    def __init__(self, exchange: Exchange, auth: Auth, route: str, reach: Reach) -> None:
        self.exchange = exchange
        self.auth = auth
        self.route = route
        self.reach = reach
        self.refusal: Failure | None = None
        """What was wrong with what was shown, if a way found anything to look at."""
        self._next = 0
        self._fetched = False

    def go_on(self) -> Question | None:
        """Try the ways that are left; return what must be asked first, or None with the identity found.

        Raises ``FailureError`` where there is no identity, or not one that may use the route.
        """
        while self._next < len(self.auth.ways):
            way, name = self.auth.ways[self._next]
            try:
                found = self._try(way, name)
            except ValueError as error:
                self._refuse(str(error), weakly=isinstance(error, OtherIssuer))
                found = None
            if isinstance(found, Question):
                return found
            if isinstance(found, Identity):
                self._let_in(found)
                return None
            self._advance()
        if self.refusal is None and self.auth.has(ANONYMOUS):
            self._let_in(Identity("anonymous", "anonymous"))
            return None
        raise FailureError(self.refusal or self._unauthenticated("nothing says who asks", tried=False))

    def _advance(self) -> None:
        self._next, self._fetched = self._next + 1, False

    def _try(self, way: str, name: str) -> Identity | Question | None:
        """Return who asks, a question, or None where this way does not tell; ValueError for what is wrong."""
        match way:
            case "keys":
                return self._by_key()
            case "basic":
                return self._by_password()
            case "mtls":
                return self._by_certificate()
            case "jwt":
                return self._by_token(self.auth.callers.tokens[name])
            case "forward_auth":
                return self._by_check(self.auth.callers.forwards[name])
        return None  # Anonymous comes last, wherever it stands.

    def _by_key(self) -> Identity | None:
        key = key_in(self.exchange.request, self.auth.callers)
        if key is None:
            return None
        known = known_key(self.auth.callers, key)
        if known is None and self.auth.has(JWT) and looks_like_one(key):
            self._refuse("the key is not known", weakly=True)
            return None
        if known is None:
            raise ValueError("the key is not known")
        return self._known(known, "key")

    def _by_password(self) -> Identity | None:
        shown = credentials(self.exchange.request, "basic")
        if shown is None:
            return None
        known = known_user(self.auth.callers, *name_and_password(shown))
        if known is None:
            raise ValueError("the user or the password is not known")
        return self._known(known, "basic")

    def _by_certificate(self) -> Identity | None:
        read = self.exchange.peer_certificate
        certificate = read() if read is not None else None
        if not certificate:
            return None
        rule = matching(self.auth.callers.certificates, certificate)
        if rule is None:
            raise ValueError("the certificate belongs to no caller that is known")
        return self._known(rule.caller, "mtls")

    def _known(self, known: Known, method: str) -> Identity:
        if known.expires is not None and self.reach.wall_clock() >= known.expires:
            raise ValueError("what the caller shows has expired")
        identity = Identity(known.name, method, known.scopes)
        if known.routes is not None and self.route not in known.routes:
            self.exchange.identity = identity
            raise FailureError(Failure(FORBIDDEN, f"{known.name} may not use this route"))
        return identity

    def _by_token(self, rule: TokenRule) -> Identity | Question | None:
        text = credentials(self.exchange.request, "bearer")
        if text is None or not looks_like_one(text):
            if text is not None:
                self._refuse("the token is not a signed JWT", weakly=True)
            return None
        token = parsed(rule, text)
        if rule.name in self.reach.given:
            keys = self.reach.given[rule.name]
        elif rule.name in self.reach.fetched:
            cache = self.reach.fetched[rule.name]
            question = self._fetch(rule, cache, token)
            if question is not None:
                return question
            keys = cache.keys
        else:
            return _unknowable(rule)
        return verified(rule, token, keys.find(token.kid, token.alg), self.reach.wall_clock())

    def _fetch(self, rule: TokenRule, cache: KeyCache, token: Token) -> Question | None:
        """Return the question whose answer is a newer set of keys, where the token needs one."""
        want = cache.wants(token.kid, token.alg, self.reach.clock())
        unavailable = Failure(AUTH_UNAVAILABLE, f"the keys of {rule.name} cannot be fetched")
        if want is Want.UNAVAILABLE or (want is Want.WAIT and self._fetched and not len(cache.keys)):
            raise FailureError(unavailable)
        if want is Want.NOTHING or self._fetched:
            return None
        self.reach.begin_fetch(rule)
        if want is Want.REFRESH:
            return None

        def wait() -> Question | None:
            self.reach.wait_for_fetch(rule)
            self._fetched = True
            return self.go_on()

        assert rule.jwks is not None
        return Question(rule.jwks.timeout_seconds, unavailable, wait)

    def _by_check(self, rule: ForwardRule) -> Question | None:
        request = self.exchange.request
        if self.auth.has(ANONYMOUS) and not shown(rule, request):
            return None

        def ask() -> Question | None:
            try:
                self._let_in(answered(rule, self.reach.consult(rule, question_fields(rule, request))))
            except FailureError as error:
                kind = error.failure.kind
                if self.exchange.identity is not None or kind is not UNAUTHENTICATED:
                    raise
                challenges = error.failure.fields or self._unauthenticated("", tried=True).fields
                self.refusal = self.refusal or Failure(kind, error.failure.detail, challenges)
                self._advance()
                return self.go_on()
            return None

        late = Failure(AUTH_UNAVAILABLE, f"{rule.name} did not answer within {rule.place.timeout_seconds:g} s")
        return Question(rule.place.timeout_seconds, late, ask)

    def _let_in(self, identity: Identity) -> None:
        self.exchange.identity = identity
        missing = self.auth.scopes - identity.scopes
        if missing:
            wanted = " ".join(sorted(self.auth.scopes))
            challenge = f'Bearer realm="{REALM}", error="insufficient_scope", scope="{wanted}"'
            fields = (("WWW-Authenticate", challenge),) if identity.method in ("key", "jwt") else ()
            raise FailureError(Failure(FORBIDDEN, "the caller lacks a scope that is needed here", fields))

    def _refuse(self, why: str, *, weakly: bool = False) -> None:
        """Keep the last reason; a weak one, that what was shown is meant for another way, only where it is the only."""
        if self.refusal is None or not weakly:
            self.refusal = self._unauthenticated(why, tried=True)

    def _unauthenticated(self, why: str, *, tried: bool) -> Failure:
        return Failure(UNAUTHENTICATED, why, challenges(self.auth, tried=tried))


def _unknowable(rule: TokenRule) -> Question:
    """Return the question that stands for keys where nobody can fetch them: `gateway explain` asks nobody."""
    late = Failure(AUTH_UNAVAILABLE, f"the keys of {rule.name} cannot be fetched here")

    def ask() -> Question | None:
        raise FailureError(late)

    return Question(0.001, late, ask)


def challenges(auth: Auth, *, tried: bool) -> tuple[tuple[str, str], ...]:
    """Return what callers can show (RFC 9110 section 11.6.1, RFC 6750 section 3); ``tried`` where something was wrong.

    A 401 must have a challenge; where there is no scheme for what is asked, a scheme of our own says what it is.
    """
    found = []
    if auth.has(KEYS) or auth.has(JWT):
        found.append(f'Bearer realm="{REALM}"' + (', error="invalid_token"' if tried else ""))
    if auth.has(BASIC):
        found.append(f'Basic realm="{REALM}", charset="UTF-8"')
    if not found and auth.has(MTLS):
        found.append(f'ClientCertificate realm="{REALM}"')
    if not found and auth.has(FORWARD):
        found.append(f'Bearer realm="{REALM}"')
    return tuple(("WWW-Authenticate", each) for each in found)
