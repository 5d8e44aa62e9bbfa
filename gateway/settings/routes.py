"""Settings of `[[routes]]`: which requests go to which upstream."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable
from gateway.grammar.addresses import HostPattern, HostPatterns
from gateway.grammar.tokens import FieldName, Method, Name, PathText
from gateway.policy.credential_settings import CredentialsSettings
from gateway.settings.policies import Policies

_EXPECTED = "the exact value of the field, or true for its presence"


def _header_value(value: Any) -> str | bool:
    if value is True:
        return True
    if not isinstance(value, str):
        raise Unacceptable(_EXPECTED)
    if value != value.strip(" \t") or any(character in value for character in "\r\n\0"):
        raise Unacceptable(_EXPECTED, message="a field's value has no line breaks, and no blanks around it")
    return value


HeaderValue = Annotated[
    str | bool,
    BeforeValidator(_header_value),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"const": True}]}),
    Kind("exact value, or true for any"),
]


class RouteSettings(Policies):
    """A match, an upstream, and what differs for it. The most specific match wins, wherever it stands."""

    name: Name | None = Field(default=None, examples=["openai"])
    """What logs and metrics call the route; unique. Letters, digits, "-", "_", ".". Default: made from `path`."""
    path: PathText = Field(examples=["/openai/"])
    """Prefix of whole segments that the request's path must have: "/api/" takes /api and /api/x, not /apix.
    Required. "/" takes every request that no other route takes."""
    host: HostPattern | None = Field(default=None, examples=["gateway.example.com"])
    """Host that the request must be for, without port; "*.example.com" takes all below. Host name. Default: any."""
    hosts: HostPatterns = Field(default=(), examples=[["gateway.example.com", "*.api.example.com"]])
    """As `host`, for several: the request must be for one of them. Array of host names. Default: any."""
    methods: tuple[Method, ...] = Field(default=(), examples=[["GET", "POST"]])
    """Methods the route takes; requests with others get 405. Array. Default: all but TRACE. Case-sensitive."""
    headers: dict[FieldName, HeaderValue] = Field(default_factory=dict, examples=[{"X-Team": "search", "X-Beta": True}])
    """Fields the request must have: name and exact value, or true where any value will do. Table. Default none.
    Clients choose their fields: this routes, it does not protect."""
    upstream: str = Field(examples=["openai"])
    """Name of the upstream, as in `[upstreams.NAME]`. Required."""
    strip_prefix: PathText | None = Field(default=None, examples=["/openai"])
    """Whole segments taken off the beginning of the path before it goes up; must be the beginning of `path`.
    Path. Default none: the path goes up as it came."""
    rewrite: PathText | None = Field(default=None, examples=["/v1"])
    """What is put in the place of `strip_prefix`. Path. Default: nothing."""
    credentials: CredentialsSettings | None = Field(default=None, examples=[{"bearer": "${env:SEARCH_KEY}"}])
    """What this route's requests carry to prove who asks, in the place of all that the upstream says; `{}` for nothing.
    Table. Default: what the upstream says. An endpoint with credentials of its own gets those."""
