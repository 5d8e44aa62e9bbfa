"""Which credential an attempt carries, by the endpoint it goes to and by who asks; a client's own is replaced.

A credential belongs to an endpoint: it is chosen anew for each attempt, so that a key for one endpoint never goes to
another one. What only I/O or the body can tell is added in the open phase (`gateway.downstream.crediting`).
"""

from urllib.parse import unquote_plus

from gateway.exchange.attempt import Attempt
from gateway.exchange.credential import Credential, Credentials
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CREDENTIALS_MISSING, Failure, FailureError
from gateway.exchange.identity import Identity
from gateway.exchange.path import split_query
from gateway.exchange.route import Route
from gateway.policy.hooks import Hooks, Verdict

ACTS_ON = ("credentials", "upstream.credentials")
"""The settings that decide what it does, as a route sees them."""

_NOT_ACCEPTED = 401


def chosen(credentials: Credentials, identity: Identity | None) -> Credential | None:
    """Return what requests of ``identity`` carry, None for nothing.

    Raises ``FailureError`` (CREDENTIALS_MISSING) for a caller who must have one of its own and has none.
    """
    if not credentials.by_principal:
        return credentials.default
    own = credentials.by_principal.get(identity.principal) if identity is not None else None
    if own is not None:
        return own
    if credentials.refuses:
        raise FailureError(Failure(CREDENTIALS_MISSING, "none is configured for who asks"))
    return credentials.default


def without_parameters(target: str, names: frozenset[str]) -> str:
    """Return ``target`` without the query parameters ``names`` (case folded), however they are escaped."""
    path, query = split_query(target)
    parts = query[1:].split("&")
    kept = [part for part in parts if unquote_plus(part.partition("=")[0]).casefold() not in names]
    if len(kept) == len(parts):
        return target
    return f"{path}?{'&'.join(kept)}" if kept else path


def hooks(route: Route) -> Hooks:
    """Give each attempt its endpoint's credential; try once more where a token was not accepted any longer."""
    if not any(each is not None for each in route.credentials):
        return Hooks()
    of_endpoint = dict(zip(route.upstream.endpoints, route.credentials, strict=True))
    only = route.credentials[0] if len(route.credentials) == 1 else None
    kept_bytes = route.retry.buffer_bytes

    def prepare(exchange: Exchange, attempt: Attempt) -> None:
        credentials = only or of_endpoint[attempt.endpoint]
        credential = None if credentials is None else chosen(credentials, exchange.identity)
        if credential is None:
            return
        replaced = credential.replaces
        attempt.fields = [line for line in attempt.fields or [] if line[0].lower().replace("_", "-") not in replaced]
        if credential.parameters:
            attempt.target = without_parameters(attempt.target, credential.parameters)
        if not credential.late:
            attempt.injected = credential.injected
            return
        attempt.credential = credential
        request = exchange.request
        if credential.token is not None and len(exchange.attempts) < 2 and (request.body_length or 0) <= kept_bytes:
            exchange.replay_bytes = max(exchange.replay_bytes, kept_bytes)

    def judge(exchange: Exchange, attempt: Attempt) -> Verdict:
        if attempt.status != _NOT_ACCEPTED or attempt.failure is not None or not _drops_token(attempt):
            return Verdict.TAKE
        if any(_not_accepted(earlier) for earlier in exchange.attempts if earlier is not attempt):
            return Verdict.TAKE
        # Who answers 401 has not done what was asked (RFC 9110 section 15.5.2): this is safe for any method.
        if exchange.upload is not None and not exchange.upload.replayable:
            return Verdict.TAKE
        attempt.counted = False
        return Verdict.RETRY

    has_token = any(one.token is not None for each in route.credentials if each is not None for one in each.all())
    return Hooks(prepare=prepare, judge=judge if has_token else None)


def _drops_token(attempt: Attempt) -> bool:
    refused = attempt.injected.refused if attempt.injected is not None else None
    return refused is not None and refused()


def _not_accepted(attempt: Attempt) -> bool:
    return attempt.status == _NOT_ACCEPTED and attempt.injected is not None and attempt.injected.refused is not None
