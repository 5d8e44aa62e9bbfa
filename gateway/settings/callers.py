"""Settings of `[callers]`: who may call, and how callers show who they are."""

from pydantic import Field

from gateway.config.model import Model
from gateway.exchange.callers import Callers
from gateway.grammar.tokens import FieldName, Name
from gateway.policy.caller_certificates import CertificateSettings
from gateway.policy.caller_forward import ForwardSettings
from gateway.policy.caller_jwt import TokenSettings
from gateway.policy.caller_keys import KeySettings, ParameterName, UserSettings


class CallersSettings(Model):
    """Callers that are known, and how others are recognized. Routes say in `auth` whom they ask."""

    keys: dict[Name, KeySettings] = Field(default_factory=dict)
    """API keys, by the name of who has one. Tables `[callers.keys.NAME]`. Default none."""
    users: dict[Name, UserSettings] = Field(default_factory=dict)
    """Users with passwords, for "basic". Tables `[callers.users.NAME]`. Default none."""
    certificates: dict[Name, CertificateSettings] = Field(default_factory=dict)
    """Client certificates, for "mtls". Tables `[callers.certificates.NAME]`. Default none."""
    jwt: dict[Name, TokenSettings] = Field(default_factory=dict)
    """Issuers of JSON Web Tokens. Tables `[callers.jwt.NAME]`. Default none."""
    forward_auth: dict[Name, ForwardSettings] = Field(default_factory=dict)
    """External checks. Tables `[callers.forward_auth.NAME]`. Default none."""
    key_header: FieldName = "X-API-Key"
    """Field that may hold a key, besides `Authorization: Bearer`. Field name. Default "X-API-Key"."""
    key_query: ParameterName | None = Field(default=None, examples=["api_key"])
    """Parameter of the query that may hold a key. Name. Default none: URLs are remembered by browsers, proxies and
    logs."""

    def compiled(self) -> Callers:
        """Return what the settings mean; reads the files of issuers' keys."""
        keys = {name: each.known(name, each.digests()) for name, each in self.keys.items()}
        return Callers(
            keys={digest: known for known in keys.values() for digest in known.digests},
            users={name: each.known(name, each.digests()) for name, each in self.users.items()},
            certificates=tuple(each.rule(name) for name, each in self.certificates.items()),
            tokens={name: each.rule(name) for name, each in self.jwt.items()},
            forwards={name: each.rule(name) for name, each in self.forward_auth.items()},
            key_header=self.key_header,
            key_query=self.key_query,
        )
