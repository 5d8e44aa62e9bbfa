"""Who asks: what authentication found out about the caller of an exchange. A pure value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller, readable from admission to the last chunk."""

    principal: str
    """What limits, credentials and the record call the caller: at most 128 visible characters, never a secret."""
    method: str
    """How it was found out: ``key``, ``jwt``, ``mtls``, ``basic``, ``forward_auth`` or ``anonymous``."""
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """What else is known, by name: claims of a token, fields of the subject. Never the credential itself."""
