"""Request heads: what is asked, as the octets that go on the wire. Pure.

Nothing is invented and nothing is rewritten: the target octet for octet, the field lines in their order and case, then
exactly one framing (RFC 9112 section 6). The only field that is added is a missing Host (RFC 9112 section 3.2). The
only one left out is an Expect of 100-continue without content, which no client may send (RFC 9110 section 10.1.1) and
which leaves servers to differ about what they read next.
"""

import re
from typing import NoReturn

from gateway.exchange.failure import INTERNAL, Failure, FailureError
from gateway.exchange.message import Fields

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"  # noqa: S105 - the grammar of a token
_REQUEST = re.compile(
    rf"{_TOKEN} [\x21-\x7e\x80-\xff]++ HTTP/1\.1\r\n((?:{_TOKEN}: [\t\x20-\x7e\x80-\xff]*+\r\n)*+)\r\n"
)
_WATCHED = frozenset(("host", "content-length", "transfer-encoding", "expect"))
NO_BODY = -1
"""For ``length``: the request has no body, and says nothing about one."""


def request_head(method: str, target: str, fields: Fields, authority: str, length: int | None) -> tuple[bytes, bool]:
    """Return the head to send, and whether it asks for 100 (Continue) before a body.

    ``length`` is the body's in octets, None for a chunked one, `NO_BODY` for none. Raises ``FailureError`` (INTERNAL)
    where the head would not be read as it is meant: a control octet in it, a name that is no token, framing in
    ``fields``.
    """
    host = ""
    expects = needless = False
    for name, value in fields:
        lowered = name.lower()
        if lowered in _WATCHED:
            if lowered == "host":
                host = name
            elif lowered == "expect":
                expects = value.lower() == "100-continue"
                needless = expects and length in (NO_BODY, 0)
            else:
                _refuse("its fields hold a framing of their own")
    if needless:
        fields = [line for line in fields if line[0].lower() != "expect"]
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields])
    count = len(fields)
    if not host:
        lines = f"Host: {authority}\r\n{lines}"
        count += 1
    if length is None:
        lines += "Transfer-Encoding: chunked\r\n"
        count += 1
    elif length != NO_BODY:
        lines += f"Content-Length: {length}\r\n"
        count += 1
    text = f"{method} {target} HTTP/1.1\r\n{lines}\r\n"
    match = _REQUEST.fullmatch(text)
    # A line break inside a value would make one more line, and each of them would look well-formed.
    if match is None or match[1].count("\r\n") != count:
        _refuse("a control octet, or a name that is not a token, stands in its head")
    return text.encode("latin-1"), expects and not needless


def _refuse(why: str) -> NoReturn:
    raise FailureError(Failure(INTERNAL, f"the request to the upstream was not sent: {why}"))
