"""Which content coding a client would like best, of those that are offered (RFC 9110 section 12.5.3). Pure."""

import re
from collections.abc import Iterable, Sequence

_WEIGHT = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.I)
_ALIASES = {"x-gzip": "gzip"}
"""Names that mean the same (RFC 9110 section 8.4.1.3)."""


def preferred(lines: Iterable[str], offered: Sequence[str]) -> str | None:
    """Return the coding of ``offered`` that the client gives the most weight; None where the body should stay plain.

    ``lines`` are the values of all its Accept-Encoding fields. Of equal weights the first offered wins. The body stays
    plain where the client names nothing that is offered, and where it gives ``identity`` by name more weight.
    """
    weights = _weights(lines)
    if not weights:
        return None
    others = weights.get("*", 0.0)
    best, most = None, weights.get("identity", 0.0)
    for coding in offered:
        weight = weights.get(coding, others)
        if weight > most or (best is None and weight == most > 0):
            best, most = coding, weight
    return best


def _weights(lines: Iterable[str]) -> dict[str, float]:
    """Return what the client says of each coding; a member that is not valid says nothing, of two the first holds."""
    weights: dict[str, float] = {}
    for line in lines:
        for member in line.split(","):
            name, semicolon, parameter = member.partition(";")
            match = _WEIGHT.fullmatch(parameter.strip(" \t")) if semicolon else None
            name = name.strip(" \t").lower()
            if name and not (semicolon and match is None):
                weights.setdefault(_ALIASES.get(name, name), float(match[1]) if match else 1.0)
    return weights
