"""What callers show ends here: keys, tokens and passwords are taken off before anything goes to an upstream."""

from collections.abc import Callable

from gateway.exchange.attempt import Attempt
from gateway.exchange.callers import BASIC, FORWARD, JWT, KEYS, Auth
from gateway.exchange.exchange import Exchange
from gateway.exchange.fields import plain, set_field
from gateway.exchange.message import Fields
from gateway.exchange.route import Route
from gateway.policy.caller_jwt import looks_like_one
from gateway.policy.caller_keys import known_key, without_parameter
from gateway.policy.hooks import Hooks

ACTS_ON = ("auth.pass_credential",)
"""The settings that decide what it does, as a route sees them."""


def hooks(route: Route) -> Hooks:
    """Take off what any of the route's ways reads, whichever of them told who asks; add what a check has to say."""
    auth = route.auth
    if auth is None:
        return Hooks()
    rules = [auth.callers.forwards[name] for way, name in auth.ways if way == FORWARD]
    copied = tuple(dict.fromkeys(name for rule in rules for name in rule.copy))
    spoken_for = frozenset(map(plain, copied))
    take_off = _nothing if auth.pass_credential else _taker(auth)
    if auth.pass_credential and not copied:
        return Hooks()

    def prepare(exchange: Exchange, attempt: Attempt) -> None:
        if attempt.fields is None:
            return
        take_off(attempt)
        if not copied:
            return
        # Also where nobody was asked: a client must not say it for itself.
        attempt.fields[:] = [line for line in attempt.fields if plain(line[0]) not in spoken_for]
        identity = exchange.identity
        for name in copied if identity is not None and identity.method == "forward_auth" else ():
            value = identity.claims.get(name) if identity is not None else None
            if isinstance(value, str):
                set_field(attempt.fields, name, value)

    return Hooks(prepare=prepare)


def _nothing(attempt: Attempt) -> None:
    """Leave everything."""


def _taker(auth: Auth) -> Callable[[Attempt], None]:
    own, query = showing(auth), auth.callers.key_query if auth.has(KEYS) else None

    def take_off(attempt: Attempt) -> None:
        fields: Fields = attempt.fields if attempt.fields is not None else []
        fields[:] = [line for line in fields if not own(line)]
        if query is not None:
            attempt.target = without_parameter(attempt.target, query)

    return take_off


def showing(auth: Auth) -> Callable[[tuple[str, str]], bool]:
    """Return what says whether a field line shows what one of the ways of ``auth`` reads."""
    callers, header = auth.callers, plain(auth.callers.key_header)
    keys, tokens, basic = auth.has(KEYS), auth.has(JWT), auth.has(BASIC)
    names = (name for way, rule in auth.ways if way == FORWARD for name in auth.callers.forwards[rule].fields)
    asked = frozenset(map(plain, names))

    read = asked | {header, "authorization"}

    def own(line: tuple[str, str]) -> bool:
        name = plain(line[0])
        if name not in read:  # Most of them: this is asked of every line of every request.
            return False
        if name in asked:
            return True
        if name == header:
            return keys
        if name != "authorization":
            return False
        scheme, _, rest = line[1].partition(" ")
        text = rest.strip(" ")
        if scheme.lower() == "basic":
            return basic
        if scheme.lower() != "bearer":
            return False
        return (tokens and looks_like_one(text)) or (keys and known_key(callers, text) is not None)

    return own
