"""What a credential lacks when its attempt is opened: the token, the signature over what is really sent."""

from collections.abc import Callable
from typing import Any

import pytest
from support.exchanges import ENDPOINT, a_request, an_exchange

from gateway.downstream.crediting import Crediting
from gateway.exchange.attempt import Attempt
from gateway.exchange.credential import Credential, Hmac, Injected, SigV4, TokenSource
from gateway.exchange.failure import BODY_TOO_LARGE, FailureError
from gateway.policy.request_hmac import signature_field
from gateway.policy.sigv4 import signature_fields

SOURCE = TokenSource(ENDPOINT, "/token", "id", "secret")
NOW = 1440938160.9
"""2015-08-30T12:36:00Z and a bit."""


class Held:
    """Tokens that write down which were rejected."""

    def __init__(self) -> None:
        self.rejected: list[str] = []

    def get(self) -> str:
        return "t1"

    def reject(self, value: str) -> bool:
        self.rejected.append(value)
        return True


class WholeUpload:
    """An upload that is asked for its body."""

    length = None
    replayable = True

    def __init__(self, body: bytes) -> None:
        self.body = body

    def collect(self, most: int) -> bytes | None:
        return self.body if len(self.body) <= most else None

    def start(self, write: Callable[[bytes], None], finish: Callable[[], None]) -> None: ...

    def stop(self) -> None: ...

    def settle(self) -> None: ...


def completed(credential: Credential, upload: Any = None, held: Held | None = None) -> Injected:
    exchange = an_exchange(a_request("POST"))
    exchange.upload = upload
    attempt = Attempt(ENDPOINT, "/x?y", [("Host", "up.example")], credential=credential)
    Crediting({SOURCE: held or Held()}, lambda: NOW).complete(exchange, attempt)
    assert attempt.injected is not None
    return attempt.injected


def test_token_joins_what_is_known_and_can_be_rejected() -> None:
    """It is the token that was used, not the one of the moment, that is dropped."""
    held = Held()
    injected = completed(Credential(Injected((("X-Org", "o"),)), token=SOURCE), held=held)

    assert injected.fields == (("X-Org", "o"), ("Authorization", "Bearer t1"))
    assert injected.refused is not None and injected.refused()
    assert held.rejected == ["t1"]


def test_signatures_are_over_the_target_and_body_that_go_up() -> None:
    """The parameters that are put on are part of it."""
    aws, shared = SigV4("r", "s", "id", "key", max_body=3), Hmac(b"k", max_body=3)
    fields = [("Host", "up.example")]
    signed = completed(Credential(Injected(query="k=v"), sigv4=aws, hmac=shared), WholeUpload(b"abc"))

    expected = [signature_field(shared, "POST", "/x?y&k=v", fields, b"abc", 1440938160)]
    expected += signature_fields(aws, "POST", "/x?y&k=v", fields, b"abc", "20150830T123600Z")
    assert list(signed.fields) == expected


def test_request_without_a_body_is_signed_with_the_digest_of_nothing() -> None:
    """And one whose body streams without any."""
    fields = [("Host", "up.example")]
    for most, body in ((3, b""), (None, None)):
        rule = Hmac(b"k", max_body=most)
        assert completed(Credential(hmac=rule)).fields == (
            signature_field(rule, "POST", "/x?y", fields, body, 1440938160),
        )


def test_body_that_is_too_large_to_be_signed_is_refused() -> None:
    """The client is told how much would have been possible."""
    with pytest.raises(FailureError, match="up to 2 octets") as raised:
        completed(Credential(hmac=Hmac(b"k", max_body=2)), WholeUpload(b"abc"))
    assert raised.value.failure.kind is BODY_TOO_LARGE
