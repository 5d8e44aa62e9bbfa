"""AWS Signature Version 4 over a request exactly as it is sent. Pure.

The rules are those of "Create a signed AWS API request" in the IAM User Guide. Nothing of the request is rewritten:
what is signed is the form that AWS makes of the octets it receives. The SDK's own signer would quote paths anew and
weighs more than the gateway.
"""

import hashlib
import hmac
from urllib.parse import quote, unquote, unquote_plus

from gateway.exchange.credential import SigV4
from gateway.exchange.message import Fields, first_value
from gateway.exchange.path import split_query

UNSIGNED = "UNSIGNED-PAYLOAD"
FIELDS = frozenset({"authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"})
"""The fields that a signature brings, and that no client's line may stand beside."""

_ALGORITHM = "AWS4-HMAC-SHA256"


def signature_fields(rule: SigV4, method: str, target: str, fields: Fields, body: bytes | None, now: str) -> Fields:
    """Return the lines to add to a request.

    ``fields`` hold its Host; ``body`` is None where it passes unsigned; ``now`` is UTC as ``20150830T123600Z``.
    """
    digest = UNSIGNED if body is None else hashlib.sha256(body).hexdigest()
    signed = {"host": first_value(fields, "host") or "", "x-amz-content-sha256": digest, "x-amz-date": now}
    if rule.session_token is not None:
        signed["x-amz-security-token"] = rule.session_token
    canonical = canonical_request(rule.service, method, target, signed, digest)
    lines: Fields = [("X-Amz-Date", now), ("X-Amz-Content-Sha256", digest)]
    if rule.session_token is not None:
        lines.append(("X-Amz-Security-Token", rule.session_token))
    return [*lines, ("Authorization", authorization(rule, canonical, ";".join(sorted(signed)), now))]


def canonical_request(service: str, method: str, target: str, signed: dict[str, str], digest: str) -> str:
    """Return what is signed: method, path, query, the fields in ``signed`` (lower-case names) and the body's digest."""
    path, query = split_query(target)
    names = sorted(signed)
    lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in names)
    return "\n".join([method, _path(service, path), _query(query), lines, ";".join(names), digest])


def authorization(rule: SigV4, canonical: str, signed_names: str, now: str) -> str:
    """Return the value of the Authorization field for a canonical request."""
    scope = f"{now[:8]}/{rule.region}/{rule.service}/aws4_request"
    text = "\n".join([_ALGORITHM, now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{rule.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return f"{_ALGORITHM} Credential={rule.access_key_id}/{scope}, SignedHeaders={signed_names}, Signature={signature}"


def _path(service: str, path: str) -> str:
    if service == "s3":  # Names of objects are signed as they are, encoded once.
        return quote(unquote(path, "latin-1"), safe="/~", encoding="latin-1")
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments[-1:] = []
        elif segment not in ("", "."):
            segments.append(segment)
    whole = "/" + "/".join(segments)
    if segments and path.endswith("/"):
        whole += "/"
    return quote(whole, safe="/~", encoding="latin-1")


def _query(query: str) -> str:
    pairs = []
    for part in query.removeprefix("?").split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encoded(text: str) -> str:
    return quote(unquote_plus(text, "latin-1"), safe="~", encoding="latin-1")
