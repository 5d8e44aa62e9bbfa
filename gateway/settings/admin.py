"""Settings of `[admin]`: where operators reach the gateway, and what each of them may do there."""

import hashlib
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_serializer

from gateway.config.digests import Digest
from gateway.config.model import NEVER_SHOWN, Kind, Model
from gateway.config.problem import Unacceptable
from gateway.config.secrets import Secret
from gateway.exchange.access import Access, AdminToken
from gateway.grammar.addresses import HostText, ListenOrOff, parse_listen
from gateway.grammar.tokens import Name
from gateway.settings.server import ListenerTlsSettings

_SHORTEST_TOKEN = 16
_EXAMPLE = "631e0401ff2a0ef2a2bb6b360934994b026e29cb17be1c4938aed8a389fd0d01"
"""The digest of nothing that anybody knows."""


def _long_enough(secret: Secret) -> Secret:
    token = secret.reveal()
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise Unacceptable(
            f"at least {_SHORTEST_TOKEN} visible ASCII characters, such as `openssl rand -hex 32` prints"
        )
    return secret


TokenText = Annotated[Secret, AfterValidator(_long_enough), Kind("token")]
Right = Annotated[Literal["read", "control"], Kind("right")]


class AdminTokenSettings(Model):
    """A bearer token for the admin listener: itself or its digest, and what its holder may do."""

    name: Name = Field(examples=["prometheus"])
    """What the log calls its holder. Name; required."""
    token: TokenText | None = Field(default=None, examples=["${file:/run/secrets/admin-token}"])
    """The token, from a reference; at least 16 characters, better 32 or more random ones. Default none.
    Either this or `sha256` is needed."""
    sha256: Digest | None = Field(default=None, json_schema_extra=NEVER_SHOWN, repr=False, examples=[_EXAMPLE])
    """The SHA-256 digest of the token, so that this file cannot be used to ask: `printf %s TOKEN | sha256sum`.
    64 hexadecimal digits. Default none. The token must be random: a digest of a word can be guessed. Never shown."""
    rights: tuple[Right, ...] = Field(default=("read",), min_length=1)
    """What its holder may do: "read" all pages, "control" (reload, cancel streams). One does not include the other.
    Array. Default ["read"]."""

    def compiled(self) -> AdminToken | None:
        """Return what requests are compared with; None where there is nothing to compare with."""
        if self.token is not None:
            digest = hashlib.sha256(self.token.reveal().encode()).digest()
        elif self.sha256 is not None:
            digest = bytes.fromhex(self.sha256)
        else:
            return None
        return AdminToken(self.name, digest, frozenset(self.rights))


class AdminTlsSettings(ListenerTlsSettings):
    """TLS on the admin listener. With `client_ca` every client must show a certificate, and may read with it."""

    control: tuple[str, ...] = Field(default=(), examples=[["deploy.example.com"]])
    """Names in client certificates (DNS, URI, email or IP alternative names, or the common name where there are none)
    that may control, too. Array of strings. Default empty: certificates may only read."""


class AdminSettings(Model):
    """The listener of the gateway's operators; nothing of it is reachable on the data port."""

    listen: ListenOrOff = "127.0.0.1:8081"
    """Address of the admin listener: "host:port", "[ipv6]:port", "unix:/path" or "off". Default "127.0.0.1:8081".
    Where other machines can reach it, the gateway starts only with `tokens`, or with `tls` that has a `client_ca`."""
    hosts: tuple[HostText, ...] = Field(default=(), examples=[["gateway.internal"]])
    """Names under which the listener may be asked, besides addresses, localhost and the name in `listen`; other names
    in `Host` get 421, for a web page could have turned them to this machine. Array of host names. Default empty."""
    tls: AdminTlsSettings | None = None
    """TLS for the admin listener. Table. Default none: plain HTTP."""
    tokens: tuple[AdminTokenSettings, ...] = Field(
        default=(),
        examples=[[{"name": "prometheus", "sha256": _EXAMPLE}]],
    )
    """Bearer tokens that callers must show. Array of tables. Default empty: who reaches the listener may do all.
    With one token, or with `client_ca`, nothing but one word of health is told without a right to it."""

    @field_serializer("tokens")
    def _as_written(self, tokens: tuple[AdminTokenSettings, ...]) -> tuple[dict[str, object], ...]:
        return tuple(each.model_dump(exclude_none=True) for each in tokens)

    @property
    def asks(self) -> bool:
        """Whether callers must show a token or a certificate."""
        return bool(self.tokens) or (self.tls is not None and self.tls.client_ca is not None)

    def compiled(self) -> Access:
        """Return what the admin listener asks of its callers."""
        tls = self.tls
        where = parse_listen(self.listen) if self.listen is not None else None
        own = {where.host.lower()} if where is not None else set()
        return Access(
            tokens=tuple(found for found in (each.compiled() for each in self.tokens) if found is not None),
            certificates=tls is not None and tls.client_ca is not None,
            control_names=frozenset(tls.control) if tls is not None else frozenset(),
            hosts=None if where is not None and where.is_unix else frozenset(self.hosts) | own,
        )
