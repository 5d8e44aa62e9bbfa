"""The request for a token by client credentials (RFC 6749 section 4.4), by the same way as everybody's requests.

One form goes out and one small JSON document comes back, so that no library is needed; a session of one would bring
proxies and passwords from the environment along.
"""

import base64
import json
import re
from urllib.parse import quote_plus, urlencode

from gateway.exchange.credential import TokenSource
from gateway.exchange.failure import CREDENTIALS_UNAVAILABLE, Failure, FailureError
from gateway.exchange.message import Fields, Reply
from gateway.exchange.route import TlsToUpstream, Upstream
from gateway.upstream.opening import Opener
from gateway.upstream.own_questions import answer_to

_MAX_OCTETS = 64 * 1024
_MAX_TOKEN = 16 * 1024
_UNKNOWN_LIFETIME_SECONDS = 300.0
"""Where the answer does not say how long its token holds."""
_LONGEST_LIFETIME_SECONDS = 30 * 24 * 3600.0
_VISIBLE = re.compile("[!-~]+")
_CODES = frozenset(
    (
        "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
        "invalid_scope", "invalid_target", "access_denied", "server_error", "temporarily_unavailable",
    )
)  # fmt: skip
"""The only words of an answer that are told (RFC 6749 section 5.2): any other may hold what was sent."""


def token_opener(source: TokenSource) -> Opener:
    """Return what opens requests for tokens. Raises ValueError where the authorities of ``source`` cannot be used."""
    tls = TlsToUpstream(ca=source.ca, ca_digest=source.ca_digest)
    return Opener(Upstream("token endpoint", (source.endpoint,), keepalive_seconds=0.0, tls=tls))


def fetch_token(opener: Opener, source: TokenSource) -> tuple[str, float]:
    """Return a new token and how many seconds it holds. The caller has a deadline for it.

    Raises ``FailureError``, whose detail repeats nothing that was sent or received but registered error codes.
    """
    fields, body = _form(source)
    reply = answer_to(opener, "token", source.endpoint, source.target, fields, body=body)
    try:
        octets = _read(reply)
    finally:
        reply.chunks.close()
    return token_in(reply.head.status, octets)


def _form(source: TokenSource) -> tuple[Fields, bytes]:
    form = {"grant_type": "client_credentials"}
    if source.scope:
        form["scope"] = source.scope
    if source.audience is not None:
        form["audience"] = source.audience
    fields: Fields = []
    if source.in_body:
        form |= {"client_id": source.client_id, "client_secret": source.client_secret}
    else:
        # Both are form-encoded before they are joined (RFC 6749 section 2.3.1).
        pair = f"{quote_plus(source.client_id)}:{quote_plus(source.client_secret)}"
        fields.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
    fields += [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")]
    return fields, urlencode(form).encode()


def _read(reply: Reply) -> bytes:
    octets = b""
    for chunk in reply.chunks:
        octets += chunk
        if len(octets) > _MAX_OCTETS:
            raise _unusable(f"the token endpoint's answer is larger than {_MAX_OCTETS} octets")
    return octets


def token_in(status: int, octets: bytes) -> tuple[str, float]:
    """Return the token in an answer, and how many seconds it holds (RFC 6749 section 5.1). Raises ``FailureError``."""
    try:
        answer = json.loads(octets)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        answer = {}
    if status != 200:
        code = answer.get("error")
        told = f" {code}" if isinstance(code, str) and code in _CODES else ""
        raise _unusable(f"the token endpoint answered {status}{told}")
    token, kind = answer.get("access_token"), answer.get("token_type", "Bearer")
    if not isinstance(token, str) or len(token) > _MAX_TOKEN or not _VISIBLE.fullmatch(token):
        raise _unusable("the token endpoint's answer holds no usable access_token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise _unusable("the token endpoint's answer holds a token of another type than Bearer")
    return token, _lifetime(answer.get("expires_in"))


def _lifetime(value: object) -> float:
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:10])
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return _UNKNOWN_LIFETIME_SECONDS
    return float(min(value, _LONGEST_LIFETIME_SECONDS))


def _unusable(why: str) -> FailureError:
    return FailureError(Failure(CREDENTIALS_UNAVAILABLE, why))
