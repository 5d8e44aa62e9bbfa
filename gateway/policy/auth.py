"""What a route asks of its callers: the ways in which they may show who they are, and what they must be allowed."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from gateway.config.model import Kind, Model
from gateway.config.problem import Unacceptable
from gateway.exchange.callers import ANONYMOUS, BASIC, FORWARD, JWT, KEYS, MTLS, Auth, Callers
from gateway.policy.caller_keys import Scope

_PLAIN = (KEYS, BASIC, MTLS, ANONYMOUS)
_NAMED = (JWT, FORWARD)
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_WAY = re.compile(rf"(?:{'|'.join(_PLAIN)}|(?:{'|'.join(_NAMED)})(?::{_NAME})?)")
_EXPECTED = '"keys", "basic", "mtls", "jwt", "jwt:NAME", "forward_auth", "forward_auth:NAME" or "anonymous"'


def _way(text: str) -> str:
    if not _WAY.fullmatch(text):
        raise Unacceptable(_EXPECTED, suggestion={"key": KEYS, "none": ANONYMOUS, "users": BASIC}.get(text))
    return text


def _ways(ways: tuple[str, ...]) -> tuple[str, ...]:
    if not ways:
        raise Unacceptable(message='an empty array would let nobody in; write ["anonymous"] to let everybody in')
    return ways


Way = Annotated[
    str, AfterValidator(_way), WithJsonSchema({"type": "string", "pattern": f"^{_WAY.pattern}$"}), Kind("way")
]


Ways = Annotated[tuple[Way, ...], AfterValidator(_ways), Kind("array of ways")]


class AuthSettings(Model):
    """Who may use a route. `auth = { any = ["keys"] }` asks for a key."""

    any: Ways | None = Field(default=None, examples=[["keys", "jwt:login"]])
    """Ways in which callers may show who they are, tried in this order: "keys", "basic", "mtls", "jwt" (any issuer) or
    "jwt:NAME", "forward_auth" or "forward_auth:NAME", "anonymous". Array. Default: nobody is asked.
    "anonymous" lets in who shows nothing; who shows something wrong is refused all the same."""
    scopes: tuple[Scope, ...] = Field(default=(), examples=[["read"]])
    """What the caller must be allowed, all of it; others get 403. Array. Default nothing."""
    pass_credential: bool = False
    """Whether the upstream gets what the caller showed. Default false: keys, tokens and passwords end here.
    With true everybody behind the route can be the caller."""

    def compiled(self) -> dict[str, object]:
        """Return nothing: what a `Route` gets depends on the callers, too (see `asked`)."""
        return {}

    def asked(self, callers: Callers) -> Auth | None:
        """Return what a route asks with these settings; None where it asks nothing."""
        if not self.any:
            return None
        ways: list[tuple[str, str]] = []
        for text in self.any:
            way, _, name = text.partition(":")
            rules = {JWT: list(callers.tokens), FORWARD: list(callers.forwards)}
            ways += [(way, each) for each in rules.get(way, [""])] if not name else [(way, name)]
        return Auth(callers, tuple(dict.fromkeys(ways)), frozenset(self.scopes), self.pass_credential)
