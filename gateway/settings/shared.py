"""Settings of `[shared]`: the Redis in which several workers, and machines, count together."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from gateway.config.model import NEVER_SHOWN, Kind, Model
from gateway.config.problem import Unacceptable
from gateway.config.units import PositiveDuration
from gateway.exchange.quota import SharedStore
from gateway.grammar.tokens import Name

_EXPECTED = 'a URL such as "redis://127.0.0.1:6379/0", "rediss://" for TLS, or "unix:///run/redis.sock"'
_URL = re.compile(r"(?:rediss?://[^/?#\s]+(?:/\d{0,5})?|unix://(?:[^@/\s]*@)?/[^?#\s]+)(?:\?[^#\s]*)?")


def _redis_url(text: str) -> str:
    try:
        readable = _URL.fullmatch(text) is not None and urlsplit(text).port != 0
    except ValueError:
        readable = False
    if not readable:
        raise Unacceptable(_EXPECTED, message="no URL of a Redis")
    return text


def _short(seconds: float) -> float:
    if not 0.005 <= seconds <= 10:
        raise Unacceptable('a duration from "5ms" to "10s"')
    return seconds


RedisUrl = Annotated[str, AfterValidator(_redis_url), Kind("URL")]
OnFailure = Literal["open", "closed"]


class SharedSettings(Model):
    """Where several workers, and machines, count together what callers take."""

    redis: RedisUrl | None = Field(
        default=None, repr=False, json_schema_extra=NEVER_SHOWN, examples=["redis://127.0.0.1:6379/0"]
    )
    """URL of a Redis or Valkey server, no cluster: "redis://", "rediss://" for TLS, "unix://". URL. Default none:
    each worker counts for itself. Needs the extra: pip install 'slowgate[redis]'. It may hold a password: it is never
    shown."""
    on_failure: OnFailure = "open"
    """What holds while it does not answer: with "open" each worker counts for itself, so that several together let more
    pass; with "closed" requests to routes with such limits get 503. Default "open"."""
    timeout: Annotated[PositiveDuration, AfterValidator(_short)] = 0.1
    """How long a request waits for its answer, a connection included. Duration. Default "100ms"."""
    max_connections: int = Field(default=32, ge=1, le=10_000)
    """Connections of each worker to it. Number. Default 32. Where all are in use, requests wait, within `timeout`."""
    name: Name = "slowgate"
    """What its keys begin with: gateways that are to count together have the same. Name. Default "slowgate"."""

    def compiled(self) -> SharedStore | None:
        """Return what these settings say, made for use; None where nothing is shared."""
        if self.redis is None:
            return None
        return SharedStore(self.redis, self.on_failure == "open", self.timeout, self.max_connections, f"{self.name}:")
