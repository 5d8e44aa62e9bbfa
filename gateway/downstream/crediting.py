"""What a credential still lacks when its attempt is opened: a token that may have to be fetched, a signature."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from gateway.exchange.attempt import Attempt
from gateway.exchange.credential import Credential, Injected, TokenSource
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import BODY_TOO_LARGE, Failure, FailureError
from gateway.policy.request_hmac import signature_field
from gateway.policy.sigv4 import signature_fields


class Tokens(Protocol):
    """Where one source's token is held."""

    def get(self) -> str:
        """Return it, fetched if need be; raise ``FailureError``."""

    def reject(self, value: str) -> bool:
        """Drop one that was not accepted; say whether another try would be made with another."""


class Crediting:
    """Completes what the policy began. It may wait: for a token, and for a body that is to be signed."""

    def __init__(self, tokens: Mapping[TokenSource, Tokens], wall_clock: Callable[[], float]) -> None:
        """``wall_clock`` returns seconds since 1970."""
        self._tokens = tokens
        self._wall_clock = wall_clock

    def complete(self, exchange: Exchange, attempt: Attempt) -> None:
        """Set ``attempt.injected`` from ``attempt.credential``.

        Raises ``FailureError``: CREDENTIALS_UNAVAILABLE; BODY_TOO_LARGE for a body that is to be signed, and what can
        go wrong while it is read.
        """
        credential = attempt.credential
        assert credential is not None
        injected = credential.injected
        if credential.token is not None:
            injected = self._with_token(injected, credential.token)
        if credential.hmac is not None or credential.sigv4 is not None:
            injected = self._signed(exchange, attempt, credential, injected)
        attempt.injected = injected

    def _with_token(self, injected: Injected, source: TokenSource) -> Injected:
        tokens = self._tokens[source]
        token = tokens.get()
        fields = (*injected.fields, ("Authorization", f"Bearer {token}"))
        return replace(injected, fields=fields, refused=lambda: tokens.reject(token))

    def _signed(self, exchange: Exchange, attempt: Attempt, credential: Credential, injected: Injected) -> Injected:
        method, now = exchange.request.method, self._wall_clock()
        target, fields = injected.onto(attempt.target, attempt.fields or [])
        lines = injected.fields
        if credential.hmac is not None:
            body = _body(exchange, credential.hmac.max_body)
            lines = (*lines, signature_field(credential.hmac, method, target, fields, body, int(now)))
        if credential.sigv4 is not None:
            body = _body(exchange, credential.sigv4.max_body)
            at = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
            lines = (*lines, *signature_fields(credential.sigv4, method, target, fields, body, at))
        return replace(injected, fields=lines)


def _body(exchange: Exchange, most: int | None) -> bytes | None:
    """Return the whole body, read before any of it is sent; None where it is to pass unsigned."""
    if most is None:
        return None
    if exchange.upload is None:
        return b""
    body = exchange.upload.collect(most)
    if body is None:
        why = f"only bodies of up to {most} octets can be signed for the upstream"
        raise FailureError(Failure(BODY_TOO_LARGE, why))
    return body
