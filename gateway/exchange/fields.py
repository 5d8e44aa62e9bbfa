"""What an intermediary does to field lines; all it leaves alone keeps its octets, order, case and repetition."""

from gateway.exchange.message import Fields

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Fields that speak about one connection only (RFC 9110 section 7.6.1). The gateway is the proxy that consumes
credentials meant for a proxy (sections 11.7.1 and 11.7.2), and the transport adds what its own connection needs."""

KEPT = frozenset(
    {
        # Without these a message is read otherwise than it was meant, or reaches somebody else.
        "host",
        "content-encoding",
        "content-language",
        "content-length",
        "content-location",
        "content-range",
        "content-type",
        "expect",
        "location",
        "max-forwards",
        "range",
        # Who asks, and what they are then allowed.
        "authorization",
        "authentication-info",
        "cookie",
        "origin",
        "set-cookie",
        "www-authenticate",
        # How it came: an upstream decides by these, so a client must not make them vanish.
        "forwarded",
        "via",
        "x-real-ip",
        "x-request-id",
        # How long it may be kept and for whom: a cache behind us would otherwise share what is private.
        "age",
        "cache-control",
        "date",
        "etag",
        "expires",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "last-modified",
        "pragma",
        "vary",
    }
)
"""End-to-end fields that a Connection field cannot remove, although it may name them; ``x-forwarded-*`` are too.
RFC 9110 section 7.6.1 forbids to name fields that are meant for all recipients; who does is mistaken or attacks."""

_NO_EXTRA = HOP_BY_HOP | KEPT | {"", "close"}
"""What Connection may say without any further line having to go: the common case, which costs no second pass."""


def plain(name: str) -> str:
    """Return ``name`` as names are compared: CGI and WSGI read ``X_User`` as ``X-User``, so that both are one here."""
    lowered = name.lower()
    return lowered.replace("_", "-") if "_" in lowered else lowered


def end_to_end(fields: Fields) -> Fields:
    """Return the lines that go on to the next recipient: all but the hop-by-hop ones and those Connection names."""
    kept: Fields = []
    named: set[str] = set()
    for line in fields:
        name = line[0].lower()
        if name not in HOP_BY_HOP:
            kept.append(line)
        elif name == "connection":
            named.update(option.strip(" \t").lower() for option in line[1].split(","))
    named = {name for name in named - _NO_EXTRA if not name.startswith("x-forwarded-")}
    return [line for line in kept if line[0].lower() not in named] if named else kept


def request_fields(fields: Fields) -> Fields:
    """Return a request's lines that go upstream, Content-Length excluded: the transport adds exactly one framing."""
    return [line for line in end_to_end(fields) if line[0].lower() != "content-length"]


def set_field(fields: Fields, name: str, value: str) -> None:
    """Make ``fields`` hold exactly one line called ``name``: in place of the first of them, or at the end."""
    wanted = name.lower()
    for at, line in enumerate(fields):
        if line[0].lower() == wanted:
            fields[at:] = [(name, value), *[line for line in fields[at:] if line[0].lower() != wanted]]
            return
    fields.append((name, value))


def remove_field(fields: Fields, name: str) -> None:
    """Take every line called ``name`` out of ``fields``."""
    wanted = name.lower()
    fields[:] = [line for line in fields if line[0].lower() != wanted]
