"""What a model cannot see in one value of `callers` and `auth`: who is asked for but not there, or there but not asked.

Each check yields problems; an error where somebody would be let in or kept out who should not be.
"""

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path as FilePath

from gateway.config.positions import Path
from gateway.config.problem import Problem
from gateway.config.sources import Sources
from gateway.config.translate import closest
from gateway.exchange.callers import ANONYMOUS, BASIC, FORWARD, JWT, KEYS, MTLS
from gateway.grammar.addresses import parse_listen
from gateway.policy.caller_jwks import keys_of_text
from gateway.policy.caller_jwt import wants_secret
from gateway.policy.caller_place import split_url
from gateway.settings import Settings
from gateway.settings.policies import Policies, nearest
from gateway.settings.tls_files import authorities_fault

Problems = Iterator[Problem]
_LEAST_SECRET_OCTETS = 32
_TABLES = {KEYS: "keys", BASIC: "users", MTLS: "certificates", JWT: "jwt", FORWARD: "forward_auth"}


def ways_lead_somewhere(settings: Settings, sources: Sources) -> Problems:
    """A way that a route offers has somebody who could go it."""
    for at, table in settings.tables():
        for index, text in enumerate(table.auth.any or ()):
            way, _, name = text.partition(":")
            path: Path = (*at, "auth", "any", index)
            if way == ANONYMOUS:
                continue
            known = getattr(settings.callers, _TABLES[way])
            if name and name not in known:
                guess = closest(name, list(known))
                suggestion = None if guess is None else f"{way}:{guess}"
                yield sources.problem(path, f"there is no [callers.{way}.{name}]", suggestion=suggestion)
            elif not known:
                yield sources.problem(path, f"nobody can: there is no [callers.{_TABLES[way]}.NAME]")
            if way == MTLS and (settings.server.tls is None or settings.server.tls.client_ca is None):
                yield sources.problem(path, "nobody can: [server.tls] has no client_ca to verify certificates with")


def callers_are_asked_for(settings: Settings, sources: Sources) -> Problems:
    """Who is declared can show it on some route."""
    asked = {way for way, _ in _asked(settings)}
    named = _asked(settings)
    for way, key in _TABLES.items():
        for name in getattr(settings.callers, key):
            by_name = way in (JWT, FORWARD) and (way, "") not in named and (way, name) not in named
            if way not in asked or by_name:
                message = f'cannot act: no route asks for it; say auth = {{ any = ["{way}"] }}'
                yield sources.warning(("callers", key, name), message, at="key")
    tls = settings.server.tls
    if tls is not None and tls.client_certificates == "optional":
        at: Path = ("server", "tls", "client_certificates")
        if tls.client_ca is None:
            yield sources.warning(at, "cannot act: without client_ca no certificate is asked for")
        elif MTLS not in asked:
            yield sources.warning(at, 'no route asks for certificates with auth = { any = ["mtls"] }')


def callers_are_told_apart(settings: Settings, sources: Sources) -> Problems:
    """A key is one caller's, a certificate's rule says something, and what has expired says so."""
    callers, seen = settings.callers, dict[str, str]()
    for name, key in callers.keys.items():
        for digest in key.sha256:
            if seen.setdefault(digest, name) != name:
                yield sources.problem(("callers", "keys", name, "sha256"), f"this is the key of {seen[digest]}, too")
    for name, certificate in callers.certificates.items():
        if not certificate.subject and certificate.san is None:
            message = "says nothing about the certificate; write subject or san"
            yield sources.problem(("callers", "certificates", name), message, at="key")
    routes = {route.name for route in settings.routes if route.name is not None}
    for kind in ("keys", "users", "certificates"):
        for name, caller in getattr(callers, kind).items():
            at: Path = ("callers", kind, name)
            for index, route in enumerate(caller.routes or ()):
                if route not in routes:
                    guess = closest(route, sorted(routes))
                    yield sources.problem((*at, "routes", index), "no route has this name", suggestion=guess)
            now = time.time()  # noqa: TID251 - an expiry is a date
            if caller.expires is not None and caller.expires <= now:
                yield sources.warning((*at, "expires"), "has expired: nobody is let in by this")


def tokens_are_pinned(settings: Settings, sources: Sources) -> Problems:
    """Each issuer has one source of keys, of one sort, that can be used."""
    for name, issuer in settings.callers.jwt.items():
        at: Path = ("callers", "jwt", name)
        given = [key for key in ("jwks", "keys_file", "secret") if getattr(issuer, key) is not None]
        if len(given) != 1:
            yield sources.problem(at, "needs exactly one of jwks, keys_file and secret", at="key")
            continue
        for index, algorithm in enumerate(issuer.algorithms):
            if wants_secret(algorithm) is not (issuer.secret is not None):
                why = "a public key" if issuer.secret is None else "a secret"
                yield sources.problem((*at, "algorithms", index), f"does not work with {why}, which {given[0]} is")
        if issuer.secret is not None and len(issuer.secret.reveal().encode()) < _LEAST_SECRET_OCTETS:
            message = f"is shorter than {_LEAST_SECRET_OCTETS} octets, and could be guessed (RFC 7518 section 3.2)"
            yield sources.problem((*at, "secret"), message)
        if importlib.util.find_spec("joserfc") is None:
            yield sources.problem(at, 'needs joserfc: install "slowgate[jwt]"', at="key")
        elif issuer.keys_file is not None:
            try:
                keys_of_text(FilePath(issuer.keys_file).read_text(encoding="utf-8"))
            except (ValueError, OSError) as error:
                yield sources.problem((*at, "keys_file"), str(error))
        for key in ("max_age", "min_interval", "max_stale", "timeout", "ca"):
            if key in issuer.model_fields_set and issuer.jwks is None:
                yield sources.warning((*at, key), "cannot act: no keys are fetched")


def places_can_be_trusted(settings: Settings, sources: Sources) -> Problems:
    """What decides who is let in does not cross a network in the clear."""
    places = [(("callers", "jwt", name, "jwks"), each.jwks, each.ca) for name, each in settings.callers.jwt.items()]
    forwards = settings.callers.forward_auth.items()
    places += [(("callers", "forward_auth", name, "url"), each.url, each.ca) for name, each in forwards]
    for path, url, ca in places:
        if url is None:
            continue
        endpoint, _ = split_url(url)
        if endpoint.scheme == "http" and not parse_listen(f"{_bracketed(endpoint.host)}:{endpoint.port}").is_local:
            message = "is asked without TLS: anybody on the way can decide who is let in"
            yield sources.warning(path, message)
        if ca is not None and (fault := authorities_fault(ca)) is not None:
            yield sources.problem((*path[:-1], "ca"), fault)
        elif ca is not None and endpoint.scheme == "http":
            yield sources.warning((*path[:-1], "ca"), "cannot act: the URL is not https")


def scopes_can_be_had(settings: Settings, sources: Sources) -> Problems:
    """What is said beside `any` has callers whom it is about."""
    for index, route in enumerate(settings.routes):
        layers: list[tuple[Path, Policies]] = [(("routes", index), route)]
        if route.upstream in settings.upstreams:
            layers.append((("upstreams", route.upstream), settings.upstreams[route.upstream]))
        layers.append((("defaults",), settings.defaults))
        auth = nearest(*(table.auth for _, table in layers))
        for key in ("scopes", "pass_credential"):
            own = key in route.auth.model_fields_set and bool(getattr(route.auth, key))
            if own and (not auth.any or set(auth.any) == {ANONYMOUS}):
                message = "cannot act: nobody is asked who they are"
                if key == "scopes" and auth.any:
                    yield sources.problem(("routes", index, "auth", key), "anonymous callers have no scopes")
                else:
                    yield sources.warning(("routes", index, "auth", key), message)


def _asked(settings: Settings) -> set[tuple[str, str]]:
    found = set[tuple[str, str]]()
    for _, table in settings.tables():
        for text in table.auth.any or ():
            way, _, name = text.partition(":")
            found.add((way, name))
    return found


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
