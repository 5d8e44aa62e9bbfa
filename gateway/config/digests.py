"""SHA-256 digests that stand in a file in place of secrets.

They are masked like the secrets themselves, for what stands there by mistake may be one; but a file that holds nothing
worse may be read by everybody.
"""

import re
from typing import Annotated

from pydantic import AfterValidator

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def is_digest(text: str) -> bool:
    """Say whether ``text`` has the form of a SHA-256 digest."""
    return _DIGEST.fullmatch(text) is not None


def _digest(text: str) -> str:
    if not is_digest(text):
        raise Unacceptable("64 hexadecimal digits, as `printf %s TOKEN | sha256sum` prints them")
    return text.lower()


DIGEST_KIND = Kind("SHA-256 digest")
DIGESTS_KIND = Kind("SHA-256 or array of them")
"""Of fields that are never shown, lest somebody wrote the secret itself; a digest may lie open all the same."""
Digest = Annotated[str, AfterValidator(_digest), DIGEST_KIND]
"""A digest, in lower case. Give its field the mark `NEVER_SHOWN`."""
