"""Requests signed with a key that only the upstream shares. Pure; `docs/credentials.md` says how to verify them."""

import hashlib
import hmac

from gateway.exchange.credential import Hmac
from gateway.exchange.message import Fields, first_value

VERSION = "v1"
UNSIGNED = "unsigned"


def signed_text(rule: Hmac, method: str, target: str, host: str, body: bytes | None, seconds: int) -> str:
    """Return what is signed: six lines, without a break behind the last.

    The version, the time (seconds since 1970), the method, the host as it is sent, the target as it is sent, and the
    hexadecimal digest of the body; for a body that passes unsigned the word ``unsigned``.
    """
    digest = UNSIGNED if body is None else hashlib.new(rule.algorithm, body).hexdigest()
    return "\n".join([VERSION, str(seconds), method, host, target, digest])


def signature_field(
    rule: Hmac, method: str, target: str, fields: Fields, body: bytes | None, seconds: int
) -> tuple[str, str]:
    """Return the line to add to a request whose Host is in ``fields``; ``body`` is None where it passes unsigned."""
    text = signed_text(rule, method, target, first_value(fields, "host") or "", body, seconds)
    signature = hmac.digest(rule.key, text.encode("latin-1"), rule.algorithm).hex()
    key = f"k={rule.key_id}," if rule.key_id is not None else ""
    return rule.header, f"{key}t={seconds},{VERSION}={signature}"
